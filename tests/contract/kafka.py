"""The Kafka engine of the source's contract, on a real Kafka."""

import httpx

from broker.errors import UnavailableError
from broker.sdk.cursors import Cursors, MemoryCursors
from broker.sdk.kafka import KafkaSource
from broker.transport.kafka_log import KafkaLog
from broker.transport.records import FIRST, record
from schemas import registry
from schemas.evidence import Receipt
from schemas.handling import Handling
from tests.system.kafka import cluster, sender
from tests.unit.sdk.simulator import SimulatedGateway

TOPICS = {kind: f"setu.us-dea.{kind}" for kind in ("tip", "pen")}

HANDLING = Handling.from_object(registry.sample_handling())
OPEN: list["_Log"] = []
"""Also of sources that a test left as a crash would."""


def close() -> None:
    while OPEN:
        OPEN.pop().close()


class Kafka:
    """What a simulated gateway accepted goes to Kafka when somebody reads; what was withdrawn before does not."""

    def __init__(self) -> None:
        self.cluster = cluster()
        self.cluster.grant("us-dea", "setu.us-dea.")
        self.cluster.empty(*TOPICS.values())
        self.gateway = SimulatedGateway()
        self.gateway.page_limit = 3
        for name in TOPICS.values():
            self.gateway.topics[name] = []
        self.client = self.gateway.client("us-dea")
        self._cursors = MemoryCursors()
        self._relayed = dict.fromkeys(TOPICS.values(), 0)
        self.faults = 0

    def publish(self, kind: str) -> str:
        payload = next(iter(registry.samples(kind).values()))
        made = self.gateway.realm.sealed("in-ncb", ["us-dea"], kind, payload, handling=HANDLING)
        response = self.gateway.transport("in-ncb").post("/v1/packets", content=made.raw)
        assert response.status_code == httpx.codes.CREATED
        return made.digest

    def withdraw(self, digest: str) -> None:
        self.gateway.packets[digest].gone["us-dea"] = "purged"

    def fail(self, times: int) -> None:
        self.faults = times

    def source(self, cursors: Cursors | None = None) -> KafkaSource:
        log = _Log(self)
        OPEN.append(log)
        return KafkaSource("us-dea", log, cursors or self._cursors, self.client.check_receipt, self.client.source)

    def record(self, digest: str, previous: int):
        stored = self.gateway.packets[digest]
        receipt = Receipt.from_object(self.gateway.receipt(stored.index))
        return record(stored.header, digest, stored.raw, receipt, previous=previous)

    def relay(self) -> None:
        for name, done in self._relayed.items():
            digests = self.gateway.topics[name]
            made = [
                self.record(digest, self.gateway.packets[digests[place - 1]].index if place else FIRST)
                for place, digest in enumerate(digests)
                if place >= done and not self.gateway.packets[digest].gone
            ]
            if made:
                sender().send(name, made)
            self._relayed[name] = len(digests)


class _Log:
    """A `RecordLog` that fails as often as it was told, before Kafka was asked or after it answered."""

    def __init__(self, engine: Kafka) -> None:
        self._engine = engine
        self._log = KafkaLog(engine.cluster.place("us-dea"), fetch_wait=0.02)

    def topics(self):
        return self._log.topics()

    def read(self, topic, offset, wait):
        engine = self._engine
        engine.relay()
        if engine.faults:
            engine.faults -= 1
            if engine.faults % 2:
                self._log.read(topic, offset, wait)
            raise UnavailableError("Expected an answer, found none.")
        return self._log.read(topic, offset, wait)

    def mark(self, topic, offset):
        self._log.mark(topic, offset)

    def close(self):
        self._log.close()
