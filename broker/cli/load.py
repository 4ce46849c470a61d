"""Load on a gateway of one's own: packets posted over a few connections that stay open, as fast as answers come.

Bounded by the packets it is given. It writes HTTP itself, for a client that costs more than the server measures itself.
"""

import asyncio
import itertools
import json
import ssl
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import NamedTuple

from broker.errors import UnavailableError
from schemas.packet import MEDIA_TYPE

CREATED = 201
LINES = "application/x-ndjson"


class Place(NamedTuple):
    """Where a gateway listens, and as whom one goes there."""

    host: str
    port: int
    context: ssl.SSLContext


@dataclass(frozen=True, slots=True)
class Posted:
    """`seconds`: from the first byte to the last answer; `latencies`: of each request, seconds, in order of answers."""

    seconds: float
    latencies: list[float]


class Answered(NamedTuple):
    status: int
    body: bytes


class Line:
    """One connection that stays open, one request at a time."""

    def __init__(self, place: Place, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._host = f"{place.host}:{place.port}"
        self._reader = reader
        self._writer = writer

    async def post(self, path: str, media_type: str, body: bytes) -> Answered:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: {media_type}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        return await self._answer()

    async def get(self, path: str) -> Answered:
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._host}\r\n\r\n".encode())
        return await self._answer()

    async def _answer(self) -> Answered:
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:] if line)
        status = int(head.split()[1])
        if "content-length" in fields:
            return Answered(status, await self._reader.readexactly(int(fields["content-length"])))
        pieces = []
        while size := int(await self._reader.readline(), 16):
            pieces.append(await self._reader.readexactly(size))
            await self._reader.readexactly(2)
        await self._reader.readexactly(2)
        return Answered(status, b"".join(pieces))


@asynccontextmanager
async def connected(place: Place) -> AsyncIterator[Line]:
    reader, writer = await asyncio.open_connection(place.host, place.port, ssl=place.context, limit=2**20)
    try:
        yield Line(place, reader, writer)
    finally:
        writer.close()


async def post_all(places: Sequence[Place], packets: Sequence[bytes], connections: int, batch: int = 1) -> Posted:
    """Post each packet once, `batch` of them in a request, over `connections` that take the places in turn.

    Raises:
        UnavailableError: an answer that does not accept.
    """
    waiting = _in_batches(packets, batch)
    latencies: list[float] = []

    async def one(place: Place) -> None:
        async with connected(place) as line:
            for several in waiting:
                begun = time.perf_counter()
                await post(line, several)
                latencies.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    await asyncio.gather(*(one(place) for place in itertools.islice(itertools.cycle(places), connections)))
    return Posted(time.perf_counter() - begun, latencies)


async def post(line: Line, packets: Sequence[bytes]) -> None:
    """One request with these packets, each of which must be accepted; raises UnavailableError."""
    if len(packets) == 1:
        answer = await line.post("/v1/packets", MEDIA_TYPE, packets[0])
        statuses = [answer.status]
    else:
        answer = await line.post("/v1/packets:batch", LINES, b"\n".join(packets) + b"\n")
        *told, last = answer.body.splitlines() or [b""]
        statuses = [int(each.rpartition(b":")[2].rstrip(b"}")) for each in told]
        if answer.status != 200 or json.loads(last) != {"done": len(packets)}:  # noqa: PLR2004 - ok
            statuses = [answer.status]
    if statuses != [CREATED] * len(packets):
        found = next(each for each in (*statuses, 0) if each != CREATED)
        raise UnavailableError(f"Expected {CREATED} for a packet of the benchmark, found {found}.")


def _in_batches(packets: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return iter([packets[start : start + size] for start in range(0, len(packets), size)])
