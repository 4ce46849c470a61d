"""Where tiles are, and what is in them (C2SP tlog-tiles): names and bytes as pure functions."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from broker.errors import IntegrityError
from broker.merkle.tree import TILE_HEIGHT, TILE_WIDTH
from schemas.problem import Code

CHECKPOINT = "checkpoint"
MAX_LEVEL = 63

_PATH = re.compile(
    r"tile/(?P<level>entries|0|[1-9][0-9]?)/(?P<n>(?:x[0-9]{3}/)*[0-9]{3})(?:\.p/(?P<width>[1-9][0-9]{0,2}))?\Z"
)
_LARGEST_INDEX = 2**53


@dataclass(frozen=True, slots=True)
class TileId:
    """Which tile: `level` 0 to 63, or None for an entry bundle; its place; how many of its 256 elements."""

    level: int | None
    n: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """The tile's URL below the log's prefix, for example `tile/0/x001/x234/067.p/5`."""
        suffix = "" if self.width == TILE_WIDTH else f".p/{self.width}"
        return f"tile/{'entries' if self.level is None else self.level}/{_index_path(self.n)}{suffix}"

    @property
    def first(self) -> int:
        """The index, within its level, of the first element."""
        return self.n * TILE_WIDTH


def parse_path(path: str) -> TileId | None:
    """Read a tile's path; None for all that is not exactly one (C2SP tlog-tiles)."""
    match = _PATH.match(path)
    if match is None:
        return None
    width = int(match["width"] or TILE_WIDTH)
    n = int(match["n"].replace("/", "").replace("x", ""))
    tile = TileId(None if match["level"] == "entries" else int(match["level"]), n, width)
    if n > _LARGEST_INDEX or tile.path != path or (tile.level is not None and tile.level > MAX_LEVEL):
        return None
    return tile


def hash_tiles(size: int, level: int) -> Iterator[TileId]:
    """The tiles of one level of a tree, the partial one last."""
    yield from _spread(level, size >> (TILE_HEIGHT * level))


def bundles(size: int) -> Iterator[TileId]:
    """The entry bundles of a tree, the partial one last."""
    yield from _spread(None, size)


def all_tiles(size: int) -> Iterator[TileId]:
    """Every tile and bundle of a tree of `size` leaves."""
    yield from bundles(size)
    level = 0
    while size >> (TILE_HEIGHT * level):
        yield from hash_tiles(size, level)
        level += 1


def exists(tile: TileId, size: int) -> bool:
    """Whether a tree of `size` leaves has (at least) these elements."""
    elements = size if tile.level is None else size >> (TILE_HEIGHT * tile.level)
    return tile.width > 0 and tile.first + tile.width <= elements


def write_bundle(entries: Sequence[bytes]) -> bytes:
    """Entries, each after its length as uint16, big-endian."""
    return b"".join(len(entry).to_bytes(2, "big") + entry for entry in entries)


def read_bundle(data: bytes) -> list[bytes]:
    """The entries of a bundle.

    Raises:
        IntegrityError: LOG_INVALID, the last entry is cut.
    """
    entries: list[bytes] = []
    position = 0
    while position < len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2], "big")
        if end > len(data) or position + 2 > len(data):
            raise IntegrityError(Code.LOG_INVALID, f"Expected whole entries, found number {len(entries)} cut.")
        entries.append(data[position + 2 : end])
        position = end
    return entries


def _spread(level: int | None, elements: int) -> Iterator[TileId]:
    full, rest = divmod(elements, TILE_WIDTH)
    for n in range(full):
        yield TileId(level, n)
    if rest:
        yield TileId(level, full, rest)


def _index_path(n: int) -> str:
    groups = [f"{n % 1000:03d}"]
    while n := n // 1000:
        groups.append(f"x{n % 1000:03d}")
    return "/".join(reversed(groups))
