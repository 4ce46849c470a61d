"""An auditor's own copy of a log: incremental, checked as it grows."""

from dataclasses import dataclass
from pathlib import Path

from broker.errors import IntegrityError, NotFoundError
from broker.ledger.fetch import Fetch, fetch_bytes, fetch_checkpoint
from broker.ledger.fsck import Progress, check_log
from broker.merkle.note import verify_remembered
from broker.merkle.tiles import CHECKPOINT, TileId, all_tiles, parse_path
from schemas.directory import Log

_NEW = "checkpoint.new"


@dataclass(frozen=True, slots=True)
class Mirrored:
    """What a run did: the size the copy had, the head it has, how many tiles and bundles were fetched."""

    before: int
    size: int
    root: bytes
    files: int


def files_in(directory: Path) -> Fetch:
    """The log in a directory: a mirror, or what a gateway serves from files."""

    def fetch(path: str) -> bytes:
        if path != CHECKPOINT and parse_path(path) is None:
            raise NotFoundError
        try:
            return (directory / path).read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            raise NotFoundError from None

    return fetch


def mirror(fetch: Fetch, directory: Path, log: Log, *, progress: Progress = lambda _done, _all: None) -> Mirrored:
    """Bring the copy in `directory` up to the log's published checkpoint. What is new is checked before it counts:
    the copy's own `checkpoint` is written last, so an interrupted run is simply run again.

    Raises:
        IntegrityError: LOG_INVALID; the log does not continue what was mirrored, or does not hold in itself.
    """
    local = files_in(directory)
    before = verify_remembered(local(CHECKPOINT), log) if (directory / CHECKPOINT).exists() else None
    note, after = fetch_checkpoint(fetch, log)
    wanted = list(all_tiles(after.size))
    missing = [tile for tile in wanted if not (directory / tile.path).is_file()]
    for tile in missing:
        _write(directory / tile.path, fetch_bytes(fetch, tile))

    def copied(path: str) -> bytes:
        return note if path == CHECKPOINT else local(path)

    try:
        check_log(copied, log, since=0 if before is None else before.size, known=before, progress=progress)
    except IntegrityError:
        # Kept beside the older checkpoint: two heads that do not go together prove what the log did.
        _write(directory / _NEW, note)
        raise
    _write(directory / CHECKPOINT, note)
    (directory / _NEW).unlink(missing_ok=True)
    if before is not None:
        _drop_superseded(directory, set(all_tiles(before.size)) - set(wanted))
    return Mirrored(0 if before is None else before.size, after.size, after.root, len(missing))


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".tmp")
    temporary.write_bytes(data)
    temporary.replace(path)


def _drop_superseded(directory: Path, tiles: set[TileId]) -> None:
    for tile in tiles:
        path = directory / tile.path
        path.unlink(missing_ok=True)
        if path.parent.suffix == ".p" and not any(path.parent.iterdir()):
            path.parent.rmdir()
