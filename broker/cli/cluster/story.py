"""What the demonstration shows on a cluster beyond one gateway's story: parts are killed, and it goes on."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

from broker.assembly.agency import transport_of
from broker.assembly.kafka import kafka_source
from broker.cli.cluster.cluster import Cluster
from broker.cli.cluster.process import answers
from broker.cli.story import Cast, require
from broker.sdk.cursors import FileCursors
from broker.sdk.posting import Sent
from broker.sdk.source import Source
from schemas import registry
from schemas.packet import MEDIA_TYPE

READER = "us-cbp"
"""Reads Kafka by an adapter, which drops packets into a folder."""

ARRIVES = 30.0

Step = tuple[str, str, Callable[[], str]]


class ClusterSteps:
    """The steps, and where the cast's readers read."""

    def __init__(self, cluster: Cluster, cast: Cast) -> None:
        self._cluster = cluster
        self._cast = cast

    def source(self, agency: str) -> Source:
        """Kafka, as this agency reads it with its own certificate."""
        places = FileCursors(self._cast.folder / "places" / agency)
        return kafka_source(self._cluster.deployment.agencies[agency], self._cast.member(agency), places)

    def steps(self) -> Iterator[Step]:
        yield "adapter-delivers", "NCB warns CBP, whose adapter reads Kafka", self._adapter
        yield "relay-killed", "The active relay is killed (SIGKILL)", self._relay_killed
        yield "gateway-killed", "A gateway is killed", self._gateway_killed
        yield "gateway-returns", "It comes back, and both are asked for the same packet", self._gateway_returns

    def _send(self) -> Sent:
        handling = {**registry.sample_handling(), "purpose": ["prevention", "officer-safety"]}
        payload = next(iter(registry.samples("tip").values()))
        return self._cast.member("in-ncb").send("tip", to=[READER], payload=payload, handling=handling)

    def _arrived(self, sent: Sent, since: float) -> float:
        """Seconds after which the adapter had dropped it."""
        path: Path = self._cluster.drop(READER) / f"packet-{sent.digest}.json"
        while not path.exists():
            require(
                time.monotonic() - since < ARRIVES,
                f"packet {sent.index} in CBP's folder within {ARRIVES:.0f} s",
                "none",
            )
            time.sleep(0.02)
        return time.monotonic() - since

    def _adapter(self) -> str:
        begun = time.monotonic()
        sent = self._send()
        seconds = self._arrived(sent, begun)
        return (
            f"ledger index {sent.index}; relayed to Kafka, verified and dropped into CBP's folder after {seconds:.2f} s"
        )

    def _relay_killed(self) -> str:
        relay = self._cluster.active_relay()
        relay.kill()
        begun = time.monotonic()
        seconds = self._arrived(self._send(), begun)
        other = self._cluster.active_relay()
        require(other is not relay, "the other relay to be active", "the killed one")
        relay.start()
        return (
            f"{relay.name} is gone; {other.name} took over: the next packet was in CBP's folder after {seconds:.1f} s"
        )

    def _gateway_killed(self) -> str:
        self._cluster.gateways[0].kill()
        begun = time.monotonic()
        sent = self._send()
        accepted = time.monotonic() - begun
        seconds = self._arrived(sent, begun)
        return (
            f"NCB's program asked the other: accepted at index {sent.index} after {accepted:.2f} s, "
            f"in CBP's folder after {seconds:.2f} s"
        )

    def _gateway_returns(self) -> str:
        begun = time.monotonic()
        self._cluster.gateways[0].start()
        seconds = time.monotonic() - begun
        sent = self._send()
        settings = self._cluster.deployment.agency("in-ncb")
        with transport_of(settings) as transport:
            receipts = {
                transport.post(f"{url}/v1/packets", content=sent.raw, headers={"content-type": MEDIA_TYPE}).content
                for url in settings.url
            }
        require(receipts == {sent.receipt.canonical()}, "the same receipt from both, byte for byte", len(receipts))
        ready = all(answers(f"{each}/readyz")() for each in self._cluster.operations)
        require(ready, "two gateways that are ready", "fewer")
        return f"ready after {seconds:.1f} s; both gateways give the same receipt of index {sent.index}, byte for byte"
