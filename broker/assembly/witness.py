"""The shared rollback guard's service, built from its settings."""

import asyncio
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import uvloop

from broker.assembly.figures import watch_certificates
from broker.assembly.keystore import keystore
from broker.config import GuardSettings, split_address
from broker.crypto.keyfile import write_key
from broker.crypto.keys import PrivateKey, generate
from broker.flows.routine import again
from broker.gateway.health import Operator
from broker.gateway.server import Listener, Server, bind
from broker.gateway.tls import ServerCertificate
from broker.gateway.witness import LIMITS, WitnessApp, WitnessHealth
from broker.ledger.guard import FileGuard
from broker.ledger.witness import Witness
from broker.merkle.note import check_pair
from broker.merkle.signers import id_of
from broker.telemetry.logs import Log, heard
from broker.telemetry.metrics import GuardFigures
from schemas.directory import LogPair

CERTIFICATE_SECONDS = 2.0
"""How often a listener's certificate is looked at: another is in use within seconds."""

WITNESS_USE = "witness"
REREAD_SECONDS = 2.0

Pairs = tuple[LogPair, ...]


def serve_guard(
    settings: GuardSettings,
    *,
    now: Callable[[], float] = time.time,
    reread: Callable[[], GuardSettings] | None = None,
) -> None:
    """Be the guard until a signal; returns after an orderly end. `reread`: its settings anew; of what changed in them,
    only `vkeys` are taken up.

    Raises:
        IntegrityError: `config-invalid`, or `log-invalid`: its file holds no checkpoint of this log.
    """
    with ExitStack() as stack:
        file = FileGuard(settings.at(settings.file))
        stack.callback(file.close)
        pairs = _pairs(settings)
        witness = Witness(file, settings.origin, pairs, name=settings.name, key=_own_key(settings), now=now)
        log = Log(sys.stderr, now)
        tls = ServerCertificate(
            settings.at(settings.certificate),
            settings.at(settings.certificate_key),
            settings.at(settings.clients_ca),
            keystore(),
        )
        figures = GuardFigures()
        figures.watch("setu_guard_size_entries", lambda: witness.size or 0)
        watch_certificates(figures, lambda: tls.ends)
        app = WitnessApp(witness, log, answered=figures.answered)
        server = Server(
            Listener(app, bind(*split_address(settings.address)), tls.context),
            Listener(
                Operator(WitnessHealth(witness), figures, log, lambda: server.stopping),
                bind(*split_address(settings.operations)),
            ),
            LIMITS,
            lambda: None,
        )
        log.info("serving", address=settings.address, size=witness.size)
        with heard(log), asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_serve(server, tls, witness, pairs, reread, log))
        log.info("stopped")


async def _serve(
    server: Server,
    tls: ServerCertificate,
    witness: Witness,
    pairs: Pairs,
    reread: Callable[[], GuardSettings] | None,
    log: Log,
) -> None:
    held = pairs

    async def look() -> None:
        nonlocal held
        if reread is None or (found := _pairs(await asyncio.to_thread(reread))) == held:
            return
        held = found
        knows = await asyncio.to_thread(witness.go_by, found)
        log.info("log keys", pairs=", ".join(map(id_of, found)))
        if not knows:
            log.warning("the checkpoint held is under none of these log keys; keep the former ones until one is")

    looking = [
        asyncio.create_task(again(work, seconds))
        for work, seconds in ((look, REREAD_SECONDS), (tls.look, CERTIFICATE_SECONDS))
    ]
    try:
        await server.serve()
    finally:
        for each in looking:
            each.cancel()


def _pairs(settings: GuardSettings) -> Pairs:
    """Raises IntegrityError (code `log-invalid`): no verifier key, or two that are no pair of this origin."""
    pairs = tuple(
        LogPair(ed25519=classical, mldsa44=quantum)
        for classical, quantum in zip(settings.vkeys[::2], settings.vkeys[1::2], strict=True)
    )
    for each in pairs:
        check_pair(each, settings.origin)
    return pairs


def _own_key(settings: GuardSettings) -> PrivateKey:
    """The witness's key; made at the first start, for nobody needs it before."""
    path = settings.at(settings.key)
    keys = keystore()
    if not keys.find(path).exists():
        write_key(path, generate("Ed25519"), WITNESS_USE)
    return keys.key(path, WITNESS_USE)
