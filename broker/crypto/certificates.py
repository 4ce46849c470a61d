"""A private certificate authority for TLS, and what the gateway reads from a caller's certificate (RFC 5280)."""

import hashlib
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

from broker.crypto.keyfile import read_secret, write_secret
from broker.errors import CallerError, IntegrityError
from schemas.directory import Certificate
from schemas.problem import Code

Unit = Literal["agency", "gateway", "broker"]
_BACKDATED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate and its private key, both PEM (PKCS 8)."""

    certificate: bytes
    key: bytes = field(repr=False)

    @property
    def der(self) -> bytes:
        return pem_to_der(self.certificate)

    def save(self, certificate: Path, key: Path) -> None:
        """Write both; the key with mode 0600, never over another.

        Raises:
            IntegrityError: code `config-invalid`.
        """
        write_secret(key, self.key)
        certificate.write_bytes(self.certificate)


class Authority:
    """One country's private CA. Raises IntegrityError, code `config-invalid`, for PEM that is not one."""

    def __init__(self, issued: Issued) -> None:
        self.issued = issued
        try:
            self._certificate = x509.load_pem_x509_certificate(issued.certificate)
            key = load_pem_private_key(issued.key, password=None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            raise _no_authority() from None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != self._certificate.public_key():
            raise _no_authority()
        self._key = key

    @classmethod
    def create(cls, country: str, *, now: float, days: int = 3650) -> "Authority":
        """A new CA for a country (ISO 3166-1 alpha-3)."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name(country, f"Setu CA {country}")
        usage = _key_usage(signs_certificates=True)
        certificate = (
            _dated(name, name, key.public_key(), now, days)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
            .sign(key, SHA256())
        )
        return cls(_issued(certificate, key))

    @classmethod
    def load(cls, certificate: Path, key: Path, read: Callable[[Path], bytes] = read_secret) -> "Authority":
        """Read a CA from its two files, the key by `read`; raises IntegrityError, code `config-invalid`."""
        try:
            pem = certificate.read_bytes()
        except OSError as error:
            raise IntegrityError(
                Code.CONFIG_INVALID, f"Expected a CA certificate at {certificate}, found: {error.strerror}."
            ) from None
        return cls(Issued(pem, read(key)))

    def issue_client(
        self, agency: str, generation: int, *, now: float, unit: Unit = "agency", days: int = 397
    ) -> Issued:
        """A client certificate: URI SAN `urn:setu:agency:<id>:g<n>`, CN `<id>.g<n>`, for clientAuth alone."""
        subject, san = client_names(agency, generation, unit)
        return self._issue(subject, [san], (ExtendedKeyUsageOID.CLIENT_AUTH,), now=now, days=days)

    def certify_client(
        self, agency: str, generation: int, key: ec.EllipticCurvePublicKey, *, now: float, days: int = 397
    ) -> bytes:
        """As `issue_client`, for a key whose private half the agency keeps; the certificate alone, PEM."""
        subject, san = client_names(agency, generation)
        signed = self._sign(subject, [san], (ExtendedKeyUsageOID.CLIENT_AUTH,), key, now=now, days=days)
        return signed.public_bytes(Encoding.PEM)

    def issue_server(
        self, name: str, hosts: Sequence[str], *, now: float, unit: Unit = "gateway", days: int = 397
    ) -> Issued:
        """A server certificate for host names and IP addresses, for serverAuth alone."""
        return self._issue(
            _name(unit, name), [_host(each) for each in hosts], (ExtendedKeyUsageOID.SERVER_AUTH,), now=now, days=days
        )

    def issue_node(self, name: str, hosts: Sequence[str], *, now: float, days: int = 397) -> Issued:
        """A certificate for a Kafka node, which is a server to its clients and a client of the other nodes."""
        uses = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
        return self._issue(_name("broker", name), [_host(each) for each in hosts], uses, now=now, days=days)

    def _issue(
        self,
        subject: x509.Name,
        san: Sequence[x509.GeneralName],
        uses: Sequence[x509.ObjectIdentifier],
        *,
        now: float,
        days: int,
    ) -> Issued:
        key = ec.generate_private_key(ec.SECP256R1())
        return _issued(self._sign(subject, san, uses, key.public_key(), now=now, days=days), key)

    def _sign(
        self,
        subject: x509.Name,
        san: Sequence[x509.GeneralName],
        uses: Sequence[x509.ObjectIdentifier],
        key: ec.EllipticCurvePublicKey,
        *,
        now: float,
        days: int,
    ) -> x509.Certificate:
        issuer_key = self._key.public_key()
        return (
            _dated(subject, self._certificate.subject, key, now, days)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(uses), critical=False)
            .add_extension(x509.SubjectAlternativeName(san), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key), critical=False)
            .sign(self._key, SHA256())
        )


def client_names(
    agency: str, generation: int, unit: Unit = "agency"
) -> tuple[x509.Name, x509.UniformResourceIdentifier]:
    """A client certificate's subject and its one alternative name."""
    return (
        _name(unit, f"{agency}.g{generation}"),
        x509.UniformResourceIdentifier(f"urn:setu:agency:{agency}:g{generation}"),
    )


def authority_of(pem: bytes) -> str | None:
    """Whose authority a CA certificate (PEM) is: ISO 3166-1 alpha-3, the one organisational unit of its subject.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    try:
        subject = x509.load_pem_x509_certificate(pem).subject
    except ValueError:
        raise _no_authority() from None
    units = subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
    return str(units[0].value) if len(units) == 1 else None


def fingerprint(der: bytes) -> str:
    """SHA-256 of a certificate's DER, lower-case hex."""
    return hashlib.sha256(der).hexdigest()


def uri_of(der: bytes) -> str:
    """The certificate's one URI subject alternative name.

    Raises:
        CallerError: code `unknown-agency`; not a certificate, or not exactly one URI.
    """
    try:
        names = _read(der).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        uris = []
    if len(uris) != 1:
        raise _unknown("with exactly one URI name")
    return uris[0]


def hosts_of(der: bytes) -> tuple[str, ...]:
    """The DNS names and IP addresses that a server's certificate is for; none where it names none.

    Raises:
        CallerError: code `unknown-agency`; not a certificate.
    """
    certificate = _read(der)
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType, ValueError):
        return ()
    addresses = tuple(str(each) for each in names.get_values_for_type(x509.IPAddress))
    return (*names.get_values_for_type(x509.DNSName), *addresses)


def dates(der: bytes) -> tuple[float, float]:
    """(not before, not after), seconds UTC; valid while not before <= now < not after.

    Raises:
        CallerError: code `unknown-agency`.
    """
    certificate = _read(der)
    return certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()


def directory_row(der: bytes) -> Certificate:
    """The directory's row for a certificate.

    Raises:
        CallerError: code `unknown-agency`.
    """
    not_before, not_after = dates(der)
    return Certificate(sha256=fingerprint(der), uri=uri_of(der), not_before=int(not_before), not_after=int(not_after))


def verify_chain(der: bytes, cas: bytes, at: float) -> None:
    """Check that a client certificate chains to one of `cas` (PEM) and is within its dates at `at` (seconds UTC).

    Raises:
        CallerError: code `unknown-agency`.
        IntegrityError: code `config-invalid`; `cas` holds no certificates.
    """
    try:
        store = Store(x509.load_pem_x509_certificates(cas))
    except ValueError:
        raise _no_authority() from None
    leaf = _read(der)
    verifier = PolicyBuilder().store(store).time(datetime.fromtimestamp(at, UTC)).build_client_verifier()
    try:
        verifier.verify(leaf, [])
    except (VerificationError, ValueError):
        raise _unknown("of one of the countries' authorities, for clients, within its dates") from None


def pem_to_der(pem: bytes) -> bytes:
    """The first certificate of a PEM text; raises IntegrityError, code `config-invalid`."""
    try:
        return x509.load_pem_x509_certificate(pem).public_bytes(Encoding.DER)
    except ValueError:
        raise IntegrityError(Code.CONFIG_INVALID, "Expected a PEM certificate, found something else.") from None


def _read(der: bytes) -> x509.Certificate:
    try:
        return x509.load_der_x509_certificate(der)
    except ValueError:
        raise _unknown("in DER") from None


def _dated(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: float, days: int
) -> x509.CertificateBuilder:
    start = datetime.fromtimestamp(int(now), UTC) - _BACKDATED
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(start)
        .not_valid_after(start + timedelta(days=days))
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _name(unit: str, common: str) -> x509.Name:
    return x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Setu"),
            x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, unit),
            x509.NameAttribute(NameOID.COMMON_NAME, common),
        ]
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _host(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _issued(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Issued:
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return Issued(certificate.public_bytes(Encoding.PEM), pem)


def _no_authority() -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        "Expected the PEM of a certificate authority, found something else.",
        advice="Point the configuration at the authority's own files.",
    )


def _unknown(what: str) -> CallerError:
    return CallerError(
        Code.UNKNOWN_AGENCY,
        f"Expected a client certificate {what}, found another.",
        advice="Present the certificate that your country's authority issued and the directory lists.",
    )
