"""The first stage of a batch: plan it and append it, in one transaction under the head lock."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.ledger.entries import text_of
from broker.ledger.nodes import StoredNodes
from broker.ledger.plan import Item, Plan, make_plan
from broker.merkle.tree import Edge, leaf_hash
from broker.store.port import Batch, DataRefusedError, Head, Store, Transaction
from schemas.problem import Code

NEAR = 256
"""Entries by which another's head may be ahead to be reached from the own edge, and not from the store's tiles."""

Items = Sequence[Item]


@dataclass(frozen=True, slots=True)
class Written:
    """What a transaction did with its proposals, in their order: rows `plan.entries` from index `start` on, under a
    head of `edge` with `root`; `note` is for who signs that head. Nothing is appended where `plan.entries` is empty.
    """

    plan: Plan
    start: int
    edge: Edge
    root: bytes
    note: Future[bytes] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class Refused:
    """So many proposals of which nothing was appended."""

    count: int
    error: Exception


class Writer:
    """The one writer of a ledger in this process. Not safe to call from two threads.

    Args:
        edge: of the newest head, as recovery found it. note: its signed note.
        shared: other processes write heads of this log too, so that each sees to the notes of its own heads. Else the
            note of a head goes into its row with the transaction after it: one commit, and one fsync, for both.
    """

    def __init__(
        self, store: Store, nodes: StoredNodes, clock: Callable[[], float], edge: Edge, note: bytes, *, shared: bool
    ) -> None:
        self._store = store
        self._nodes = nodes
        self._clock = clock
        self._shared = shared
        self._edge = edge
        self._root = edge.root()
        self._unsaved: tuple[int, Future[bytes]] = (edge.size, Future())
        self._unsaved[1].set_result(note)

    def write(self, items: Items) -> Iterator[Written | Refused]:
        """Commit a batch. Where the store refuses its data, halves of it, down to the one item at fault: each part is
        yielded once it is done, and must then be signed while the next is written.

        Raises:
            IntegrityError: the log is not what it was; nothing may be signed any more.
            StoreBrokenError, OSError: the disk failed.
            UnavailableError: whether the batch was committed cannot be found out.
            CancelledError: the head before this one will not be signed.
        """
        written: list[Written] = []
        try:
            with self._store.transaction() as transaction:
                written.append(self._append(items, transaction))
        except DataRefusedError as error:
            yield from self._bisect(items, error)
            return
        except UnavailableError as error:
            if not written or not self._was_committed(written[0]):
                yield Refused(len(items), error)
                return
        made = written[0]
        if made.plan.entries:
            self._edge, self._root = made.edge.trimmed(), made.root
            self._unsaved = (made.edge.size, made.note)
        yield made

    def newest(self) -> tuple[int, bytes]:
        """Size and root of the newest head known here."""
        return self._edge.size, self._root

    def close(self) -> None:
        """Keep the note of the last head in the store too."""
        if not self._shared:
            size, note = self._unsaved
            with self._store.transaction() as transaction:
                transaction.save_note(size, note.result())

    def _append(self, items: Items, transaction: Transaction) -> Written:
        head = self._check_head(transaction)
        now = transaction.clock()
        time = max(head.time, text_of(self._clock() if now is None else now))
        plan = make_plan(items, head, time, transaction)
        if not plan.entries:
            return Written(plan, head.size, self._edge, self._root)
        edge = self._edge.extended(plan.leaves)
        root = edge.root()
        basis = plan.basis
        transaction.append(
            Batch(
                previous=head,
                head=Head(
                    edge.size,
                    root,
                    time,
                    None if basis is None else basis.directory,
                    None if basis is None else basis.policy,
                    denied=(basis.denied or None) if basis is not None else None,
                ),
                entries=plan.entries,
                packets=plan.packets,
                places=plan.places,
                moves=plan.moves,
                clocks=plan.clocks,
                purges=plan.purges,
                ended=plan.ended,
                tiles=edge.full_tiles(head.size),
            )
        )
        if not self._shared:
            # Signed while this transaction was made; a head that has one after it has its note in its row.
            size, note = self._unsaved
            transaction.save_note(size, note.result())
        return Written(plan, head.size, edge, root)

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
        edge = self._grown_to(head.size)
        if edge.root() != head.root:
            raise IntegrityError(
                Code.LOG_INVALID, f"Expected entries that hash to the head of size {head.size}, found others."
            )
        self._edge, self._root = edge, head.root
        return head

    def _grown_to(self, size: int) -> Edge:
        """The edge after what others wrote, their entries hashed anew; under the head lock, so only what is new."""
        if size - self._edge.size > NEAR:
            return self._nodes.edge(size)
        found = self._store.entries(self._edge.size, size)
        edge = self._edge.extended(leaf_hash(row.entry) for row in found)
        return edge.trimmed()

    def _was_committed(self, made: Written) -> bool:
        # Under the head lock, for a commit whose answer was lost may still be under way.
        if not made.plan.entries:
            return True
        try:
            with self._store.transaction() as transaction:
                return transaction.has_head(made.edge.size, made.root)
        except UnavailableError:
            if not self._shared:
                raise
            # Whoever needs this head's note signs it, and the next transaction takes the head up as another's.
            return False

    def _bisect(self, items: Items, error: DataRefusedError) -> Iterator[Written | Refused]:
        if len(items) > 1:
            middle = len(items) // 2
            yield from self.write(items[:middle])
            yield from self.write(items[middle:])
            return
        refused = SetuError(Code.INTERNAL, "Expected a record that the store can keep, found one that it refuses.")
        refused.__cause__ = error
        yield Refused(1, refused)
