"""The guard that several gateways share, as its service knows it: a C2SP tlog-witness of one log. No HTTP in here.

It takes a checkpoint only with both signatures of a pair of the log's keys, and the proof that it continues the one it
holds; and has it on disk before it answers. It sees checkpoints and proofs, never an entry.

An attacker who owns it can stop the ledger from signing, or let an older database pass; not sign in the log's name.
"""

import base64
import binascii
from collections.abc import Callable, Sequence
from threading import Lock
from typing import NamedTuple

from broker.crypto.keys import PrivateKey
from broker.errors import IntegrityError
from broker.ledger.guard import FileGuard, end_process
from broker.merkle.note import Checkpoint, cosignature_line, parse_checkpoint, parse_size, verify_checkpoint
from broker.merkle.proof import verify_consistency
from broker.merkle.tree import EMPTY_ROOT, HASH_SIZE
from schemas.directory import LogPair
from schemas.problem import Code

ADD = "/add-checkpoint"
NEWEST = "/checkpoint"
"""Where the newest note is read: the specification leaves that open."""

TEXT = "text/plain; charset=utf-8"
SIZE = "text/x.tlog.size"
MAX_PROOF = 63

OK, BAD_REQUEST, FORBIDDEN, NOT_FOUND, CONFLICT, UNPROCESSABLE = 200, 400, 403, 404, 409, 422


class Answer(NamedTuple):
    status: int
    media: str
    body: bytes


class Request(NamedTuple):
    """The body of `add-checkpoint`."""

    old: int
    proof: Sequence[bytes]
    note: bytes

    def encode(self) -> bytes:
        lines = (f"old {self.old}", *(base64.b64encode(each).decode() for each in self.proof), "", "")
        return "\n".join(lines).encode() + self.note

    @classmethod
    def parse(cls, body: bytes) -> "Request":
        """Raises IntegrityError (LOG_INVALID) where the body is of another form."""
        head, separator, note = body.partition(b"\n\n")
        try:
            old, *proof = head.decode("ascii").split("\n")
            hashes = [_hash(each) for each in proof]
        except (UnicodeDecodeError, binascii.Error, ValueError):
            raise _malformed("lines of base64") from None
        size = parse_size(old.removeprefix("old ")) if old.startswith("old ") else None
        if not separator or size is None or len(hashes) > MAX_PROOF:
            raise _malformed(f"`old` and a size, at most {MAX_PROOF} lines of proof, an empty line and a checkpoint")
        return cls(size, hashes, note)


class Witness:
    """Safe to call from several threads.

    Args:
        file: where the newest checkpoint is; held by this process alone.
        origin, pairs: the log's name and the pairs of its verifier keys, of which one must have signed.
        name, key: the witness's own name, and its Ed25519 key.
        die: called when the disk failed, for what the file holds is unknown until it is read anew.

    Raises:
        IntegrityError: LOG_INVALID; the file holds no checkpoint of this log.
    """

    def __init__(
        self,
        file: FileGuard,
        origin: str,
        pairs: Sequence[LogPair],
        *,
        name: str,
        key: PrivateKey,
        now: Callable[[], float],
        die: Callable[[], None] = end_process,
    ) -> None:
        self._file = file
        self._origin = origin
        self._pairs = tuple(pairs)
        self._name = name
        self._key = key
        self._now = now
        self._die = die
        self._lock = Lock()
        kept = file.read()
        self._held = None if kept is None else verify_checkpoint(kept, origin, self._pairs)

    @property
    def size(self) -> int | None:
        """Of the checkpoint it holds."""
        return None if self._held is None else self._held.size

    def go_by(self, pairs: Sequence[LogPair]) -> bool:
        """Take checkpoints under these pairs from now on. Returns whether the one it holds is under one of them: until
        it holds one that is, it would not start again.
        """
        with self._lock:
            self._pairs = tuple(pairs)
            kept = self._file.read()
        try:
            return kept is None or bool(verify_checkpoint(kept, self._origin, self._pairs))
        except IntegrityError:
            return False

    def newest(self) -> Answer:
        """The checkpoint it holds, as it came."""
        with self._lock:
            kept = self._file.read()
        return _said(NOT_FOUND, "There is no checkpoint yet.") if kept is None else Answer(OK, TEXT, kept)

    def add(self, body: bytes) -> Answer:
        """C2SP tlog-witness, `add-checkpoint`; the checks in its order. Raises OSError where the file fails."""
        try:
            request = Request.parse(body)
            told = parse_checkpoint(request.note)
        except IntegrityError as error:
            return _said(BAD_REQUEST, error.message)
        if told.origin != self._origin:
            return _said(NOT_FOUND, "This witness knows another log.")
        try:
            head = verify_checkpoint(request.note, self._origin, self._pairs)
        except IntegrityError as error:
            return _said(FORBIDDEN, error.message)
        if request.old > head.size:
            return _said(BAD_REQUEST, "Expected an old size of at most the checkpoint's, found a larger one.")
        with self._lock:  # compare and persist are one
            return self._continued(request, head)

    def _continued(self, request: Request, head: Checkpoint) -> Answer:
        held = self._held or Checkpoint(self._origin, 0, EMPTY_ROOT)
        if request.old != held.size or (head.size == held.size and head.root != held.root):
            return Answer(CONFLICT, SIZE, b"%d\n" % held.size)
        try:
            verify_consistency(held.size, held.root, head.size, head.root, request.proof)
        except IntegrityError as error:
            return _said(UNPROCESSABLE, error.message)
        if self._held is None or head.size > held.size:
            try:
                self._file.write(request.note, lambda _: request.proof)
            except OSError:
                self._die()
                raise
            self._held = head
        return Answer(OK, TEXT, cosignature_line(self._name, self._key, head, int(self._now())))


def _hash(line: str) -> bytes:
    found = base64.b64decode(line, validate=True)
    if len(found) != HASH_SIZE or base64.b64encode(found).decode() != line:
        raise ValueError("not a hash in canonical base64")
    return found


def _said(status: int, text: str) -> Answer:
    return Answer(status, TEXT, f"{text}\n".encode())


def _malformed(expected: str) -> IntegrityError:
    return IntegrityError(Code.LOG_INVALID, f"Expected {expected}, found another form.")
