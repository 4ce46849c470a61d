"""SHA-384 of packets' parts, kept on one processor.

hashlib lets go of the interpreter lock for 2048 bytes and more, and under load taking it again costs more than hashing
a few kilobytes does. So these go in in pieces below that; what is large goes in whole, and lets others run.
"""

import hashlib
import hmac
from typing import Protocol

PIECE = 2047
LARGE = 1 << 16


class _Hash(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def digest(self) -> bytes: ...


def sha384(data: bytes) -> bytes:
    return _over(hashlib.sha384(), data)


def hmac_sha384(key: bytes, data: bytes) -> bytes:
    return _over(hmac.new(key, digestmod="sha384"), data)


def _over(made: _Hash, data: bytes) -> bytes:
    if len(data) > LARGE:
        made.update(data)
    else:
        for start in range(0, len(data), PIECE):
            made.update(data[start : start + PIECE])
    return made.digest()
