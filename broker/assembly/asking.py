"""How a secret reaches a process: behind a file descriptor, in a credential of systemd's, or from the terminal.

It stands in no argument and no variable, which other users and core dumps can show.
"""

import getpass
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from broker.crypto.keyfile import read_secret
from broker.errors import IntegrityError
from schemas.problem import Code

_LONGEST = 1024


@dataclass(frozen=True, slots=True)
class Secret:
    """What is asked for; `credential`: its name there; `descriptor`: the variable with the descriptor's number."""

    name: str
    credential: str
    descriptor: str


PASSPHRASE = Secret("a passphrase", "setu-passphrase", "SETU_PASSPHRASE_FD")
PIN = Secret("a PIN", "setu-pin", "SETU_PIN_FD")


def ask(prompt: str, descriptor: int | None = None, secret: Secret = PASSPHRASE) -> bytes:
    """A secret from a file descriptor, else from whoever sits at the terminal.

    Raises:
        IntegrityError: code `config-invalid`; neither, or nothing was said.
    """
    if descriptor is not None:
        return said(_drained(descriptor, secret), secret)
    if not sys.stdin.isatty():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected {secret.name}, and a terminal to ask for it, found no terminal.",
            advice=f"Run it on a terminal, or give {secret.name} behind a descriptor, as --help says.",
        )
    return said(getpass.getpass(f"{prompt}: ").encode(), secret)


def said(raw: bytes, secret: Secret = PASSPHRASE) -> bytes:
    """A secret's one line; raises as `ask`."""
    line = raw.removesuffix(b"\n").removesuffix(b"\r")
    if not line or b"\n" in line:
        raise _nothing(f"{secret.name} of one line", "none or several", secret)
    return line


def source(secret: Secret, credentials: Path | None, descriptor: str | None) -> Callable[[], bytes] | None:
    """Where this process finds a secret without a person, if anywhere; what it returns raises as `ask`."""
    if descriptor is not None:
        # A descriptor gives what it has once.
        return lru_cache(maxsize=1)(lambda: ask("", _number(descriptor, secret), secret))
    if credentials is not None and (credentials / secret.credential).is_file():
        return lambda: said(read_secret(credentials / secret.credential, granted=True), secret)
    return None


def _number(text: str, secret: Secret) -> int:
    if not text.isascii() or not text.isdigit():
        raise _nothing(f"the number of a file descriptor in {secret.descriptor}", "another text", secret)
    return int(text)


def _drained(descriptor: int, secret: Secret) -> bytes:
    found = b""
    try:
        while len(found) <= _LONGEST and (more := os.read(descriptor, _LONGEST)):
            found += more
    except OSError as error:
        raise _nothing("a file descriptor that can be read", str(error.strerror), secret) from None
    return found


def _nothing(expected: str, found: str, secret: Secret) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected {expected}, found {found}.",
        advice=f"Give it on the terminal, in the credential {secret.credential}, or behind {secret.descriptor}.",
    )
