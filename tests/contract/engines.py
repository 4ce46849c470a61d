"""What the contract of a source is tried on: an engine publishes packets of a topic and makes sources that read them."""

import json
from collections.abc import Sequence
from hashlib import sha384
from typing import Any, Protocol

import httpx
import pytest

from broker.sdk.cursors import MemoryCursors
from broker.sdk.source import Source
from schemas.canonical import b64u
from tests.contract.kafka import Kafka
from tests.unit.sdk.simulator import Fault, SimulatedGateway, Stored

KINDS = ("tip", "pen")


class Engine(Protocol):
    """A world with one publisher and the topics `setu.us-dea.tip` and `setu.us-dea.pen`."""

    def publish(self, kind: str) -> str:
        """Accept one packet; returns its digest."""
        ...

    def withdraw(self, digest: str) -> None:
        """Leave a tombstone where this packet was."""
        ...

    def fail(self, times: int) -> None:
        """Let what carries packets fail so many times."""
        ...

    def source(self) -> Source:
        """A new source over the positions that earlier ones kept, as after a restart."""
        ...


class Unsigned(SimulatedGateway):
    """A source hands on what it is given and verifies nothing, so nothing needs to be sealed or signed for it."""

    def receipt(self, index: int) -> dict[str, Any]:
        return {"index": index}


class Https:
    """The HTTPS engine over a simulated gateway, which hands out at most three items at a time."""

    def __init__(self, *, stream: bool) -> None:
        self._stream = stream
        self._gateway = Unsigned()
        self._gateway.page_limit = 3
        self._cursors = MemoryCursors()
        for kind in KINDS:
            self._gateway.topics[f"setu.us-dea.{kind}"] = []

    def publish(self, kind: str) -> str:
        index = len(self._gateway.entries)
        digest = b64u(sha384(str(index).encode()).digest())
        self._gateway.entries.append(b"{}")
        self._gateway.packets[digest] = Stored(None, digest, json.dumps({"number": index}).encode(), index)
        self._gateway.topics[f"setu.us-dea.{kind}"].append(digest)
        return digest

    def withdraw(self, digest: str) -> None:
        self._gateway.packets[digest].gone["us-dea"] = "purged"

    def fail(self, times: int) -> None:
        lost = [Fault("/v1/topics", before=httpx.ConnectError("x")), Fault("/v1/topics", after=httpx.ReadError("x"))]
        self._gateway.faults = [lost[n % 2] for n in range(times)]
        self._gateway.cuts = min(times, 1)

    def source(self) -> Source:
        return self._gateway.client("us-dea").source(self._cursors, stream=self._stream)


def https_poll() -> Engine:
    return Https(stream=False)


def https_stream() -> Engine:
    return Https(stream=True)


def kafka() -> Engine:
    return Kafka()


ENGINES: Sequence[Any] = (https_poll, https_stream, pytest.param(kafka, marks=pytest.mark.sockets))
SERIES: Sequence[Any] = (
    https_poll,
    https_stream,
    pytest.param(kafka, marks=(pytest.mark.sockets, pytest.mark.long)),
)
"""For series of hundreds of steps."""
