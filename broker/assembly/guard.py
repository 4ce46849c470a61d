"""The shared rollback guard: a gateway's client of it, and the service itself."""

import asyncio
import ssl
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack

import httpx
import uvloop

from broker.assembly.figures import watch_certificate
from broker.config import GatewaySettings, GuardSettings, split_address
from broker.crypto.keyfile import read_key, write_key
from broker.crypto.keys import PrivateKey, generate
from broker.errors import IntegrityError, UnavailableError
from broker.gateway.health import Operator
from broker.gateway.server import Listener, Server, bind
from broker.gateway.tls import check_private, server_context
from broker.gateway.witness import LIMITS, WitnessApp, WitnessHealth
from broker.ledger.guard import FileGuard
from broker.ledger.remote import RemoteGuard
from broker.ledger.witness import TEXT, Answer, Witness
from broker.merkle.note import MAX_NOTE, LogSigner, VerifierKey
from broker.store.port import Reads
from broker.telemetry.logs import Log
from broker.telemetry.metrics import GuardFigures
from schemas.problem import Code

SECONDS = 2.0
"""For which a gateway waits for the guard: its callers wait with it."""

WITNESS_USE = "witness"


class SharedGuardClient(RemoteGuard):
    """A gateway's connection to the guard; `close` it."""

    def __init__(self, client: httpx.Client, signer: LogSigner, store: Reads) -> None:
        super().__init__(self._ask_over_https, signer, store.has_head)
        self._client = client

    def close(self) -> None:
        self._client.close()

    def _ask_over_https(self, path: str, body: bytes | None) -> Answer:
        try:
            with self._client.stream(
                "GET" if body is None else "POST",
                path,
                content=body,
                headers={} if body is None else {"content-type": TEXT},
            ) as response:
                found = bytearray()
                for chunk in response.iter_bytes():
                    found += chunk
                    if len(found) > MAX_NOTE:
                        break
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"Expected the shared guard to answer, found {type(error).__name__}.",
                advice="Ask again; asking again is always safe. If it stays so, look after the guard's service.",
            ) from None
        return Answer(response.status_code, response.headers.get("content-type", ""), bytes(found))


def shared_guard(settings: GatewaySettings, signer: LogSigner, store: Reads) -> SharedGuardClient:
    """The guard that `[guard]` in the settings names.

    Raises:
        IntegrityError: code `config-invalid`; no `[guard]`, or its certificate, key or CA is not there.
    """
    place = settings.guard
    if place is None:
        raise IntegrityError(
            Code.CONFIG_INVALID, "Expected [guard] in the settings, found none.", advice="Name the shared guard's url."
        )
    certificate, key, ca = (settings.at(each) for each in (place.certificate, place.certificate_key, place.ca))
    check_private(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_verify_locations(ca)
        context.load_cert_chain(certificate, key)
    except (OSError, ssl.SSLError) as error:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected this gateway's certificate, key and CA for the shared guard, found {type(error).__name__}.",
            advice="Check `certificate`, `certificate_key` and `ca` under [guard].",
        ) from None
    client = httpx.Client(base_url=place.url, verify=context, trust_env=False, timeout=SECONDS)
    return SharedGuardClient(client, signer, store)


def serve_guard(settings: GuardSettings, *, now: Callable[[], float] = time.time) -> None:
    """Be the guard until a signal; returns after an orderly end.

    Raises:
        IntegrityError: `config-invalid`, or `log-invalid`: its file holds no checkpoint of this log.
    """
    with ExitStack() as stack:
        file = FileGuard(settings.at(settings.file))
        stack.callback(file.close)
        classical, post_quantum = settings.vkeys
        VerifierKey.parse(classical), VerifierKey.parse(post_quantum)
        witness = Witness(
            file, settings.origin, (classical, post_quantum), name=settings.name, key=_own_key(settings), now=now
        )
        log = Log(sys.stderr, now)
        tls = server_context(
            settings.at(settings.certificate), settings.at(settings.certificate_key), settings.at(settings.clients_ca)
        )
        figures = GuardFigures()
        figures.watch("setu_guard_size_entries", lambda: witness.size or 0)
        watch_certificate(figures, settings.at(settings.certificate).read_bytes())
        server = Server(
            Listener(WitnessApp(witness, log, answered=figures.answered), bind(*split_address(settings.address)), tls),
            Listener(
                Operator(WitnessHealth(witness), figures, log, lambda: server.stopping),
                bind(*split_address(settings.operations)),
            ),
            LIMITS,
            lambda: None,
        )
        log.info("serving", address=settings.address, size=witness.size)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(server.serve())
        log.info("stopped")


def _own_key(settings: GuardSettings) -> PrivateKey:
    """The witness's key; made at the first start, for nobody needs it before."""
    path = settings.at(settings.key)
    if not path.exists():
        write_key(path, generate("Ed25519"), WITNESS_USE)
    return read_key(path, WITNESS_USE)
