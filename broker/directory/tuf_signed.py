"""What delegated roles sign: one target each, with metadata of its own.

Role `deny-IND` signs `deny-IND.json`. Expiry is no fault here: what nobody signed anew stays in force, and what follows
from its age is for others to say.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.exceptions import VerificationError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Metadata, MetaFile, Snapshot, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from broker.crypto.keys import PrivateKey
from broker.directory.files import write_whole
from broker.directory.roles import Found, target_of
from broker.directory.tuf_delegated import roles_of, unsound
from broker.directory.tuf_keys import OwnSigner
from broker.errors import IntegrityError, NotFoundError
from schemas.canonical import MAX_SAFE_INTEGER

LIFETIME = 86_400
HASHES = ["sha512"]
_FAULTS = (RepositoryError, VerificationError, ValueError, KeyError)


@dataclass(frozen=True, slots=True)
class SignedTarget:
    """What a role signed, and its metadata, as files: made where its keys are, put in force by the operator."""

    role: str
    metadata: bytes
    document: bytes

    def meta(self) -> MetaFile:
        return MetaFile.from_data(self.version, self.metadata, HASHES)

    @property
    def version(self) -> int:
        return read_metadata(self.role, self.metadata).signed.version

    @property
    def expires(self) -> float:
        """Unix seconds."""
        return read_metadata(self.role, self.metadata).signed.expires.timestamp()

    def files(self) -> list[tuple[str, bytes]]:
        """In the order to write them."""
        signed = read_metadata(self.role, self.metadata).signed
        file = signed.targets[target_of(self.role)].get_prefixed_paths()[0]
        return [
            (f"targets/{file}", self.document),
            (f"metadata/{signed.version}.{self.role}.json", self.metadata),
        ]


def sign_target(
    role: str, raw: bytes, version: int, keys: Iterable[PrivateKey], now: float, *, lifetime: int = LIFETIME
) -> SignedTarget:
    """Sign a role's document; `version`: one above the newest of this role, whatever is in it."""
    target = target_of(role)
    until = datetime.fromtimestamp(int(now), UTC) + timedelta(seconds=lifetime)
    metadata = Metadata(Targets(version, None, until, {target: TargetFile.from_data(target, raw, HASHES)}))
    for key in keys:
        metadata.sign(OwnSigner(key), append=True)
    return SignedTarget(role, metadata.to_bytes(JSONSerializer(compact=True)), raw)


def read_metadata(role: str, raw: bytes) -> Metadata[Targets]:
    """Raises IntegrityError (code `directory-invalid`)."""
    try:
        read = Metadata[Targets].from_bytes(raw)
        sound = isinstance(read.signed, Targets) and set(read.signed.targets) == {target_of(role)}
        sound = sound and sorted(read.signed.targets[target_of(role)].hashes) == HASHES
        sound = sound and type(read.signed.version) is int and read.signed.version <= MAX_SAFE_INTEGER
    except _FAULTS:
        sound = False
    if not sound or read.signed.delegations is not None:
        raise unsound(f"metadata for the role {role} that are none")
    return read


def verified(made: SignedTarget, targets: Targets) -> Found:
    """Its document, signed by all keys that the targets metadata name for its role, at any age.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    read = read_metadata(made.role, made.metadata)
    try:
        targets.verify_delegate(made.role, read.signed_bytes, read.signatures)
        read.signed.targets[target_of(made.role)].verify_length_and_hashes(made.document)
    except _FAULTS as error:
        raise unsound(f"something of {made.role} that does not verify: {error}") from error
    return Found(made.role, read.signed.version, read.signed.expires.timestamp(), made.document)


class DelegatedReader:
    """Reads what the delegated roles of a repository signed, each for itself.

    Args:
        load: bytes of `metadata/<name>` or `targets/<name>`, at most so many; raises NotFoundError.
        cache: a folder, for the newest of each role.
    """

    def __init__(self, load: Callable[[str, int], bytes], cache: Path) -> None:
        self._load = load
        self._cache = cache

    def read(self, targets: Targets, snapshot: Snapshot) -> tuple[Found, ...]:
        """Every role that the targets metadata delegate to; what is wrong with one stands in its `trouble`."""
        return tuple(self._read(role, targets, snapshot) for role in roles_of(targets))

    def _read(self, role: str, targets: Targets, snapshot: Snapshot) -> Found:
        meta = snapshot.meta.get(f"{role}.json")
        if meta is None:
            return Found(role, trouble="none: its keys have signed none yet")
        try:
            made = self._held(role, meta) or self._fetched(role, meta)
            found = verified(made, targets)
        except IntegrityError as error:
            return Found(role, trouble=error.message)
        except NotFoundError:
            return Found(role, trouble="one that the operator names and does not give")
        if found.version != meta.version:
            return Found(role, trouble=f"version {found.version} where the operator says {meta.version}")
        return found

    def _held(self, role: str, meta: MetaFile) -> SignedTarget | None:
        try:
            made = SignedTarget(role, *(path.read_bytes() for path in self._paths(role)))
            meta.verify_length_and_hashes(made.metadata)
        except (OSError, *_FAULTS):
            return None
        return made

    def _fetched(self, role: str, meta: MetaFile) -> SignedTarget:
        limit = 1_000_000  # whatever the operator's snapshot says
        metadata = self._load(f"metadata/{meta.version}.{role}.json", min(meta.length or limit, limit))
        try:
            meta.verify_length_and_hashes(metadata)
        except _FAULTS as error:
            raise unsound(f"something of {role} that is not the one the operator names: {error}") from error
        file = read_metadata(role, metadata).signed.targets[target_of(role)]
        made = SignedTarget(
            role, metadata, self._load(f"targets/{file.get_prefixed_paths()[0]}", min(file.length, limit))
        )
        for path, content in zip(self._paths(role), (made.metadata, made.document), strict=True):
            write_whole(path, content)
        return made

    def _paths(self, role: str) -> tuple[Path, Path]:
        return self._cache / f"{role}.metadata", self._cache / target_of(role)
