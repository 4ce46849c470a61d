"""The rollback guard: the newest signed head in a file on another disk, durable before a receipt of it leaves.

An attacker who owns this file can stop the ledger from signing, and no more: the note in it is signed.
"""

import errno
import fcntl
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition
from typing import Protocol

from broker.errors import IntegrityError, UnavailableError
from broker.merkle.note import MAX_NOTE, parse_checkpoint
from schemas.problem import Code

EXIT_STATUS = 70

Proof = Callable[[int], Sequence[bytes]]
"""An older size -> the proof that its tree is the beginning of the one that a note speaks of (RFC 6962, 2.1.2)."""


def end_process() -> None:
    """End at once, running nothing more: what the disk holds is unknown."""
    os._exit(EXIT_STATUS)


class Guard(Protocol):
    """Keeps the newest signed head apart from the store. `shared`: other processes write heads of this log too."""

    shared: bool

    def read(self) -> bytes | None:
        """The note last written, by whatever process; None where there never was one."""
        ...

    def write(self, note: bytes, proof: Proof) -> None:
        """Replace it, durably. A shared guard that holds a later head of this log keeps that one.

        Raises:
            OSError: a file failed.
            UnavailableError: a shared guard does not answer; whether it keeps the note is unknown.
            IntegrityError: ROLLBACK; a shared guard knows another history.
        """
        ...

    def newest(self, size: int, timeout: float) -> tuple[int, bytes]:
        """(size, note) written or adopted by this process, once its size is at least `size`; UnavailableError after
        `timeout` seconds.
        """
        ...

    def adopt(self, note: bytes) -> None:
        """Take a note that was read and found right as this process's newest."""
        ...


class Newest:
    """The newest note that this process knows to be guarded, for those who wait for it."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._newest: tuple[int, bytes] | None = None

    def adopt(self, note: bytes) -> None:
        size = parse_checkpoint(note).size
        with self._changed:
            if self._newest is None or size >= self._newest[0]:
                self._newest = (size, note)
                self._changed.notify_all()

    def newest(self, size: int, timeout: float) -> tuple[int, bytes]:
        with self._changed:
            if not self._changed.wait_for(lambda: self._newest is not None and self._newest[0] >= size, timeout):
                raise UnavailableError("Expected a signed head, found that it is not signed yet.")
            assert self._newest is not None  # noqa: S101 - waited for
            return self._newest


class FileGuard(Newest):
    """A guard in one file, held by one process at a time.

    Raises:
        IntegrityError: CONFIG_INVALID; another process holds it, or its directory is missing.
    """

    shared = False

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._temporary = path.with_name(path.name + ".new")
        try:
            self._directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
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
            self.close()
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

    def write(self, note: bytes, proof: Proof) -> None:  # noqa: ARG002 - who alone writes it proves nothing to itself
        descriptor = os.open(self._temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            try:
                if os.write(descriptor, note) != len(note):
                    raise OSError(errno.ENOSPC, "written in part")
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            os.replace(self._temporary, self._path)  # noqa: PTH105 - Path's own costs four times as much
        except OSError:
            self._temporary.unlink(missing_ok=True)
            raise
        os.fsync(self._directory)
        self.adopt(note)

    def close(self) -> None:
        """Let another process have it."""
        os.close(self._directory)
        os.close(self._lock)
