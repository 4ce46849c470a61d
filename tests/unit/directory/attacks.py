"""The means to spoil a realm's repository, for the directory's tests: each a function of the world it spoils."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, Root

from broker.crypto.keys import PrivateKey
from broker.directory.tuf import LocalDirectory, RemoteDirectory
from schemas.canonical import b64u, canonical
from tests.unit.directory.forge import Forge, signed
from tests.unit.directory.realm import KEYS, Clock, Gateway, Keys, document, found_realm, publish

Reader = LocalDirectory | RemoteDirectory


def local(folder: Path, root: bytes, cache: Path, clock: Clock) -> Reader:
    return LocalDirectory(folder, root, clock, cache=cache)


def remote(folder: Path, root: bytes, cache: Path, clock: Clock) -> Reader:
    reader = RemoteDirectory(Gateway(folder), root, cache, clock)
    reader.refresh()
    return reader


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
        state = {each: over.pop(each) for each in list(over) if each in STATE}
        metadata = self.forge.document(raw or document(version).canonical(), version, **over)
        self.forge.state(metadata, version, **{"number": 2, **state})


STATE = {"number", "snapshot_number", "snapshot_key", "timestamp_key", "snapshot_until"}
IND, IND_ROOT = KEYS.targets["IND"], KEYS.root["IND"]
CLASSICAL = [key for key in KEYS.all_targets if key.alg == "Ed25519"]
OTHER = Keys("another realm")


def root_change(change: Callable[[dict[str, Any]], None], keys: Any = None) -> Callable[[World], None]:
    def attack(world: World) -> None:
        world.forge.root(keys or KEYS.roots, change)
        world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=2)

    return attack


def first_key(kind: str, scheme: str, public: str) -> Callable[[dict[str, Any]], None]:
    def change(root: dict[str, Any]) -> None:
        key = root["keys"][root["roles"]["timestamp"]["keyids"][0]]
        key.update(keytype=kind, scheme=scheme, keyval={"public": public})

    return change


def threshold(role: str, number: int) -> Callable[[dict[str, Any]], None]:
    return lambda root: root["roles"][role].update(threshold=number)


def no_consistent_snapshots(world: World) -> None:
    world.forge.root(KEYS.roots, lambda root: root.update(consistent_snapshot=False))
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=2)
    world.metadata("2.snapshot.json").rename(world.metadata("snapshot.json"))


def one_key_under_two_names(world: World) -> None:
    def change(root: dict[str, Any]) -> None:
        root["keys"]["twin"] = dict(root["keys"][IND[0].public.kid])
        root["roles"]["targets"]["keyids"][1] = "twin"

    world.forge.root(KEYS.roots, change)
    members = json.loads(world.metadata("1.targets.json").read_bytes())
    by = {each["keyid"]: each["sig"] for each in members["signatures"]}
    members["signatures"].append({"keyid": "twin", "sig": by[IND[0].public.kid]})
    world.forge.state(json.dumps(members).encode(), 1, number=2)
    world.metadata("1.targets.json").write_bytes(json.dumps(members).encode())


def operator_signs_targets(root: dict[str, Any]) -> None:
    root["roles"]["targets"]["keyids"].append(root["roles"]["timestamp"]["keyids"][0])


def rolled_back_timestamp(world: World) -> None:
    world.repository.renew(KEYS.operator)
    newer = world.metadata("timestamp.json").read_bytes()
    world.repository.renew(KEYS.operator)
    world.reader.refresh()
    world.metadata("timestamp.json").write_bytes(newer)


def rolled_back_snapshot(world: World) -> None:
    old = world.metadata("1.targets.json").read_bytes()
    world.forge.state(old, 1, number=2, snapshot_number=3)
    world.reader.refresh()
    world.forge.state(old, 1, number=3, snapshot_number=2)


def rolled_back_targets(world: World) -> None:
    world.forged()
    world.reader.refresh()
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=3)


def mixed_snapshot(world: World) -> None:
    old = world.metadata("1.snapshot.json").read_bytes()
    publish(world.repository, document(2))
    world.metadata("2.snapshot.json").write_bytes(old)


def mixed_targets(world: World) -> None:
    old = world.metadata("1.targets.json").read_bytes()
    publish(world.repository, document(2))
    world.metadata("2.targets.json").write_bytes(old)


def changed(part: str, change: Callable[[bytes], bytes]) -> Callable[[World], None]:
    def spoil(world: World) -> None:
        publish(world.repository, document(2))
        path = world.target() if part == "target" else world.metadata(part)
        path.write_bytes(change(path.read_bytes()))

    return spoil


def flip(raw: bytes) -> bytes:
    return raw[:-9] + bytes([raw[-9] ^ 1]) + raw[-8:]


def same_version_other_hash(world: World) -> None:
    raw = document(1, name="shown to somebody else").canonical()
    world.forged(raw=raw, version=1)


def versions_differ(world: World) -> None:
    world.forged(raw=document(3).canonical(), version=2)


def small_order(world: World) -> None:
    made = document(2).to_object()
    made["agencies"][0]["keys"][0]["public"] = b64u(bytes(32))
    world.forged(raw=canonical(made))


def seven(three: list[PrivateKey]) -> Callable[[World], None]:
    """Seven signatures: the four of one country, and three more."""
    return root_change(lambda _: None, [*IND_ROOT, *three])


def usa_replaced(world: World) -> None:
    """The other country's keys are the attacker's, who holds one country's own: all that the new root asks for."""
    taken = Keys("taken")
    taken.root["IND"], taken.targets["IND"], taken.operator = KEYS.root["IND"], KEYS.targets["IND"], KEYS.operator
    made = Metadata[Root].from_bytes(world.repository.draft_root(taken.public())).signed
    world.metadata("2.root.json").write_bytes(signed(made, taken.roots))
    world.forge.state(world.metadata("1.targets.json").read_bytes(), 1, number=2)


def one_key_in_two_roles(world: World) -> None:
    def change(root: dict[str, Any]) -> None:
        root["roles"]["timestamp"]["keyids"] = root["roles"]["snapshot"]["keyids"]

    world.forge.root(KEYS.roots, change)
    old = world.metadata("1.targets.json").read_bytes()
    world.forge.state(old, 1, number=2, timestamp_key=KEYS.operator.snapshot)


def old_directory(**over: int) -> Callable[[World], None]:
    """The operator goes back to version 1 after 2 was seen, and signs as of now."""

    def attack(world: World) -> None:
        old = world.metadata("1.targets.json").read_bytes()
        world.forged()
        world.reader.refresh()
        world.forge.state(old, 1, **over)

    return attack


def root_signature(alg: str, text: str | None) -> Callable[[World], None]:
    """A root signed by all, with something else in the place of one signature."""

    def attack(world: World) -> None:
        root_change(lambda _: None)(world)
        members = json.loads(world.metadata("2.root.json").read_bytes())
        kid = next(key.public.kid for key in IND_ROOT if key.alg == alg)
        next(each for each in members["signatures"] if each["keyid"] == kid)["sig"] = text
        world.metadata("2.root.json").write_bytes(json.dumps(members).encode())

    return attack
