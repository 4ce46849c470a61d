"""The second stage of a batch: check what was committed, sign and guard its head, and say what to tell each caller."""

from collections.abc import Callable

from broker.errors import IntegrityError, UnavailableError
from broker.ledger.guard import Guard
from broker.ledger.nodes import StoredNodes
from broker.ledger.notes import Notes, check_leaves
from broker.ledger.plan import Appended, Outcome, Repeated
from broker.ledger.port import Committed
from broker.ledger.receipts import Receipts
from broker.ledger.writer import Refused, Written
from broker.merkle.note import HeadSigner
from broker.merkle.proof import InclusionPaths, consistency_path
from broker.merkle.receipt import make_receipt
from broker.merkle.tree import Nodes
from broker.store.port import Store
from schemas.evidence import Receipt
from schemas.problem import Code

Result = Committed | Exception


class Sealer:
    """Seals what a `Writer` wrote, in that order. Not safe to call from two threads."""

    def __init__(
        self,
        store: Store,
        signer: HeadSigner,
        guard: Guard,
        nodes: StoredNodes,
        notes: Notes,
        probe: Callable[[str], None],
    ) -> None:
        self._store = store
        self._signer = signer
        self._guard = guard
        self._nodes = nodes
        self._notes = notes
        self._receipts = Receipts(store, notes, nodes)
        self._probe = probe
        self.unguarded = False
        """Whether the shared guard or the store failed to answer since a head was last guarded."""

    def results(self, made: Written | Refused) -> list[Result]:
        """What to tell each proposal, in order: nothing of it may be told before this returns.

        Raises:
            IntegrityError: the log is not what it was; nothing may be signed any more.
            StoreBrokenError, OSError: the disk failed.
        """
        if isinstance(made, Refused):
            return [made.error] * made.count
        receipts = self._seal(made) if made.plan.entries else {}
        outcomes = made.plan.outcomes
        known = self._earlier({each.index for each in outcomes if isinstance(each, Repeated)} - set(receipts))

        def result(outcome: Outcome) -> Result:
            if not isinstance(outcome, Appended | Repeated):
                return outcome
            if outcome.index in known:
                return known[outcome.index]
            receipt = receipts[outcome.index]
            if isinstance(receipt, UnavailableError):
                return receipt
            entry = made.plan.entries[outcome.index - made.start].entry
            return Committed(outcome.index, entry, receipt, fresh=isinstance(outcome, Appended))

        return [result(each) for each in outcomes]

    def catch_up(self) -> None:
        """After trouble with a shared guard: see that the newest head is guarded, before anything is put upon it.

        Raises:
            UnavailableError: it still does not answer. IntegrityError: ROLLBACK.
        """
        head = self._store.head()
        if head is not None and head.size and head.note is None:
            self._notes.of(head)
        self.unguarded = False

    def _seal(self, made: Written) -> dict[int, Receipt | UnavailableError]:
        try:
            note = (self._sealed_with_others(made) if self._guard.shared else self._sealed_alone(made)).decode()
        except UnavailableError as error:
            if not self._guard.shared:
                raise
            self.unguarded = True
            return dict.fromkeys((entry.idx for entry in made.plan.entries), error)
        finally:
            made.note.cancel()  # nobody waits for ever for a note that did not come
        self.unguarded = False
        paths = InclusionPaths(made.edge.size, made.edge.node)
        return {
            entry.idx: make_receipt(entry.entry, entry.idx, paths.of(entry.idx), note) for entry in made.plan.entries
        }

    def _sealed_alone(self, made: Written) -> bytes:
        self._probe("committed")
        check_leaves(self._store, made.start, made.plan.leaves)
        note = self._signer.sign(made.edge.size, made.root)
        # The next transaction waits for it. That the guard comes to hold this note, and the store the one before, in
        # either order, is all that the same receipt after a crash needs: a later head's note replaces it in the guard
        # only once that transaction is committed.
        made.note.set_result(note)
        self._guard.write(note, self._proof(made))
        self._probe("head-signed")
        return note

    def _sealed_with_others(self, made: Written) -> bytes:
        self._probe("committed")
        check_leaves(self._store, made.start, made.plan.leaves)
        return self._notes.keep(
            made.edge.size, made.root, self._proof(made), guarded=lambda: self._probe("head-signed")
        )

    def _proof(self, made: Written) -> Callable[[int], list[bytes]]:
        return lambda old: consistency_path(old, made.edge.size, self._tree(made))

    def _tree(self, made: Written) -> Nodes:
        """The committed tree's nodes: what is at hand, and from the store what is further back."""
        stored = self._nodes.within(made.edge.size)
        edge = made.edge

        def node(level: int, index: int) -> bytes:
            return edge.node(level, index) if edge.holds(level, index) else stored(level, index)

        return node

    def _earlier(self, indices: set[int]) -> dict[int, Result]:
        """What repeats of earlier entries are told; one that cannot be read is no trouble to the others."""
        if not indices:
            return {}
        try:
            return {
                index: Committed(index, entry, receipt, fresh=False)
                for index, (entry, receipt) in self._receipts.original(indices).items()
            }
        except UnavailableError as error:
            return dict.fromkeys(indices, error)
        except IntegrityError as error:
            if error.code is Code.ROLLBACK:
                raise
            if len(indices) == 1:
                return dict.fromkeys(indices, error)
        return {index: found for each in indices for index, found in self._earlier({each}).items()}
