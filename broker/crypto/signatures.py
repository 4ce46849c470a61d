"""Sign and verify with one key of one algorithm; which algorithm is the key's, never the message's to say."""

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384

from broker.crypto.algorithms import P384_BYTES
from broker.crypto.keys import PrivateKey, PublicKey, not_for_signatures
from broker.errors import SignatureError
from schemas.problem import Code

SIGNATURE_SIZES: Mapping[str, int] = MappingProxyType(
    {"Ed25519": 64, "ES384": 96, "ML-DSA-44": 2420, "ML-DSA-65": 3309, "ML-DSA-87": 4627}
)


def sign(key: PrivateKey, message: bytes) -> bytes:
    """Sign: Ed25519 (RFC 8032), ES384 as raw r || s (RFC 7518, section 3.4), ML-DSA with empty context (FIPS 204).

    Raises:
        SignatureError: code `key-unknown`; the key is for something else.
        UnavailableError: the key is in an HSM that does not answer.
    """
    return key.sign(message)


def verify(key: PublicKey, message: bytes, signature: bytes) -> None:
    """Check one signature.

    Raises:
        SignatureError: `signature-invalid`; or `key-unknown` where the key is for something else.
    """
    handle = key.handle
    size = SIGNATURE_SIZES.get(key.alg)
    if size is None:
        raise not_for_signatures(key.alg)
    if len(signature) != size:
        raise SignatureError(
            Code.SIGNATURE_INVALID, f"Expected {size} bytes of {key.alg} signature, found {len(signature)}."
        )
    try:
        if isinstance(handle, ec.EllipticCurvePublicKey):
            r, s = int.from_bytes(signature[:P384_BYTES]), int.from_bytes(signature[P384_BYTES:])
            handle.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA384()))
        elif isinstance(
            handle,
            ed25519.Ed25519PublicKey | mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey,
        ):
            handle.verify(signature, message)
        else:
            raise not_for_signatures(key.alg)
    except InvalidSignature:
        raise SignatureError(
            Code.SIGNATURE_INVALID,
            f"Expected the {key.alg} signature to verify, found that it does not.",
            advice="Sign the bytes that are sent, with the key the directory lists for this kid.",
        ) from None
