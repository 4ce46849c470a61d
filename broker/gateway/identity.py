"""Whose certificate stands behind a request: the TLS peer's own, or the one a proxy vouches for (RFC 9440).

A gateway runs in one of the two modes. Nothing falls back from one to the other: without a certificate the
caller is nobody.
"""

import base64
import binascii
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from broker.crypto.certificates import fingerprint, verify_chain
from broker.errors import CallerError, RequestError
from broker.gateway.protocol import Peer
from schemas.problem import Code

HEADER = b"client-cert"
CHAIN = b"client-cert-chain"
MAX_CERTIFICATE = 8192

_BYTE_SEQUENCE = re.compile(rb":([A-Za-z0-9+/]+={0,2}):\Z")

Headers = Sequence[tuple[bytes, bytes]]


class Identity(Protocol):
    def __call__(self, peer: Peer, headers: Headers) -> bytes | None:
        """The verified client certificate (DER), or None where there is none.

        Raises:
            RequestError: code `bad-request`: a header that does not belong here, or is not what it must be.
            CallerError: code `unknown-agency`: the chain, the dates or the proxy are not what they must be.
        """
        ...


class Direct:
    """The peer of the TLS connection is the caller. A `Client-Cert` header is somebody's attempt to be another."""

    def __call__(self, peer: Peer, headers: Headers) -> bytes | None:
        if any(name in (HEADER, CHAIN) for name, _ in headers):
            raise RequestError(
                Code.BAD_REQUEST,
                "Expected the certificate in the TLS handshake, found one in a header.",
                advice="Connect to the gateway itself, without Client-Cert headers.",
            )
        return peer.der


@dataclass(frozen=True, slots=True)
class Proxied:
    """A TLS-terminating proxy names the caller's certificate in `Client-Cert` (RFC 9440, section 2.2).

    Believed only through a Unix socket, or from the proxy whose certificate has the SHA-256 `pinned` (lower-case
    hex). The chain to `cas` (PEM) and the dates are checked here again.
    """

    cas: bytes
    pinned: str | None
    now: Callable[[], float]

    def __call__(self, peer: Peer, headers: Headers) -> bytes | None:
        self._check_proxy(peer)
        values = [value for name, value in headers if name == HEADER]
        if not values:
            return None
        if len(values) != 1:
            raise _bad("two or more")
        match = _BYTE_SEQUENCE.match(values[0])  # RFC 8941, section 3.3.5
        if match is None or len(values[0]) > MAX_CERTIFICATE:
            raise _bad("something else")
        try:
            der = base64.b64decode(match[1], validate=True)
        except binascii.Error:
            raise _bad("something else") from None
        verify_chain(der, self.cas, self.now())
        return der

    def _check_proxy(self, peer: Peer) -> None:
        if self.pinned is None and peer.unix:
            return
        if self.pinned is not None and peer.der is not None and fingerprint(peer.der) == self.pinned:
            return
        raise CallerError(
            Code.UNKNOWN_AGENCY,
            "Expected the gateway's own proxy on this connection, found another peer.",
            advice="Connect through the published address.",
        )


def _bad(found: str) -> RequestError:
    return RequestError(
        Code.BAD_REQUEST,
        f"Expected one Client-Cert header with one byte sequence, found {found}.",
        advice="Configure the proxy to remove the header from requests and to set its own.",
    )
