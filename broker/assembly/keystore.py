"""What this process was started with to read its private keys: systemd's credentials, a passphrase, a way to an HSM."""

import os
import sys
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from broker.assembly.asking import PASSPHRASE, ask, source
from broker.assembly.hsm import opened
from broker.crypto.keystore import KeyStore
from broker.crypto.sealing import Passphrase

CREDENTIALS = "CREDENTIALS_DIRECTORY"


def keystore() -> KeyStore:
    """The same for the whole process, so that a person is asked once."""
    return _keystore(os.environ.get(CREDENTIALS), os.environ.get(PASSPHRASE.descriptor))


@lru_cache(maxsize=1)
def _keystore(credentials: str | None, descriptor: str | None) -> KeyStore:
    folder = Path(credentials) if credentials else None
    words = _words(folder, descriptor)
    return KeyStore(Passphrase(words) if words is not None else None, folder, opened)


def _words(credentials: Path | None, descriptor: str | None) -> Callable[[], bytes] | None:
    found = source(PASSPHRASE, credentials, descriptor)
    if found is None and sys.stdin.isatty():
        return lambda: ask("Passphrase of the private keys")
    return found
