"""Receipts of committed entries, checked against the signed head before they are given out."""

from collections.abc import Collection, Iterable

from broker.errors import IntegrityError
from broker.ledger.nodes import StoredNodes
from broker.ledger.notes import Notes, checkpoint_of
from broker.merkle.proof import InclusionPaths, verify_inclusion
from broker.merkle.receipt import make_receipt
from broker.merkle.tree import leaf_hash
from broker.store.port import EntryRow, Reads
from schemas.evidence import Receipt
from schemas.problem import Code


class Receipts:
    """An entry's receipt is against the head of the batch that committed it, and so the same bytes for ever."""

    def __init__(self, store: Reads, notes: Notes, nodes: StoredNodes) -> None:
        self._store = store
        self._notes = notes
        self._nodes = nodes

    def original(self, indices: Collection[int]) -> dict[int, tuple[bytes, Receipt]]:
        """(entry, receipt) for each index.

        Raises:
            IntegrityError: LOG_INVALID; an entry is missing or not what its hash says.
            UnavailableError: its head is not signed yet.
        """
        rows = {row.idx: row for row in self._store.entries_at(indices)}
        heads = self._store.heads_after(indices)
        for index in indices:
            if index not in rows or index not in heads:
                raise IntegrityError(Code.LOG_INVALID, f"Expected entry {index} in the log, found none.")
        notes = {head.size: self._notes.of(head) for head in heads.values()}
        return {
            receipt.index: (rows[receipt.index].entry, receipt)
            for receipt in self._against((row, notes[heads[row.idx].size]) for row in rows.values())
        }

    def at(self, indices: Collection[int], note: bytes) -> list[Receipt]:
        """Receipts against one head, in the order of `indices`; entries beyond it are left out."""
        rows = {row.idx: row for row in self._store.entries_at(indices)}
        size = checkpoint_of(note).size
        return self._against((rows[index], note) for index in indices if index in rows and index < size)

    def _against(self, wanted: Iterable[tuple[EntryRow, bytes]]) -> list[Receipt]:
        newest = self._store.head()
        nodes = self._nodes.within(newest.size if newest is not None else 0)
        paths: dict[int, InclusionPaths] = {}
        made = []
        for row, note in wanted:
            check_row(row)
            head = checkpoint_of(note)
            if head.size not in paths:
                paths[head.size] = InclusionPaths(head.size, nodes)
            path = paths[head.size].of(row.idx)
            verify_inclusion(row.leaf, row.idx, head.size, path, head.root)
            made.append(make_receipt(row.entry, row.idx, path, note.decode()))
        return made


def check_row(row: EntryRow) -> None:
    """Raises IntegrityError (LOG_INVALID) where an entry is not what its hash says."""
    if leaf_hash(row.entry) != row.leaf:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected entry {row.idx} to match its leaf hash, found that it does not.",
            advice="The store was damaged or altered: keep it, and compare it with a mirror.",
        )
