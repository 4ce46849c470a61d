"""Reading a request's body: at most so many bytes, within so much time, and what is left of a refused one."""

import asyncio
from typing import Any

from starlette.types import Receive

from broker.errors import RequestError
from broker.gateway.limits import Limits
from schemas.problem import Code

MAX_LINGER = 8 << 20


class GoneError(Exception):
    """The caller hung up before its request was complete: there is nobody to answer."""


class Body:
    """`pending` while there may be bytes of it on the way."""

    __slots__ = ("_limits", "_receive", "pending", "size")

    def __init__(self, receive: Receive, limits: Limits, *, follows: bool) -> None:
        self._receive = receive
        self._limits = limits
        self.pending = follows
        self.size = 0

    async def read(self) -> bytes:
        """The whole body.

        Raises:
            RequestError: `too-large`, or `timeout`.
            GoneError: the caller hung up.
        """
        raw = bytearray()
        try:
            async with asyncio.timeout(self._limits.body_seconds):
                while True:
                    message = await self._receive()
                    if message["type"] == "http.disconnect":
                        raise GoneError
                    raw += message["body"]
                    self.pending = message["more_body"]
                    if len(raw) > self._limits.body_bytes:
                        raise too_large(self._limits)
                    if not self.pending:
                        break
        except TimeoutError:
            raise _late(self._limits) from None
        self.size = len(raw)
        return bytes(raw)

    async def hung_up(self) -> None:
        """Returns when the caller hangs up."""
        while (await self._receive())["type"] != "http.disconnect":
            continue

    async def drain(self) -> None:
        """Read on and throw away, so that a refusal reaches a caller who is still sending."""
        left = MAX_LINGER
        try:
            async with asyncio.timeout(self._limits.linger_seconds):
                while left > 0:
                    message: Any = await self._receive()
                    if message["type"] == "http.disconnect" or not message["more_body"]:
                        return
                    left -= len(message["body"])
        except TimeoutError:
            return


def too_large(limits: Limits) -> RequestError:
    return RequestError(
        Code.TOO_LARGE,
        f"Expected a body of at most {limits.body_bytes} bytes, found more.",
        advice="Send less in one packet, or refer to large files instead of enclosing them.",
    )


def _late(limits: Limits) -> RequestError:
    return RequestError(
        Code.TIMEOUT,
        f"Expected the whole body within {limits.body_seconds:g} s, found it still coming.",
        advice="Ask again over a faster connection; it is safe.",
    )
