"""PKCS #10 certificate requests (RFC 2986) for an agency's TLS key: made by the agency, read by who issues."""

import hmac
from dataclasses import dataclass, field

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import AttributeOID, ExtensionOID

from broker.crypto.certificates import client_names, fingerprint
from broker.errors import IntegrityError, MalformedError, SignatureError
from schemas.problem import Code

_ATTRIBUTES = {AttributeOID.CHALLENGE_PASSWORD, x509.ObjectIdentifier("1.2.840.113549.1.9.14")}
_ADVICE = "Have the agency make its request anew, with `setu enrol request`."


@dataclass(frozen=True, slots=True)
class CertificateRequest:
    """A request that verified. `key`: the TLS key it asks a certificate for."""

    key: ec.EllipticCurvePublicKey = field(repr=False)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the key's SubjectPublicKeyInfo (DER), lower-case hex."""
        return key_fingerprint(self.key)


def new_tls_key() -> bytes:
    """A new P-256 private key, PEM (PKCS 8)."""
    return ec.generate_private_key(ec.SECP256R1()).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def request_certificate(key: bytes, agency: str, generation: int, binding: str) -> bytes:
    """A request for a client certificate, DER. `binding`: its challenge password (RFC 2985, section 5.4.1).

    Raises:
        IntegrityError: code `config-invalid`; `key` is not the PEM of a P-256 key.
    """
    subject, san = client_names(agency, generation)
    return (
        x509.CertificateSigningRequestBuilder()
        .subject_name(subject)
        .add_extension(x509.SubjectAlternativeName([san]), critical=False)
        .add_attribute(AttributeOID.CHALLENGE_PASSWORD, binding.encode("ascii"))
        .sign(_private(key), SHA256())
        .public_bytes(Encoding.DER)
    )


def read_request(der: bytes, agency: str, generation: int, binding: str) -> CertificateRequest:
    """A request, checked: a P-256 key on its curve, its signature, whom it names, what it is bound to, nothing else.

    Raises:
        MalformedError: code `envelope-invalid`; no request, or one that asks for more than a client certificate.
        SignatureError: `key-unknown` for a key that is none; `signature-invalid` for a proof that does not hold;
            `sender-mismatch` where it names another agency.
    """
    try:
        request = x509.load_der_x509_csr(der)
        key = request.public_key()
        names, password = _names(request), request.attributes.get_attribute_for_oid(AttributeOID.CHALLENGE_PASSWORD)
        canonical = request.public_bytes(Encoding.DER) == der
        asked = {each.oid for each in request.attributes}
        valid = request.is_signature_valid
    except (x509.AttributeNotFound, x509.ExtensionNotFound, x509.DuplicateExtension, x509.UnsupportedGeneralNameType):
        raise _malformed() from None
    except (ValueError, TypeError, UnsupportedAlgorithm, InvalidSignature):
        raise SignatureError(
            Code.KEY_UNKNOWN,
            "Expected a certificate request (PKCS #10) for a P-256 key on its curve, found another.",
            advice=_ADVICE,
        ) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SignatureError(
            Code.KEY_UNKNOWN, "Expected a TLS key on P-256, found one of another algorithm.", advice=_ADVICE
        )
    if not canonical or asked != _ATTRIBUTES:
        raise _malformed()
    if not valid:
        raise SignatureError(
            Code.SIGNATURE_INVALID,
            "Expected the certificate request to be signed by the key in it, found that it is not.",
            advice=_ADVICE,
        )
    subject, san = client_names(agency, generation)
    if request.subject != subject or names != [san]:
        raise SignatureError(
            Code.SENDER_MISMATCH,
            "Expected a certificate request for this agency and generation, found one for another.",
            advice=_ADVICE,
        )
    if not hmac.compare_digest(password.value, binding.encode("ascii")):
        raise SignatureError(
            Code.SIGNATURE_INVALID,
            "Expected the TLS key to have signed for these keys, found a certificate request made for others.",
            advice=_ADVICE,
        )
    return CertificateRequest(key)


def check_issued(certificate: bytes, request_or_key: CertificateRequest | bytes, agency: str) -> None:
    """A certificate (PEM) is this agency's and for this key: that of a request, or a private one (PEM).

    Raises:
        IntegrityError: code `config-invalid`; not PEM.
        SignatureError: code `sender-mismatch`: of another agency, or for another's key.
    """
    try:
        found = x509.load_pem_x509_certificate(certificate)
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        uris = names.get_values_for_type(x509.UniformResourceIdentifier)
        key = found.public_key()
    except (ValueError, UnsupportedAlgorithm, x509.ExtensionNotFound, x509.DuplicateExtension):
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected the PEM of a client certificate, found something else.",
            advice="Use the file that the country's authority gave out.",
        ) from None
    wanted = (
        request_or_key.key if isinstance(request_or_key, CertificateRequest) else _private(request_or_key).public_key()
    )
    if key != wanted:
        raise SignatureError(
            Code.SENDER_MISMATCH,
            "Expected a certificate for this agency's TLS key, found one for another key.",
            advice="Have the certificate issued for the request that the agency made.",
        )
    if len(uris) != 1 or not uris[0].startswith(f"urn:setu:agency:{agency}:g"):
        raise SignatureError(
            Code.SENDER_MISMATCH,
            "Expected a certificate that names this agency, found one of another.",
            advice="Have the certificate issued for the request that the agency made.",
        )


def certified_key(certificate: bytes) -> str | None:
    """`key_fingerprint` of a certificate's key (PEM), None where there is no such key."""
    try:
        key = x509.load_pem_x509_certificate(certificate).public_key()
    except (ValueError, UnsupportedAlgorithm):
        return None
    return key_fingerprint(key) if isinstance(key, ec.EllipticCurvePublicKey) else None


def key_fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    return fingerprint(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


def _private(pem: bytes) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected the PEM of a P-256 private key, found something else.",
            advice="Use the key that `setu enrol request` made.",
        )
    return key


def _names(request: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    if [each.oid for each in request.extensions] != [ExtensionOID.SUBJECT_ALTERNATIVE_NAME]:
        raise _malformed()
    return list(request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)


def _malformed() -> MalformedError:
    return MalformedError(
        Code.ENVELOPE_INVALID,
        "Expected a certificate request with one name, a challenge password and nothing else, found another.",
        advice=_ADVICE,
    )
