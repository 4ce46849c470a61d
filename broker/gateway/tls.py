"""The TLS context of the main listener: version 1.3, a client certificate of the agencies' own CAs, no resumption."""

import os
import ssl
import stat
from pathlib import Path

from broker.errors import IntegrityError
from schemas.problem import Code


def server_context(certificate: Path, key: Path, clients_ca: Path) -> ssl.SSLContext:
    """A context that completes a handshake only with a client certificate issued under `clients_ca` (PEM bundle).

    No CRLs: the directory's fingerprints revoke, and an expired CRL would stop everybody. No session tickets: a
    resumed session would not prove the key again.

    Raises:
        IntegrityError: code `config-invalid`: a file is missing, is no PEM, or the key can be read by others.
    """
    check_private(key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    try:
        context.load_cert_chain(certificate, key)
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


def check_private(path: Path) -> None:
    """A private key file must be a regular file that nobody but its owner can read.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - one call, for one moment
    except OSError:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected the private key file {path.name}, found none that can be read.",
            advice="Name an existing file in the configuration.",
        ) from None
    if not stat.S_ISREG(mode) or mode & 0o077:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected {path.name} to be a file readable by its owner alone, found mode {stat.S_IMODE(mode):04o}.",
            advice=f"Run: chmod 600 {path.name}; and ask whether the key has been seen.",
        )
