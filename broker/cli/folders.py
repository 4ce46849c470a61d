"""Where a command works: in a folder that stays, or in one that goes when it is over."""

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.errors import IntegrityError
from broker.ledger.fetch import Fetch
from broker.ledger.mirror import files_in
from broker.merkle.tiles import CHECKPOINT
from schemas.problem import Code

SIGNALLED = 128
"""A shell's exit status of a program that a signal ended, less the signal's number."""

_OF_A_MIRROR = {"tile", f"{CHECKPOINT}.new"}


@contextmanager
def working_folder(keep: Path | None, prefix: str) -> Iterator[Path]:
    """`keep`, made where there is none; without it a temporary one whose name begins with `prefix`. Told to end
    (SIGTERM), the command ends in order, as by Ctrl-C: what it started ends, and the folder goes.

    Raises:
        IntegrityError: code `config-invalid`; there is something in `keep`.
    """
    if keep is None:
        with _ended_in_order(), tempfile.TemporaryDirectory(prefix=prefix) as folder:
            yield Path(folder)
        return
    if keep.exists() and any(keep.iterdir()):
        raise IntegrityError(
            Code.CONFIG_INVALID, f"Expected a new or empty folder, found files in {keep}.", advice="Name another."
        )
    keep.mkdir(parents=True, exist_ok=True)
    with _ended_in_order():
        yield keep


def mirror_in(folder: Path) -> Fetch:
    """The log of a mirror.

    Raises:
        IntegrityError: code `config-invalid`; nobody ever finished a mirror in `folder`.
    """
    if not (folder / CHECKPOINT).is_file():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a mirror of the log in {folder}, found no checkpoint there.",
            advice=f"Make one with `setu audit mirror {folder} --as AGENCY.TOML`, or name the folder that holds it.",
        )
    return files_in(folder)


def place_for_mirror(folder: Path) -> Path:
    """`folder`, made where there is none: empty, a mirror, or what an interrupted first run left.

    Raises:
        IntegrityError: code `config-invalid`; it holds something else, among which a log's files would be scattered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / CHECKPOINT).is_file() and {each.name for each in folder.iterdir()} - _OF_A_MIRROR:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected no folder, an empty one or a mirror at {folder}, found other files in it.",
            advice="Name another folder; nothing was written.",
        )
    return folder


@contextmanager
def _ended_in_order() -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # which alone can take a signal
        yield
        return
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(SIGNALLED + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
