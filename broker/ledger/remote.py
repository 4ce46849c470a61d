"""The rollback guard that all gateways of one ledger share, as a gateway knows it: a client of C2SP tlog-witness."""

import logging
from collections.abc import Callable

from broker.errors import IntegrityError, UnavailableError
from broker.ledger import witness
from broker.ledger.guard import Newest, Proof
from broker.ledger.witness import Answer, Request
from broker.merkle.note import Checkpoint, HeadSigner, parse_checkpoint, parse_size
from schemas.problem import Code

TRIES = 8
"""How often a size that others moved in between is asked for anew."""

_log = logging.getLogger(__name__)

Ask = Callable[[str, bytes | None], Answer]
"""(path, body to post or None to get) -> the guard's answer. Raises UnavailableError where there is none."""


class RemoteGuard(Newest):
    """Safe to call from several threads.

    Args:
        has_head: whether (size, root) is among the heads of this gateway's store.
    """

    shared = True

    def __init__(self, ask: Ask, signer: HeadSigner, has_head: Callable[[int, bytes], bool]) -> None:
        super().__init__()
        self._ask = ask
        self._signer = signer
        self._has_head = has_head
        self._held = 0

    def read(self) -> bytes | None:
        answer = self._ask(witness.NEWEST, None)
        if answer.status == witness.NOT_FOUND:
            return None
        if answer.status != witness.OK:
            raise _refused(answer)
        return answer.body

    def write(self, note: bytes, proof: Proof) -> None:
        head = parse_checkpoint(note)
        old = min(self._held, head.size)
        for _ in range(TRIES):
            answer = self._ask(witness.ADD, Request(old, proof(old), note).encode())
            if answer.status == witness.OK:
                self._held = head.size
                self.adopt(note)
                return
            if answer.status == witness.UNPROCESSABLE:
                raise _other_history(old)
            if answer.status != witness.CONFLICT or answer.media.partition(";")[0] != witness.SIZE:
                raise _refused(answer)
            size = parse_size(answer.body.decode("ascii", "replace").removesuffix("\n"))
            if size is None:
                raise _refused(answer)
            if size == old:
                raise _other_history(size)  # the same size with another root
            if size > head.size:
                self._held = self._later_head(head.size).size
                return
            if size < self._held:
                _log.warning("the shared guard went back to size %d; it is brought forward again", size)
            self._held = old = size
        raise UnavailableError("Expected the shared guard to take the newest head, found it moving all the time.")

    def _later_head(self, size: int) -> Checkpoint:
        """The head that another gateway had guarded meanwhile: one of this store's, or the store is not what it was."""
        kept = self.read()
        found = self._signer.recognise(kept or b"")
        if found.size < size or not self._has_head(found.size, found.root):
            raise _other_history(found.size)
        return found


def _refused(answer: Answer) -> UnavailableError:
    return UnavailableError(
        f"Expected the shared guard to keep the newest head, found that it answers {answer.status}.",
        advice="If it stays so, compare `origin` and `vkeys` of the guard with this log's row in the directory.",
    )


def _other_history(size: int) -> IntegrityError:
    return IntegrityError(
        Code.ROLLBACK,
        f"Expected the head of size {size} that the shared guard knows, found another history in the store.",
        advice="An older store took its place, so nothing is signed. Stop all gateways and restore its newest state.",
    )
