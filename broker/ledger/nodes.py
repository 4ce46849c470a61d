"""The tree's nodes, read from a store's tiles; full tiles stay in memory, for they never change."""

from collections.abc import Callable
from functools import lru_cache

from broker.errors import IntegrityError
from broker.merkle.tree import TILE_HEIGHT, TILE_WIDTH, Edge, Nodes, leaf_hash, pyramid, split_hashes
from broker.store.port import Reads
from schemas.problem import Code

CACHED_TILES = 128


class StoredNodes:
    """Hashes of perfect subtrees (`broker.merkle.tree.Nodes`): the same in every tree that has them."""

    def __init__(self, store: Reads) -> None:
        self._store = store
        self.full: Callable[[int, int], list[list[bytes]]] = lru_cache(CACHED_TILES)(self._load_full)
        """(level, n) -> all nodes over a full tile, level by level."""

    def within(self, size: int) -> Nodes:
        """The nodes of the committed tree of `size` leaves; what is read of its partial tiles is kept for as long."""
        partial: dict[tuple[int, int], list[list[bytes]]] = {}

        def node(level: int, index: int) -> bytes:
            tile_level, row = divmod(level, TILE_HEIGHT)
            n, place = divmod(index << row, TILE_WIDTH)
            width = (size >> (TILE_HEIGHT * tile_level)) - n * TILE_WIDTH
            if width >= TILE_WIDTH:
                return self.full(tile_level, n)[row][place >> row]
            if (tile_level, n) not in partial:
                partial[tile_level, n] = pyramid(self.partial(tile_level, n, width))
            return partial[tile_level, n][row][place >> row]

        return node

    def partial(self, level: int, n: int, width: int) -> list[bytes]:
        """The first hashes of a tile that is or once was partial."""
        start = n * TILE_WIDTH
        if level:
            found = self._store.tile_roots(level - 1, start, start + width)
        else:
            found = self._store.leaves(start, start + width)
        if len(found) != width:
            raise _missing(level, n)
        return found

    def edge(self, size: int) -> Edge:
        """The right edge of the tree, its leaves hashed anew from the entries."""
        return Edge.load(size, self._rehashed)

    def _rehashed(self, level: int, n: int, width: int) -> list[bytes]:
        if level:
            return self.partial(level, n, width)
        start = n * TILE_WIDTH
        found = [leaf_hash(row.entry) for row in self._store.entries(start, start + width)]
        if len(found) != width:
            raise _missing(level, n)
        return found

    def _load_full(self, level: int, n: int) -> list[list[bytes]]:
        tile = self._store.tile(level, n)
        if tile is None:
            raise _missing(level, n)
        rows = pyramid(split_hashes(tile.hashes))
        if len(rows) != TILE_HEIGHT + 1 or rows[TILE_HEIGHT][0] != tile.root:
            raise IntegrityError(
                Code.LOG_INVALID,
                f"Expected tile {n} of level {level} to hash to its root, found that it does not.",
                advice="The store was damaged or altered: stop, keep it, and compare it with a mirror.",
            )
        return rows


def _missing(level: int, n: int) -> IntegrityError:
    return IntegrityError(
        Code.LOG_INVALID,
        f"Expected tile {n} of level {level} in the store, found less of it.",
        advice="The store was damaged or altered: stop, keep it, and compare it with a mirror.",
    )
