"""The two sources of directories: cheap when nothing changed, and holding on to what is in force."""

import hashlib
import os
import stat
from pathlib import Path

import pytest

from broker.directory.alarm import snapshot_of
from broker.directory.port import DirectorySource
from broker.directory.tuf import LocalDirectory, RemoteDirectory
from broker.directory.tuf_repository import Repository
from broker.errors import CallerError, IntegrityError, NotFoundError, UnavailableError
from schemas.canonical import b64u
from schemas.directory import DirectoryRef
from schemas.problem import Code
from tests.unit.directory.realm import DAY, KEYS, Clock, Gateway, document, found_realm, publish


def test_the_realm_is_the_first_root(tmp_path: Path) -> None:
    _, root = found_realm(tmp_path / "r", Clock())
    sources: list[DirectorySource] = [
        LocalDirectory(tmp_path / "r", root, Clock()),
        RemoteDirectory(Gateway(tmp_path / "r"), root, tmp_path / "c", Clock()),
    ]
    for source in sources:
        source.refresh()
        assert source.realm == b64u(hashlib.sha384(root).digest())
        assert source.current().realm == source.realm
        assert source.current().raw == document().canonical()
        assert source.current().ref.hash == b64u(hashlib.sha384(document().canonical()).digest())


def test_local_reads_nothing_while_nothing_changed(tmp_path: Path) -> None:
    repository, root = found_realm(tmp_path, Clock())
    reader = LocalDirectory(tmp_path, root, Clock())
    before = reader.current()
    names = tmp_path / "metadata" / "1.snapshot.json", tmp_path / "metadata" / "1.targets.json"
    for name in names:  # a reader that verified again with an empty cache would miss them
        name.rename(name.with_suffix(".away"))
    assert reader.refresh() is before
    for name in names:
        name.with_suffix(".away").rename(name)
    publish(repository, document(2))
    assert reader.current() is before
    assert reader.refresh().ref.version == 2
    assert reader.current().ref.version == 2


def test_local_notices_expiry_without_a_change(tmp_path: Path) -> None:
    clock = Clock()
    repository, root = found_realm(tmp_path, clock)
    reader = LocalDirectory(tmp_path, root, clock)
    clock.at += DAY
    with pytest.raises(IntegrityError, match=r"timestamp\.json is expired"):
        reader.refresh()
    assert reader.current().ref.version == 1
    repository.renew(KEYS.operator)
    assert reader.refresh().ref.version == 1


def test_local_keeps_what_is_in_force_while_the_folder_is_away(tmp_path: Path) -> None:
    _, root = found_realm(tmp_path / "r", Clock())
    reader = LocalDirectory(tmp_path / "r", root, Clock())
    (tmp_path / "r").rename(tmp_path / "away")
    with pytest.raises(UnavailableError):
        reader.refresh()
    assert reader.current().ref.version == 1
    (tmp_path / "away").rename(tmp_path / "r")
    assert reader.refresh().ref.version == 1


def test_local_without_a_repository_does_not_start(tmp_path: Path) -> None:
    _, root = found_realm(tmp_path / "r", Clock())
    with pytest.raises(UnavailableError):
        LocalDirectory(tmp_path / "absent", root, Clock())


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("metadata/../../secret", id="upwards"),
        pytest.param("/etc/hostname", id="absolute"),
        pytest.param("metadata/.lock", id="hidden"),
        pytest.param("metadata/folder.json", id="folder"),
        pytest.param("metadata/link.json", id="link"),
        pytest.param("metadata/pipe.json", id="pipe"),
        pytest.param("metadata/absent.json", id="absent"),
        pytest.param("metadata/a\0b", id="nul"),
        pytest.param("keys/root.key", id="other-folder"),
    ],
)
def test_serves_the_repositorys_files_only(tmp_path: Path, name: str) -> None:
    _, root = found_realm(tmp_path / "r", Clock())
    (tmp_path / "secret").write_text("secret")
    (tmp_path / "r" / "metadata" / "link.json").symlink_to(tmp_path / "secret")
    (tmp_path / "r" / "metadata" / "folder.json").mkdir()
    os.mkfifo(tmp_path / "r" / "metadata" / "pipe.json")
    reader = LocalDirectory(tmp_path / "r", root, Clock())
    assert reader.read_file("metadata/1.root.json") == root
    with pytest.raises(NotFoundError):
        reader.read_file(name)


def _remote(tmp: Path, clock: Clock | None = None) -> tuple[RemoteDirectory, Gateway, bytes]:
    _, root = found_realm(tmp / "r", Clock())
    gateway = Gateway(tmp / "r")
    return RemoteDirectory(gateway, root, tmp / "c", clock or Clock()), gateway, root


def test_remote_holds_nothing_before_its_first_refresh(tmp_path: Path) -> None:
    source, gateway, _ = _remote(tmp_path)
    assert gateway.asked == []
    with pytest.raises(IntegrityError) as refused:
        source.current()
    assert refused.value.code is Code.DIRECTORY_INVALID
    assert source.refresh().ref.version == 1


def test_remote_asks_for_two_files_while_nothing_changed(tmp_path: Path) -> None:
    source, gateway, _ = _remote(tmp_path)
    source.refresh()
    gateway.asked.clear()
    assert source.refresh() is source.current()
    assert gateway.asked == ["metadata/2.root.json", "metadata/timestamp.json"]


def test_remote_keeps_what_is_in_force_while_the_gateway_is_down(tmp_path: Path) -> None:
    source, gateway, _ = _remote(tmp_path)
    gateway.down = ConnectionError("no route")
    with pytest.raises(UnavailableError) as refused:
        source.refresh()
    assert refused.value.retry_after > 0
    gateway.down = None
    source.refresh()
    gateway.down = ConnectionError("no route")
    with pytest.raises(UnavailableError):
        source.refresh()
    assert source.current().ref.version == 1


def test_remote_tells_why_the_gateway_refused(tmp_path: Path) -> None:
    source, gateway, _ = _remote(tmp_path)
    gateway.down = CallerError(Code.AGENCY_SUSPENDED, "Expected an active agency, found a suspended one.")
    with pytest.raises(CallerError, match="suspended"):
        source.refresh()


@pytest.mark.parametrize("name", ["timestamp.json", "1.snapshot.json", "1.targets.json"])
def test_remote_without_a_file_is_unavailable(tmp_path: Path, name: str) -> None:
    source, gateway, _ = _remote(tmp_path)
    (gateway.folder / "metadata" / name).unlink()
    with pytest.raises(UnavailableError):
        source.refresh()


def test_remote_starts_with_what_it_cached(tmp_path: Path) -> None:
    source, gateway, root = _remote(tmp_path)
    source.refresh()
    gateway.asked.clear()
    again = RemoteDirectory(gateway, root, tmp_path / "c", Clock())
    assert again.current().ref == source.current().ref
    assert gateway.asked == []


def test_remote_does_not_start_with_what_expired_in_the_cache(tmp_path: Path) -> None:
    source, gateway, root = _remote(tmp_path)
    source.refresh()
    stale = RemoteDirectory(gateway, root, tmp_path / "c", Clock(Clock().at + DAY))
    with pytest.raises(IntegrityError):
        stale.current()


@pytest.mark.parametrize("spoilt", ["metadata/timestamp.json", "metadata/targets.json", "history/1.directory.json"])
def test_remote_does_not_start_with_a_spoilt_cache(tmp_path: Path, spoilt: str) -> None:
    source, gateway, root = _remote(tmp_path)
    source.refresh()
    (tmp_path / "c" / spoilt).write_bytes(b"{}")
    again = RemoteDirectory(gateway, root, tmp_path / "c", Clock())
    with pytest.raises(IntegrityError):
        again.current()


def test_remote_cache_is_private(tmp_path: Path) -> None:
    source, _, _ = _remote(tmp_path)
    source.refresh()
    for name in ("metadata", "targets", "history"):
        assert stat.S_IMODE((tmp_path / "c" / name).stat().st_mode) == 0o700


def test_two_programs_share_a_cache(tmp_path: Path) -> None:
    source, gateway, root = _remote(tmp_path)
    other = RemoteDirectory(gateway, root, tmp_path / "c", Clock())
    source.refresh()
    assert other.refresh().ref == source.current().ref


@pytest.mark.parametrize("kind", ["local", "remote"])
def test_earlier_versions(tmp_path: Path, kind: str) -> None:
    repository, root = found_realm(tmp_path / "r", Clock())
    for version in (2, 4):
        publish(repository, document(version))
    gateway = Gateway(tmp_path / "r")
    source: DirectorySource = (
        LocalDirectory(tmp_path / "r", root, Clock())
        if kind == "local"
        else RemoteDirectory(gateway, root, tmp_path / "c", Clock())
    )
    source.refresh()
    for version in (1, 2, 4):
        assert source.at(version).document == document(version)
    gateway.asked.clear()
    gateway.down = ConnectionError("no route")
    assert source.at(1).ref.version == 1
    assert gateway.asked == []
    for version in (0, 3, 5):
        with pytest.raises((IntegrityError, UnavailableError)):
            source.at(version)


@pytest.mark.parametrize("fault", [ConnectionError("no route"), RuntimeError("an HTTP library's own error")])
def test_an_earlier_version_that_cannot_be_fetched_now(tmp_path: Path, fault: Exception) -> None:
    source, gateway, _ = _remote(tmp_path)
    publish(Repository(gateway.folder, Clock()), document(2))
    source.refresh()
    gateway.down = fault
    with pytest.raises(UnavailableError):
        source.at(1)


def test_an_earlier_version_outlives_the_repository(tmp_path: Path) -> None:
    source, gateway, root = _remote(tmp_path)
    source.refresh()
    publish(Repository(gateway.folder, Clock()), document(2))
    assert source.refresh().ref.version == 2
    (gateway.folder / "metadata" / "1.targets.json").unlink()
    again = RemoteDirectory(gateway, root, tmp_path / "c", Clock())
    assert again.at(1).document == document(1)


def test_an_earlier_version_that_was_changed_is_refused(tmp_path: Path) -> None:
    repository, root = found_realm(tmp_path / "r", Clock())
    for version in (2, 3):
        publish(repository, document(version))
    source = LocalDirectory(tmp_path / "r", root, Clock())
    path = tmp_path / "r" / "metadata" / "1.targets.json"
    path.write_bytes(path.read_bytes().replace(b'"version":1', b'"version":2', 1))
    with pytest.raises(IntegrityError):
        source.at(1)
    newer = tmp_path / "r" / "metadata" / "2.targets.json"
    newer.write_bytes(newer.read_bytes().replace(b'"length":', b'"length":1', 1))
    with pytest.raises(IntegrityError, match="one of the realm's roots"):
        source.at(2)


def test_the_directory_of_an_entry(tmp_path: Path) -> None:
    source, gateway, _ = _remote(tmp_path)
    source.refresh()
    ref = source.current().ref
    assert snapshot_of(source, ref) is source.current()
    publish(Repository(gateway.folder, Clock()), document(2))
    newer = DirectoryRef(version=2, hash=b64u(hashlib.sha384(document(2).canonical()).digest()))
    assert snapshot_of(source, newer).document == document(2)
    assert snapshot_of(source, ref).ref == ref
    with pytest.raises(IntegrityError, match="two directories of one version"):
        snapshot_of(source, DirectoryRef(version=1, hash=newer.hash))
    with pytest.raises(IntegrityError, match="up to 2"):
        snapshot_of(source, DirectoryRef(version=3, hash=newer.hash))
