"""The TUF repository's writer: founds a realm, puts a new directory in force, keeps the operator's metadata fresh.

Every change is written in the order that a live reader needs: what is named first, timestamp.json last. All files but
that one are named by version or hash and never change. Who owns the repository's files alone gains: nothing but to
withhold what is newer; who also owns the operator's keys can show two readers two versions that the countries signed.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from tuf.api.exceptions import RepositoryError
from tuf.api.metadata import Delegations, Metadata, MetaFile, Root, Snapshot, Targets, Timestamp

from broker.crypto.keys import PrivateKey
from broker.directory.check import check_document
from broker.directory.files import one_at_a_time, write_whole
from broker.directory.tuf_delegated import Delegates, check_delegations, delegations_for
from broker.directory.tuf_delegated_repository import check_delegated, newest_delegated
from broker.directory.tuf_drafts import COMPACT, HASHES, RealmKeys, cosign, root_draft, targets_draft
from broker.directory.tuf_keys import OwnSigner, check_root
from broker.directory.tuf_signed import SignedTarget
from broker.errors import IntegrityError, RequestError
from schemas.canonical import b64u
from schemas.directory import TARGET, Directory
from schemas.problem import Code

_TARGETS = "targets.json"
S = TypeVar("S", Root, Snapshot, Targets, Timestamp)


@dataclass(frozen=True, slots=True)
class Operator:
    """The operator's two private keys."""

    snapshot: PrivateKey
    timestamp: PrivateKey


@dataclass(frozen=True, slots=True)
class Lifetimes:
    """Seconds from signing to expiry. A snapshot is signed anew when less than half of its time is left."""

    root: int = 366 * 86_400
    targets: int = 366 * 86_400
    snapshot: int = 7 * 86_400
    timestamp: int = 86_400


class Repository:
    """A folder with `metadata/` and `targets/`, as served under /v1/directory. One process writes at a time.

    Args:
        folder: made if absent.
        now: unix seconds.
        write: puts a file in place, whole; another stands in where a test crashes between two files.
    """

    def __init__(
        self,
        folder: Path,
        now: Callable[[], float],
        lifetimes: Lifetimes | None = None,
        *,
        write: Callable[[Path, bytes], None] = write_whole,
    ) -> None:
        self._folder = folder
        self._write = write
        self._now = now
        self._lifetimes = lifetimes or Lifetimes()
        for name in ("metadata", "targets"):
            (folder / name).mkdir(parents=True, exist_ok=True)

    # ceremony: drafts to be signed elsewhere

    def draft_root(self, keys: RealmKeys) -> bytes:
        """Unsigned root metadata, one version above the newest.

        Raises:
            IntegrityError: code `directory-invalid`; the keys are not of the agreed shape.
        """
        return root_draft(keys, self._newest_root() + 1, self._until(self._lifetimes.root))

    def draft(self, document: Directory, delegates: Delegates | None = None) -> bytes:
        """Unsigned targets metadata for this document; its version is the document's.

        `delegates`: who has other roles from then on; without it, who has them now.

        Raises:
            IntegrityError: code `directory-invalid`; the document is unsound.
        """
        delegations = delegations_for(delegates) if delegates is not None else self._delegations()
        return targets_draft(document, self._until(self._lifetimes.targets), delegations)

    # changes

    def create(
        self,
        keys: RealmKeys,
        document: Directory,
        *,
        root_signers: Iterable[PrivateKey],
        target_signers: Iterable[PrivateKey],
        operator: Operator,
    ) -> bytes:
        """Found the realm; the first root's bytes are to be pinned by everybody and name the realm.

        Raises:
            IntegrityError: code `directory-invalid`; there is a realm already, too few signatures, unsound keys.
        """
        if self._newest_root():
            raise _refused("no realm here yet", "one")
        root = _signed(self.draft_root(keys), root_signers)
        targets = _signed(self.draft(document, keys.delegates), target_signers)
        self.install(operator, root=root, document=document, targets=targets)
        return root

    def publish(self, document: Directory, *, target_signers: Iterable[PrivateKey], operator: Operator) -> None:
        """Put a new version of the document in force.

        Raises:
            IntegrityError: code `directory-invalid`; not above the version in force, too few signatures, unsound.
        """
        self.install(operator, document=document, targets=_signed(self.draft(document), target_signers))

    def renew(self, operator: Operator) -> None:
        """Sign a new timestamp, and a new snapshot where half of its time is over.

        Raises:
            IntegrityError: code `directory-invalid`; the repository is unsound, or not the operator's keys.
        """
        self.install(operator)

    def install(
        self,
        operator: Operator,
        *,
        root: bytes | None = None,
        document: Directory | None = None,
        targets: bytes | None = None,
        delegated: Sequence[SignedTarget] = (),
    ) -> None:
        """Put signed metadata in force: a new root, a new document with its targets metadata, both or neither; and
        what other roles signed anew.

        Raises:
            IntegrityError: code `directory-invalid`; nothing was changed.
        """
        if (document is None) != (targets is None):
            raise _refused("a document and its signed targets metadata", "one without the other")
        with one_at_a_time(self._folder):
            try:
                files = self._change(operator, root, document, targets, delegated)
            except (RepositoryError, OSError) as error:
                raise _refused("metadata that verifies from the root", str(error)) from error
            for path, content in files:
                self._write(path, content)

    def _change(
        self,
        operator: Operator,
        root: bytes | None,
        document: Directory | None,
        targets: bytes | None,
        delegated: Sequence[SignedTarget],
    ) -> Sequence[tuple[Path, bytes]]:
        """The files of the change, in the order to write them; everything in them verified from the root."""
        files: list[tuple[str, bytes]] = []
        trusted = self._root(root)
        before = self._snapshot()
        if document is not None and targets is not None:
            files += self._document(document, targets, above=before.meta[_TARGETS].version if before else 0)
        elif before is not None:
            targets = self._load(f"{before.meta[_TARGETS].version}.targets.json")
        else:
            raise _refused("a repository with a directory in force", "none")
        if root is not None:
            files.append((f"metadata/{trusted.version}.root.json", root))
        signed = _read(Targets, targets)
        trusted.verify_delegate(Targets.type, signed.signed_bytes, signed.signatures)
        check_delegations(signed.signed, trusted)
        if signed.signed.delegations is not None or delegated:
            first = self._load("1.root.json") if before else root or b""
            in_force = document if document is not None else self._in_force(signed.signed)
            realm = b64u(hashlib.sha384(first).digest())
            check_delegated(self.delegated(), delegated, signed.signed, in_force, realm, again=document is not None)
        files += [file for each in delegated for file in each.files()]

        metas = {**(before.meta if before else {}), **{f"{each.role}.json": each.meta() for each in delegated}}
        metas[_TARGETS] = MetaFile.from_data(signed.signed.version, targets, HASHES)
        snapshot = self._next_snapshot(before, metas, trusted, operator)
        files.append((f"metadata/{snapshot.signed.version}.snapshot.json", snapshot.to_bytes(COMPACT)))
        trusted.verify_delegate(Snapshot.type, snapshot.signed_bytes, snapshot.signatures)

        meta = MetaFile.from_data(snapshot.signed.version, files[-1][1], HASHES)
        version = self._timestamp().version + 1 if before else 1
        timestamp = Metadata(Timestamp(version, None, self._until(self._lifetimes.timestamp), meta))
        timestamp.sign(OwnSigner(operator.timestamp))
        trusted.verify_delegate(Timestamp.type, timestamp.signed_bytes, timestamp.signatures)
        files.append(("metadata/timestamp.json", timestamp.to_bytes(COMPACT)))
        return [(self._folder / name, content) for name, content in files]

    def _root(self, new: bytes | None) -> Root:
        newest = self._newest_root()
        before = _read(Root, self._load(f"{newest}.root.json")).signed if newest else None
        if new is None:
            if before is None:
                raise _refused(
                    "a repository with a root",
                    "none",
                    "Found the realm first: `setu realm new`, `sign` and `publish`; or name the right folder.",
                )
            return before
        read = _read(Root, new)
        check_root(read.signed)
        if read.signed.version != newest + 1:
            raise _refused(f"root version {newest + 1}", f"version {read.signed.version}")
        for judge in (before, read.signed):
            if judge is not None:
                judge.verify_delegate(Root.type, read.signed_bytes, read.signatures)
        return read.signed

    def _document(self, document: Directory, targets: bytes, *, above: int) -> list[tuple[str, bytes]]:
        check_document(document)
        if document.version <= above:
            raise _refused(f"a directory version above {above}", f"version {document.version}")
        signed = _read(Targets, targets).signed
        file = signed.targets.get(TARGET)
        if file is None or signed.version != document.version:
            raise _refused(f"targets metadata of version {document.version} for {TARGET}", "other metadata")
        raw = document.canonical()
        file.verify_length_and_hashes(raw)
        name = file.get_prefixed_paths()[0]
        return [(f"targets/{name}", raw), (f"metadata/{document.version}.targets.json", targets)]

    def check(self, made: SignedTarget) -> None:
        """Whether this list may come into force here, as `install` asks.

        Raises:
            RequestError: code `deny-list-invalid`; it may not.
            IntegrityError: code `directory-invalid`; the repository is unsound.
        """
        try:
            before, realm = self._snapshot(), b64u(hashlib.sha384(self._load("1.root.json")).digest())
            if before is None:
                raise _refused("a repository with a directory in force", "none")
            targets = _read(Targets, self._load(f"{before.meta[_TARGETS].version}.targets.json")).signed
            document, held = self._in_force(targets), self.delegated()
        except (RepositoryError, OSError) as error:
            raise _refused("metadata that verifies from the root", str(error)) from error
        try:
            check_delegated(held, [made], targets, document, realm, again=False)
        except IntegrityError as error:
            raise RequestError(Code.DENY_LIST_INVALID, error.message, advice=error.advice) from error

    def delegated(self) -> list[SignedTarget]:
        """The newest of each delegated role here."""
        return newest_delegated(self._folder, self._snapshot())

    def newest(self, role: str) -> int:
        """The version of what a delegated role signed last, also where its keys are others by now; 0 for nothing."""
        before = self._snapshot()
        meta = before.meta.get(f"{role}.json") if before is not None else None
        return meta.version if meta is not None else 0

    def _delegations(self) -> Delegations | None:
        before = self._snapshot()
        if before is None:
            return None
        return _read(Targets, self._load(f"{before.meta[_TARGETS].version}.targets.json")).signed.delegations

    def _in_force(self, targets: Targets) -> Directory:
        file = self._folder / "targets" / targets.targets[TARGET].get_prefixed_paths()[0]
        return Directory.from_json(file.read_bytes())

    def _next_snapshot(
        self, before: Snapshot | None, metas: dict[str, MetaFile], root: Root, operator: Operator
    ) -> Metadata[Snapshot]:
        if before is not None and before.meta == metas:
            held = _read(Snapshot, self._load(f"{before.version}.snapshot.json"))
            lasts = before.expires > self._until(self._lifetimes.snapshot // 2)
            if lasts and root.get_verification_result(Snapshot.type, held.signed_bytes, held.signatures):
                return held
        version = before.version + 1 if before else 1
        until = self._until(self._lifetimes.snapshot)
        made = Metadata(Snapshot(version, None, until, metas))
        made.sign(OwnSigner(operator.snapshot))
        return made

    def _timestamp(self) -> Timestamp:
        return _read(Timestamp, self._load("timestamp.json")).signed

    def _snapshot(self) -> Snapshot | None:
        if not (self._folder / "metadata" / "timestamp.json").exists():
            return None
        return _read(Snapshot, self._load(f"{self._timestamp().snapshot_meta.version}.snapshot.json")).signed

    def _newest_root(self) -> int:
        names = [path.name.split(".")[0] for path in (self._folder / "metadata").glob("*.root.json")]
        return max((int(name) for name in names if name.isdigit()), default=0)

    def _load(self, name: str) -> bytes:
        return (self._folder / "metadata" / name).read_bytes()

    def _until(self, seconds: int) -> datetime:
        return datetime.fromtimestamp(int(self._now()), UTC) + timedelta(seconds=seconds)


def _read(kind: type[S], metadata: bytes) -> Metadata[S]:
    read = Metadata[S].from_bytes(metadata)
    if not isinstance(read.signed, kind):
        raise _refused(f"{kind.type} metadata", f"{read.signed.type} metadata")
    return read


def _signed(metadata: bytes, keys: Iterable[PrivateKey]) -> bytes:
    for key in keys:
        metadata = cosign(metadata, key)
    return metadata


def _refused(expected: str, found: str, advice: str = "Nothing was changed in the repository.") -> IntegrityError:
    return IntegrityError(Code.DIRECTORY_INVALID, f"Expected {expected}, found {found}.", advice=advice)
