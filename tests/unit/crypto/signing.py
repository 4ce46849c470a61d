"""An authority elsewhere, which issues what a request asks for."""

from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key
from cryptography.x509.oid import ExtendedKeyUsageOID

from broker.crypto.certificates import Authority


def signed_server(authority: Authority, request: bytes, now: float, days: int = 60) -> bytes:
    """A server's certificate (PEM) for a request (PKCS #10, PEM)."""
    asked = x509.load_pem_x509_csr(request)
    assert asked.is_signature_valid
    issuer = x509.load_pem_x509_certificate(authority.issued.certificate)
    key = load_pem_private_key(authority.issued.key, None)
    begins = datetime.fromtimestamp(int(now), UTC) - timedelta(minutes=5)
    names = asked.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(asked.subject)
        .issuer_name(issuer.subject)
        .public_key(asked.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=days))
        .add_extension(names, critical=False)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
    )
    return builder.sign(key, SHA256()).public_bytes(Encoding.PEM)
