"""What a ledger does before it signs again: prove that store, guard and published checkpoint are of one history.

1. The guard's note verifies under the log's own keys, of whatever pair.
2. The store has a head; a store without one is new, and then the guard knows nothing either.
3. The guard's head and the published one are among the store's heads: else the store is older than what left this
   log, or another log.
4. The tree recomputed from the entries has the newest head's root, and the guard's tree is its beginning.
5. The guard's note is the one that receipts carry: it is written to its head's row if a crash came between.
6. The newest head, if a crash came before it was signed, is signed now.

Others may write meanwhile: what they guard and publish is read before the heads, which only grow.
"""

from collections.abc import Callable

from broker.errors import IntegrityError
from broker.ledger.entries import text_of
from broker.ledger.guard import Guard
from broker.ledger.nodes import StoredNodes
from broker.ledger.notes import check_leaves
from broker.merkle.note import Checkpoint, HeadSigner, parse_checkpoint
from broker.merkle.proof import consistency_path
from broker.merkle.tree import EMPTY_ROOT, Edge, root_hash
from broker.store.port import Head, Store
from schemas.problem import Code

_CHUNK = 1024
_ADVICE = (
    "The ledger will not sign. Restore the newest backup of the store and the guard's own file. If the guard's file is "
    "lost, put an auditor's newest mirrored checkpoint in its place."
)


def recover(
    store: Store, signer: HeadSigner, guard: Guard, nodes: StoredNodes, clock: Callable[[], float]
) -> tuple[Edge, bytes]:
    """Bring store and guard together, or refuse; returns the edge to go on from, and the newest guarded note.

    Raises:
        IntegrityError: ROLLBACK (an older or another store), LOG_INVALID (a damaged one).
        UnavailableError: the store or a shared guard does not answer.
    """
    kept = guard.read()
    known = None if kept is None else _verified(kept, signer)  # 1
    published = store.published()
    head = _head(store, known, clock)  # 2
    if kept is None or known is None:
        if head.size:
            # Where others write, one of them may have begun the log since the guard was asked.
            kept = guard.read() if guard.shared else None
            if kept is None:
                raise _rollback("Expected the guard to know this log's newest head, found no guard file.")
            known = _verified(kept, signer)
        else:
            kept = signer.sign(0, EMPTY_ROOT)
            known = Checkpoint(signer.origin, 0, EMPTY_ROOT)
            guard.write(kept, _no_proof)
    _check_known(store, head, known, "guard")  # 3
    if published is not None:
        _check_known(store, head, parse_checkpoint(published), "published checkpoint")
    edge = _check_tree(store, nodes, head, known)  # 4
    kept_note = store.save_note(known.size, kept)  # 5
    guard.adopt(kept)
    if head.size > known.size:  # 6
        tree = nodes.within(head.size)
        note = signer.sign(head.size, head.root)
        guard.write(note, lambda old: consistency_path(old, head.size, tree))
        kept_note = store.save_note(head.size, note)
    return edge, kept_note


def _verified(kept: bytes, signer: HeadSigner) -> Checkpoint:
    try:
        return signer.recognise(kept)
    except IntegrityError as error:
        raise IntegrityError(error.code, f"In the guard file: {error.message}", advice=_ADVICE) from None


def _head(store: Store, known: Checkpoint | None, clock: Callable[[], float]) -> Head:
    with store.transaction() as transaction:
        head = transaction.head()
        if head is not None:
            return head
        if known is not None and known.size:
            raise _rollback(f"Expected a log of at least {known.size} entries, found an empty store.")
        head = Head(0, EMPTY_ROOT, text_of(clock()))
        transaction.begin_log(head)
        return head


def _check_known(store: Store, head: Head, known: Checkpoint, where: str) -> None:
    if head.size < known.size:
        raise _rollback(f"Expected a log of at least {known.size} entries (the {where}'s), found {head.size}.")
    if not store.has_head(known.size, known.root):
        raise _rollback(f"Expected the head of size {known.size} that the {where} holds, found another history.")


def _check_tree(store: Store, nodes: StoredNodes, head: Head, known: Checkpoint) -> Edge:
    edge = nodes.edge(head.size)
    tree = nodes.within(head.size)
    roots = (edge.root(), root_hash(head.size, tree), root_hash(known.size, tree))
    if roots != (head.root, head.root, known.root):
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected entries and tiles that hash to the head of size {head.size}, found others.",
            advice="The store was damaged or altered: keep it, and restore the newest backup.",
        )
    for start in range(known.size, head.size, _CHUNK):
        end = min(start + _CHUNK, head.size)
        check_leaves(store, start, [tree(0, index) for index in range(start, end)])
    return edge


def _no_proof(_: int) -> list[bytes]:
    return []


def _rollback(found: str) -> IntegrityError:
    return IntegrityError(Code.ROLLBACK, found, advice=_ADVICE)
