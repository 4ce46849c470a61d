"""What this process was started with to read its private keys: systemd's credentials, and a passphrase or none."""

import getpass
import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from broker.crypto.keyfile import read_secret
from broker.crypto.keystore import KeyStore
from broker.crypto.sealing import Passphrase
from broker.errors import IntegrityError
from schemas.problem import Code

CREDENTIALS = "CREDENTIALS_DIRECTORY"
CREDENTIAL = "setu-passphrase"
DESCRIPTOR = "SETU_PASSPHRASE_FD"
"""A number. The passphrase itself stands in no argument and no variable, which other users and core dumps can show."""

_LONGEST = 1024


def keystore() -> KeyStore:
    """The same for the whole process, so that a person is asked once."""
    return _keystore(os.environ.get(CREDENTIALS), os.environ.get(DESCRIPTOR))


def ask(prompt: str, descriptor: int | None = None) -> bytes:
    """A passphrase from a file descriptor, else from whoever sits at the terminal.

    Raises:
        IntegrityError: code `config-invalid`; neither, or nothing was said.
    """
    if descriptor is not None:
        return said(_drained(descriptor))
    if not sys.stdin.isatty():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected a passphrase, and a terminal to ask for it, found no terminal.",
            advice="Run it on a terminal, or give the passphrase behind a descriptor, as --help says.",
        )
    return said(getpass.getpass(f"{prompt}: ").encode())


def said(raw: bytes) -> bytes:
    """A passphrase's one line; raises as `ask`."""
    line = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not line or b"\n" in line:
        raise _nothing("a passphrase of one line", "none or several")
    return line


@lru_cache(maxsize=1)
def _keystore(credentials: str | None, descriptor: str | None) -> KeyStore:
    folder = Path(credentials) if credentials else None
    source = _source(folder, descriptor)
    return KeyStore(Passphrase(source) if source is not None else None, folder)


def _source(credentials: Path | None, descriptor: str | None) -> Callable[[], bytes] | None:
    if descriptor is not None:
        return lambda: ask("", _number(descriptor))
    if credentials is not None and (credentials / CREDENTIAL).is_file():
        return lambda: said(read_secret(credentials / CREDENTIAL, granted=True))
    if sys.stdin.isatty():
        return lambda: ask("Passphrase of the private keys")
    return None


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit():
        raise _nothing(f"the number of a file descriptor in {DESCRIPTOR}", "another text")
    return int(text)


def _drained(descriptor: int) -> bytes:
    found = b""
    try:
        while len(found) <= _LONGEST and (more := os.read(descriptor, _LONGEST)):
            found += more
    except OSError as error:
        raise _nothing("a file descriptor that can be read", str(error.strerror)) from None
    return found


def _nothing(expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected {expected}, found {found}.",
        advice=f"Give it on the terminal, in the credential {CREDENTIAL}, or behind {DESCRIPTOR}.",
    )
