"""Where a command works: in a folder that stays, or in one that goes when it is over."""

import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from broker.errors import IntegrityError
from schemas.problem import Code

SIGNALLED = 128
"""A shell's exit status of a program that a signal ended, less the signal's number."""


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
