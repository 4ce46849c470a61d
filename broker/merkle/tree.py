"""The Merkle tree of RFC 6962, section 2: hashes, and the right edge that appending needs."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Self

HASH_SIZE = 32
TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
EMPTY_ROOT = sha256(b"").digest()

Nodes = Callable[[int, int], bytes]
"""(level, index) -> hash of the perfect subtree over leaves [index << level, (index + 1) << level)."""


def leaf_hash(entry: bytes) -> bytes:
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    return sha256(b"\x01" + left + right).digest()


def largest_power_below(size: int) -> int:
    """The largest power of two smaller than `size`, which is at least 2."""
    return 1 << ((size - 1).bit_length() - 1)


def subtree_hash(low: int, high: int, nodes: Nodes) -> bytes:
    """The hash over leaves [low, high), where `low` is as RFC 6962 splits a tree."""
    size = high - low
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return nodes(level, low >> level)
    middle = low + largest_power_below(size)
    return node_hash(subtree_hash(low, middle, nodes), subtree_hash(middle, high, nodes))


def root_hash(size: int, nodes: Nodes) -> bytes:
    """The root of the tree over the first `size` leaves."""
    return subtree_hash(0, size, nodes) if size else EMPTY_ROOT


def pyramid(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """All complete nodes above `hashes`, level by level; element 0 is `hashes` itself."""
    levels = [list(hashes)]
    while len(levels[-1]) > 1:
        below = levels[-1]
        levels.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return levels


def tile_root(hashes: bytes) -> bytes:
    """The root of a full tile of 256 hashes."""
    if len(hashes) != TILE_WIDTH * HASH_SIZE:
        raise ValueError(f"expected a full tile of {TILE_WIDTH * HASH_SIZE} bytes, found {len(hashes)}")
    return pyramid(split_hashes(hashes))[TILE_HEIGHT][0]


def split_hashes(hashes: bytes) -> list[bytes]:
    return [hashes[i : i + HASH_SIZE] for i in range(0, len(hashes), HASH_SIZE)]


@dataclass(frozen=True, slots=True)
class Tile:
    """A full tile: 256 hashes of `level` (in tiles, not bits), its place in that level, and its root."""

    level: int
    n: int
    hashes: bytes
    root: bytes


class Edge:
    """The nodes of the tiles that are not full yet: all that appending, rooting and proving new leaves needs.

    A value: `extended` returns a new edge and leaves this one as it was, so a failed transaction undoes nothing.
    """

    __slots__ = ("_bases", "_levels", "size")

    def __init__(self, size: int, levels: list[list[bytes]], bases: list[int]) -> None:
        self.size = size
        self._levels = levels
        self._bases = bases

    @classmethod
    def empty(cls) -> Self:
        return cls(0, [], [])

    @classmethod
    def load(cls, size: int, partial: Callable[[int, int, int], Sequence[bytes]]) -> Self:
        """Rebuild the edge of a tree; `partial(level, n, width)` returns the first hashes of a partial tile."""
        levels: list[list[bytes]] = []
        bases: list[int] = []
        level = 0
        while size >> (TILE_HEIGHT * level):
            hashes_here = size >> (TILE_HEIGHT * level)
            n, width = divmod(hashes_here, TILE_WIDTH)
            rows = pyramid(partial(level, n, width) if width else [])
            for row in range(TILE_HEIGHT):
                levels.append(rows[row] if row < len(rows) else [])
                bases.append((n * TILE_WIDTH) >> row)
            level += 1
        return cls(size, levels, bases)

    def node(self, level: int, index: int) -> bytes:
        return self._levels[level][index - self._bases[level]]

    def holds(self, level: int, index: int) -> bool:
        """Whether `node` knows this one; what lies further back is in full tiles."""
        return level < len(self._levels) and 0 <= index - self._bases[level] < len(self._levels[level])

    def root(self) -> bytes:
        """The root: the peaks of the tree, folded from the right."""
        if not self.size:
            return EMPTY_ROOT
        root: bytes | None = None
        for level in range(self.size.bit_length()):
            if self.size >> level & 1:
                peak = self.node(level, (self.size >> level) - 1)
                root = peak if root is None else node_hash(peak, root)
        assert root is not None  # noqa: S101 - a size above zero has a bit
        return root

    def extended(self, leaves: Iterable[bytes]) -> "Edge":
        """The edge after `leaves` (hashes). It still holds the tiles that became full, for `full_tiles` and proofs."""
        levels = [list(row) for row in self._levels]
        bases = list(self._bases)
        size = self.size
        for leaf in leaves:
            rest, level, value = size, 0, leaf
            while True:
                if level == len(levels):
                    levels.append([])
                    bases.append(0)
                levels[level].append(value)
                if not rest & 1:
                    break
                row = levels[level]
                value = sha256(b"\x01" + row[-2] + row[-1]).digest()
                rest >>= 1
                level += 1
            size += 1
        return Edge(size, levels, bases)

    def full_tiles(self, since: int) -> list[Tile]:
        """The tiles that became full when the tree grew from `since` leaves to what it is."""
        tiles = []
        level = 0
        while self.size >> (TILE_HEIGHT * (level + 1)):
            above = TILE_HEIGHT * (level + 1)
            base = self._bases[TILE_HEIGHT * level]
            for n in range(since >> above, self.size >> above):
                start = n * TILE_WIDTH - base
                hashes = b"".join(self._levels[TILE_HEIGHT * level][start : start + TILE_WIDTH])
                tiles.append(Tile(level, n, hashes, self.node(above, n)))
            level += 1
        return tiles

    def trimmed(self) -> "Edge":
        """Without the tiles that are full: what must stay in memory."""
        levels, bases = [], []
        for level, row in enumerate(self._levels):
            above = TILE_HEIGHT * (level // TILE_HEIGHT + 1)
            start = (self.size >> above) << (above - level)
            levels.append(row[start - self._bases[level] :])
            bases.append(start)
        return Edge(self.size, levels, bases)
