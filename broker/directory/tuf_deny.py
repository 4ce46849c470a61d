"""Deny lists as TUF delegations: the targets role gives each country's list, and the operator's, keys of its own.

Role `deny-IND` signs one target, `deny-IND.json`. Expiry is no fault here: a list that nobody signed anew stays in
force, and what follows from its age is the gateway's to say.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from securesystemslib.exceptions import VerificationError
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import DelegatedRole, Delegations, Key, Metadata, MetaFile, Root, Snapshot, TargetFile, Targets
from tuf.api.serialization.json import JSONSerializer

from broker.crypto.keys import PrivateKey, PublicKey
from broker.directory.changes import COUNTRY
from broker.directory.deny import Found, read_list
from broker.directory.files import write_whole
from broker.directory.tuf_keys import ED25519, ML_DSA_65, OwnSigner, public_of, tuf_key
from broker.errors import IntegrityError, NotFoundError, SignatureError
from schemas.canonical import MAX_SAFE_INTEGER
from schemas.deny import OPERATOR, DenyList, target_of
from schemas.problem import Code

LIFETIME = 86_400
HASHES = ["sha512"]
PREFIX = "deny-"
_SHAPES = {True: Counter({ED25519: 1}), False: Counter({ED25519: 1, ML_DSA_65: 1})}
_FAULTS = (RepositoryError, VerificationError, ValueError, KeyError)


@dataclass(frozen=True, slots=True)
class DenyKeys:
    """Whose lists there are. `countries`: alpha-3 -> its Ed25519 and ML-DSA-65 key; `operator`: its Ed25519 key."""

    countries: Mapping[str, tuple[PublicKey, PublicKey]] = field(default_factory=dict)
    operator: PublicKey | None = None


def delegations_for(keys: DenyKeys) -> Delegations | None:
    """As targets metadata has them; None for nobody. Raises IntegrityError (code `directory-invalid`)."""
    wanted: dict[str, list[Key]] = {
        name: [tuf_key(each, name) for each in pair] for name, pair in sorted(keys.countries.items())
    }
    if keys.operator is not None:
        wanted[OPERATOR] = [tuf_key(keys.operator)]
    if not wanted:
        return None
    keyids = [each.keyid for theirs in wanted.values() for each in theirs]
    if len(set(keyids)) != len(keyids):
        raise _unsound("one key in two places")
    roles = {
        role_of(name): DelegatedRole(
            role_of(name), [each.keyid for each in theirs], len(theirs), terminating=True, paths=[target_of(name)]
        )
        for name, theirs in wanted.items()
    }
    return Delegations({each.keyid: each for theirs in wanted.values() for each in theirs}, roles)


def deny_keys_of(targets: Targets) -> DenyKeys:
    """Whose lists there are by these targets metadata, whose delegations are of the agreed shape."""
    held: dict[str, list[PublicKey]] = {}
    if targets.delegations is not None:
        for name, role in (targets.delegations.roles or {}).items():
            publics = [public_of(targets.delegations.keys[each]) for each in role.keyids]
            held[name.removeprefix(PREFIX)] = sorted(publics, key=lambda each: each.alg)
    (operator,) = held.pop(OPERATOR, [None])
    return DenyKeys({name: (classical, quantum) for name, (classical, quantum) in held.items()}, operator)


def role_of(name: str) -> str:
    return PREFIX + name


def lists_of(targets: Targets) -> list[str]:
    """Names of the lists that these targets metadata delegate to."""
    roles = targets.delegations.roles if targets.delegations is not None else None
    return [name.removeprefix(PREFIX) for name in roles or {}]


def check_delegations(targets: Targets, root: Root) -> None:
    """Refuse delegations that are none to deny lists of the agreed shape.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    if targets.delegations is None:
        return
    elsewhere = set(root.keys)
    countries = {key.unrecognized_fields.get(COUNTRY) for key in root.keys.values()} - {None}
    if not targets.delegations.roles:
        raise _unsound("delegations that name no roles")
    if {each for role in targets.delegations.roles.values() for each in role.keyids} != set(targets.delegations.keys):
        raise _unsound("other keys in the delegations than their roles name")
    for name, role in targets.delegations.roles.items():
        theirs = [targets.delegations.keys[each] for each in role.keyids if each in targets.delegations.keys]
        named = name.removeprefix(PREFIX)
        operators = named == OPERATOR
        if name != role_of(named) or not (operators or named in countries):
            raise _unsound("a role that is no deny list of a country of the root or of the operator")
        if role.paths != [target_of(named)] or role.terminating is not True:
            raise _unsound(f"other targets for the role {name} than {target_of(named)}")
        agreed = type(role.threshold) is int and role.threshold == len(role.keyids)
        if Counter(each.keytype for each in theirs) != _SHAPES[operators] or not agreed:
            raise _unsound(f"other keys for the role {name} than one Ed25519 and, for a country, one ML-DSA-65")
        for key in theirs:
            if key.unrecognized_fields.get(COUNTRY) != (None if operators else named):
                raise _unsound(f"a key for the role {name} that is not marked as its own")
            if key.keyid in elsewhere:
                raise _unsound(f"a key for the role {name} that signs something else, too")
            elsewhere.add(key.keyid)
            try:
                public_of(key)
            except SignatureError as error:
                raise _unsound(f"a key for the role {name} that is no sound key") from error


@dataclass(frozen=True, slots=True)
class SignedList:
    """A list and its metadata, as files: what a country's machine makes and the operator's puts into its repository."""

    name: str
    metadata: bytes
    document: bytes

    def meta(self) -> MetaFile:
        return MetaFile.from_data(self.version, self.metadata, HASHES)

    @property
    def version(self) -> int:
        return read_metadata(self.name, self.metadata).signed.version

    @property
    def expires(self) -> float:
        """Unix seconds."""
        return read_metadata(self.name, self.metadata).signed.expires.timestamp()

    def read(self) -> DenyList:
        """Raises IntegrityError (code `directory-invalid`)."""
        return read_list(self.document, self.name)

    def files(self) -> list[tuple[str, bytes]]:
        """In the order to write them."""
        signed = read_metadata(self.name, self.metadata).signed
        file = signed.targets[target_of(self.name)].get_prefixed_paths()[0]
        return [
            (f"targets/{file}", self.document),
            (f"metadata/{signed.version}.{role_of(self.name)}.json", self.metadata),
        ]


def sign_list(
    document: DenyList, version: int, keys: Iterable[PrivateKey], now: float, *, lifetime: int = LIFETIME
) -> SignedList:
    """Sign a list; `version`: one above the newest of this list, whatever is in it."""
    raw = document.canonical()
    target = target_of(document.list)
    until = datetime.fromtimestamp(int(now), UTC) + timedelta(seconds=lifetime)
    metadata = Metadata(Targets(version, None, until, {target: TargetFile.from_data(target, raw, HASHES)}))
    for key in keys:
        metadata.sign(OwnSigner(key), append=True)
    return SignedList(document.list, metadata.to_bytes(JSONSerializer(compact=True)), raw)


def read_metadata(name: str, raw: bytes) -> Metadata[Targets]:
    """Raises IntegrityError (code `directory-invalid`)."""
    try:
        read = Metadata[Targets].from_bytes(raw)
        sound = isinstance(read.signed, Targets) and set(read.signed.targets) == {target_of(name)}
        sound = sound and sorted(read.signed.targets[target_of(name)].hashes) == HASHES
        sound = sound and type(read.signed.version) is int and read.signed.version <= MAX_SAFE_INTEGER
    except _FAULTS:
        sound = False
    if not sound or read.signed.delegations is not None:
        raise _unsound(f"metadata for the deny list {name} that are none")
    return read


def verified(made: SignedList, targets: Targets) -> Found:
    """The list, signed by all keys that the targets metadata name for it, at any age.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    read = read_metadata(made.name, made.metadata)
    try:
        targets.verify_delegate(role_of(made.name), read.signed_bytes, read.signatures)
        read.signed.targets[target_of(made.name)].verify_length_and_hashes(made.document)
    except _FAULTS as error:
        raise _unsound(f"a deny list that does not verify: {error}") from error
    return Found(made.name, read.signed.version, read.signed.expires.timestamp(), made.document)


class ListReader:
    """Reads the lists of a repository, each for itself.

    Args:
        load: bytes of `metadata/<name>` or `targets/<name>`, at most so many; raises NotFoundError.
        cache: a folder, for the newest of each list.
    """

    def __init__(self, load: Callable[[str, int], bytes], cache: Path) -> None:
        self._load = load
        self._cache = cache

    def read(self, targets: Targets, snapshot: Snapshot) -> tuple[Found, ...]:
        """Every list that the targets metadata delegate to; what is wrong with one stands in its `trouble`."""
        return tuple(self._read(name, targets, snapshot) for name in lists_of(targets))

    def _read(self, name: str, targets: Targets, snapshot: Snapshot) -> Found:
        meta = snapshot.meta.get(f"{role_of(name)}.json")
        if meta is None:
            return Found(name, trouble="none: its keys have signed none yet")
        try:
            made = self._held(name, meta) or self._fetched(name, meta)
            found = verified(made, targets)
        except IntegrityError as error:
            return Found(name, trouble=error.message)
        except NotFoundError:
            return Found(name, trouble="one that the operator names and does not give")
        if found.version != meta.version:
            return Found(name, trouble=f"version {found.version} where the operator says {meta.version}")
        return found

    def _held(self, name: str, meta: MetaFile) -> SignedList | None:
        try:
            made = SignedList(name, *(path.read_bytes() for path in self._paths(name)))
            meta.verify_length_and_hashes(made.metadata)
        except (OSError, *_FAULTS):
            return None
        return made

    def _fetched(self, name: str, meta: MetaFile) -> SignedList:
        limit = 1_000_000
        metadata = self._load(f"metadata/{meta.version}.{role_of(name)}.json", meta.length or limit)
        try:
            meta.verify_length_and_hashes(metadata)
        except _FAULTS as error:
            raise _unsound(f"a deny list that is not the one the operator names: {error}") from error
        file = read_metadata(name, metadata).signed.targets[target_of(name)]
        made = SignedList(
            name, metadata, self._load(f"targets/{file.get_prefixed_paths()[0]}", min(file.length, limit))
        )
        for path, content in zip(self._paths(name), (made.metadata, made.document), strict=True):
            write_whole(path, content)
        return made

    def _paths(self, name: str) -> tuple[Path, Path]:
        return self._cache / f"{role_of(name)}.metadata", self._cache / target_of(name)


def _unsound(found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected deny lists as the countries agreed on them, found {found}.",
        advice="What was in force stays so. Ask who keeps that list, and the operator of the gateway.",
    )
