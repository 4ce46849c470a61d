"""Opaque, signed positions. A cursor belongs to one topic or search; only the gateways of a ledger can make one."""

import hashlib
import hmac
from collections.abc import Callable, Sequence

from broker.errors import RequestError
from schemas.canonical import MalformedBase64Error, b64u, unb64u
from schemas.problem import Code

_MAC = 16
_SIZE = 8 + _MAC


class Cursors:
    """Args: keys: of at least 32 secret bytes, the same on each gateway of a ledger; the first signs, all are good."""

    def __init__(self, keys: Callable[[], Sequence[bytes]]) -> None:
        self._keys = keys

    def write(self, scope: str, index: int) -> str:
        """The cursor after ledger index `index` (-1: before all) in `scope`, a topic's name or a search."""
        number = (index + 1).to_bytes(8, "big")
        return b64u(number + _mac(self._keys()[0], scope, number))

    def read(self, scope: str, cursor: str | None) -> int:
        """The ledger index a cursor stands after; -1 for none.

        Raises:
            RequestError: code `bad-cursor`.
        """
        if cursor is None:
            return -1
        try:
            raw = unb64u(cursor, _SIZE)
        except MalformedBase64Error:
            raise _bad() from None
        number, mac = raw[:8], raw[8:]
        if not any(hmac.compare_digest(mac, _mac(key, scope, number)) for key in self._keys()):
            raise _bad()
        return int.from_bytes(number, "big") - 1


def _mac(key: bytes, scope: str, number: bytes) -> bytes:
    return hmac.digest(key, b"setu1.cursor\0" + scope.encode() + b"\0" + number, hashlib.sha256)[:_MAC]


def _bad() -> RequestError:
    return RequestError(
        Code.BAD_CURSOR,
        "Expected a cursor that this gateway gave for this topic, found another.",
        advice="Use the cursor of the last page as it is, or none to begin at the start.",
    )
