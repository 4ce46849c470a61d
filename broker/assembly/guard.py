"""A gateway's client of the rollback guard that it shares with others."""

import ssl

import httpx

from broker.assembly.keystore import keystore
from broker.assembly.renewing import Renewing
from broker.config import GatewaySettings
from broker.crypto.chain import read_chain, stamp_of
from broker.errors import IntegrityError, UnavailableError
from broker.ledger.remote import RemoteGuard
from broker.ledger.witness import ADD, FORBIDDEN, TEXT, Answer, Request
from broker.merkle.note import MAX_NOTE, HeadSigner, LogSigner
from broker.merkle.tree import EMPTY_ROOT
from broker.store.port import Reads
from schemas.problem import Code

SECONDS = 2.0
"""For which a gateway waits for the guard: its callers wait with it."""

IDLE = 30.0
"""Seconds for which an idle connection is kept; the guard keeps it longer."""


class SharedGuardClient(RemoteGuard):
    """A gateway's connection to the guard; `close` it."""

    def __init__(self, client: httpx.Client, signer: HeadSigner, store: Reads) -> None:
        super().__init__(self._ask_over_https, signer, store.has_head)
        self._client = client

    def close(self) -> None:
        self._client.close()

    def takes(self, signer: LogSigner) -> bool:
        """Whether the guard takes heads under this pair alone: it is shown one of the empty log, which changes nothing
        in a guard that holds a head. Raises UnavailableError.
        """
        asked = Request(0, (), signer.sign(0, EMPTY_ROOT)).encode()
        return self._ask_over_https(ADD, asked).status != FORBIDDEN

    def _ask_over_https(self, path: str, body: bytes | None) -> Answer:
        try:
            try:
                return self._once(path, body)
            except (httpx.NetworkError, httpx.RemoteProtocolError):
                # A kept connection that the other side has let go, as after its restart. Asking again is safe.
                return self._once(path, body)
        except httpx.HTTPError as error:
            raise UnavailableError(
                f"Expected the shared guard to answer, found {type(error).__name__}.",
                advice="Ask again; asking again is always safe. If it stays so, look after the guard's service.",
            ) from None

    def _once(self, path: str, body: bytes | None) -> Answer:
        method, headers = ("GET", {}) if body is None else ("POST", {"content-type": TEXT})
        with self._client.stream(method, path, content=body, headers=headers) as response:
            found = bytearray()
            for chunk in response.iter_bytes():
                found += chunk
                if len(found) > MAX_NOTE:
                    break
        return Answer(response.status_code, response.headers.get("content-type", ""), bytes(found))


def shared_guard(settings: GatewaySettings, signer: HeadSigner, store: Reads) -> SharedGuardClient:
    """The guard that `[guard]` in the settings names; a certificate that takes the place of the one there is taken up.

    Raises:
        IntegrityError: code `config-invalid`; no `[guard]`, or its certificate, key or CA is not there.
    """
    place = settings.guard
    if place is None:
        raise IntegrityError(
            Code.CONFIG_INVALID, "Expected [guard] in the settings, found none.", advice="Name the shared guard's url."
        )
    certificate, key, ca = (settings.at(each) for each in (place.certificate, place.certificate_key, place.ca))

    def connect() -> httpx.BaseTransport:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        try:
            context.load_verify_locations(ca)
            read_chain(keystore(), certificate, key).load(context)
        except (OSError, ssl.SSLError) as error:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected this gateway's certificate, key and CA for the shared guard, found {type(error).__name__}.",
                advice="Check `certificate`, `certificate_key` and `ca` under [guard].",
            ) from None
        return httpx.HTTPTransport(verify=context, trust_env=False, limits=httpx.Limits(keepalive_expiry=IDLE))

    transport = Renewing(lambda: stamp_of(certificate, key), connect)
    return SharedGuardClient(httpx.Client(base_url=place.url, transport=transport, timeout=SECONDS), signer, store)
