"""A gateway of the embedded engine, built from its settings."""

import asyncio
import gc
import hashlib
import logging
import os
import socket
import sys
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from typing import Any

import uvloop

from broker.assembly.figures import end_of, watch_certificates, watch_directory, watch_ledger, watch_relay
from broker.assembly.keys import keys_in, wrap_keys_of
from broker.assembly.keystore import keystore
from broker.assembly.ledger import open_books
from broker.assembly.logkeys import LogKeys
from broker.assembly.policy import policy_in
from broker.assembly.realm import deny_lists, keep_fresh, local_directory
from broker.assembly.wrap import WrapRing, destroy_ended, make_if_due
from broker.config import GatewaySettings, split_address
from broker.errors import SetuError
from broker.flows.acknowledge import Acknowledge
from broker.flows.audit import Audit
from broker.flows.bell import Bell
from broker.flows.chores import Chores
from broker.flows.clocks import OpenClockList
from broker.flows.cursor import Cursors
from broker.flows.denying import PutDenyList
from broker.flows.expire import Expire
from broker.flows.health import Health
from broker.flows.identify import Identify
from broker.flows.inforce import InForce
from broker.flows.log import Log as LogFiles
from broker.flows.overdue import Overdue
from broker.flows.precursors import Precursors
from broker.flows.published import Published
from broker.flows.purge import Purge
from broker.flows.refusals import Refusals
from broker.flows.routine import again, ended
from broker.flows.submit import Submit
from broker.flows.subscribe import Subscribe
from broker.flows.timeline import Timelines
from broker.flows.workers import Workers
from broker.gateway.app import create_app
from broker.gateway.guard import Watch
from broker.gateway.health import Operator
from broker.gateway.identity import Direct, Identity, Proxied
from broker.gateway.sent import told_when_sent
from broker.gateway.server import Listener, Server, bind, bind_unix
from broker.gateway.services import Services
from broker.gateway.tls import ServerCertificate
from broker.ledger.committer import Committer
from broker.merkle.note import judged
from broker.telemetry.asked import Asked
from broker.telemetry.logs import Log, heard
from broker.telemetry.metrics import Metrics

DIRECTORY_SECONDS = 0.5
"""How often the directory is looked at: a suspension is in force within a second."""

FRESH_SECONDS = 3600.0
REFUSALS_SECONDS = 15.0
CHORES_SECONDS = 10.0
RING_SECONDS = 15.0
"""How often wrap keys are looked at, at the least: is another due, has one ended, has another process made one."""

CERTIFICATE_SECONDS = 2.0
"""How often the listener's certificate is looked at: another is in use within seconds."""

WRAP_LEASE = "wrap-keys"
PROOF_PATIENCE = 3.0

_log = logging.getLogger(__name__)


class Gateway:
    """A gateway of the embedded engine: one process, SQLite. Nothing is opened before it runs.

    Args:
        now: unix seconds. random: bytes.
        probe: called with the name of each failpoint as it is passed; a test's.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        *,
        now: Callable[[], float] = time.time,
        random: Callable[[int], bytes] = os.urandom,
        probe: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._settings = settings
        self._now = now
        self._random = random
        self._probe = probe

    def run(self) -> None:
        """Serve until a signal; returns after an orderly end.

        Raises:
            IntegrityError: `config-invalid`, `directory-invalid`, `log-invalid` or `rollback`: it does not start.
        """
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """As `run`, on the running event loop."""
        async with AsyncExitStack() as stack:
            await self._serve(stack)

    async def _serve(self, stack: AsyncExitStack) -> None:
        settings, now, probe = self._settings, self._now, self._probe
        keys = keys_in(settings.at(settings.paths.keys))
        keep_fresh(settings, now=now)
        ring = WrapRing(wrap_keys_of(keys), settings.at(settings.paths.wrap_keys), keystore())
        directory = local_directory(settings, now=now)
        try:
            make_if_due(settings, directory.current(), now=now, random=self._random)
            ring.look()
        except SetuError as error:
            # It serves what is sealed past it; the routine tries again and says so in the log.
            _log.warning("no wrap key made", extra={"code": error.code, "found": error.message})
        policy = policy_in(settings.at(settings.paths.policies))
        row = directory.current().log(settings.gateway)
        log_keys = LogKeys(settings.at(settings.paths.keys), settings.gateway, row, shared=not settings.embedded)

        log, metrics = Log(sys.stderr, now), Metrics()
        bell = Bell(asyncio.get_running_loop())
        books = await open_books(settings, stack, signer=log_keys.signers, now=now, probe=probe, metrics=metrics)
        books.heard.append(bell.ring)
        committer, reader = books.committer, books.reader

        in_force = InForce(
            directory,
            policy,
            committer,
            reader,
            gateway=settings.gateway,
            moved=bell.everybody,
            adopting=log_keys.adopting,
        )
        await in_force.start()
        look = watch_directory(metrics, in_force, now)
        asked: list[Asked[Any]] = [watch_ledger(metrics, settings, books, now)]
        if settings.kafka is not None:
            asked.append(watch_relay(metrics, books.store, in_force, now))
        workers = Workers(settings.threads)
        stack.callback(workers.close)
        metrics.watch("setu_work_waiting", workers.waiting)
        metrics.watch("setu_work_threads", lambda: workers.threads)
        refusals = Refusals(committer, in_force, now)
        stack.push_async_callback(refusals.flush, everything=True)

        identify = Identify(in_force, now)
        health = Health(in_force, reader, lambda: _check_signing(log_keys, committer), now)
        audit = Audit(in_force, committer, reader)
        services = Services(
            identify=identify,
            submit=Submit(
                in_force,
                committer,
                reader,
                refusals,
                workers,
                keys=ring,
                now=now,
                max_lifetime=settings.acceptance.lifetime,
                probe=probe,
                grace=settings.acceptance.deny_grace,
            ),
            acknowledge=Acknowledge(
                in_force, committer, reader, refusals, workers, now=now, grace=settings.acceptance.deny_grace
            ),
            subscribe=Subscribe(
                in_force,
                committer,
                reader,
                Cursors(log_keys.cursor_keys),
                bell,
                now=now,
                page_bytes=settings.acceptance.page_bytes,
                probe=probe,
            ),
            timelines=Timelines(reader, in_force, patience=PROOF_PATIENCE),
            clocks=OpenClockList(reader),
            audit=audit,
            precursors=Precursors(in_force, reader, audit, keys=ring, now=now),
            log=LogFiles(reader),
            published=Published(directory.read_file),
            deny=PutDenyList(in_force, deny_lists(settings, now=now)),
            refusals=refusals,
            health=health,
        )
        limits = settings.limits
        if settings.listen.identity != "tls":
            limits = replace(limits, share=limits.connections)  # all of a proxy's connections have its certificate
        app = create_app(
            services,
            limits,
            hosts=frozenset(settings.listen.hosts),
            identity=self._identity(),
            watch=Watch(log, metrics, time.monotonic, self._random),
        )
        main, tls = self._main_listener()
        own: list[Callable[[], float]] = [lambda: tls.ends] if tls is not None else []
        if settings.guard is not None:
            own.append(end_of(settings.at(settings.guard.certificate)))
        if own:
            watch_certificates(metrics, *own)
        server = Server(
            Listener(told_when_sent(app, probe), main, tls.context if tls is not None else None),
            Listener(
                Operator(health, metrics, log, lambda: server.stopping, asked),
                bind(*split_address(settings.listen.operations)),
            ),
            limits,
            bell.close,
        )
        if settings.kafka is not None and settings.embedded:
            # Imported where it is wanted: a gateway without Kafka needs none of its clients.
            from broker.assembly.relay import relay_of  # noqa: PLC0415

            relay = relay_of(settings, in_force, committer, reader, now=now, probe=probe)
            books.heard.append(relay.ring)
            metrics.watch("setu_relay_active", lambda: True)
            metrics.watch("setu_relay_trouble", lambda: relay.trouble is not None)
            stack.push_async_callback(ended, asyncio.create_task(relay.run()))
        expire = Expire(in_force, committer, reader, now=now)
        works = (
            expire,
            Overdue(in_force, committer, reader, now=now),
            Purge(in_force, committer, reader, expire, now=now),
        )
        holder = None if settings.embedded else books.holder
        chores = Chores(works, reader, holder=holder)

        async def another_key() -> int:
            snapshot = in_force.view().snapshot
            return int(
                await asyncio.to_thread(make_if_due, settings, snapshot, now=now, random=self._random) is not None
            )

        ring_seconds = min(RING_SECONDS, settings.wrap_keys.every / 8)

        def keep_ring() -> None:
            try:
                destroy_ended(settings, in_force.view().snapshot, now=now)
            finally:
                ring.look()

        for work, seconds in (
            (look, DIRECTORY_SECONDS),
            (lambda: asyncio.to_thread(log_keys.look), DIRECTORY_SECONDS),
            (refusals.flush, REFUSALS_SECONDS),
            (chores, CHORES_SECONDS),
            (Chores((another_key,), reader, holder=holder, lease=WRAP_LEASE), ring_seconds),
            (lambda: asyncio.to_thread(keep_ring), ring_seconds),
            (lambda: asyncio.to_thread(keep_fresh, settings, now=now), FRESH_SECONDS),
        ):
            stack.callback(asyncio.create_task(again(work, seconds)).cancel)
        if tls is not None:
            stack.callback(asyncio.create_task(again(tls.look, CERTIFICATE_SECONDS)).cancel)
        with heard(log):
            log.info("serving", address=settings.listen.address, directory=in_force.view().snapshot.ref.version)
            # What stands by now stays: looking through it for what nobody holds costs each request a few percent.
            gc.collect()
            gc.freeze()
            await server.serve()
            log.info("stopped")

    def _identity(self) -> Identity:
        if self._settings.listen.identity == "tls":
            return Direct()
        cas = self._settings.at(self._settings.paths.clients_ca).read_bytes()
        return Proxied(cas, self._settings.listen.proxy, self._now)

    def _main_listener(self) -> tuple[socket.socket, ServerCertificate | None]:
        settings = self._settings
        if settings.listen.socket is not None:
            return bind_unix(settings.at(settings.listen.socket)), None
        paths = settings.paths
        tls = ServerCertificate(
            settings.at(paths.certificate),
            settings.at(paths.certificate_key),
            settings.at(paths.clients_ca),
            keystore(),
        )
        return bind(*split_address(settings.listen.address), shared=settings.workers > 1), tls


def _check_signing(log_keys: LogKeys, committer: Committer) -> list[str]:
    """The names of the pairs that sign, of which each was tried."""
    if committer.failure is not None:
        raise committer.failure
    signer = log_keys.signers
    judged(signer.sign(0, hashlib.sha256(b"").digest()), signer.origin, [each.pair for each in signer.signing])
    return log_keys.names()
