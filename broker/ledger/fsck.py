"""The whole-log check, for a live log or a mirror, with public keys alone.

1. The checkpoint verifies under both keys of a pair of the log's.
2. Every hash of every tile is the root of the tile below it.
3. The tiles hash to the checkpoint's root; and so does, at its size, the root of a checkpoint known before.
4. Every entry is what its leaf hash says, none is missing, and time never goes backwards.
"""

from collections.abc import Callable
from dataclasses import dataclass

from broker.errors import IntegrityError
from broker.ledger.fetch import Fetch, fetch_checkpoint, fetch_entries, fetch_hashes, nodes_of
from broker.merkle.note import Checkpoint
from broker.merkle.tiles import TileId, bundles, hash_tiles
from broker.merkle.tree import TILE_HEIGHT, TILE_WIDTH, pyramid, root_hash
from schemas.directory import Log
from schemas.problem import Code

Progress = Callable[[int, int], None]
"""Called with (entries checked, entries in all)."""

_TIME = b'"time":"'
_INSTANT_SIZE = 27


@dataclass(frozen=True, slots=True)
class Report:
    """A check that found nothing wrong: the head it ends in, and how many entries were looked at."""

    size: int
    root: bytes
    note: bytes
    entries: int


def check_log(
    fetch: Fetch,
    log: Log,
    *,
    since: int = 0,
    known: Checkpoint | None = None,
    progress: Progress = lambda _done, _all: None,
) -> Report:
    """Check a log from end to end, or from entry `since` on where the part before was checked already.

    Raises:
        IntegrityError: LOG_INVALID, naming the first entry or tile that does not hold.
    """
    note, head = fetch_checkpoint(fetch, log)  # 1
    _check_tiles(fetch, head.size, since)  # 2
    _check_roots(fetch, head, known)  # 3
    checked = _check_entries(fetch, head.size, since, progress)  # 4
    return Report(head.size, head.root, note, checked)


def _check_tiles(fetch: Fetch, size: int, since: int) -> None:
    first, below = since // TILE_WIDTH, _roots(fetch, size, 0, since // TILE_WIDTH)
    level = 1
    while size >> (TILE_HEIGHT * level):
        tiles = [tile for tile in hash_tiles(size, level) if tile.n >= first // TILE_WIDTH]
        for tile in tiles:
            for place, found in enumerate(fetch_hashes(fetch, tile)):
                position = tile.first + place
                if position >= first and found != below[position - first]:
                    raise IntegrityError(
                        Code.LOG_INVALID,
                        f"Expected hash {place} of {tile.path} to be the root of "
                        f"{TileId(level - 1, position).path}, found another.",
                        advice="One of the two was altered: keep this copy, and compare it with other mirrors.",
                    )
        first //= TILE_WIDTH
        below = _roots(fetch, size, level, first)
        level += 1


def _roots(fetch: Fetch, size: int, level: int, first: int) -> list[bytes]:
    """The roots of the full tiles of a level, from tile `first` on."""
    full = (size >> (TILE_HEIGHT * level)) // TILE_WIDTH
    return [pyramid(fetch_hashes(fetch, TileId(level, n)))[TILE_HEIGHT][0] for n in range(first, full)]


def _check_roots(fetch: Fetch, head: Checkpoint, known: Checkpoint | None) -> None:
    nodes = nodes_of(fetch, head.size)
    if known is not None and (known.size > head.size or (known.size == head.size and known.root != head.root)):
        raise _forked(known)
    if root_hash(head.size, nodes) != head.root:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected the tiles to hash to the signed root of size {head.size}, found another root.",
            advice="The last, partial tiles were altered, or entries were: keep this copy, compare it with others.",
        )
    if known is not None and root_hash(known.size, nodes) != known.root:
        raise _forked(known)


def _forked(known: Checkpoint) -> IntegrityError:
    return IntegrityError(
        Code.LOG_INVALID,
        f"Expected a log that grew from the checkpoint of size {known.size}, found another history.",
        advice="The log was forked or rolled back: keep both checkpoints, they are the proof of it.",
    )


def _check_entries(fetch: Fetch, size: int, since: int, progress: Progress) -> int:
    checked, last = 0, b""
    progress(0, size - since // TILE_WIDTH * TILE_WIDTH)
    for bundle in bundles(size):
        if bundle.n < since // TILE_WIDTH:
            continue
        leaves = fetch_hashes(fetch, TileId(0, bundle.n, bundle.width))
        for place, entry in enumerate(fetch_entries(fetch, bundle, leaves)):
            # Inside a JSON string the quotes would be escaped: this is the member and nothing else.
            time = entry.partition(_TIME)[2][:_INSTANT_SIZE]
            if time < last:
                raise IntegrityError(
                    Code.LOG_INVALID,
                    f"Expected entry {bundle.first + place} at or after the one before, found earlier.",
                )
            last = time
        checked += bundle.width
        progress(checked, size - since // TILE_WIDTH * TILE_WIDTH)
    return checked
