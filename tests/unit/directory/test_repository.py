"""The repository's writer: what it founds, changes, refuses, and leaves behind when it is cut off."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from broker.directory.files import write_whole
from broker.directory.tuf import LocalDirectory
from broker.directory.tuf_drafts import CountryKeys, RealmKeys, cosign
from broker.directory.tuf_repository import Lifetimes, Repository
from broker.errors import IntegrityError
from schemas.directory import Directory
from schemas.problem import Code
from tests.builders import private_key
from tests.unit.directory.realm import DAY, KEYS, Clock, Keys, document, found_realm, publish


def test_the_root_is_as_agreed(tmp_path: Path) -> None:
    _, root = found_realm(tmp_path, Clock())
    assert root == (tmp_path / "metadata" / "1.root.json").read_bytes()
    signed = json.loads(root)["signed"]
    roles = {name: (len(role["keyids"]), role["threshold"]) for name, role in signed["roles"].items()}
    assert roles == {"root": (8, 7), "targets": (4, 4), "snapshot": (1, 1), "timestamp": (1, 1)}
    assert signed["consistent_snapshot"] is True
    held = {(key["keytype"], key.get("x-setu-country")) for key in signed["keys"].values()}
    assert held == {(kind, country) for kind in ("ed25519", "ml-dsa-65") for country in ("IND", "USA")} | {
        ("ed25519", None)
    }


def test_a_third_country_joins_without_code(tmp_path: Path) -> None:
    three = Keys("three", ("AUS", "IND", "USA"))
    _, root = found_realm(tmp_path, Clock(), keys=three)
    roles = json.loads(root)["signed"]["roles"]
    assert (roles["root"]["threshold"], roles["targets"]["threshold"]) == (11, 6)
    assert LocalDirectory(tmp_path, root, Clock()).current().ref.version == 1


def test_seven_of_eight_found_a_realm(tmp_path: Path) -> None:
    for number, absent in enumerate(KEYS.roots):
        signers = [key for key in KEYS.roots if key is not absent]
        root = Repository(tmp_path / str(number), Clock()).create(
            KEYS.public(), document(), root_signers=signers, target_signers=KEYS.all_targets, operator=KEYS.operator
        )
        assert len(json.loads(root)["signatures"]) == 7


def test_founds_once(tmp_path: Path) -> None:
    found_realm(tmp_path, Clock())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    with pytest.raises(IntegrityError, match="no realm here yet"):
        found_realm(tmp_path, Clock())
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_each_holder_signs_on_its_own_machine(tmp_path: Path) -> None:
    repository, root = found_realm(tmp_path, Clock())
    made = document(2)
    draft = repository.draft(made)
    for key in KEYS.all_targets[:3]:
        draft = cosign(draft, key)
    with pytest.raises(IntegrityError, match="targets was signed by 3/4"):
        repository.install(KEYS.operator, document=made, targets=draft)
    repository.install(KEYS.operator, document=made, targets=cosign(draft, KEYS.all_targets[3]))
    assert LocalDirectory(tmp_path, root, Clock()).current().document == made


def test_a_lost_root_key_is_replaced(tmp_path: Path) -> None:
    repository, root = found_realm(tmp_path, Clock())
    reader = LocalDirectory(tmp_path, root, Clock())
    replaced = Keys()
    replaced.root["IND"][0] = private_key("Ed25519", "replacement")
    draft = repository.draft_root(replaced.public())
    for key in [*KEYS.roots[1:], replaced.root["IND"][0]]:
        draft = cosign(draft, key)
    repository.install(KEYS.operator, root=draft)
    publish(repository, document(2))
    assert reader.refresh().ref.version == 2
    assert reader.realm == LocalDirectory(tmp_path, root, Clock()).realm


def test_a_countrys_targets_keys_change_with_a_new_document(tmp_path: Path) -> None:
    repository, root = found_realm(tmp_path, Clock())
    reader = LocalDirectory(tmp_path, root, Clock())
    changed = Keys()
    changed.targets["USA"] = Keys("newer").targets["USA"]
    draft = repository.draft_root(changed.public())
    for key in KEYS.roots:
        draft = cosign(draft, key)
    with pytest.raises(IntegrityError, match="targets was signed by 2/4"):
        repository.install(KEYS.operator, root=draft)
    targets = repository.draft(document(2))
    for key in changed.all_targets:
        targets = cosign(targets, key)
    repository.install(KEYS.operator, root=draft, document=document(2), targets=targets)
    assert reader.refresh().ref.version == 2
    assert reader.at(1).document == document(1)


def test_a_snapshot_is_renewed_when_half_of_its_time_is_over(tmp_path: Path) -> None:
    clock = Clock()
    repository, root = found_realm(tmp_path, clock, lifetimes=Lifetimes(snapshot=4 * DAY, timestamp=DAY))
    reader = LocalDirectory(tmp_path, root, clock)
    seen = []
    for _ in range(6):
        clock.at += DAY - 1
        repository.renew(KEYS.operator)
        reader.refresh()
        seen.append(len(list((tmp_path / "metadata").glob("*.snapshot.json"))))
    assert seen == [1, 1, 2, 2, 2, 3]
    assert reader.current().ref.version == 1


REFUSED: list[object] = [
    pytest.param(lambda r: publish(r, document(1)), "above 1, found version 1", id="same-version"),
    pytest.param(lambda r: publish(r, document(2), KEYS.all_targets[:3]), "signed by 3/4", id="too-few"),
    pytest.param(lambda r: publish(r, document(2), KEYS.targets["IND"]), "signed by 2/4", id="one-country"),
    pytest.param(
        lambda r: publish(r, document(2, communities=[{"id": "x", "name": "x", "members": ["us-none"]}])),
        "not in the directory",
        id="unsound-document",
    ),
    pytest.param(lambda r: r.install(KEYS.operator, document=document(2)), "without the other", id="document-alone"),
    pytest.param(
        lambda r: r.install(KEYS.operator, document=document(3), targets=r.draft(document(2))),
        "version 3",
        id="another-documents-targets",
    ),
    pytest.param(
        lambda r: r.install(KEYS.operator, document=document(2, name="another"), targets=r.draft(document(2))),
        "metadata that verifies",
        id="another-documents-hash",
    ),
    pytest.param(lambda r: r.install(KEYS.operator, root=r.draft(document(2))), "root metadata", id="targets-as-root"),
    pytest.param(lambda r: r.install(KEYS.operator, root=b"{}"), "deserialize", id="root-not-metadata"),
    pytest.param(
        lambda r: r.install(KEYS.operator, root=r.draft_root(KEYS.public())), "root was signed by 0/7", id="root-draft"
    ),
    pytest.param(lambda r: r.install(Keys("other").operator), "timestamp was signed by 0/1", id="other-operator"),
]


@pytest.mark.parametrize(("change", "fault"), REFUSED)
def test_refuses_and_changes_nothing(tmp_path: Path, change: Callable[[Repository], None], fault: str) -> None:
    repository, _ = found_realm(tmp_path, Clock())
    before = {path: path.read_bytes() for path in tmp_path.rglob("*.json")}
    with pytest.raises(IntegrityError) as refused:
        change(repository)
    assert refused.value.code is Code.DIRECTORY_INVALID
    assert fault in refused.value.message
    assert {path: path.read_bytes() for path in tmp_path.rglob("*.json")} == before


def test_nothing_to_renew_where_there_is_no_realm(tmp_path: Path) -> None:
    with pytest.raises(IntegrityError, match="a repository with a root"):
        Repository(tmp_path, Clock()).renew(KEYS.operator)


IND = KEYS.public().countries["IND"]
SHAPES = [
    pytest.param({"IND": IND}, "two or more countries", id="one-country"),
    pytest.param({"IND": IND, "USA": IND}, "root keys", id="both-with-the-same-keys"),
    pytest.param(
        {"IND": IND, "USA": CountryKeys((IND.root[0],) * 4, KEYS.public().countries["USA"].targets)},
        "root keys",
        id="a-key-of-the-other",
    ),
    pytest.param(
        {"IND": IND, "USA": CountryKeys(KEYS.public().countries["USA"].root, IND.targets[:1] * 2)},
        "targets keys",
        id="no-post-quantum-for-targets",
    ),
    pytest.param(
        {"IND": IND, "USA": CountryKeys((private_key("ML-DSA-87", "x").public,) * 4, IND.targets)},
        "a ML-DSA-87 key",
        id="another-algorithm",
    ),
]


@pytest.mark.parametrize(("countries", "fault"), SHAPES)
def test_refuses_a_root_of_another_shape(tmp_path: Path, countries: dict[str, CountryKeys], fault: str) -> None:
    keys = RealmKeys(countries, KEYS.operator.snapshot.public, KEYS.operator.timestamp.public)
    with pytest.raises(IntegrityError) as refused:
        Repository(tmp_path, Clock()).draft_root(keys)
    assert fault in refused.value.message


class Cut(Exception):  # noqa: N818 - not an error of ours
    pass


def _cut_after(number: int) -> Callable[[Path, bytes], None]:
    left = [number]

    def write(path: Path, content: bytes) -> None:
        if left[0] == 0:
            raise Cut
        left[0] -= 1
        write_whole(path, content)

    return write


@pytest.mark.parametrize("writes", [0, 1, 2, 3])
def test_cut_off_between_two_files_a_reader_sees_the_old_state(tmp_path: Path, writes: int) -> None:
    _, root = found_realm(tmp_path, Clock())
    with pytest.raises(Cut):
        publish(Repository(tmp_path, Clock(), write=_cut_after(writes)), document(2))
    reader = LocalDirectory(tmp_path, root, Clock())
    assert reader.current().ref.version == 1
    publish(Repository(tmp_path, Clock()), document(2, name="another try"))
    assert reader.refresh().document.name == "another try"


def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_whole(path, b"old")
    with pytest.raises(TypeError):
        write_whole(path, "no bytes")  # type: ignore[arg-type]
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert path.read_bytes() == b"old"


def test_a_live_reader_never_sees_half_a_state(tmp_path: Path) -> None:
    repository, root = found_realm(tmp_path, Clock())
    reader = LocalDirectory(tmp_path, root, Clock())
    documents: list[Directory] = [document(version) for version in range(2, 12)]
    done = threading.Event()

    def write() -> None:
        for made in documents:
            publish(repository, made)
            repository.renew(KEYS.operator)
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    seen = [1]
    while not done.is_set():
        seen.append(reader.refresh().ref.version)
    writer.join()
    assert reader.refresh().ref.version == 11
    assert seen == sorted(seen)
