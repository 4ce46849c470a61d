"""What a reader holds an engine to: ledger order within a topic, repeats that are the same, nothing twice (G6, G7)."""

from collections import OrderedDict

from broker.errors import IntegrityError
from broker.sdk.cursors import Position
from schemas.problem import Code

REMEMBERED = 10_000


class Order:
    """One topic's order. Not thread-safe; one reader of a topic has one.

    Args:
        done: what an earlier run finished; items up to it are passed over.
    """

    def __init__(self, done: Position) -> None:
        self._done = done
        self._highest = -1
        self._seen: OrderedDict[str, int] = OrderedDict()

    def begin_again(self, done: Position) -> None:
        """The engine starts anew at or before `done`: earlier items come once more, in order."""
        self._done = done
        self._highest = -1

    def is_new(self, index: int, digest: str) -> bool:
        """True for an item to handle, False for a repeat.

        Raises:
            IntegrityError: code `log-invalid`; order or identity is broken, which no honest gateway does.
        """
        known = self._seen.get(digest)
        if known is not None:
            if known != index:
                raise _broken("Expected a repeated packet at the same ledger index, found it at another.")
            return False
        if index <= self._highest:
            raise _broken("Expected packets of a topic in ledger order, found one with an index that does not rise.")
        self._highest = index
        self._seen[digest] = index
        if len(self._seen) > REMEMBERED:
            self._seen.popitem(last=False)
        if index > self._done.index:
            return True
        if index == self._done.index and self._done.digest not in (None, digest):
            raise _broken("Expected the packet that was read before at this ledger index, found another.")
        return False


def _broken(message: str) -> IntegrityError:
    return IntegrityError(
        Code.LOG_INVALID,
        message,
        advice="Keep the position file, stop reading, and speak with the operator and an auditor.",
    )
