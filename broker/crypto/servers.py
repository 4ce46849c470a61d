"""Certificates of a server's that follow one another: the next is for the same names, under the same authority."""

from collections.abc import Sequence
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from broker.crypto.certificates import hosts_of, pem_to_der
from broker.errors import IntegrityError
from schemas.problem import Code


def request_like(der: bytes) -> tuple[bytes, bytes]:
    """A new key and a request (PKCS #10) for the subject and names of this certificate: (request, key), both PEM."""
    certificate = x509.load_der_x509_certificate(der)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateSigningRequestBuilder().subject_name(certificate.subject)
    request = builder.add_extension(names, critical=False).sign(key, SHA256())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return request.public_bytes(Encoding.PEM), pem


def common_name(der: bytes) -> str:
    """The one common name of a certificate's subject; raises IntegrityError (code `config-invalid`)."""
    names = x509.load_der_x509_certificate(der).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    if len(names) != 1:
        raise _refused("a certificate with one common name", f"{len(names)}")
    return str(names[0].value)


def check_next(pem: bytes, before: bytes, cas: bytes, hosts: Sequence[str], at: float) -> None:
    """Refuse a certificate (PEM, with those between it and the authority behind it) that may not follow `before` (DER):
    other names or uses, not issued under `cas` (PEM), not within its dates at `at` (seconds UTC). `hosts`: names that a
    server's must have.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    der = pem_to_der(pem)
    found, held = hosts_of(der), hosts_of(before)
    missing = [each for each in (*held, *hosts) if each not in found]
    if missing:
        raise _refused(f"the host name {missing[0]} in the new certificate", ", ".join(found) or "none")
    if _uses(der) != _uses(before) or _uris(der) != _uris(before):
        raise _refused("a certificate for the same use as the one in place", "one for another use")
    check_authority(pem, cas, at)


def check_authority(pem: bytes, cas: bytes, at: float) -> None:
    """Refuse a certificate that `cas` (PEM) have not issued, or that is not good at `at`; raises as `check_next`."""
    leaf, *between = x509.load_pem_x509_certificates(pem)
    der = leaf.public_bytes(Encoding.DER)
    builder = PolicyBuilder().store(Store(x509.load_pem_x509_certificates(cas))).time(datetime.fromtimestamp(at, UTC))
    try:
        if ExtendedKeyUsageOID.SERVER_AUTH in _uses(der):
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            builder.build_server_verifier(_subject(names)).verify(leaf, between)
        else:
            builder.build_client_verifier().verify(leaf, between)
    except (VerificationError, ValueError, StopIteration) as error:
        raise _refused("a certificate of the authority given, within its dates", "one that does not verify") from error


def _subject(names: x509.SubjectAlternativeName) -> x509.DNSName | x509.IPAddress:
    return next(each for each in names if isinstance(each, x509.DNSName | x509.IPAddress))


def _uses(der: bytes) -> frozenset[x509.ObjectIdentifier]:
    found = x509.load_der_x509_certificate(der).extensions
    try:
        return frozenset(found.get_extension_for_class(x509.ExtendedKeyUsage).value)
    except x509.ExtensionNotFound:
        return frozenset()


def _uris(der: bytes) -> list[str]:
    """Whose it is, without its generation."""
    found = x509.load_der_x509_certificate(der).extensions
    try:
        names = found.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    return [each.rpartition(":g")[0] for each in names.get_values_for_type(x509.UniformResourceIdentifier)]


def _refused(expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected {expected}, found {found}.",
        advice="Nothing was changed: the certificate in place is in use as before.",
    )
