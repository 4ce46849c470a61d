"""Load on a gateway of one's own: packets posted over a few connections that stay open, as fast as answers come.

Bounded by the packets it is given. It writes HTTP itself, for a client that costs more than the server measures itself.
"""

import asyncio
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from broker.errors import UnavailableError
from schemas.packet import MEDIA_TYPE


@dataclass(frozen=True, slots=True)
class Posted:
    """`seconds`: from the first byte to the last answer; `latencies`: of each post, seconds, in order of answers."""

    seconds: float
    latencies: list[float]


async def post_all(host: str, port: int, context: ssl.SSLContext, packets: Sequence[bytes], connections: int) -> Posted:
    """Post each packet once.

    Raises:
        UnavailableError: an answer other than 201.
    """
    waiting = iter(packets)
    latencies: list[float] = []

    async def one() -> None:
        reader, writer = await asyncio.open_connection(host, port, ssl=context)
        try:
            for packet in waiting:
                begun = time.perf_counter()
                writer.write(_head(host, port, len(packet)) + packet)
                status = await _answer(reader)
                latencies.append(time.perf_counter() - begun)
                if status != 201:  # noqa: PLR2004 - created
                    raise UnavailableError(f"Expected 201 for a packet of the benchmark, found {status}.")
        finally:
            writer.close()

    begun = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    return Posted(time.perf_counter() - begun, latencies)


def _head(host: str, port: int, size: int) -> bytes:
    return (
        f"POST /v1/packets HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: {MEDIA_TYPE}\r\n"
        f"Accept: application/json\r\nContent-Length: {size}\r\n\r\n"
    ).encode()


async def _answer(reader: asyncio.StreamReader) -> int:
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    length = next(int(line.split(":")[1]) for line in lines if line.lower().startswith("content-length:"))
    await reader.readexactly(length)
    return int(lines[0].split()[1])
