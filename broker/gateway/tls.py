"""The TLS context of the main listener: version 1.3, a client certificate of the agencies' own CAs, no resumption."""

import ssl
from pathlib import Path

from broker.crypto.keystore import KeyStore
from broker.errors import IntegrityError
from schemas.problem import Code


def server_context(certificate: Path, key: Path, clients_ca: Path, keys: KeyStore | None = None) -> ssl.SSLContext:
    """A context that completes a handshake only with a client certificate issued under `clients_ca` (PEM bundle).

    No CRLs: the directory's fingerprints revoke, and an expired CRL would stop everybody. No session tickets: a
    resumed session would not prove the key again. `keys`: how the key is read; None for a plain file.

    Raises:
        IntegrityError: code `config-invalid`: a file is missing, is no PEM, or the key can be read by others.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        (keys or KeyStore()).load_chain(context, certificate, key)
        context.load_verify_locations(clients_ca)
    except (OSError, ssl.SSLError):
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected a PEM certificate, its private key and the clients' CA certificates, found something else.",
            advice=f"Check {certificate.name}, {key.name} and {clients_ca.name}.",
        ) from None
    context.verify_mode = ssl.CERT_REQUIRED
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    context.num_tickets = 0
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
    context.set_alpn_protocols(["http/1.1"])
    return context
