"""Inclusion and consistency proofs: making them (RFC 6962, section 2.1) and checking them (RFC 9162, section 2.1)."""

from collections.abc import Sequence

from broker.errors import IntegrityError
from broker.merkle.tree import EMPTY_ROOT, Nodes, largest_power_below, node_hash, subtree_hash
from schemas.problem import Code


def inclusion_path(index: int, size: int, nodes: Nodes, shared: dict[int, bytes] | None = None) -> list[bytes]:
    """The path of leaf `index` in the tree of `size` leaves, from the leaf upwards.

    shared: hashes of the subtrees that end at `size`, by their first leaf; kept between calls for one size.
    """
    if not 0 <= index < size:
        raise ValueError("expected an index within the tree")
    shared = {} if shared is None else shared
    path = []
    low, high = 0, size
    while high - low > 1:
        middle = low + largest_power_below(high - low)
        if index >= middle:
            level = (middle - low).bit_length() - 1
            path.append(nodes(level, low >> level))
            low = middle
            continue
        if high == size:
            if middle not in shared:
                shared[middle] = subtree_hash(middle, size, nodes)
            path.append(shared[middle])
        else:
            level = (high - middle).bit_length() - 1
            path.append(nodes(level, middle >> level))
        high = middle
    path.reverse()
    return path


def consistency_path(old: int, new: int, nodes: Nodes) -> list[bytes]:
    """The proof that the tree of `old` leaves is the beginning of the tree of `new` leaves."""
    if not 0 <= old <= new:
        raise ValueError("expected an old size of at most the new one")
    if old in (0, new):
        return []
    path = []
    low, high = 0, new
    whole = True
    while old != high:
        middle = low + largest_power_below(high - low)
        if old <= middle:
            path.append(subtree_hash(middle, high, nodes))
            high = middle
        else:
            path.append(subtree_hash(low, middle, nodes))
            low = middle
            whole = False
    if not whole:
        path.append(subtree_hash(low, high, nodes))
    path.reverse()
    return path


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that `leaf` (a hash) is leaf `index` of the tree of `size` leaves with `root` (RFC 9162, 2.1.3.2).

    Raises:
        IntegrityError: LOG_INVALID.
    """
    if not 0 <= index < size:
        raise IntegrityError(Code.LOG_INVALID, "Expected an index within the tree, found one beyond it.")
    position, last, value = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise IntegrityError(Code.LOG_INVALID, "Expected a shorter inclusion path.")
        if position & 1 or position == last:
            value = node_hash(sibling, value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            value = node_hash(value, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise IntegrityError(Code.LOG_INVALID, "Expected a longer inclusion path.")
    if value != root:
        raise IntegrityError(Code.LOG_INVALID, "Expected a path that leads to the signed root, found another.")


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that a tree only grew (RFC 9162, section 2.1.4.2).

    Raises:
        IntegrityError: LOG_INVALID.
    """
    if not 0 <= old <= new:
        raise IntegrityError(Code.LOG_INVALID, "Expected a log that only grows, found a smaller size.")
    if old in (0, new):
        if path:
            raise IntegrityError(Code.LOG_INVALID, "Expected an empty consistency proof.")
        if old_root != (new_root if old == new else EMPTY_ROOT):
            raise IntegrityError(Code.LOG_INVALID, "Expected the same root for the same size, found another.")
        return
    hashes = list(path)
    if old & (old - 1) == 0:
        hashes.insert(0, old_root)
    if not hashes:
        raise IntegrityError(Code.LOG_INVALID, "Expected a consistency proof, found none.")
    position, last = old - 1, new - 1
    while position & 1:
        position >>= 1
        last >>= 1
    old_value = new_value = hashes[0]
    for sibling in hashes[1:]:
        if last == 0:
            raise IntegrityError(Code.LOG_INVALID, "Expected a shorter consistency proof.")
        if position & 1 or position == last:
            old_value = node_hash(sibling, old_value)
            new_value = node_hash(sibling, new_value)
            while not position & 1 and position:
                position >>= 1
                last >>= 1
        else:
            new_value = node_hash(new_value, sibling)
        position >>= 1
        last >>= 1
    if last:
        raise IntegrityError(Code.LOG_INVALID, "Expected a longer consistency proof.")
    if old_value != old_root or new_value != new_root:
        raise IntegrityError(Code.LOG_INVALID, "Expected a tree that holds the older one unchanged, found another.")
