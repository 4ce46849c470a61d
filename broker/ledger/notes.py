"""The signed note of a committed head: one for each head, the same for ever, whoever signs it and whoever asks."""

import time
from collections.abc import Callable
from functools import lru_cache

from broker.errors import IntegrityError, UnavailableError
from broker.ledger.guard import Guard, Proof
from broker.ledger.nodes import StoredNodes
from broker.merkle.note import Checkpoint, HeadSigner, parse_checkpoint
from broker.merkle.proof import consistency_path
from broker.merkle.tree import leaf_hash, root_hash
from broker.store.port import Head, Store
from schemas.problem import Code

SIGNING = 5.0
"""Seconds to wait for a head that this process is just signing."""

LOOK, LOOKS = 0.02, 25
"""How often, after how many seconds each, a head is looked at that another process may just be signing."""

CHECKED = 512
"""Entries that are hashed anew before a head that was left behind is signed: at least its batch."""


class Notes:
    """Finds a head's note. Where several processes write and a head's own writer has died or stands still before it
    signed, whoever needs the note signs; the store keeps the first, and all answer with that.

    Args:
        signer: None: signs nothing.
    """

    def __init__(self, store: Store, guard: Guard, nodes: StoredNodes, signer: HeadSigner | None = None) -> None:
        self._store = store
        self._guard = guard
        self._nodes = nodes
        self._signer = signer

    def of(self, head: Head) -> bytes:
        """The note of a head that has entries.

        Raises:
            IntegrityError: LOG_INVALID or ROLLBACK; what is kept is not this head's, or must not be signed.
            UnavailableError: it is not signed yet, or the guard does not answer.
        """
        note = head.note
        if note is None:
            note = self._elsewhere(head) if self._guard.shared else self._just_signed(head)
        found = None if note is None else checkpoint_of(note)
        if note is None or found is None or (found.size, found.root) != (head.size, head.root):
            raise IntegrityError(Code.LOG_INVALID, f"Expected the signed head of size {head.size}, found another.")
        return note

    def keep(self, size: int, root: bytes, proof: Proof, guarded: Callable[[], None] = lambda: None) -> bytes:
        """Sign a head whose entries were checked, guard it, and return the note that is kept of it, if by another.

        Raises:
            IntegrityError: ROLLBACK.
            UnavailableError: guard or store does not answer.
        """
        if self._signer is None:
            raise UnavailableError("Expected a signed head, found that it is not signed yet.")
        note = self._signer.sign(size, root)
        self._guard.write(note, proof)
        guarded()
        return self._store.save_note(size, note)

    def _just_signed(self, head: Head) -> bytes | None:
        size, note = self._guard.newest(head.size, SIGNING)
        # The transaction that made a later head has put this one's note into its row.
        return note if size == head.size else self._kept(head)

    def _elsewhere(self, head: Head) -> bytes:
        for _ in range(LOOKS):
            time.sleep(LOOK)
            if (note := self._kept(head)) is not None:
                return note
        nodes = self._nodes.within(head.size)
        if root_hash(head.size, nodes) != head.root:
            raise IntegrityError(
                Code.LOG_INVALID, f"Expected entries that hash to the head of size {head.size}, found others."
            )
        start = max(0, head.size - CHECKED)
        check_leaves(self._store, start, [nodes(0, index) for index in range(start, head.size)])
        return self.keep(head.size, head.root, lambda old: consistency_path(old, head.size, nodes))

    def _kept(self, head: Head) -> bytes | None:
        found = self._store.heads_after([head.size - 1]).get(head.size - 1)
        return None if found is None else found.note


def check_leaves(store: Store, start: int, leaves: list[bytes]) -> None:
    """Hash entries anew, as the store gives them back, before a head over them is signed.

    Raises:
        IntegrityError: LOG_INVALID.
    """
    found = [leaf_hash(row.entry) for row in store.entries(start, start + len(leaves))]
    if found != leaves:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected entries {start} to {start + len(leaves) - 1} as committed, found others in the store.",
            advice="Memory or disk is failing: stop, check the machine, then start again.",
        )


@lru_cache(maxsize=1024)
def checkpoint_of(note: bytes) -> Checkpoint:
    """What a note says whose signatures were checked before."""
    return parse_checkpoint(note)
