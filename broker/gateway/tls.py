"""The TLS context of the main listener: version 1.3, a client certificate of the agencies' own CAs, no resumption."""

import asyncio
import ssl
from pathlib import Path

from broker.crypto.chain import Chain, read_chain, stamp_of
from broker.crypto.keystore import KeyStore
from broker.errors import IntegrityError
from schemas.problem import Code


class ServerCertificate:
    """The listener's certificate and key, taken up anew when their files are replaced; connections go on.

    Args:
        keys: how the key is read; None for a plain file.

    Raises:
        IntegrityError: code `config-invalid`: a file is missing, is no PEM, or the key can be read by others.
    """

    def __init__(self, certificate: Path, key: Path, clients_ca: Path, keys: KeyStore | None = None) -> None:
        self._files = certificate, key
        self._keys = keys or KeyStore()
        self._seen = stamp_of(*self._files)
        try:
            self._chain = self._read()
            self.context = _context(self._chain, clients_ca)
        except (OSError, ssl.SSLError):
            raise IntegrityError(
                Code.CONFIG_INVALID,
                "Expected a PEM certificate, its private key and the clients' CA certificates, found something else.",
                advice=f"Check {certificate.name}, {key.name} and {clients_ca.name}.",
            ) from None

    @property
    def ends(self) -> float:
        """When the certificate in use ends, unix seconds."""
        return self._chain.ends

    async def look(self) -> None:
        """Take up other files. On the event loop of the listener, for no handshake may look into the context meanwhile.

        Raises:
            IntegrityError: code `config-invalid`; they do not fit. What is in use stays so.
            OSError: they cannot be read.
        """
        stamp = stamp_of(*self._files)
        if stamp == self._seen:
            return
        found = await asyncio.to_thread(self._read)
        if found != self._chain:
            found.load(self.context)
            self._chain = found
        self._seen = stamp

    def _read(self) -> Chain:
        return read_chain(self._keys, *self._files)


def server_context(certificate: Path, key: Path, clients_ca: Path, keys: KeyStore | None = None) -> ssl.SSLContext:
    """The context of a `ServerCertificate`; raises as that."""
    return ServerCertificate(certificate, key, clients_ca, keys).context


def _context(chain: Chain, clients_ca: Path) -> ssl.SSLContext:
    """A context that completes a handshake only with a client certificate issued under `clients_ca` (PEM bundle).

    No CRLs: the directory's fingerprints revoke, and an expired CRL would stop everybody. No session tickets: a
    resumed session would not prove the key again. Raises OSError, ssl.SSLError.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    chain.load(context)
    context.load_verify_locations(clients_ca)
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.num_tickets = 0
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    return context
