"""Group commit: what is queued is written by one thread, then signed, guarded and answered by another.

So a batch is signed while the next one is written. That overlaps only where much waits: else the writer lets its next
batch grow until the one before is answered, for a commit and a signature cost the same however many share them.

What cannot be told to callers as an outcome ends the ledger: a log that is not what it was stops it for good in this
process (reading goes on), and a failed disk ends the process (a retry of a failed fsync may "succeed" and lose data).
"""

import logging
import time as system_time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future
from functools import partial
from threading import Condition, Lock, Thread
from typing import NamedTuple

from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.ledger.entries import Draft, draft
from broker.ledger.guard import Guard, end_process
from broker.ledger.nodes import StoredNodes
from broker.ledger.notes import Notes
from broker.ledger.port import Committed, Proposal
from broker.ledger.recovery import recover
from broker.ledger.sealer import Result, Sealer
from broker.ledger.writer import Refused, Writer, Written
from broker.merkle.note import HeadSigner
from broker.store.port import Store
from schemas.problem import Code

MAX_BATCH = 512
MAX_QUEUE = 4096
MUCH = 64
"""So many proposals are written at once, and no longer let grow, while the batch before them is signed."""

_log = logging.getLogger(__name__)


class _Item(NamedTuple):
    proposal: Proposal
    drafts: tuple[Draft, ...]
    future: Future[Committed]


class _Made(NamedTuple):
    items: Sequence[_Item]
    part: Written | Refused


class Committer:
    """The ledger's writer (`broker.ledger.port.Ledger`). `start` it, `close` it.

    Args:
        on_commit: called with the (recipient, kind) topics that grew, once their receipts may leave.
        counted: called with the number of entries that a transaction added.
        probe: called with "committed" and "head-signed" as a batch passes; a test's failpoint.
        die: called when the disk failed, or the thread met what it cannot judge.
        max_queue: proposals waiting; more are answered `busy`.
        max_batch: entries of one transaction.
    """

    def __init__(
        self,
        store: Store,
        signer: HeadSigner,
        guard: Guard,
        clock: Callable[[], float] = system_time.time,
        *,
        on_commit: Callable[[frozenset[tuple[str, str]]], None] = lambda _: None,
        counted: Callable[[int], None] = lambda _: None,
        probe: Callable[[str], None] = lambda _: None,
        die: Callable[[], None] = end_process,
        max_queue: int = MAX_QUEUE,
        max_batch: int = MAX_BATCH,
    ) -> None:
        self._open = partial(_open, store, signer, guard, clock, probe)
        self._on_commit = on_commit
        self._counted = counted
        self._die = die
        self._max_queue = max_queue
        self._max_batch = max_batch
        self._waiting: deque[_Item] = deque()
        self._made: deque[_Made] = deque()
        self._sealing = False
        lock = Lock()
        self._to_write = Condition(lock)
        self._to_seal = Condition(lock)
        self._closing = False
        self._written = False
        self._threads: tuple[Thread, ...] = ()
        self.failure: SetuError | None = None
        """Why the ledger stopped, once it has."""

    def start(self) -> None:
        """Check the log against the guard and the published checkpoint, and begin to write.

        Raises:
            IntegrityError: ROLLBACK or LOG_INVALID; the ledger does not start.
        """
        writer, sealer = self._open()
        self._threads = (
            Thread(target=self._run_writer, args=(writer, sealer), name="ledger-writer", daemon=True),
            Thread(target=self._run_sealer, args=(writer, sealer), name="ledger-sealer", daemon=True),
        )
        for each in self._threads:
            each.start()

    def close(self, timeout: float = 30.0) -> None:
        """Take no more proposals and finish those that wait, within `timeout` seconds."""
        with self._to_write:
            self._closing = True
            self._to_write.notify_all()
        deadline = system_time.monotonic() + timeout
        for each in self._threads:
            each.join(max(0.0, deadline - system_time.monotonic()))
        if not self._threads:
            self._stop(_stopped(), ())

    def waiting(self) -> int:
        """How many proposals wait for a batch."""
        return len(self._waiting)

    def propose(self, proposal: Proposal) -> Future[Committed]:
        """See `broker.ledger.port.Ledger`. What is no `Entry` is refused with code `internal`."""
        future: Future[Committed] = Future()
        try:
            drafts = (draft(proposal.entry), *(draft(each.entry) for each in proposal.beside))
            item = _Item(proposal, drafts, future)
        except SetuError as error:
            future.set_exception(error)
            return future
        refusal: SetuError | None = None
        with self._to_write:
            if self.failure is not None or self._closing:
                refusal = _stopped()
            elif len(self._waiting) >= self._max_queue:
                refusal = UnavailableError(
                    "Expected room in the ledger's queue, found it full.", code=Code.BUSY, retry_after=1
                )
            else:
                self._waiting.append(item)
                if self._ready():
                    self._to_write.notify()
        if refusal is not None:
            future.set_exception(refusal)
        return future

    def _run_writer(self, writer: Writer, sealer: Sealer) -> None:
        items: Sequence[_Item] = ()
        try:
            while items := self._take():
                if sealer.unguarded and not self._caught_up(sealer, items):
                    continue
                for part in writer.write([(item.proposal, item.drafts) for item in items]):
                    count = part.count if isinstance(part, Refused) else len(part.plan.outcomes)
                    if isinstance(part, Written) and part.plan.entries:
                        self._counted(len(part.plan.entries))
                    self._hand(_Made(items[:count], part))
                    items = items[count:]
        except CancelledError:
            self._stop(_stopped(), items)  # the sealer has said why
        except Exception as error:  # noqa: BLE001 - whatever it is, the tree in memory may be wrong
            self._fail(error, items)
        finally:
            with self._to_seal:
                self._written = True
                self._to_seal.notify()

    def _run_sealer(self, writer: Writer, sealer: Sealer) -> None:
        while (made := self._next()) is not None:
            try:
                if self.failure is None:
                    self._answer(made, sealer.results(made.part))
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(error, made.items)
            if self.failure is not None:
                self._stop(self.failure, made.items)
            with self._to_write:
                self._sealing = False
                self._to_write.notify()
        if self.failure is None:
            try:
                writer.close()
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(error, ())

    def _ready(self) -> bool:
        """Whether a batch is worth writing now."""
        if not self._waiting:
            return False
        return self._closing or len(self._waiting) >= MUCH or not (self._sealing or self._made)

    def _take(self) -> Sequence[_Item]:
        """What waits, at most a batch; nothing only when closing, or when the ledger has stopped."""
        while True:
            with self._to_write:
                self._to_write.wait_for(lambda: self._ready() or self._closing or self.failure is not None)
                taken = [self._waiting.popleft() for _ in range(min(len(self._waiting), self._max_batch))]
            live = [item for item in taken if item.future.set_running_or_notify_cancel()]
            if live or not taken:
                return live

    def _hand(self, made: _Made) -> None:
        """Give it to the sealer, once that has begun with the one before."""
        with self._to_write:
            self._to_write.wait_for(lambda: not self._made)
            self._made.append(made)
            self._to_seal.notify()

    def _next(self) -> _Made | None:
        with self._to_seal:
            self._to_seal.wait_for(lambda: self._made or self._written)
            if not self._made:
                return None
            self._sealing = True
            self._to_write.notify()
            return self._made.popleft()

    def _caught_up(self, sealer: Sealer, items: Sequence[_Item]) -> bool:
        try:
            sealer.catch_up()
        except UnavailableError as error:
            for item in items:
                item.future.set_exception(error)
            return False
        return True

    def _answer(self, made: _Made, results: Sequence[Result]) -> None:
        for item, result in zip(made.items, results, strict=True):
            if isinstance(result, Committed):
                item.future.set_result(result)
            else:
                item.future.set_exception(result)
        if isinstance(made.part, Written) and made.part.plan.topics:
            try:
                self._on_commit(frozenset(made.part.plan.topics))
            except Exception as error:  # noqa: BLE001 - subscribers look again by themselves; the log is as it was
                _log.error("topics that grew could not be told", exc_info=error)

    def _fail(self, error: Exception, items: Sequence[_Item]) -> None:
        if isinstance(error, IntegrityError):
            _log.critical("the ledger stops: %s", error)
            self._stop(error, items)
            return
        # Ours say what was expected and hold no secret; another's message may.
        said = str(error) if isinstance(error, SetuError) else type(error).__name__
        _log.critical("the ledger ends the process: %s", said, exc_info=error)
        self._stop(_stopped(), items)
        self._die()

    def _stop(self, failure: SetuError, items: Sequence[_Item]) -> None:
        with self._to_write:
            self.failure = self.failure or failure
            unanswered = [item for item in (*items, *self._waiting) if not item.future.done()]
            self._waiting.clear()
            self._to_write.notify_all()
        for item in unanswered:
            item.future.set_exception(_stopped())


def _open(
    store: Store, signer: HeadSigner, guard: Guard, clock: Callable[[], float], probe: Callable[[str], None]
) -> tuple[Writer, Sealer]:
    nodes = StoredNodes(store)
    notes = Notes(store, guard, nodes, signer)
    edge, note = recover(store, signer, guard, nodes, clock)
    writer = Writer(store, nodes, clock, edge, note, shared=guard.shared)
    return writer, Sealer(store, signer, guard, nodes, notes, probe)


def _stopped() -> UnavailableError:
    return UnavailableError("Expected a ledger that takes entries, found that it has stopped.")
