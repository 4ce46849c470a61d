"""One batch at a time: plan and append under the head lock, then check, sign and guard the new head outside it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.ledger.entries import Draft, text_of
from broker.ledger.guard import Guard
from broker.ledger.nodes import StoredNodes
from broker.ledger.plan import Appended, Outcome, Plan, Repeated, make_plan
from broker.ledger.port import Committed, Proposal
from broker.ledger.receipts import Receipts
from broker.ledger.recovery import check_leaves, recover
from broker.merkle.note import LogSigner
from broker.merkle.proof import InclusionPaths
from broker.merkle.receipt import make_receipt
from broker.merkle.tree import Edge
from broker.store.port import Batch, DataRefusedError, Head, Store, Transaction
from schemas.evidence import Receipt
from schemas.problem import Code

Result = Committed | Exception


@dataclass(frozen=True, slots=True)
class Batched:
    """Each item's result in order, and the topics that grew."""

    results: list[Result]
    topics: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class _Written:
    plan: Plan
    start: int
    edge: Edge
    root: bytes


class Writer:
    """The one writer of a ledger in this process. Not safe to call from two threads.

    Raises:
        IntegrityError: on opening, ROLLBACK or LOG_INVALID.
    """

    def __init__(
        self,
        store: Store,
        signer: LogSigner,
        guard: Guard,
        clock: Callable[[], float],
        probe: Callable[[str], None],
    ) -> None:
        self._store = store
        self._signer = signer
        self._guard = guard
        self._clock = clock
        self._probe = probe
        self._nodes = StoredNodes(store)
        self._receipts = Receipts(store, guard, self._nodes)
        self._edge = recover(store, signer, guard, clock)
        self._root = self._edge.root()

    def write(self, items: Sequence[tuple[Proposal, Draft]]) -> Batched:
        """Commit a batch. Where the store refuses its data, halves of it, down to the one item at fault.

        Raises:
            IntegrityError: the log is not what it was; nothing may be signed any more.
            StoreBrokenError, OSError: the disk failed.
            UnavailableError: whether the batch was committed cannot be found out.
        """
        written: list[_Written] = []
        try:
            with self._store.transaction() as transaction:
                written.append(self._append(items, transaction))
        except DataRefusedError as error:
            return self._bisect(items, error)
        except UnavailableError as error:
            if not written or not self._was_committed(written[0]):
                return Batched([error] * len(items))
        made = written[0]
        receipts = self._seal(made) if made.plan.entries else {}
        return Batched(self._results(made, receipts), frozenset(made.plan.topics))

    def close(self) -> None:
        """Keep the note of the last head in the store too."""
        size, note = self._guard.newest(0, 0)
        with self._store.transaction() as transaction:
            transaction.save_note(size, note)

    def _append(self, items: Sequence[tuple[Proposal, Draft]], transaction: Transaction) -> _Written:
        head = self._check_head(transaction)
        time = max(head.time, text_of(self._clock()))
        plan = make_plan(items, head, time, transaction)
        if not plan.entries:
            return _Written(plan, head.size, self._edge, self._root)
        edge = self._edge.extended(plan.leaves)
        root = edge.root()
        basis = plan.basis
        signed, note = self._guard.newest(0, 0)
        if signed == head.size:
            transaction.save_note(head.size, note)
        transaction.append(
            Batch(
                previous=head,
                head=Head(
                    edge.size,
                    root,
                    time,
                    None if basis is None else basis.directory,
                    None if basis is None else basis.policy,
                ),
                entries=plan.entries,
                packets=plan.packets,
                places=plan.places,
                moves=plan.moves,
                tiles=edge.full_tiles(head.size),
            )
        )
        return _Written(plan, head.size, edge, root)

    def _check_head(self, transaction: Transaction) -> Head:
        """The newest head, with the edge in memory brought to it; a log that lost the last head known here ends it."""
        head = transaction.head()
        if head is not None and (head.size, head.root) == (self._edge.size, self._root):
            return head
        if head is None or head.size <= self._edge.size or not transaction.has_head(self._edge.size, self._root):
            raise IntegrityError(
                Code.ROLLBACK,
                f"Expected the head of size {self._edge.size} in the store, found another history.",
                advice="The store was replaced under a running ledger: stop, and restore its newest state.",
            )
        edge = self._nodes.edge(head.size)
        if edge.root() != head.root:
            raise IntegrityError(
                Code.LOG_INVALID, f"Expected entries that hash to the head of size {head.size}, found others."
            )
        self._edge, self._root = edge, head.root
        return head

    def _was_committed(self, made: _Written) -> bool:
        # Under the head lock, for a commit whose answer was lost may still be under way.
        if not made.plan.entries:
            return True
        with self._store.transaction() as transaction:
            return transaction.has_head(made.edge.size, made.root)

    def _seal(self, made: _Written) -> dict[int, Receipt]:
        self._probe("committed")
        check_leaves(self._store, made.start, made.plan.leaves)
        note = self._signer.sign(made.edge.size, made.root)
        self._guard.write(note)
        self._probe("head-signed")
        self._edge, self._root = made.edge.trimmed(), made.root
        text = note.decode()
        paths = InclusionPaths(made.edge.size, made.edge.node)
        return {
            entry.idx: make_receipt(entry.entry, entry.idx, paths.of(entry.idx), text) for entry in made.plan.entries
        }

    def _results(self, made: _Written, receipts: dict[int, Receipt]) -> list[Result]:
        outcomes = made.plan.outcomes
        known = self._earlier({each.index for each in outcomes if isinstance(each, Repeated)} - set(receipts))

        def result(outcome: Outcome) -> Result:
            if not isinstance(outcome, Appended | Repeated):
                return outcome
            if outcome.index in known:
                return known[outcome.index]
            entry = made.plan.entries[outcome.index - made.start].entry
            return Committed(outcome.index, entry, receipts[outcome.index], fresh=isinstance(outcome, Appended))

        return [result(each) for each in outcomes]

    def _earlier(self, indices: set[int]) -> dict[int, Result]:
        """What repeats of earlier entries are told; one that cannot be read is no trouble to the others."""
        if not indices:
            return {}
        try:
            return {
                index: Committed(index, entry, receipt, fresh=False)
                for index, (entry, receipt) in self._receipts.original(indices).items()
            }
        except (IntegrityError, UnavailableError) as error:
            if len(indices) == 1:
                return dict.fromkeys(indices, error)
        return {index: found for each in indices for index, found in self._earlier({each}).items()}

    def _bisect(self, items: Sequence[tuple[Proposal, Draft]], error: DataRefusedError) -> Batched:
        if len(items) > 1:
            middle = len(items) // 2
            first, second = self.write(items[:middle]), self.write(items[middle:])
            return Batched(first.results + second.results, first.topics | second.topics)
        refused = SetuError(Code.INTERNAL, "Expected a record that the store can keep, found one that it refuses.")
        refused.__cause__ = error
        return Batched([refused])
