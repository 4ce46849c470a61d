"""Opaque, signed positions. A cursor belongs to one topic or search; only the gateways of a ledger can make one."""

import hashlib
import hmac

from broker.errors import RequestError
from schemas.canonical import MalformedBase64Error, b64u, unb64u
from schemas.problem import Code

_MAC = 16
_SIZE = 8 + _MAC


class Cursors:
    """Args: key: at least 32 secret bytes, the same on each gateway of a ledger."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def write(self, scope: str, index: int) -> str:
        """The cursor after ledger index `index` (-1: before all) in `scope`, a topic's name or a search."""
        number = (index + 1).to_bytes(8, "big")
        return b64u(number + self._mac(scope, number))

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
        if not hmac.compare_digest(mac, self._mac(scope, number)):
            raise _bad()
        return int.from_bytes(number, "big") - 1

    def _mac(self, scope: str, number: bytes) -> bytes:
        return hmac.digest(self._key, b"setu1.cursor\0" + scope.encode() + b"\0" + number, hashlib.sha256)[:_MAC]


def _bad() -> RequestError:
    return RequestError(
        Code.BAD_CURSOR,
        "Expected a cursor that this gateway gave for this topic, found another.",
        advice="Use the cursor of the last page as it is, or none to begin at the start.",
    )
