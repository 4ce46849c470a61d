"""Small files that survive a crash whole: written beside, synced, renamed, never through a link."""

import os
import stat
import threading
from contextlib import suppress
from pathlib import Path

from broker.errors import IntegrityError
from schemas.problem import Code

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


def private_directory(path: Path) -> Path:
    """The directory, made with mode 0700 where it does not exist.

    Raises:
        IntegrityError: code `config-invalid`; it is something else, or a link.
    """
    if not path.exists():
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    if path.is_symlink() or not path.is_dir():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected a directory, found a link or another kind of file.",
            advice="Name a directory of the program's own.",
        )
    return path


def write_atomic(directory: Path, name: str, content: bytes) -> None:
    """Put `content` at `name`, mode 0600: after a crash either the old file or the new one is there, whole."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    temporary = f".{name}.{os.getpid()}.{threading.get_ident()}"
    try:
        with suppress(FileNotFoundError):  # left by a program that crashed
            os.unlink(temporary, dir_fd=folder)
        descriptor = os.open(temporary, _WRITE, 0o600, dir_fd=folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            os.unlink(temporary, dir_fd=folder)
            raise
        os.fsync(folder)
    finally:
        os.close(folder)


def read_regular(directory: Path, name: str, limit: int) -> bytes | None:
    """The bytes of a regular file of at most `limit` bytes; None where there is none.

    Raises:
        IntegrityError: code `config-invalid`; a link, a pipe, a device, or a larger file stands there.
    """
    try:
        descriptor = os.open(directory / name, _READ)
    except FileNotFoundError:
        return None
    except OSError:
        raise _not_ours() from None
    found = os.fstat(descriptor)
    if not stat.S_ISREG(found.st_mode) or found.st_size > limit:
        os.close(descriptor)
        raise _not_ours()
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def remove(directory: Path, name: str) -> None:
    """Remove a file so that it stays removed after a crash; nothing happens where there is none."""
    folder = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.unlink(name, dir_fd=folder)
        os.fsync(folder)
    except FileNotFoundError:
        pass
    finally:
        os.close(folder)


def _not_ours() -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        "Expected a small regular file of this program's own, found another kind of file.",
        advice="Look at who can write to this directory; remove what this program did not put there.",
    )
