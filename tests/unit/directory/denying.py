"""A realm whose countries and operator keep deny lists, and the means to sign any."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from tuf.api.metadata import Metadata, MetaFile, Snapshot, Timestamp

from broker.crypto.keys import PrivateKey
from broker.directory.roles import DENY as ROLE
from broker.directory.tuf import LocalDirectory
from broker.directory.tuf_delegated import Delegates
from broker.directory.tuf_repository import Repository
from broker.directory.tuf_signed import SignedTarget, sign_target
from schemas.deny import Denial, DenyList, DenyPlace, DenyRef, genesis
from tests.builders import NOW, private_key
from tests.unit.directory.forge import LATER, signed
from tests.unit.directory.realm import KEYS, Clock, document

DENY: dict[str, list[PrivateKey]] = {
    "IND": [private_key(alg, "IND deny") for alg in ("Ed25519", "ML-DSA-65")],
    "USA": [private_key(alg, "USA deny") for alg in ("Ed25519", "ML-DSA-65")],
    "operator": [private_key("Ed25519", "operator deny")],
}
DENY_KEYS: Delegates = {ROLE + name: tuple(key.public for key in keys) for name, keys in DENY.items()}


def denial(agency: str, **over: Any) -> Denial:
    return Denial(agency=agency, at=NOW, **over)


class Denying:
    """`add` signs a list with more in it and puts it in force; `sign` makes any list whatever."""

    def __init__(self, tmp: Path, keys: Delegates = DENY_KEYS) -> None:
        self.clock = Clock()
        self.folder = tmp / "repository"
        self.cache = tmp / "cache"
        self.repository = Repository(self.folder, self.clock)
        self.root = self.repository.create(
            replace(KEYS.public(), delegates=keys),
            document(),
            root_signers=KEYS.roots,
            target_signers=KEYS.all_targets,
            operator=KEYS.operator,
        )
        self.realm = LocalDirectory(self.folder, self.root, self.clock).realm
        self.version = dict.fromkeys(DENY, 0)
        self.base = {name: genesis(self.realm, name) for name in DENY}
        self.said: dict[str, list[Denial]] = {name: [] for name in DENY}

    def reader(self) -> LocalDirectory:
        return LocalDirectory(self.folder, self.root, self.clock)

    def document(self, name: str, *denials: Denial, **over: Any) -> DenyList:
        made = DenyList(realm=self.realm, list=name, base=self.base[name], denials=denials)
        return made.model_copy(update=over)

    def sign(
        self, made: DenyList, name: str, *, keys: Iterable[PrivateKey] | None = None, version: int | None = None
    ) -> SignedTarget:
        number = version or self.version[name] + 1
        return sign_target(ROLE + name, made.canonical(), number, keys or DENY[name], self.clock())

    def add(self, name: str, *denials: Denial) -> SignedTarget:
        self.said[name] += denials
        made = self.sign(self.document(name, *self.said[name]), name)
        self.version[name] += 1
        self.install(made)
        return made

    def everybody(self) -> None:
        for name in DENY:
            self.add(name)

    def install(self, *lists: SignedTarget) -> None:
        self.repository.install(KEYS.operator, delegated=lists)

    def force(self, made: SignedTarget) -> None:
        """Into the repository past its checks, by who has the operator's keys."""
        for name, content in made.files():
            (self.folder / name).write_bytes(content)
        metadata = self.folder / "metadata"
        stamp = Metadata[Timestamp].from_bytes((metadata / "timestamp.json").read_bytes()).signed
        held = (metadata / f"{stamp.snapshot_meta.version}.snapshot.json").read_bytes()
        number = stamp.snapshot_meta.version + 1
        metas = Metadata[Snapshot].from_bytes(held).signed.meta | {f"{made.role}.json": made.meta()}
        snapshot = signed(Snapshot(number, None, LATER, metas), [KEYS.operator.snapshot])
        (metadata / f"{number}.snapshot.json").write_bytes(snapshot)
        named = MetaFile.from_data(number, snapshot, ["sha512"])
        stamped = signed(Timestamp(stamp.version + 1, None, LATER, named), [KEYS.operator.timestamp])
        (metadata / "timestamp.json").write_bytes(stamped)

    def place(self, name: str) -> DenyPlace:
        return self.document(name, *self.said[name]).places()[-1]

    def ref(self, name: str) -> DenyRef:
        place = self.place(name)
        return DenyRef(list=name, serial=place.serial, hash=place.hash)

    def publish(self, version: int, **over: Any) -> None:
        self.repository.publish(document(version, **over), target_signers=KEYS.all_targets, operator=KEYS.operator)
