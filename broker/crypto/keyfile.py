"""Private keys on disk: one key a file, for its owner alone. Python cannot wipe memory; a core dump holds keys too.

The file of a key in an HSM says where it is there, and holds no secret.
"""

import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from broker.crypto.keys import PrivateKey, SeedKey
from broker.crypto.place import Place, parse_place
from broker.errors import IntegrityError, SignatureError
from schemas.canonical import MalformedBase64Error, MalformedJsonError, canonical, parse, unb64u
from schemas.problem import Code

FORMAT = "setu1.key"
PLACE = "pkcs11"
"""The member that says where a key in an HSM is."""

GOING = ".going"
"""What the name of a file ends with that is being destroyed."""

_MAX_SIZE = 16_384
_MEMBERS = {"v", "alg", "use", "kid"}


class Tokens(Protocol):
    """Where keys in an HSM are found; the engine is `broker.crypto.hsm.Tokens`."""

    def key(self, alg: str, place: Place, kid: str) -> PrivateKey:
        """The key of this kid.

        Raises:
            IntegrityError: code `config-invalid`; there is none, or it is not to be used.
            UnavailableError: the HSM does not answer.
        """

    def generate(self, alg: str, place: Place, label: str) -> PrivateKey:
        """A new key in the token of `place`, under this label; raises as `key`."""


def write_key(path: Path, key: PrivateKey, use: str) -> None:
    """Write a new key file with mode 0600: canonical JSON {v, alg, use, kid, seed}, or `pkcs11` for a key in an HSM.

    Raises:
        IntegrityError: code `config-invalid`; there is a file already.
    """
    write_secret(path, key_bytes(key, use))


def key_bytes(key: PrivateKey, use: str) -> bytes:
    """A key file's content: canonical JSON {v, alg, use, kid}, and `PrivateKey.stored`."""
    fields = {"v": FORMAT, "alg": key.alg, "use": str(use), "kid": key.public.kid, **key.stored()}
    return canonical(fields) + b"\n"


def about_key(key: PrivateKey, use: str) -> dict[str, str]:
    """What of it may stand in clear beside a sealed one."""
    return {"form": FORMAT, "alg": key.alg, "use": str(use), "kid": key.public.kid}


def read_secret(path: Path, *, granted: bool = False) -> bytes:
    """Read a small regular file, refusing one that others than its owner can read, or that another user owns.

    `granted`: a credential of systemd's, which is root's and which an ACL lets this user read (its mode shows 0440).

    Raises:
        IntegrityError: code `config-invalid`.
    """
    try:
        # Without O_NONBLOCK a FIFO would hold the program for ever.
        with open(os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK), "rb") as file:  # noqa: PTH123 - a descriptor
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise _invalid(f"Expected a regular file at {path}, found something else.", "Check the path.")
            mode = stat.S_IMODE(status.st_mode)
            if mode & (0o037 if granted else 0o077):
                raise _invalid(
                    f"Expected {path} to be readable by its owner alone, found mode {mode:04o}.",
                    f"Run: chmod 600 {path}; and consider the key known to all who could read it.",
                )
            if status.st_uid not in _owners(path):
                raise _invalid(
                    f"Expected {path} to be owned by whom this program runs as, found another user's.",
                    "Run it as the user whose keys these are, or give that user the file (chown).",
                )
            return file.read(_MAX_SIZE)
    except OSError as error:
        raise _invalid(f"Expected a private key at {path}, found: {error.strerror}.", "Check the path.") from None


def _owners(path: Path) -> set[int]:
    """Whose files are believed: one's own and root's; and by root, those of whose folder it is."""
    own = os.geteuid()
    return {own, 0} if own else {0, path.parent.stat().st_uid}


def read_key(path: Path, use: str | None = None, read: Callable[[Path], bytes] = read_secret) -> PrivateKey:
    """Read a key file, its bytes by `read`; with `use`, only a key of that use.

    Raises:
        IntegrityError: code `config-invalid`; not there, readable by others than its owner, or not a key file.
    """
    found, key = parse_key(read(path), path)
    check_use(found, use, path)
    return key


def check_use(found: str, use: str | None, path: Path) -> None:
    """Raises IntegrityError (code `config-invalid`) where a key is for another use than `use`."""
    if use is not None and found != use:
        raise _invalid(f"Expected a key for {use} in {path}, found one for another use.", "One key, one use.")


def parse_key(raw: bytes, path: Path, tokens: Tokens | None = None) -> tuple[str, PrivateKey]:
    """The use and key that stand in a key file's bytes; raises as `read_key`, and as `Tokens.key`."""
    fields = _fields(raw, path)
    if PLACE in fields:
        place = parse_place(fields[PLACE])
        if tokens is None:
            raise _invalid(
                f"Expected a way to the HSM that holds the key of {path}, found none.",
                "Set SETU_PKCS11_MODULE to the whole path of the HSM's PKCS #11 library.",
            )
        return fields["use"], tokens.key(fields["alg"], place, fields["kid"])
    try:
        key = SeedKey(fields["alg"], unb64u(fields["seed"]))
    except (MalformedBase64Error, SignatureError):
        raise _not_a_key_file(path) from None
    if key.public.kid != fields["kid"]:
        raise _not_a_key_file(path)
    return fields["use"], key


def in_hsm(raw: bytes, path: Path) -> bool:
    """Whether a key file only says where its key is; raises as `read_key`."""
    return PLACE in _fields(raw, path)


def place_of(raw: bytes, path: Path) -> Place:
    """Where the key of such a file is; raises as `read_key`."""
    return parse_place(_fields(raw, path)[PLACE])


def _fields(raw: bytes, path: Path) -> dict[str, str]:
    try:
        fields: Any = parse(raw)
    except MalformedJsonError:
        raise _not_a_key_file(path) from None
    if not isinstance(fields, dict) or not all(isinstance(each, str) for each in fields.values()):
        raise _not_a_key_file(path)
    if fields.keys() not in (_MEMBERS | {"seed"}, _MEMBERS | {PLACE}) or fields["v"] != FORMAT:
        raise _not_a_key_file(path)
    return fields


def write_secret(path: Path, data: bytes) -> None:
    """Create a file that only its owner can read; never overwrites, never follows a link. Where it cannot be written
    whole, none is left.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)
    try:
        descriptor = os.open(path, flags, 0o600)
    except FileExistsError:
        raise _there(path) from None
    except OSError as error:
        raise _invalid(f"Expected to create {path}, found: {error.strerror}.", "Check the folder.") from None
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor
            give_to_owner(descriptor, path.parent)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise _invalid(f"Expected to write {path}, found: {error.strerror}.", "Check the disk.") from None


def write_at_once(path: Path, data: bytes, mode: int = 0o600) -> None:
    """As `write_secret`, in a folder that programs read: the file is there whole or not at all, after a crash too."""
    if os.path.lexists(path):
        raise _there(path)
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.unlink(missing_ok=True)  # what a crash left
        write_secret(beside, data)
        beside.chmod(mode)
        beside.rename(path)
        sync(path.parent)
    except OSError as error:
        raise _invalid(f"Expected to create {path}, found: {error.strerror}.", "Check the folder.") from None


def give_to_owner(made: int | Path, folder: Path) -> None:
    """What root makes, as from cron, is of whom the folder is: else the program that works there could not read it.

    Raises OSError.
    """
    if os.geteuid() == 0:
        owner = folder.stat()
        os.chown(made, owner.st_uid, owner.st_gid)


def destroy(path: Path) -> None:
    """Overwrite a secret file with zeros, then remove it; also what a crash in the middle of that left. What a disk, a
    snapshot or a backup kept of it stays there.

    It first gets a name that is no key file's: half destroyed under its own, no program would start beside it.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    going = path if path.name.startswith(".") else path.with_name(f".{path.name}{GOING}")
    try:
        _wipe(going)
        if going != path:
            path.rename(going)
            sync(path.parent)
            _wipe(going)
    except FileNotFoundError:
        return  # another process was quicker
    except OSError as error:
        raise _invalid(f"Expected to destroy {path}, found: {error.strerror}.", "Check the folder.") from None


def _wipe(path: Path) -> None:
    try:
        with open(os.open(path, os.O_WRONLY | os.O_CLOEXEC | getattr(os, "O_NOFOLLOW", 0)), "wb") as file:  # noqa: PTH123 - a descriptor
            file.write(bytes(os.fstat(file.fileno()).st_size))
            file.flush()
            os.fsync(file.fileno())
        path.unlink()
        sync(path.parent)
    except FileNotFoundError:
        return


Stamp = tuple[tuple[str, int, int, int, int] | None, ...]


def stamp_of_files(*paths: Path) -> Stamp:
    """Another one when one of these files came, went, or is another than before."""
    return tuple(_stamp(path) for path in paths)


def _stamp(path: Path) -> tuple[str, int, int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def sync(folder: Path) -> None:
    """Have a folder's names on the disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _there(path: Path) -> IntegrityError:
    return _invalid(f"Expected no file at {path}, found one.", "Move it away first; a key is never overwritten.")


def _not_a_key_file(path: Path) -> IntegrityError:
    return _invalid(f"Expected a key file ({FORMAT}) at {path}, found another content.", "Restore it from its backup.")


def _invalid(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)
