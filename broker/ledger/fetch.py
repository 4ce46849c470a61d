"""Reading a log by its paths, wherever it is: every missing or wrong part is named."""

from collections.abc import Callable

from broker.errors import IntegrityError, NotFoundError
from broker.ledger.port import LedgerReader
from broker.merkle.note import Checkpoint, verify_head
from broker.merkle.tiles import CHECKPOINT, TileId, parse_path, read_bundle
from broker.merkle.tree import HASH_SIZE, TILE_HEIGHT, TILE_WIDTH, Nodes, leaf_hash, pyramid, split_hashes
from schemas.directory import Log
from schemas.problem import Code

Fetch = Callable[[str], bytes]
"""A path below the log's prefix (`checkpoint`, `tile/...`) -> its bytes. Raises NotFoundError where there is none."""


def files_of(reader: LedgerReader) -> Fetch:
    """The published log of a live ledger."""

    def fetch(path: str) -> bytes:
        if path == CHECKPOINT:
            return reader.checkpoint()
        tile = parse_path(path)
        found = None
        if tile is not None and tile.level is None:
            found = reader.entry_bundle(tile.n, tile.width)
        elif tile is not None and tile.level is not None:
            found = reader.tile(tile.level, tile.n, tile.width)
        if found is None:
            raise NotFoundError
        return found

    return fetch


def fetch_checkpoint(fetch: Fetch, log: Log) -> tuple[bytes, Checkpoint]:
    """The signed note and what it says, under a pair of the log's keys; raises IntegrityError (LOG_INVALID)."""
    try:
        note = fetch(CHECKPOINT)
    except NotFoundError:
        raise IntegrityError(
            Code.LOG_INVALID,
            "Expected a log with a checkpoint, found none.",
            advice="Mirror the log into this place first.",
        ) from None
    return note, verify_head(note, log)


def fetch_bytes(fetch: Fetch, tile: TileId) -> bytes:
    """A tile or bundle as it is; raises IntegrityError (LOG_INVALID) where there is none."""
    try:
        return fetch(tile.path)
    except NotFoundError:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected {tile.path}, found nothing there.",
            advice="Mirror the log again; if it stays away, the log has lost or withholds it.",
        ) from None


def fetch_hashes(fetch: Fetch, tile: TileId) -> list[bytes]:
    """A tile's hashes; raises IntegrityError (LOG_INVALID) where it is missing or of another width."""
    data = fetch_bytes(fetch, tile)
    if len(data) != tile.width * HASH_SIZE:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected {tile.width} hashes in {tile.path}, found {len(data)} bytes.",
        )
    return split_hashes(data)


def fetch_entries(fetch: Fetch, bundle: TileId, leaves: list[bytes]) -> list[bytes]:
    """A bundle's entries, each checked against its leaf hash.

    Raises:
        IntegrityError: LOG_INVALID, naming the first entry that is missing or altered.
    """
    data = fetch_bytes(fetch, bundle)
    try:
        entries = read_bundle(data)
    except IntegrityError as error:
        raise IntegrityError(Code.LOG_INVALID, f"{error.message} It is in {bundle.path}.") from None
    found = [leaf_hash(entry) for entry in entries]
    for place, leaf in enumerate(leaves):
        if place < len(found) and found[place] == leaf:
            continue
        rest = found[place:]
        missing = len(found) < len(leaves) and rest == leaves[place + len(leaves) - len(found) :]
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected entry {bundle.first + place} in {bundle.path} as its leaf hash says, "
            f"found that it {'was deleted' if missing else 'was altered'}.",
            advice="Keep this copy as evidence, and compare it with the log and with other mirrors.",
        )
    if len(found) > len(leaves):
        raise IntegrityError(Code.LOG_INVALID, f"Expected {len(leaves)} entries in {bundle.path}, found {len(found)}.")
    return entries


def nodes_of(fetch: Fetch, size: int) -> Nodes:
    """The nodes of the tree of `size` leaves; the tiles read are kept."""
    known: dict[tuple[int, int], list[list[bytes]]] = {}

    def node(level: int, index: int) -> bytes:
        tile_level, row = divmod(level, TILE_HEIGHT)
        n, place = divmod(index << row, TILE_WIDTH)
        if (tile_level, n) not in known:
            width = min(TILE_WIDTH, (size >> (TILE_HEIGHT * tile_level)) - n * TILE_WIDTH)
            known[tile_level, n] = pyramid(fetch_hashes(fetch, TileId(tile_level, n, width)))
        return known[tile_level, n][row][place >> row]

    return node
