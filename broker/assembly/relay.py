"""The relay: inside a gateway that has its ledger to itself, or a process of its own beside gateways that share one."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import uvloop

from broker.assembly.figures import end_of, watch_certificates, watch_directory, watch_ledger, watch_relay
from broker.assembly.ledger import open_books
from broker.assembly.logkeys import LogKeys
from broker.assembly.policy import policy_in
from broker.assembly.realm import local_directory
from broker.assembly.topics import RELAY, place_of
from broker.config import GatewaySettings, split_address
from broker.errors import IntegrityError, UnavailableError
from broker.flows.inforce import InForce
from broker.flows.leased import Leased
from broker.flows.relay import Relay
from broker.flows.routine import again, ended
from broker.gateway.health import Operator
from broker.gateway.server import Listener, Server, bind
from broker.ledger.port import Ledger, LedgerReader
from broker.store.port import Lease
from broker.telemetry.logs import Log, heard
from broker.telemetry.metrics import Metrics
from broker.transport.kafka import KafkaPublisher
from broker.transport.kafka_client import check_cluster
from schemas.problem import Code

OPERATIONS = "127.0.0.1:9643"
DIRECTORY_SECONDS = 0.5
GIVE_UP_SECONDS = 30.0
"""Of failing, after which another relay may see whether it fares better."""


def relay_of(
    settings: GatewaySettings,
    in_force: InForce,
    ledger: Ledger,
    reader: LedgerReader,
    *,
    now: Callable[[], float],
    probe: Callable[[str], None],
    lease: Callable[[], Lease | None] = lambda: None,
) -> Relay:
    """Raises IntegrityError (code `config-invalid`): the certificate or its key is not there."""
    place = place_of(settings, RELAY)
    place.tls()
    return Relay(in_force, ledger, reader, KafkaPublisher(place), now=now, lease=lease, probe=probe)


class RelayProcess:
    """One of several relays of a cluster; the one that holds the lease relays, the others stand by.

    Args:
        operations: host:port of its `/healthz`, `/readyz` and `/metrics`.
        now: unix seconds.
        probe: called with the name of each failpoint as it is passed; a test's.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        operations: str = OPERATIONS,
        now: Callable[[], float] = time.time,
        probe: Callable[[str], None] = lambda _: None,
    ) -> None:
        if settings.embedded:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected a store that several processes share, found one that is the gateway's own (sqlite).",
                advice="There the gateway itself relays; `setu relay` goes with PostgreSQL.",
            )
        self._settings = settings
        self._place = place_of(settings, RELAY)
        self._place.tls()
        self._operations = split_address(operations)
        self._now = now
        self._probe = probe

    def run(self) -> None:
        """Until a signal; the lease is given back on the way out.

        Raises:
            IntegrityError: `config-invalid`, `directory-invalid`, `log-invalid` or `rollback`: it does not start.
            UnavailableError: the store or the guard does not answer.
        """
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """As `run`, on the running event loop."""
        log, metrics = Log(sys.stderr, self._now), Metrics()
        with heard(log):
            async with AsyncExitStack() as stack:
                await self._serve(stack, log, metrics)
            log.info("stopped")

    async def _serve(self, stack: AsyncExitStack, log: Log, metrics: Metrics) -> None:
        settings, now, probe = self._settings, self._now, self._probe
        try:
            await check_cluster(self._place)
        except UnavailableError as error:
            log.warning("kafka", said=str(error))
        directory = local_directory(settings, now=now)
        row = directory.current().log(settings.gateway)
        log_keys = LogKeys(settings.at(settings.paths.keys), settings.gateway, row, shared=True)
        books = await open_books(settings, stack, signer=log_keys.signers, now=now, probe=probe, metrics=metrics)
        policy = policy_in(settings.at(settings.paths.policies))
        in_force = InForce(
            directory, policy, books.committer, books.reader, gateway=settings.gateway, adopting=log_keys.adopting
        )
        await in_force.start()

        leased = Leased(books.reader, "relay", books.holder)
        relay = relay_of(settings, in_force, books.committer, books.reader, now=now, probe=probe, lease=leased.current)
        books.heard.append(relay.ring)
        metrics.watch("setu_relay_active", lambda: leased.active)
        metrics.watch("setu_relay_trouble", lambda: relay.trouble is not None or leased.trouble is not None)
        own = [] if settings.guard is None else [settings.at(settings.guard.certificate)]
        watch_certificates(metrics, *map(end_of, (self._place.certificate, *own)))
        look = watch_directory(metrics, in_force, now)
        asked = (
            watch_ledger(metrics, settings, books, now),
            watch_relay(metrics, books.store, in_force, now),
        )
        health = _Health(in_force, books.reader, leased, relay, log_keys)
        server: Server
        operator = Operator(health, metrics, log, lambda: server.stopping, asked)
        server = Server(Listener(operator, bind(*self._operations)), None, settings.limits, lambda: None)
        for work in (look, lambda: asyncio.to_thread(log_keys.look)):
            stack.callback(asyncio.create_task(again(work, DIRECTORY_SECONDS)).cancel)
        relaying = asyncio.create_task(leased.run(lambda: relay.run(give_up=GIVE_UP_SECONDS)))
        stack.push_async_callback(ended, relaying)
        log.info("relay", cluster=", ".join(self._place.bootstrap), holder=books.holder)
        await server.serve()


class _Health:
    """What `/readyz` of a relay says."""

    def __init__(
        self, in_force: InForce, reader: LedgerReader, leased: Leased, relay: Relay, log_keys: LogKeys
    ) -> None:
        self._in_force = in_force
        self._reader = reader
        self._leased = leased
        self._relay = relay
        self._log_keys = log_keys

    async def ready(self) -> dict[str, Any]:
        """What was found; raises UnavailableError where nothing could be relayed, or something is not."""
        await asyncio.to_thread(self._reader.probe)
        active = self._leased.active
        trouble = self._leased.trouble or (self._relay.trouble if active else None) or self._in_force.trouble
        if trouble is not None:
            raise UnavailableError("Expected the relay to go on, found that it does not.", advice=trouble)
        return {
            "ready": True,
            "active": active,
            "directory": self._in_force.view().snapshot.ref.version,
            "log_keys": self._log_keys.names(),
        }
