"""Group commit: one thread writes what is queued, and answers each caller once its entry's head is signed and guarded.

What cannot be told to callers as an outcome ends the ledger: a log that is not what it was stops it for good in this
process (reading goes on), and a failed disk ends the process (a retry of a failed fsync may "succeed" and lose data).
"""

import logging
import os
import time as system_time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from threading import Condition, Thread
from typing import NamedTuple

from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.ledger.entries import Draft, draft
from broker.ledger.guard import Guard
from broker.ledger.port import Committed, Proposal
from broker.ledger.writer import Writer
from broker.merkle.note import LogSigner
from broker.store.port import Store
from schemas.problem import Code

MAX_BATCH = 512
MAX_QUEUE = 4096
EXIT_STATUS = 70
_log = logging.getLogger(__name__)


class _Item(NamedTuple):
    proposal: Proposal
    draft: Draft
    future: Future[Committed]


def end_process() -> None:
    """End at once, running nothing more: what the disk holds is unknown."""
    os._exit(EXIT_STATUS)


class Committer:
    """The ledger's writer (`broker.ledger.port.Ledger`). `start` it, `close` it.

    Args:
        on_commit: called with the (recipient, kind) topics that grew, once their receipts may leave.
        probe: called with "committed" and "head-signed" as a batch passes; a test's failpoint.
        die: called when the disk failed, or the thread met what it cannot judge.
        max_queue: proposals waiting; more are answered `busy`.
        max_batch: entries of one transaction.
    """

    def __init__(
        self,
        store: Store,
        signer: LogSigner,
        guard: Guard,
        clock: Callable[[], float] = system_time.time,
        *,
        on_commit: Callable[[frozenset[tuple[str, str]]], None] = lambda _: None,
        probe: Callable[[str], None] = lambda _: None,
        die: Callable[[], None] = end_process,
        max_queue: int = MAX_QUEUE,
        max_batch: int = MAX_BATCH,
    ) -> None:
        self._open = partial(Writer, store, signer, guard, clock, probe)
        self._on_commit = on_commit
        self._die = die
        self._max_queue = max_queue
        self._max_batch = max_batch
        self._waiting: deque[_Item] = deque()
        self._changed = Condition()
        self._closing = False
        self._thread: Thread | None = None
        self.failure: SetuError | None = None
        """Why the ledger stopped, once it has."""

    def start(self) -> None:
        """Check the log against the guard and the published checkpoint, and begin to write.

        Raises:
            IntegrityError: ROLLBACK or LOG_INVALID; the ledger does not start.
        """
        writer = self._open()
        self._thread = Thread(target=self._run, args=(writer,), name="ledger-committer", daemon=True)
        self._thread.start()

    def close(self, timeout: float = 30.0) -> None:
        """Take no more proposals and finish those that wait, within `timeout` seconds."""
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join(timeout)
        else:
            self._stop(_stopped(), ())

    def waiting(self) -> int:
        """How many proposals wait for a batch."""
        return len(self._waiting)

    def propose(self, proposal: Proposal) -> Future[Committed]:
        """See `broker.ledger.port.Ledger`. What is no `Entry` is refused with code `internal`."""
        future: Future[Committed] = Future()
        try:
            item = _Item(proposal, draft(proposal.entry), future)
        except SetuError as error:
            future.set_exception(error)
            return future
        refusal: SetuError | None = None
        with self._changed:
            if self.failure is not None or self._closing:
                refusal = _stopped()
            elif len(self._waiting) >= self._max_queue:
                refusal = UnavailableError(
                    "Expected room in the ledger's queue, found it full.", code=Code.BUSY, retry_after=1
                )
            else:
                self._waiting.append(item)
                self._changed.notify()
        if refusal is not None:
            future.set_exception(refusal)
        return future

    def _run(self, writer: Writer) -> None:
        items: list[_Item] = []
        try:
            while items := self._take():
                self._commit(writer, items)
            writer.close()
        except IntegrityError as error:
            _log.critical("the ledger stops: %s", error)
            self._stop(error, items)
        except Exception as error:  # noqa: BLE001 - whatever it is, the tree in memory may be wrong
            _log.critical("the ledger ends the process", exc_info=error)
            self._stop(_stopped(), items)
            self._die()

    def _take(self) -> list[_Item]:
        """What waits, at most a batch; nothing only when closing."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closing)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]

    def _commit(self, writer: Writer, items: Sequence[_Item]) -> None:
        live = [item for item in items if item.future.set_running_or_notify_cancel()]
        if not live:
            return
        batched = writer.write([(item.proposal, item.draft) for item in live])
        for item, result in zip(live, batched.results, strict=True):
            if isinstance(result, Committed):
                item.future.set_result(result)
            else:
                item.future.set_exception(result)
        if batched.topics:
            try:
                self._on_commit(batched.topics)
            except Exception as error:  # noqa: BLE001 - subscribers look again by themselves; the log is as it was
                _log.error("topics that grew could not be told", exc_info=error)

    def _stop(self, failure: SetuError, items: Sequence[_Item]) -> None:
        with self._changed:
            self.failure = failure
            unanswered = [item for item in (*items, *self._waiting) if not item.future.done()]
            self._waiting.clear()
        for item in unanswered:
            item.future.set_exception(_stopped())


def _stopped() -> UnavailableError:
    return UnavailableError("Expected a ledger that takes entries, found that it has stopped.")
