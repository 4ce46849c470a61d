"""What `setu bench` measures: load on a gateway or cluster of its own, and what cryptography alone costs just then."""

import asyncio
import itertools
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self
from urllib.parse import urlsplit

from broker.assembly import connect
from broker.assembly.keystore import keystore
from broker.assembly.wrap import WrapRing
from broker.cli.deployment import Deployment, create
from broker.cli.load import Line, Place, Posted, connected, post, post_all
from broker.cli.served import Served, cpu_seconds_of, free_port
from broker.crypto.keys import PublicKey
from broker.envelope.open import open_packet
from broker.envelope.seal import Sealed
from broker.envelope.verify import check_signatures, parse
from broker.errors import UnavailableError
from broker.sdk.client import Client
from broker.sdk.cursors import MemoryCursors
from broker.sdk.source import Source
from broker.transport.topics import topic
from schemas import registry
from schemas.directory import KeyUse

Engine = Literal["embedded", "cluster"]
SENDER, READER, KIND = "in-ncb", "us-dea", "tip"
PAUSE = 0.02
FEW = 5
ENOUGH = 50
ARRIVES = 60.0
LIMITS = {"rate": 1e6, "burst": 1e6}


@dataclass(frozen=True, slots=True)
class Site:
    """What load goes to. `pids`: of the gateways' processes. `source`: its reader's topics."""

    deployment: Deployment
    places: list[Place]
    pids: Callable[[], list[int]]
    sender: Client
    source: Callable[[], Source]

    def cpu_seconds(self) -> float:
        return sum(cpu_seconds_of(pid) for pid in self.pids())

    def sealed(self, count: int) -> list[Sealed]:
        payload, handling = next(iter(registry.samples(KIND).values())), registry.sample_handling()
        return [self.sender.seal(KIND, to=[READER], payload=payload, handling=handling) for _ in range(count)]


@contextmanager
def site(engine: Engine, folder: Path, say: Callable[[str], None]) -> Iterator[Site]:
    """A gateway, or a cluster of two with PostgreSQL and Kafka, of one's own; ended and gone afterwards."""
    with ExitStack() as stack:
        if engine == "embedded":
            deployment = create(
                folder / "deployment",
                demo=True,
                host="localhost",
                port=free_port(),
                operations_port=free_port(),
                limits=LIMITS,
            )
            served = stack.enter_context(Served(deployment, folder / "gateway.log"))
            reader = stack.enter_context(connect(deployment.agencies[READER]))
            urls = [deployment.url]
            source: Callable[[], Source] = reader.source

            def pids() -> list[int]:
                return [served.pid]
        else:
            deployment, urls, pids, source = _cluster(stack, folder, say)
        sender = stack.enter_context(connect(deployment.agencies[SENDER]))
        yield Site(deployment, [_place(deployment, url) for url in urls], pids, sender, source)


def _cluster(
    stack: ExitStack, folder: Path, say: Callable[[str], None]
) -> tuple[Deployment, list[str], Callable[[], list[int]], Callable[[], Source]]:
    # Imported where it is wanted: one embedded gateway needs neither Kafka nor PostgreSQL.
    from broker.assembly.kafka import kafka_source  # noqa: PLC0415
    from broker.cli.cluster.cluster import Cluster, Shape  # noqa: PLC0415

    shape = Shape(relays=1, readers=frozenset({READER}), adapters=(), limits=LIMITS)
    cluster = stack.enter_context(Cluster(folder / "cluster", shape, say=say))
    profile = cluster.deployment.agencies[READER]
    reader = stack.enter_context(connect(profile))
    return (
        cluster.deployment,
        cluster.urls,
        lambda: [each.pid for each in cluster.gateways if each.pid is not None],
        lambda: kafka_source(profile, reader, MemoryCursors(), name="bench"),
    )


class Cryptography:
    """What checking both signatures, unwrapping and decrypting one packet costs, and nothing else.

    Taken while the load runs, a few packets now and then: a processor that others use too makes both slower.
    """

    def __init__(self, site: Site) -> None:
        settings = site.deployment.gateway()
        self._keys = WrapRing({}, settings.at(settings.paths.wrap_keys), keystore())
        self._gateway = settings.gateway
        self._snapshot = site.sender.directory.current()
        self._spent = 0.0
        self._count = 0

    def take(self, raws: Sequence[bytes]) -> None:
        parsed = [parse(raw) for raw in raws]
        begun = time.thread_time()
        for each in parsed:
            check_signatures(each, self._key)
            open_packet(each, self._gateway, self._keys)
        self._spent += time.thread_time() - begun
        self._count += len(raws)

    async def beside(self, packets: Sequence[bytes]) -> None:
        """Until it is cancelled."""
        for start in itertools.cycle(range(0, len(packets), FEW)):
            await asyncio.sleep(PAUSE * FEW)
            self.take(packets[start : start + FEW])

    def limit(self, packets: Sequence[bytes]) -> float:
        """Packets per processor second, by all that was taken since this was last asked."""
        self.take(packets[: max(0, ENOUGH - self._count)])
        found = self._count / self._spent
        self._spent, self._count = 0.0, 0
        return found

    def _key(self, kid: str, _alg: str) -> PublicKey:
        return PublicKey.from_directory(self._snapshot.key(kid, agency=SENDER, use=KeyUse.SIGN, at=int(time.time())))


def post_beside(
    site: Site, cryptography: Cryptography, packets: Sequence[bytes], connections: int, batch: int
) -> Posted:
    """Post all as fast as answers come."""

    async def run() -> Posted:
        beside = asyncio.create_task(cryptography.beside(packets))
        try:
            return await post_all(site.places, packets, connections, batch)
        finally:
            beside.cancel()
            with suppress(asyncio.CancelledError):
                await beside

    return asyncio.run(run())


class Follower:
    """Reads the reader's topic in a thread of its own, and notes when each digest arrives."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._topic = topic(READER, KIND)
        self._stop = threading.Event()
        self.arrived: dict[str, float] = {}
        self._thread = threading.Thread(target=self._run, name="follower", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(ARRIVES)
        self._source.close()

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                items = self._source.read(self._topic, 1.0)
            except UnavailableError:
                time.sleep(PAUSE)
                continue
            now = time.perf_counter()
            for each in items:
                self.arrived.setdefault(each.digest, now)

    def all_of(self, digests: Sequence[str]) -> bool:
        """Waits for all of them, for a minute after the last that came."""
        last, seen = time.monotonic(), 0
        while len(found := [each for each in digests if each in self.arrived]) < len(digests):
            if len(found) > seen:
                last, seen = time.monotonic(), len(found)
            if time.monotonic() > last + ARRIVES:
                return False
            time.sleep(PAUSE)
        return True


async def post_paced(
    site: Site, packets: Sequence[Sealed], batch: int, rate: float, connections: int
) -> tuple[dict[str, float], list[float]]:
    """Post `rate` packets a second, whatever the answers do; (when each digest was accepted, how long that took)."""
    accepted: dict[str, float] = {}
    latencies: list[float] = []
    begun = time.perf_counter()
    waiting = iter([(start / rate, packets[start : start + batch]) for start in range(0, len(packets), batch)])

    async def one(line: Line) -> None:
        for at, several in waiting:
            await asyncio.sleep(begun + at - time.perf_counter())
            asked = max(begun + at, begun)
            await post(line, [each.raw for each in several])
            now = time.perf_counter()
            latencies.append(now - asked)
            accepted.update(dict.fromkeys([each.digest for each in several], now))

    async def connection(place: Place) -> None:
        async with connected(place) as line:
            await one(line)

    await asyncio.gather(*(connection(each) for each in itertools.islice(itertools.cycle(site.places), connections)))
    return accepted, latencies


def _place(deployment: Deployment, url: str) -> Place:
    settings = deployment.agency(SENDER)
    context = ssl.create_default_context(cafile=str(settings.at(settings.gateway_ca)))
    context.load_cert_chain(settings.at(settings.certificate), settings.at(settings.certificate_key))
    found = urlsplit(url)
    return Place(found.hostname or "localhost", found.port or 443, context)
