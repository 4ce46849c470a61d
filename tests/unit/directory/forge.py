"""Writes TUF metadata that the repository's own writer would refuse."""

import json
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from securesystemslib.formats import encode_canonical
from tuf.api.metadata import Metadata, MetaFile, Root, Snapshot, TargetFile, Targets, Timestamp

from broker.crypto.keys import PrivateKey
from broker.directory.tuf_keys import OwnSigner
from schemas.directory import TARGET
from tests.builders import NOW
from tests.unit.directory.realm import KEYS

LATER = datetime.fromtimestamp(NOW, UTC) + timedelta(days=300)
SOON = datetime.fromtimestamp(NOW, UTC) + timedelta(hours=1)


def signed(payload: Root | Targets | Snapshot | Timestamp, keys: Iterable[PrivateKey]) -> bytes:
    metadata = Metadata(payload)
    for key in keys:
        metadata.sign(OwnSigner(key), append=True)
    return metadata.to_bytes()


class Forge:
    """The repository's folder in the hands of whoever holds the keys given."""

    def __init__(self, folder: Path) -> None:
        self.metadata = folder / "metadata"
        self.targets = folder / "targets"

    def root(self, keys: Iterable[PrivateKey], change: Callable[[dict[str, Any]], None] | None = None) -> None:
        """The next root, changed by `change(dict of the signed part)`."""
        newest = max(int(path.name.split(".")[0]) for path in self.metadata.glob("*.root.json"))
        members = json.loads((self.metadata / f"{newest}.root.json").read_bytes())
        members["signed"]["version"] = newest + 1
        if change is not None:
            change(members["signed"])
        members["signatures"] = []
        self._sign_json(f"{newest + 1}.root.json", members, keys)

    def _sign_json(self, name: str, members: dict[str, Any], keys: Iterable[PrivateKey]) -> None:
        payload = encode_canonical(members["signed"]).encode()
        for key in keys:
            made = OwnSigner(key).sign(payload)
            members["signatures"].append({"keyid": made.keyid, "sig": made.signature})
        (self.metadata / name).write_bytes(json.dumps(members).encode())

    def document(
        self,
        raw: bytes,
        version: int,
        *,
        keys: Iterable[PrivateKey] = KEYS.all_targets,
        path: str = TARGET,
        until: datetime = LATER,
    ) -> bytes:
        """Targets metadata for any bytes, in place; its own bytes."""
        file = TargetFile.from_data(path, raw, ["sha512"])
        (self.targets / file.get_prefixed_paths()[0]).write_bytes(raw)
        metadata = signed(Targets(version, None, until, {path: file}), keys)
        (self.metadata / f"{version}.targets.json").write_bytes(metadata)
        return metadata

    def state(
        self,
        targets: bytes,
        version: int,
        *,
        number: int,
        snapshot_number: int | None = None,
        snapshot_key: PrivateKey = KEYS.operator.snapshot,
        timestamp_key: PrivateKey = KEYS.operator.timestamp,
        until: datetime = LATER,
        snapshot_until: datetime = LATER,
    ) -> None:
        """A snapshot naming these targets metadata, and a timestamp naming that, both of version `number`."""
        at = snapshot_number or number
        held = MetaFile.from_data(version, targets, ["sha512"])
        snapshot = signed(Snapshot(at, None, snapshot_until, {"targets.json": held}), [snapshot_key])
        (self.metadata / f"{at}.snapshot.json").write_bytes(snapshot)
        named = MetaFile.from_data(at, snapshot, ["sha512"])
        (self.metadata / "timestamp.json").write_bytes(signed(Timestamp(number, None, until, named), [timestamp_key]))
