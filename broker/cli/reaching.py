"""Whether an agency reaches its gateway: each way in which it does not is told apart, and named."""

import socket
import ssl
from urllib.parse import urlsplit

from broker.assembly.agency import transport_of
from broker.assembly.keystore import keystore
from broker.cli.findings import Finding, State
from broker.config import AgencySettings
from broker.errors import CallerError, SetuError
from broker.sdk.http import Http

SECONDS = 5.0
NAME = "gateway"
NO_NAME = (62, 64)
"""X509_V_ERR_HOSTNAME_MISMATCH, X509_V_ERR_IP_ADDRESS_MISMATCH (OpenSSL, x509_vfy.h)."""
OUT_OF_DATES = (9, 10)
"""X509_V_ERR_CERT_NOT_YET_VALID, X509_V_ERR_CERT_HAS_EXPIRED."""


_STANDING = (
    "Have the countries enrol this certificate or lift the suspension, or use the certificate that they enrolled."
)


def reached(settings: AgencySettings, url: str) -> Finding:
    """What becomes of a connection to one address of the gateway, and of a request over it.

    Raises:
        IntegrityError: code `config-invalid`; the agency's own files.
    """
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or 443
    try:
        with socket.create_connection((host, port), SECONDS) as plain:
            problem = _handshake(plain, host, settings)
    except socket.gaierror:
        return _bad(f"Expected a host of the name {host}, found none.", "Correct `url`, or the machine's name service.")
    except OSError as error:
        said = f"Expected something to listen at {host}:{port}, found: {_words(error)}."
        return _bad(said, "Correct `url`; else start the gateway, or open the way to it in the firewall.")
    return problem or _asked(settings, url)


def _handshake(plain: socket.socket, host: str, settings: AgencySettings) -> Finding | None:
    """TLS up to the server's certificate; whether the gateway likes ours, it says only after that."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.load_verify_locations(settings.at(settings.gateway_ca))
    keystore().load_chain(context, settings.at(settings.certificate), settings.at(settings.certificate_key))
    try:
        with context.wrap_socket(plain, server_hostname=host):
            return None
    except ssl.SSLCertVerificationError as error:
        return _unverified(error, host)
    except ssl.SSLError as error:
        reason = error.reason or ""
        if reason in ("TLSV1_ALERT_PROTOCOL_VERSION", "UNSUPPORTED_PROTOCOL"):
            return _bad(
                "Expected TLS 1.3, found a server or a proxy that speaks an older version alone.",
                "Connect to the gateway itself; a proxy on the way must hand TLS 1.3 through.",
            )
        return _bad(
            f"Expected TLS at {host}, found what is none ({reason or 'no reason given'}).",
            "Correct the port in `url`: the second listener, for one, speaks plain HTTP.",
        )
    except OSError as error:
        return _bad(
            f"Expected a TLS handshake with {host}, found: {_words(error)}.",
            "Correct the port in `url`; something else listens there, or a proxy cut the connection.",
        )


def _unverified(error: ssl.SSLCertVerificationError, host: str) -> Finding:
    if error.verify_code in NO_NAME:
        return _bad(
            f"Expected the name {host} in the gateway's certificate, found other names.",
            "Use the name that the operator gave you as `url`, or have the operator add this one.",
        )
    if error.verify_code in OUT_OF_DATES:
        return _bad(
            f"Expected a certificate of the gateway that is valid now, found: {error.verify_message}.",
            "Look whether this machine's clock is right; if so tell the operator.",
        )
    return _bad(
        f"Expected a gateway whose certificate the CA in `gateway_ca` signed, found: {error.verify_message}.",
        "Put the CA of the gateway's country there, as the operator gave it to you; never switch verification off.",
    )


def _asked(settings: AgencySettings, url: str) -> Finding:
    with transport_of(settings) as transport:
        try:
            Http(transport, gateways=(url,), timeout=SECONDS).request("GET", "/v1/schemas")
        except CallerError as error:
            return _bad(f"The gateway does not know this caller as active: {error.message}", error.advice or _STANDING)
        except SetuError as error:
            advice = (
                f"{error.advice} A gateway that ends the connection here does not know the CA of the agency's "
                "certificate, or finds it out of its dates."
            )
            return _bad(f"Expected an answer to a first request, found none: {error.message}", advice.strip())
    return Finding(NAME, State.OK, f"{url} answers over TLS 1.3 and knows the certificate.")


def _bad(found: str, advice: str) -> Finding:
    return Finding(NAME, State.BAD, found, advice)


def _words(error: OSError) -> str:
    return error.strerror or ("no answer in time" if isinstance(error, TimeoutError) else "the connection was cut")
