import json
import os
import resource
import signal
import stat

import pytest

from adapters.filedrop import FileDrop
from adapters.port import Parcel, PermanentFailure, TemporaryFailure
from schemas.canonical import b64u, parse
from schemas.evidence import Receipt
from tests.builders import Realm

DIGEST = b64u(bytes(48))
RECEIPT = Receipt(entry=b64u(b"{}"), index=7, path=(), checkpoint="x")
SEALED = Realm().sealed("in-ncb", ["us-dea"])


def parcel(**over):
    made = {
        "topic": "setu.us-dea.tip",
        "index": 7,
        "digest": DIGEST,
        "header": SEALED.header,
        "raw": SEALED.raw,
        "receipt": RECEIPT,
        "payload": {"title": "a tip"},
    }
    return Parcel(**{**made, **over})


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "drop"
    made.mkdir(mode=0o700)
    return made


@pytest.fixture
def target(folder):
    return folder / f"packet-{DIGEST}.json"


@pytest.fixture
def outside(tmp_path):
    made = tmp_path / "outside"
    made.write_bytes(b"untouched")
    return made


def test_an_opened_packet_is_a_file_with_its_payload(folder, target):
    FileDrop(folder, opened=True).deliver(parcel())
    assert list(folder.iterdir()) == [target]
    found = parse(target.read_bytes())
    assert found["payload"] == {"title": "a tip"}
    assert found["header"] == SEALED.header.to_object()
    assert (found["v"], found["topic"], found["index"]) == ("setu1.drop", "setu.us-dea.tip", 7)
    assert (found["digest"], found["disputed"], found["receipt"]) == (DIGEST, False, RECEIPT.to_object())


def test_a_sealed_packet_stays_sealed(folder, target):
    drop = FileDrop(folder, opened=False)
    drop.deliver(parcel(payload=None))
    found = json.loads(target.read_bytes())
    assert found["packet"] == json.loads(SEALED.raw)
    assert "payload" not in found
    assert not drop.opened


@pytest.mark.parametrize("exercise", [True, False])
@pytest.mark.parametrize("opened", [True, False])
def test_an_exercise_is_marked_as_one_opened_or_sealed(folder, target, exercise, opened):
    made = Realm().sealed("in-ncb", ["us-dea"], exercise=exercise)
    FileDrop(folder, opened=opened).deliver(parcel(header=made.header, raw=made.raw))
    assert json.loads(target.read_bytes())["exercise"] is exercise


@pytest.mark.parametrize("mode", [0o600, 0o640])
@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_the_mode_is_the_one_asked_for(folder, target, mode, umask):
    before = os.umask(umask)
    try:
        FileDrop(folder, opened=True, mode=mode).deliver(parcel())
    finally:
        os.umask(before)
    assert stat.S_IMODE(target.stat().st_mode) == mode


def test_a_repeat_is_the_same_file(folder, target):
    drop = FileDrop(folder, opened=True)
    drop.deliver(parcel())
    before = target.stat()
    drop.deliver(parcel())
    after = target.stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    assert list(folder.iterdir()) == [target]


def test_a_file_of_another_form_is_replaced_whole(folder, target):
    FileDrop(folder, opened=False).deliver(parcel())
    FileDrop(folder, opened=True).deliver(parcel())
    assert parse(target.read_bytes())["payload"] == {"title": "a tip"}


@pytest.mark.parametrize(
    "digest",
    ["../outside", "..", "", "/etc/passwd", "a/b", "x\0y", DIGEST[:-1], DIGEST + "A", DIGEST[:-4] + "/../"],
)
def test_a_name_is_made_of_a_digest_or_not_at_all(folder, outside, digest):
    with pytest.raises(PermanentFailure):
        FileDrop(folder, opened=True).deliver(parcel(digest=digest))
    assert list(folder.iterdir()) == []
    assert outside.read_bytes() == b"untouched"


def link(path, outside):
    path.symlink_to(outside)


def dangling(path, outside):
    path.symlink_to(outside.with_name("nothing-there"))


def pipe(path, _outside):
    os.mkfifo(path)


def directory(path, _outside):
    path.mkdir()


def sock(path, _outside):
    os.mknod(path, stat.S_IFSOCK | 0o600)


@pytest.mark.parametrize("plant", [link, dangling, pipe, directory, sock])
def test_what_was_planted_at_the_name_is_refused(folder, target, outside, plant):
    plant(target, outside)
    with pytest.raises(PermanentFailure):
        FileDrop(folder, opened=True).deliver(parcel())
    assert outside.read_bytes() == b"untouched"
    assert list(folder.iterdir()) == [target]
    assert not outside.with_name("nothing-there").exists()


@pytest.mark.parametrize("plant", [link, dangling, pipe, sock])
def test_what_was_planted_at_the_name_it_is_written_under_is_not_followed(folder, target, outside, plant):
    drop = FileDrop(folder, opened=True)
    plant(folder / f".packet-{DIGEST}.part", outside)
    drop.deliver(parcel())
    assert list(folder.iterdir()) == [target]
    assert target.is_file()
    assert not target.is_symlink()
    assert outside.read_bytes() == b"untouched"


def test_a_folder_planted_at_the_name_it_is_written_under_is_refused(folder):
    drop = FileDrop(folder, opened=True)
    (folder / f".packet-{DIGEST}.part").mkdir()
    with pytest.raises(PermanentFailure):
        drop.deliver(parcel())


def test_a_hard_link_at_the_name_is_replaced_and_what_it_names_is_not_touched(folder, target, outside):
    os.link(outside, target)
    FileDrop(folder, opened=True).deliver(parcel())
    assert outside.read_bytes() == b"untouched"
    assert parse(target.read_bytes())["digest"] == DIGEST


def test_a_folder_that_is_a_link_is_refused(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(PermanentFailure):
        FileDrop(tmp_path / "link", opened=True)


@pytest.mark.parametrize("make", [lambda _: None, lambda path: path.write_text("x"), os.mkfifo])
def test_a_folder_that_is_none_is_refused(tmp_path, make):
    make(tmp_path / "drop")
    with pytest.raises(PermanentFailure):
        FileDrop(tmp_path / "drop", opened=True)


def test_a_folder_everybody_may_write_to_is_refused(folder):
    folder.chmod(0o777)
    with pytest.raises(PermanentFailure):
        FileDrop(folder, opened=True)


def test_another_file_mode_is_refused(folder):
    with pytest.raises(PermanentFailure):
        FileDrop(folder, opened=True, mode=0o666)


def test_another_folder_in_its_place_is_waited_out(folder, tmp_path):
    drop = FileDrop(folder, opened=True)
    folder.rename(tmp_path / "moved")
    with pytest.raises(TemporaryFailure):
        drop.deliver(parcel())
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil").rename(folder)
    with pytest.raises(TemporaryFailure):
        drop.deliver(parcel())
    assert list(folder.iterdir()) == []
    folder.rmdir()
    (tmp_path / "moved").rename(folder)
    drop.deliver(parcel())
    assert len(list(folder.iterdir())) == 1


def test_what_a_crash_left_half_written_is_removed(folder):
    part = folder / f".packet-{DIGEST}.part"
    part.write_bytes(b'{"payload":')
    (folder / ".packet-theirs").write_bytes(b"x")
    FileDrop(folder, opened=True)
    assert [path.name for path in folder.iterdir()] == [".packet-theirs"]


def test_a_full_disk_is_waited_out_and_leaves_nothing(folder, target):
    drop = FileDrop(folder, opened=True)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
    try:
        with pytest.raises(TemporaryFailure):
            drop.deliver(parcel())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert list(folder.iterdir()) == []
    drop.deliver(parcel())
    assert target.is_file()
