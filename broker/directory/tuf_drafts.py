"""Root and targets metadata before it is signed, and one signature put to it: nothing here reads or writes a file."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Delegations, Metadata, Role, Root, Snapshot, TargetFile, Targets, Timestamp
from tuf.api.serialization.json import JSONSerializer

from broker.crypto.keys import PrivateKey, PublicKey
from broker.directory.check import check_document
from broker.directory.tuf_delegated import Delegates
from broker.directory.tuf_keys import OwnSigner, check_root, tuf_key
from broker.errors import IntegrityError
from schemas.directory import TARGET, Directory
from schemas.problem import Code

HASHES = ["sha512"]
COMPACT = JSONSerializer(compact=True)


@dataclass(frozen=True, slots=True)
class CountryKeys:
    """A country's share. `root`: two Ed25519 and two ML-DSA-65; `targets`: one of each."""

    root: tuple[PublicKey, PublicKey, PublicKey, PublicKey]
    targets: tuple[PublicKey, PublicKey]


@dataclass(frozen=True, slots=True)
class RealmKeys:
    """`countries`: ISO 3166-1 alpha-3 -> its keys. `snapshot`, `timestamp`: the operator's Ed25519 keys.
    `delegates`: who has other roles, which the targets role says and not the root.
    """

    countries: Mapping[str, CountryKeys]
    snapshot: PublicKey
    timestamp: PublicKey
    delegates: Delegates = field(default_factory=dict)


def root_draft(keys: RealmKeys, version: int, until: datetime) -> bytes:
    """Unsigned root metadata.

    Raises:
        IntegrityError: code `directory-invalid`; the keys are not of the agreed shape.
    """
    roles = {name: Role([], 1) for name in (Root.type, Targets.type, Snapshot.type, Timestamp.type)}
    root = Root(version, None, until, {}, roles)
    for country, share in keys.countries.items():
        for role, publics in ((Root.type, share.root), (Targets.type, share.targets)):
            for public in publics:
                root.add_key(tuf_key(public, country), role)
    root.add_key(tuf_key(keys.snapshot), Snapshot.type)
    root.add_key(tuf_key(keys.timestamp), Timestamp.type)
    root.roles[Root.type].threshold = len(root.roles[Root.type].keyids) - 1
    root.roles[Targets.type].threshold = len(root.roles[Targets.type].keyids)
    check_root(root)
    return Metadata(root).to_bytes(COMPACT)


def targets_draft(document: Directory, until: datetime, delegations: Delegations | None = None) -> bytes:
    """Unsigned targets metadata for this document; its version is the document's. `delegations`: to other roles.

    Raises:
        IntegrityError: code `directory-invalid`; the document is unsound.
    """
    check_document(document)
    file = TargetFile.from_data(TARGET, document.canonical(), HASHES)
    return Metadata(Targets(document.version, None, until, {TARGET: file}, delegations)).to_bytes(COMPACT)


def cosign(metadata: bytes, key: PrivateKey) -> bytes:
    """Add one key's signature to root or targets metadata: each holder signs on its own machine.

    Raises:
        IntegrityError: code `directory-invalid`; not TUF metadata, or not a key that signs it.
    """
    try:
        read = Metadata[Any].from_bytes(metadata)
        read.sign(OwnSigner(key), append=True)
    except RepositoryError as error:
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            f"Expected TUF metadata to sign, found: {error}.",
            advice="Have the draft made again.",
        ) from error
    return read.to_bytes(COMPACT)
