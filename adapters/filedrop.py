"""A folder as the other system: each packet becomes one file, whole or not at all.

The folder is opened once for each delivery and everything happens relative to it; no link is followed, no other kind of
file is written to, and a file's name is made of the packet's digest alone. Whoever can write to the folder can remove
or change what was delivered, and make delivery of a packet fail; nothing outside the folder can be reached through it.
"""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from adapters.port import Parcel, PermanentFailure, TemporaryFailure
from schemas.canonical import MalformedBase64Error, canonical, parse, unb64u
from schemas.problem import Code

DIGEST_SIZE = 48
MODES = (0o600, 0o640)

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileDrop:
    """Delivers to one folder.

    A file `packet-<digest>.json` is canonical JSON (RFC 8785): `v`, `topic`, `index`, `digest`, `disputed`, `exercise`
    (true for drill traffic, which nobody acts on), `receipt`, and `header` and `payload` (opened) or `packet` (sealed).
    While it is written it is `.packet-<digest>.part`.

    Args:
        folder: an existing directory, not a link, which not everybody may write to.
        opened: write payloads in clear; False to hand on sealed packets.
        mode: of the files, 0o600 or 0o640.

    Raises:
        PermanentFailure: the folder is none that can be used.
    """

    def __init__(self, folder: Path, *, opened: bool, mode: int = 0o600) -> None:
        if mode not in MODES:
            raise PermanentFailure(Code.CONFIG_INVALID, "Expected file mode 0600 or 0640, found another.")
        self._folder = folder
        self._opened = opened
        self._mode = mode
        self._identity: tuple[int, int] | None = None
        try:
            with self._open() as descriptor:
                found = os.fstat(descriptor)
                if found.st_mode & stat.S_IWOTH:
                    raise PermanentFailure(
                        Code.CONFIG_INVALID, "Expected a drop folder that not everybody may write to, found one."
                    )
                self._identity = (found.st_dev, found.st_ino)
                _sweep(descriptor)
        except TemporaryFailure as error:
            raise PermanentFailure(Code.CONFIG_INVALID, error.message) from None

    @property
    def opened(self) -> bool:
        return self._opened

    def deliver(self, parcel: Parcel) -> None:
        """Put the file in place, synced with its folder. See `adapters.port.Adapter.deliver`."""
        name = _name(parcel.digest)
        content = canonical(self._document(parcel))
        with self._open() as folder:
            standing = _standing(folder, name)
            if standing is not None and not stat.S_ISREG(standing.st_mode):
                raise _planted()
            if standing is None or _content(folder, name, standing.st_size) != content:
                self._write(folder, name, content)
            os.fsync(folder)

    def close(self) -> None:
        """Nothing is held between deliveries."""

    def _document(self, parcel: Parcel) -> dict[str, object]:
        common = {
            "v": "setu1.drop",
            "topic": parcel.topic,
            "index": parcel.index,
            "digest": parcel.digest,
            "disputed": parcel.disputed,
            "exercise": parcel.header.exercise,
            "receipt": parcel.receipt.to_object(),
        }
        if not self._opened:
            return {**common, "packet": parse(parcel.raw)}
        return {**common, "header": parcel.header.to_object(), "payload": parcel.payload}

    def _write(self, folder: int, name: str, content: bytes) -> None:
        part = f".{name.removesuffix('.json')}.part"
        try:
            os.unlink(part, dir_fd=folder)
        except FileNotFoundError:
            pass
        except IsADirectoryError:
            raise _planted() from None
        try:
            descriptor = os.open(part, _WRITE, self._mode, dir_fd=folder)
            try:
                with os.fdopen(descriptor, "wb") as file:
                    os.fchmod(file.fileno(), self._mode)  # the mode asked for, whatever the umask
                    file.write(content)
                    file.flush()
                    os.fsync(file.fileno())
                os.rename(part, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                with suppress(OSError):
                    os.unlink(part, dir_fd=folder)
                raise
        except FileExistsError:
            raise TemporaryFailure("Expected to be the only writer of this file, found another at work.") from None

    @contextmanager
    def _open(self) -> Iterator[int]:
        try:
            descriptor = os.open(self._folder, _FOLDER)
        except OSError as error:
            raise TemporaryFailure(
                f"Expected the drop folder, found none that can be opened ({error.strerror})."
            ) from None
        try:
            found = os.fstat(descriptor)
            if self._identity not in (None, (found.st_dev, found.st_ino)):
                raise TemporaryFailure(
                    "Expected the drop folder this adapter started with, found another in its place."
                )
            yield descriptor
        except OSError as error:
            raise TemporaryFailure(
                f"Expected the drop folder to take a file, found that it does not ({error.strerror})."
            ) from None
        finally:
            os.close(descriptor)


def _name(digest: str) -> str:
    try:
        unb64u(digest, DIGEST_SIZE)
    except MalformedBase64Error:
        raise PermanentFailure(
            Code.ENVELOPE_INVALID, "Expected a packet's digest to name the file by, found another text."
        ) from None
    return f"packet-{digest}.json"


def _standing(folder: int, name: str) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _content(folder: int, name: str, size: int) -> bytes | None:
    """What stands there; None where it cannot be read, and is replaced."""
    try:
        with os.fdopen(os.open(name, _READ, dir_fd=folder), "rb") as file:
            return file.read(size + 1)
    except OSError:
        return None


def _planted() -> PermanentFailure:
    return PermanentFailure(
        Code.CONFIG_INVALID,
        "Expected a free name in the drop folder, found a link, pipe, device or folder in its place.",
    )


def _sweep(folder: int) -> None:
    """What a crash left half written holds payloads and is nobody's: remove it."""
    for name in os.listdir(folder):
        if name.startswith(".packet-") and name.endswith(".part"):
            with suppress(OSError):
                os.unlink(name, dir_fd=folder)
