"""What a reader of the directory must refuse, each by name. Version 1 is in force before, and stays so."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tuf.api.metadata import Metadata, Root

from broker.crypto.keys import PrivateKey
from broker.directory.tuf import LocalDirectory, RemoteDirectory
from broker.directory.tuf_drafts import cosign
from broker.directory.tuf_repository import Repository
from broker.errors import IntegrityError
from schemas.canonical import b64u, canonical
from schemas.problem import Code
from tests.unit.directory.forge import SOON, Forge, signed
from tests.unit.directory.realm import DAY, KEYS, Clock, Gateway, Keys, document, found_realm, publish

Reader = LocalDirectory | RemoteDirectory


def local(folder: Path, root: bytes, cache: Path, clock: Clock) -> Reader:
    return LocalDirectory(folder, root, clock, cache=cache)


def remote(folder: Path, root: bytes, cache: Path, clock: Clock) -> Reader:
    reader = RemoteDirectory(Gateway(folder), root, cache, clock)
    reader.refresh()
    return reader


both = pytest.mark.parametrize("make", [pytest.param(local, id="local"), pytest.param(remote, id="remote")])


class World:
    """A realm whose reader holds version 1, and the means to spoil its repository."""

    def __init__(self, tmp: Path, make: Callable[..., Reader]) -> None:
        self.clock = Clock()
        self.folder = tmp / "repository"
        self.repository, self.root = found_realm(self.folder, self.clock)
        self.forge = Forge(self.folder)
        self.reader = make(self.folder, self.root, tmp / "cache", self.clock)

    def metadata(self, name: str) -> Path:
        return self.folder / "metadata" / name

    def target(self) -> Path:
        """The newest document's file."""
        return max((self.folder / "targets").iterdir(), key=lambda path: path.stat().st_mtime_ns)

    def forged(self, raw: bytes | None = None, version: int = 2, **over: Any) -> None:
        """Version 2 through metadata that is forged as `over` says, otherwise right."""
        state = {each: over.pop(each) for each in list(over) if each in _STATE}
        metadata = self.forge.document(raw or document(version).canonical(), version, **over)
        self.forge.state(metadata, version, **{"number": 2, **state})


_STATE = {"number", "snapshot_number", "snapshot_key", "timestamp_key", "snapshot_until"}
IND, IND_ROOT = KEYS.targets["IND"], KEYS.root["IND"]
CLASSICAL = [key for key in KEYS.all_targets if key.alg == "Ed25519"]
OTHER = Keys("another realm")


def _root_change(change: Callable[[dict[str, Any]], None], keys: Any = None) -> Callable[[World], None]:
    def attack(world: World) -> None:
        world.forge.root(keys or KEYS.roots, change)
        world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=2)

    return attack


def _first_key(kind: str, scheme: str, public: str) -> Callable[[dict[str, Any]], None]:
    def change(root: dict[str, Any]) -> None:
        key = root["keys"][root["roles"]["timestamp"]["keyids"][0]]
        key.update(keytype=kind, scheme=scheme, keyval={"public": public})

    return change


def _threshold(role: str, number: int) -> Callable[[dict[str, Any]], None]:
    return lambda root: root["roles"][role].update(threshold=number)


def _no_consistent_snapshots(world: World) -> None:
    world.forge.root(KEYS.roots, lambda root: root.update(consistent_snapshot=False))
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=2)
    world.metadata("2.snapshot.json").rename(world.metadata("snapshot.json"))


def _one_key_under_two_names(world: World) -> None:
    def change(root: dict[str, Any]) -> None:
        root["keys"]["twin"] = dict(root["keys"][IND[0].public.kid])
        root["roles"]["targets"]["keyids"][1] = "twin"

    world.forge.root(KEYS.roots, change)
    members = json.loads(world.metadata("1.targets.json").read_bytes())
    by = {each["keyid"]: each["sig"] for each in members["signatures"]}
    members["signatures"].append({"keyid": "twin", "sig": by[IND[0].public.kid]})
    world.forge.state(json.dumps(members).encode(), 1, number=2)
    world.metadata("1.targets.json").write_bytes(json.dumps(members).encode())


def _operator_signs_targets(root: dict[str, Any]) -> None:
    root["roles"]["targets"]["keyids"].append(root["roles"]["timestamp"]["keyids"][0])


def _rolled_back_timestamp(world: World) -> None:
    world.repository.renew(KEYS.operator)
    newer = world.metadata("timestamp.json").read_bytes()
    world.repository.renew(KEYS.operator)
    world.reader.refresh()
    world.metadata("timestamp.json").write_bytes(newer)


def _rolled_back_snapshot(world: World) -> None:
    old = world.metadata("1.targets.json").read_bytes()
    world.forge.state(old, 1, number=2, snapshot_number=3)
    world.reader.refresh()
    world.forge.state(old, 1, number=3, snapshot_number=2)


def _rolled_back_targets(world: World) -> None:
    world.forged()
    world.reader.refresh()
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=3)


def _mixed_snapshot(world: World) -> None:
    old = world.metadata("1.snapshot.json").read_bytes()
    publish(world.repository, document(2))
    world.metadata("2.snapshot.json").write_bytes(old)


def _mixed_targets(world: World) -> None:
    old = world.metadata("1.targets.json").read_bytes()
    publish(world.repository, document(2))
    world.metadata("2.targets.json").write_bytes(old)


def _changed(part: str, change: Callable[[bytes], bytes]) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        publish(world.repository, document(2))
        path = world.target() if part == "target" else world.metadata(part)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def _flip(raw: bytes) -> bytes:
    return raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]


def _same_version_other_hash(world: World) -> None:
    raw = document(1, name="shown to somebody else").canonical()
    world.forged(raw=raw, version=1)


def _versions_differ(world: World) -> None:
    world.forged(raw=document(3).canonical(), version=2)


def _small_order(world: World) -> None:
    made = document(2).to_object()
    made["agencies"][0]["keys"][0]["public"] = b64u(bytes(32))
    world.forged(raw=canonical(made))


def _seven(three: list[PrivateKey]) -> Callable[[World], None]:
    """Seven signatures: the four of one country, and three more."""
    return _root_change(lambda _: None, [*IND_ROOT, *three])


def _usa_replaced(world: World) -> None:
    """The other country's keys are the attacker's, who holds one country's own: all that the new root asks for."""
    taken = Keys("taken")
    taken.root["IND"], taken.targets["IND"], taken.operator = KEYS.root["IND"], KEYS.targets["IND"], KEYS.operator
    made = Metadata[Root].from_bytes(world.repository.draft_root(taken.public())).signed
    world.metadata("2.root.json").write_bytes(signed(made, taken.roots))
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=2)


def _one_key_in_two_roles(world: World) -> None:
    def change(root: dict[str, Any]) -> None:
        root["roles"]["timestamp"]["keyids"] = root["roles"]["snapshot"]["keyids"]

    world.forge.root(KEYS.roots, change)
    old = world.metadata("1.targets.json").read_bytes()
    world.forge.state(old, 1, number=2, timestamp_key=KEYS.operator.snapshot)


def _old_directory(**over: int) -> Callable[[World], None]:
    """The operator goes back to version 1 after 2 was seen, and signs as of now."""

    def attack(world: World) -> None:
        old = world.metadata("1.targets.json").read_bytes()
        world.forged()
        world.reader.refresh()
        world.forge.state(old, 1, **over)

    return attack


ATTACKS = [
    # root
    pytest.param(_root_change(lambda _: None, KEYS.roots[:6]), "root was signed by 6/7", id="root-six-of-eight"),
    pytest.param(_root_change(lambda _: None, KEYS.root["IND"]), "root was signed by 4/7", id="root-one-country"),
    pytest.param(_root_change(lambda _: None, OTHER.roots), "root was signed by 0/7", id="root-of-others"),
    pytest.param(_seven(3 * IND_ROOT[:1]), "Failed to deserialize", id="root-seven-one-country-and-duplicates"),
    pytest.param(_seven(IND_ROOT[1:]), "Failed to deserialize", id="root-seven-one-country-each-twice"),
    pytest.param(_seven(OTHER.roots[:3]), "root was signed by 4/7", id="root-seven-one-country-and-another-realm"),
    pytest.param(_seven(OTHER.root["USA"][:3]), "signed by 4/7", id="root-seven-one-country-and-others-usa"),
    pytest.param(
        _seven([*KEYS.all_targets[:2], KEYS.operator.timestamp]), "signed by 4/7", id="root-seven-with-other-roles-keys"
    ),
    pytest.param(_usa_replaced, "root was signed by 4/7", id="root-seven-of-those-it-names-itself"),
    pytest.param(_one_key_in_two_roles, "one key in two roles", id="root-one-key-in-two-roles"),
    pytest.param(_root_change(lambda root: root.update(version=3)), "version 2", id="root-skips-a-version"),
    pytest.param(_root_change(_threshold("targets", 2)), "a threshold of 2 for targets", id="root-lowers-targets"),
    pytest.param(_root_change(_threshold("root", 4)), "a threshold of 4 for root", id="root-lowers-root"),
    pytest.param(_no_consistent_snapshots, "no consistent snapshots", id="root-without-consistency"),
    pytest.param(_one_key_under_two_names, "under its thumbprint", id="root-one-key-under-two-names"),
    pytest.param(_root_change(_operator_signs_targets), "other targets keys", id="root-operator-among-targets"),
    pytest.param(
        _root_change(_first_key("ml-dsa-44", "ml-dsa-44", "00")), "Failed to deserialize", id="key-type-unknown-to-tuf"
    ),
    pytest.param(
        _root_change(_first_key("ecdsa", "ecdsa-sha2-nistp256", "00")), "signed by", id="key-type-unknown-to-setu"
    ),
    pytest.param(_root_change(_first_key("ed25519", "ed25519", "00" * 32)), "signed by", id="key-of-small-order"),
    # targets
    pytest.param(
        lambda w: w.forged(keys=KEYS.all_targets[:3]), "targets was signed by 3/4", id="targets-three-of-four"
    ),
    pytest.param(lambda w: w.forged(keys=IND), "targets was signed by 2/4", id="targets-one-country"),
    pytest.param(lambda w: w.forged(keys=CLASSICAL), "targets was signed by 2/4", id="targets-classical-only"),
    pytest.param(lambda w: w.forged(keys=[IND[0]] * 4), "targets was signed by 1/4", id="targets-one-key-four-times"),
    pytest.param(lambda w: w.forged(keys=[]), "targets was signed by 0/4", id="targets-unsigned"),
    pytest.param(lambda w: w.forged(keys=OTHER.all_targets), "targets was signed by 0/4", id="targets-of-others"),
    pytest.param(lambda w: w.forged(path="other.json"), "directory.json among the targets", id="target-missing"),
    # operator
    pytest.param(lambda w: w.forged(snapshot_key=IND[0]), "snapshot was signed by 0/1", id="snapshot-by-a-country"),
    pytest.param(
        lambda w: w.forged(timestamp_key=KEYS.operator.snapshot),
        "timestamp was signed by 0/1",
        id="timestamp-other-key",
    ),
    # rolled back
    pytest.param(_rolled_back_timestamp, "New timestamp version 2 must be >= 3", id="timestamp-rolled-back"),
    pytest.param(_rolled_back_snapshot, "New snapshot version must be >= 3, got version 2", id="snapshot-rolled-back"),
    pytest.param(_rolled_back_targets, "Expected targets.json version", id="targets-rolled-back"),
    pytest.param(
        _old_directory(number=9, snapshot_number=1),
        "New snapshot version must be >= 2, got version 1",
        id="old-directory-under-a-fresh-timestamp",
    ),
    pytest.param(
        _old_directory(number=9),
        "Expected targets.json version 1, got 2",
        id="old-directory-under-a-fresh-snapshot-and-timestamp",
    ),
    # mixed and tampered
    pytest.param(_mixed_snapshot, "hash", id="mixed-snapshot"),
    pytest.param(_mixed_targets, "hash", id="mixed-targets"),
    pytest.param(_changed("target", _flip), "hash", id="target-one-bit"),
    pytest.param(_changed("target", lambda raw: raw[:-1]), "length", id="target-shorter"),
    pytest.param(_changed("target", lambda raw: raw + b" "), "longer", id="target-longer"),
    pytest.param(_changed("2.targets.json", _flip), "hash", id="targets-one-bit"),
    pytest.param(_changed("2.snapshot.json", _flip), "hash", id="snapshot-one-bit"),
    pytest.param(
        _changed("timestamp.json", lambda raw: raw.replace(b'"version":2', b'"version":9')),
        "signed by 0/1",
        id="timestamp-changed",
    ),
    pytest.param(_changed("timestamp.json", lambda _: b"<html>"), "Failed to deserialize", id="timestamp-no-json"),
    pytest.param(_changed("timestamp.json", lambda _: b" " * 20_000), "longer", id="timestamp-endless"),
    # the document
    pytest.param(_same_version_other_hash, "two directories of one version", id="two-directories-of-one-version"),
    pytest.param(_versions_differ, "a document of version 2, found 3", id="document-of-another-version"),
    pytest.param(lambda w: w.forged(raw=b"{}"), "a directory document", id="document-not-one"),
    pytest.param(lambda w: w.forged(raw=b'{"v":1,"v":1}'), "a directory document", id="document-duplicate-name"),
    pytest.param(_small_order, "a key of in-ncb that is no sound Ed25519 key", id="document-small-order-key"),
]


@both
@pytest.mark.parametrize(("attack", "fault"), ATTACKS)
def test_refused(tmp_path: Path, make: Callable[..., Reader], attack: Callable[[World], None], fault: str) -> None:
    world = World(tmp_path, make)
    first = world.reader.current()
    attack(world)
    before = world.reader.current()
    for _ in range(2):  # and not by its being tried again
        with pytest.raises(IntegrityError) as refused:
            world.reader.refresh()
        assert refused.value.code is Code.DIRECTORY_INVALID
        assert fault in refused.value.message
    assert world.reader.current().ref == before.ref
    assert world.reader.at(1).ref == first.ref


EXPIRED = [
    pytest.param({"number": 2, "until": SOON}, "timestamp.json is expired", id="timestamp"),
    pytest.param({"number": 2, "snapshot_until": SOON}, "snapshot.json is expired", id="snapshot"),
]


@both
@pytest.mark.parametrize(("over", "fault"), EXPIRED)
def test_frozen(tmp_path: Path, make: Callable[..., Reader], over: dict[str, Any], fault: str) -> None:
    world = World(tmp_path, make)
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, **over)
    before = world.reader.refresh()
    world.clock.at += 3_599
    assert world.reader.refresh().ref == before.ref
    world.clock.at += 1
    with pytest.raises(IntegrityError, match=fault):
        world.reader.refresh()
    assert world.reader.current().ref == before.ref


@both
def test_expired_targets_and_root(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    world.forged(until=SOON)
    assert world.reader.refresh().ref.version == 2
    world.clock.at += 2 * 3_600
    with pytest.raises(IntegrityError, match="targets is expired"):
        world.reader.refresh()
    world.clock.at += 366 * DAY
    world.repository.renew(KEYS.operator)
    with pytest.raises(IntegrityError, match=r"Final root\.json is expired"):
        world.reader.refresh()
    assert world.reader.current().ref.version == 2


@both
def test_a_lower_version_after_the_operators_keys_changed(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    publish(world.repository, document(2))
    publish(world.repository, document(3))
    world.reader.refresh()
    changed = Keys("changed")
    changed.root, changed.targets = KEYS.root, KEYS.targets
    root = world.repository.draft_root(changed.public())
    for key in KEYS.roots:
        root = cosign(root, key)
    world.repository.install(changed.operator, root=root)
    second = world.metadata("2.targets.json").read_bytes()
    world.forge.state(
        second, 2, number=90, snapshot_key=changed.operator.snapshot, timestamp_key=changed.operator.timestamp
    )
    with pytest.raises(IntegrityError, match="version 3 or newer, found 2"):
        world.reader.refresh()
    assert world.reader.current().ref.version == 3


def _of_another_realm(tmp: Path, _: World) -> bytes:
    return found_realm(tmp / "other", Clock(), keys=OTHER)[1]


def _second(_: Path, world: World) -> bytes:
    world.forge.root(KEYS.roots)
    return world.metadata("2.root.json").read_bytes()


def _too_few(_: Path, world: World) -> bytes:
    return signed(Metadata.from_bytes(world.root).signed, KEYS.roots[:6])


PINNED = [
    pytest.param(_of_another_realm, "was signed by 0/", id="another-realms"),
    pytest.param(_too_few, "root was signed by 6/7", id="six-of-eight"),
    pytest.param(_second, "the realm's first root", id="not-the-first"),
    pytest.param(lambda _, w: w.metadata("timestamp.json").read_bytes(), "the realm's first root", id="a-timestamp"),
    pytest.param(lambda *_: b"no root", "Failed to deserialize", id="garbage"),
    pytest.param(lambda _, w: w.root[:-1], "Failed to deserialize", id="cut-off"),
]


@both
@pytest.mark.parametrize(("pinned", "fault"), PINNED)
def test_wrong_pinned_root(
    tmp_path: Path, make: Callable[..., Reader], pinned: Callable[[Path, World], bytes], fault: str
) -> None:
    world = World(tmp_path, make)
    wrong = pinned(tmp_path, world)
    with pytest.raises(IntegrityError) as refused:
        make(world.folder, wrong, tmp_path / "fresh", world.clock)
    assert fault in refused.value.message


@both
def test_the_alarm_outlives_the_process(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    _same_version_other_hash(world)
    with pytest.raises(IntegrityError, match="two directories"):
        make(world.folder, world.root, tmp_path / "cache", world.clock)


@both
def test_memory_against_rollback_outlives_the_process(tmp_path: Path, make: Callable[..., Reader]) -> None:
    world = World(tmp_path, make)
    backup = tmp_path / "backup"
    shutil.copytree(world.folder, backup)
    publish(world.repository, document(2))
    world.reader.refresh()
    with pytest.raises(IntegrityError, match="must be >="):
        make(backup, world.root, tmp_path / "cache", world.clock)


def test_signers_of_another_realm_cannot_publish_here(tmp_path: Path) -> None:
    repository, _ = found_realm(tmp_path, Clock())
    with pytest.raises(IntegrityError, match="targets was signed by 0/4"):
        publish(repository, document(2), OTHER.all_targets)
    with pytest.raises(IntegrityError, match="timestamp was signed by 0/1"):
        Repository(tmp_path, Clock()).renew(OTHER.operator)
