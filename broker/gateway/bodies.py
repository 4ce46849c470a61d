"""Reading a request's body: at most so many bytes, within so much time, and what is left of a refused one."""

import asyncio
from collections.abc import AsyncIterator
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
                        raise too_large(self._limits.body_bytes)
                    if not self.pending:
                        break
        except TimeoutError:
            raise _late(self._limits.body_seconds) from None
        self.size = len(raw)
        return bytes(raw)

    async def lines(self) -> AsyncIterator[bytes | RequestError]:
        """The lines of the body, without their line feeds, as they come; the last one's may be missing. A line longer
        than a body may be is the error that refuses it.

        Raises:
            RequestError: `too-large` (the whole, or too many lines), or `timeout`; nothing behind it is read.
            GoneError: the caller hung up.
        """
        limits = self._limits
        lines = _Splitter(limits.body_bytes)
        left, count = limits.batch_seconds, 0
        while self.pending:
            begun = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout(min(left, limits.body_seconds)):
                    message = await self._receive()
            except TimeoutError:
                raise _late(limits.body_seconds) from None
            left -= asyncio.get_running_loop().time() - begun
            if message["type"] == "http.disconnect":
                raise GoneError
            self.pending = message["more_body"]
            piece = message["body"][: limits.batch_bytes - self.size]
            self.size += len(message["body"])
            for line in lines.of(piece, end=not self.pending and self.size <= limits.batch_bytes):
                count += 1
                if count > limits.batch_lines:
                    raise _too_many(limits)
                yield too_large(limits.body_bytes) if line is None else line
            if self.size > limits.batch_bytes:
                raise too_large(limits.batch_bytes)

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


class _Splitter:
    """Cuts pieces of a body into lines, holding at most one line of `most` bytes."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._begun = bytearray()
        self._over = False

    def of(self, piece: bytes, *, end: bool) -> list[bytes | None]:
        """The lines that this piece completes; None for one that is too long."""
        *whole, rest = piece.split(b"\n")
        found: list[bytes | None] = []
        for part in whole:
            self._add(part)
            found.append(self._taken())
        self._add(rest)
        if end and (self._begun or self._over):
            found.append(self._taken())
        return found

    def _add(self, part: bytes) -> None:
        if len(self._begun) + len(part) > self._most:
            self._over = True
            self._begun.clear()
        elif not self._over:
            self._begun += part

    def _taken(self) -> bytes | None:
        line = None if self._over else bytes(self._begun)
        self._begun.clear()
        self._over = False
        return line


def too_large(most: int) -> RequestError:
    return RequestError(
        Code.TOO_LARGE,
        f"Expected at most {most} bytes, found more.",
        advice="Send less in one packet, or refer to large files instead of enclosing them; a batch may be divided.",
    )


def _too_many(limits: Limits) -> RequestError:
    return RequestError(
        Code.TOO_LARGE,
        f"Expected a batch of at most {limits.batch_lines} lines, found more.",
        advice="Divide the batch; the lines before were dealt with.",
    )


def _late(seconds: float) -> RequestError:
    return RequestError(
        Code.TIMEOUT,
        f"Expected the whole body within {seconds:g} s, found it still coming.",
        advice="Ask again over a faster connection; it is safe.",
    )
