"""Inclusion and consistency proofs: making them (RFC 6962, section 2.1) and checking them (RFC 9162, section 2.1)."""

from collections.abc import Sequence

from broker.errors import IntegrityError
from broker.merkle.tree import EMPTY_ROOT, Nodes, largest_power_below, node_hash, subtree_hash
from schemas.problem import Code


class InclusionPaths:
    """The paths of many leaves in one tree of `size` leaves; what two paths share is computed once."""

    def __init__(self, size: int, nodes: Nodes) -> None:
        self._size = size
        self._nodes = nodes
        self._above: dict[tuple[int, int], tuple[bytes, ...]] = {}
        # The tree is its peaks, largest first, folded from the right: that is what lies above each peak.
        levels = [level for level in range(size.bit_length()) if size >> level & 1]
        peaks = [(level, (size >> level) - 1) for level in levels]
        hashes = [nodes(*peak) for peak in peaks]
        folded: tuple[bytes, ...] = ()
        for place, peak in enumerate(peaks):
            self._above[peak] = (*folded, *hashes[place + 1 :])
            folded = (node_hash(hashes[place], folded[0]) if folded else hashes[place],)

    def of(self, index: int) -> tuple[bytes, ...]:
        """The path of leaf `index`, from the leaf upwards."""
        if not 0 <= index < self._size:
            raise ValueError("expected an index within the tree")
        return self._of(0, index)

    def _of(self, level: int, index: int) -> tuple[bytes, ...]:
        found = self._above.get((level, index))
        if found is None:
            found = (self._nodes(level, index ^ 1), *self._of(level + 1, index >> 1))
            self._above[level, index] = found
        return found


def inclusion_path(index: int, size: int, nodes: Nodes) -> tuple[bytes, ...]:
    """The path of leaf `index` in the tree of `size` leaves, from the leaf upwards."""
    return InclusionPaths(size, nodes).of(index)


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
