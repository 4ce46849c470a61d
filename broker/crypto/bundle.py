"""A certificate and its key as one PKCS #12 file (RFC 7292), for Java and browsers."""

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import PrivateFormat, load_pem_private_key
from cryptography.hazmat.primitives.serialization.pkcs12 import PBES, serialize_key_and_certificates

from broker.errors import IntegrityError
from schemas.problem import Code

ROUNDS = 600_000


def pkcs12(certificate: bytes, key: bytes, password: bytes, name: str, *, rounds: int = ROUNDS) -> bytes:
    """Encrypted with AES-256-CBC, keyed and authenticated by PBKDF2 and HMAC with SHA-256.

    certificate, key: PEM. name: what the entry is called (Java's alias). rounds: of PBKDF2.

    Raises:
        IntegrityError: code `config-invalid`; not PEM, or key and certificate do not belong together.
    """
    try:
        found, private = x509.load_pem_x509_certificate(certificate), load_pem_private_key(key, password=None)
    except (ValueError, TypeError):
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected the PEM of a certificate and of its private key, found something else.",
            advice="Name the two files that agency.toml names.",
        ) from None
    if not isinstance(private, ec.EllipticCurvePrivateKey) or private.public_key() != found.public_key():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected a certificate for this private key, found one for another.",
            advice="Name the two files that agency.toml names.",
        )
    encryption = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(rounds)
        .key_cert_algorithm(PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(SHA256())
        .build(password)
    )
    return serialize_key_and_certificates(name.encode(), private, found, None, encryption)
