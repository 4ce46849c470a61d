"""The rollback guard: the newest signed head in a file on another disk, durable before a receipt of it leaves.

An attacker who owns this file can stop the ledger from signing, and no more: the note in it is signed.
"""

import fcntl
import os
from pathlib import Path
from threading import Condition
from typing import Protocol

from broker.errors import IntegrityError, UnavailableError
from broker.merkle.note import MAX_NOTE, parse_checkpoint
from schemas.problem import Code


class Guard(Protocol):
    """Keeps the newest signed head apart from the store."""

    def read(self) -> bytes | None:
        """The note last written, by whatever process; None where there never was one."""
        ...

    def write(self, note: bytes) -> None:
        """Replace it, durably; raises OSError."""
        ...

    def newest(self, size: int, timeout: float) -> tuple[int, bytes]:
        """(size, note) written or adopted by this process, once its size is at least `size`; UnavailableError after
        `timeout` seconds.
        """
        ...

    def adopt(self, note: bytes) -> None:
        """Take a note that was read and found right as this process's newest."""
        ...


class FileGuard:
    """A guard in one file, held by one process at a time.

    Raises:
        IntegrityError: CONFIG_INVALID; another process holds it, or its directory is missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changed = Condition()
        self._newest: tuple[int, bytes] | None = None
        try:
            self._lock = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected a directory for the guard file that can be written, found none.",
                advice="Create it, best on another disk than the store's, owned by the broker's user.",
            ) from None
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(self._lock)
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected to be the only process on this ledger, found another.",
                advice="Stop the other one; the embedded engine serves a single process.",
            ) from None

    def read(self) -> bytes | None:
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_NOTE + 1)
        except FileNotFoundError:
            return None

    def write(self, note: bytes) -> None:
        temporary = self._path.with_name(self._path.name + ".new")
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(note)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
            directory = os.open(self._path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(directory)
            finally:
                os.close(directory)
        finally:
            temporary.unlink(missing_ok=True)
        self.adopt(note)

    def adopt(self, note: bytes) -> None:
        with self._changed:
            self._newest = (parse_checkpoint(note).size, note)
            self._changed.notify_all()

    def newest(self, size: int, timeout: float) -> tuple[int, bytes]:
        with self._changed:
            if not self._changed.wait_for(lambda: self._newest is not None and self._newest[0] >= size, timeout):
                raise UnavailableError("Expected a signed head, found that it is not signed yet.")
            assert self._newest is not None  # noqa: S101 - waited for
            return self._newest

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._lock)
