"""A proposal: root and targets metadata that travel as one file and gather signatures, each by its own holder.

What stands in one is checked before anything of it is shown or signed: the agreed shape, a sound document that is the
one the targets name, nothing that this program does not know, and no signature but such as verify and count. Who has
the file on its way gains: nothing but to withhold it, or signatures in it.
"""

import copy
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import pydantic
from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Key, Metadata, Root, Signed, Targets

from broker.crypto.keys import PrivateKey
from broker.directory.changes import COUNTRY
from broker.directory.check import check_document
from broker.directory.logs import dropped
from broker.directory.tuf_delegated import Delegates, check_delegations, delegations_for
from broker.directory.tuf_drafts import COMPACT, HASHES, RealmKeys, root_draft, targets_draft
from broker.directory.tuf_held import Held, realm_keys
from broker.directory.tuf_keys import OwnSigner, check_root
from broker.directory.tuf_tally import Tally, tally
from broker.errors import IntegrityError
from schemas.canonical import MalformedJsonError, b64u, canonical
from schemas.directory import TARGET, Directory
from schemas.problem import Code
from schemas.realm import Proposal as File

S = TypeVar("S", Root, Targets)
Signers = Iterable[tuple[str, PrivateKey]]
"""(use, key); only keys for `root` and `targets` sign."""


class Proposal:
    """Root metadata, targets metadata with the directory they name, or both; immutable.

    `held`: what is in force before it, None where it founds the realm.
    """

    def __init__(self, file: File, held: Held | None) -> None:
        self.held = held
        self.root = _read(Root, file.root) if file.root is not None else None
        self.targets = _read(Targets, file.targets) if file.targets is not None else None
        self.document = file.directory
        try:
            for fault in self._faults():
                raise _refused(fault)
        except RepositoryError as error:
            raise _refused("members that no signed bytes can be made of") from error

    @classmethod
    def from_json(cls, raw: bytes, held: Held | None) -> "Proposal":
        """Read a proposal's file.

        Raises:
            IntegrityError: code `directory-invalid`; it is none, or one that must not be signed.
        """
        return cls(read_file(raw), held)

    @property
    def judge(self) -> Root:
        """The root by which the targets are judged: the proposed one, else the one in force."""
        root = self.root.signed if self.root is not None else self.held.root if self.held is not None else None
        if root is None:
            raise _refused("no root, proposed or in force")
        return root

    @property
    def keys(self) -> RealmKeys:
        return realm_keys(self.judge)

    @property
    def fingerprint(self) -> bytes:
        """SHA-256 of the canonical object {root, targets}, each the b64u SHA-384 of its signed bytes, where there: what
        people compare by voice. Signatures do not change it.
        """
        hashes = {name.partition(" ")[0]: each for name, each in self.hashes().items()}
        return hashlib.sha256(canonical(hashes)).digest()

    def hashes(self) -> Mapping[str, str]:
        """`root N` and `targets N`, where proposed -> b64u SHA-384 of the signed bytes."""
        parts = [part for part in (self.root, self.targets) if part is not None]
        return {
            f"{part.signed.type} {part.signed.version}": b64u(hashlib.sha384(part.signed_bytes).digest())
            for part in parts
        }

    def signed_part(self) -> Mapping[str, Any]:
        """As `Held.signed`, of what this would put in force."""
        found = dict(self.held.signed()) if self.held is not None else {}
        if self.root is not None:
            found["root"] = self.root.signed.to_dict()
        if self.targets is not None and self.document is not None:
            found |= {"targets": self.targets.signed.to_dict(), "directory": self.document.to_object()}
        return found

    def with_signatures(self, keys: Signers) -> "Proposal":
        """Signed also by whichever of these keys count.

        Raises:
            IntegrityError: code `directory-invalid`; none of them counts.
        """
        signed = {use: [key for found, key in keys if found == use] for use in ("root", "targets")}
        file = self.file()
        done = 0
        for name, roots in self._judges():
            counting = {kid for root in roots for kid in root.roles[name].keyids}
            metadata = copy.deepcopy(file[name])
            for key in signed[name]:
                if key.public.kid in counting:
                    made = OwnSigner(key).sign(self._part(name).signed_bytes)
                    others = [each for each in metadata["signatures"] if each["keyid"] != made.keyid]
                    metadata["signatures"] = [*others, {"keyid": made.keyid, "sig": made.signature}]
                    done += 1
            file[name] = metadata
        if not done:
            raise _refused("none of the keys given among those that must sign it")
        return Proposal(File.from_object(file), self.held)

    def merged(self, other: "Proposal") -> "Proposal":
        """With the signatures of both.

        Raises:
            IntegrityError: code `directory-invalid`; it proposes something else.
        """
        if other.fingerprint != self.fingerprint:
            raise _refused("files that propose different things", "Gather signatures for one proposal at a time.")
        file, theirs = self.file(), other.file()
        for name, _ in self._judges():
            by = {each["keyid"]: each for each in theirs[name]["signatures"] + file[name]["signatures"]}
            file[name] = {**file[name], "signatures": [by[kid] for kid in sorted(by)]}
        return Proposal(File.from_object(file), self.held)

    def tallies(self) -> Sequence[Tally]:
        """Every threshold that must be met, and how far it is."""
        return [tally(self._part(name), root) for name, roots in self._judges() for root in roots]

    def file(self) -> dict[str, Any]:
        """The file's members, as objects of JSON types."""
        found: dict[str, Any] = {"v": "setu1.proposal"}
        if self.root is not None:
            found["root"] = json.loads(self.root_bytes or b"")
        if self.targets is not None and self.document is not None:
            found |= {"targets": json.loads(self.targets_bytes or b""), "directory": self.document.to_object()}
        return found

    @property
    def root_bytes(self) -> bytes | None:
        return self.root.to_bytes(COMPACT) if self.root is not None else None

    @property
    def targets_bytes(self) -> bytes | None:
        return self.targets.to_bytes(COMPACT) if self.targets is not None else None

    def _judges(self) -> Iterator[tuple[str, Sequence[Root]]]:
        if self.root is not None:
            yield Root.type, [*([self.held.root] if self.held is not None else []), self.root.signed]
        if self.targets is not None:
            yield Targets.type, [self.judge]

    def _part(self, name: str) -> Metadata[Any]:
        found = self.root if name == Root.type else self.targets
        if found is None:
            raise _refused(f"no {name} metadata in the proposal")
        return found

    def _faults(self) -> Iterator[str]:
        held = self.held
        if self.root is not None:
            expected = held.root.version + 1 if held is not None else 1
            if self.root.signed.version != expected:
                yield f"root version {self.root.signed.version}, where {expected} comes next"
            check_root(self.root.signed)
        elif held is None:
            yield "a proposal for a realm that was founded before, and nothing in force to judge it by"
        if self.targets is not None and self.document is not None:
            yield from self._targets_faults(self.targets.signed, self.document)
        elif held is None:
            yield "a first root without a directory"
        elif _targets_keys(self.judge) != _targets_keys(held.root):
            yield "other targets keys, and no directory that they sign anew"
        else:
            check_delegations(held.targets, self.judge)
        for each in (self.root, self.targets):
            if each is not None:
                if _strange(each):
                    yield "members that this program does not know, which therefore cannot be shown"
                yield from self._signature_faults(each)

    def _targets_faults(self, targets: Targets, document: Directory) -> Iterator[str]:
        check_document(document)
        check_delegations(targets, self.judge)
        file = targets.targets.get(TARGET)
        same = type(targets.version) is int and targets.version == document.version
        if file is None or len(targets.targets) != 1 or not same:
            yield f"targets that are not {TARGET} of version {document.version} alone"
        elif sorted(file.hashes) != HASHES:
            yield "other hashes of the directory than its SHA-512"
        else:
            try:
                file.verify_length_and_hashes(document.canonical())
            except RepositoryError:
                yield "a directory that is not the one whose hash the targets hold"
        if self.held is not None:
            yield from dropped(self.held.document, document)
        if self.held is not None and document.version <= self.held.document.version:
            yield f"directory version {document.version}, where one above {self.held.document.version} comes next"

    def _signature_faults(self, part: Metadata[Any]) -> Iterator[str]:
        name = part.signed.type
        judges = next(roots for each, roots in self._judges() if each == name)
        good: set[str] = set()
        for root in judges:
            good |= root.get_verification_result(name, part.signed_bytes, part.signatures).signed.keys()
        if strangers := part.signatures.keys() - good:
            yield f"{len(strangers)} signatures on the {name} that do not verify, or are by keys that do not count"


def read_file(raw: bytes) -> File:
    """A proposal's file, of which nothing is checked yet but its shape; raises as `Proposal.from_json`."""
    try:
        return File.from_json(raw)
    except (MalformedJsonError, pydantic.ValidationError) as error:
        raise _refused("a file that is no proposal (setu1.proposal)") from error


def draw_up(
    held: Held | None,
    *,
    keys: RealmKeys | None,
    document: Directory | None,
    delegates: Delegates | None = None,
    now: float,
    days: int,
) -> Proposal:
    """An unsigned proposal.

    Args:
        held: what is in force; None founds a realm, which needs `keys` and `document`.
        keys: for a new root; None leaves root as it is.
        document: for a new directory; None leaves it as it is.
        delegates: who has other roles from then on, which needs `document`; None leaves that as it is.
        now: unix seconds.
        days: how long from then on the countries' signatures are good.

    Raises:
        IntegrityError: code `directory-invalid`; the keys are not of the agreed shape, the document is unsound.
    """
    until = datetime.fromtimestamp(int(now), UTC) + timedelta(days=days)
    file: dict[str, Any] = {"v": "setu1.proposal"}
    if keys is not None:
        file["root"] = json.loads(root_draft(keys, held.root.version + 1 if held is not None else 1, until))
    if document is not None:
        if delegates is None and held is None and keys is not None:
            delegates = keys.delegates
        in_force = held.targets.delegations if held is not None else None
        delegations = delegations_for(delegates) if delegates is not None else in_force
        targets = json.loads(targets_draft(document, until, delegations))
        file |= {"targets": targets, "directory": document.to_object()}
    return Proposal(File.from_object(file), held)


def _read(kind: type[S], members: Mapping[str, Any]) -> Metadata[S]:
    signatures = members.get("signatures")
    rows = signatures if isinstance(signatures, list) else []
    signers = [str(each.get("keyid")) for each in rows if isinstance(each, dict)]
    if len(set(signers)) != len(signers):
        raise _refused(f"two signatures by one key on the {kind.type}")
    try:
        read = Metadata[S].from_bytes(json.dumps(members).encode())
    except RepositoryError as error:
        raise _refused(f"{kind.type} metadata that is none: {error}") from error
    if not isinstance(read.signed, kind):
        raise _refused(f"{read.signed.type} metadata in the place of {kind.type}")
    return read


def _targets_keys(root: Root) -> set[str]:
    return set(root.roles[Targets.type].keyids)


def _strange(part: Metadata[Any]) -> bool:
    """Are there members that tuf carries along and nobody here gives a meaning?"""
    signed: Signed = part.signed
    holders: list[Mapping[str, Any]] = [part.unrecognized_fields, signed.unrecognized_fields]
    if isinstance(signed, Root):
        holders += [role.unrecognized_fields for role in signed.roles.values()]
        holders += _beside(signed.keys.values())
    if isinstance(signed, Targets):
        holders += [file.unrecognized_fields for file in signed.targets.values()]
        if signed.delegations is not None:
            holders += [signed.delegations.unrecognized_fields, *_beside(signed.delegations.keys.values())]
            holders += [role.unrecognized_fields for role in (signed.delegations.roles or {}).values()]
    return any(holders)


def _beside(keys: Iterable[Key]) -> Iterator[Mapping[str, Any]]:
    for key in keys:
        yield {name: value for name, value in key.unrecognized_fields.items() if name != COUNTRY}
        yield {name: value for name, value in key.keyval.items() if name != "public"}


def _refused(found: str, advice: str = "Do not sign it; have it drawn up again.") -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID, f"Expected a proposal that may be signed, found {found}.", advice=advice
    )
