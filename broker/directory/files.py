"""Files of a repository or a cache: written whole or not at all, one writer at a time."""

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkstemp

from broker.crypto.keyfile import give_to_owner, sync
from broker.errors import IntegrityError
from schemas.problem import Code

LOCK = ".lock"


def write_whole(path: Path, content: bytes, *, mode: int = 0o644) -> None:
    """Put `content` at `path`: a reader, and a reader after a crash, finds the old bytes or the new ones, whole."""
    descriptor, name = mkstemp(prefix=".", dir=path.parent)
    beside = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            give_to_owner(descriptor, path.parent)
            os.fchmod(descriptor, mode)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    except BaseException:
        with suppress(FileNotFoundError):
            beside.unlink()
        raise
    sync(path.parent)


def read_small(path: Path, most: int) -> bytes:
    """A regular file that somebody brought: a FIFO would hold the program for ever, and a huge one take all its memory.

    Raises:
        IntegrityError: code `directory-invalid`; it is no regular file, or larger than that.
        OSError: it cannot be read.
    """
    with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size > most:
            raise IntegrityError(
                Code.DIRECTORY_INVALID,
                f"Expected a file of at most {most} bytes at {path}, found something else.",
                advice="Ask for a new copy of the repository's folder.",
            )
        return file.read(most)


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the folder against other processes (flock on `LOCK` in it); waits for whoever holds it."""
    descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        give_to_owner(descriptor, folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
