"""Raw bytes to and from the library's key objects, for each algorithm of the format."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.hpke import (
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    MLKEM1024P384PrivateKey,
    MLKEM1024P384PublicKey,
)
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from broker.crypto.curves import ed25519_acceptable, x25519_acceptable

SEED_SIZE = 32
X25519_SIZE = 32
P384_POINT_SIZE = 97
P384_BYTES = 48
_MLKEM768_SIZE = 1184
_MLKEM1024_SIZE = 1568
_MLKEM_SEED_SIZE = 64
_P384_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973

MlDsaPublic = mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey
MlDsaPrivate = mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey
PublicHandle = (
    ed25519.Ed25519PublicKey
    | ec.EllipticCurvePublicKey
    | MlDsaPublic
    | MLKEM768X25519PublicKey
    | MLKEM1024P384PublicKey
)
PrivateHandle = (
    ed25519.Ed25519PrivateKey
    | ec.EllipticCurvePrivateKey
    | MlDsaPrivate
    | MLKEM768X25519PrivateKey
    | MLKEM1024P384PrivateKey
)


@dataclass(frozen=True, slots=True)
class Algorithm:
    """`load` raises ValueError for bytes that are no key; `expand` gives the private key object and public bytes."""

    public_size: int
    load: Callable[[bytes], PublicHandle]
    expand: Callable[[bytes], tuple[PrivateHandle, bytes]]


RHO_SIZE = 32
"""Bytes at one end of a lattice key that only seed its public matrix (FIPS 203, 7.1 and FIPS 204, 7.2)."""


def _not_degenerate(vector: bytes) -> None:
    # Where the secret's image is zero, as for a point of small order, everybody opens every wrap, or signs everything.
    if not any(vector):
        raise ValueError("a lattice key without a secret")


def _mldsa(load: Callable[[bytes], MlDsaPublic]) -> Callable[[bytes], MlDsaPublic]:
    def checked(raw: bytes) -> MlDsaPublic:
        _not_degenerate(raw[RHO_SIZE:])
        return load(raw)

    return checked


def _load_ed25519(raw: bytes) -> PublicHandle:
    if not ed25519_acceptable(raw):
        raise ValueError("small order, or no point")
    return ed25519.Ed25519PublicKey.from_public_bytes(raw)


def _expand_ed25519(seed: bytes) -> tuple[PrivateHandle, bytes]:
    key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
    return key, key.public_key().public_bytes_raw()


def _load_p384(raw: bytes) -> ec.EllipticCurvePublicKey:
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), raw)


def _p384_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def _expand_es384(seed: bytes) -> tuple[PrivateHandle, bytes]:
    # FIPS 186-5, section A.2.1: 64 bits more than the order, reduced, so that the bias is negligible.
    wide = hashlib.shake_256(b"setu1.es384\0" + seed).digest(56)
    key = ec.derive_private_key(int.from_bytes(wide) % (_P384_ORDER - 1) + 1, ec.SECP384R1())
    return key, _p384_bytes(key)


def _expand_mldsa44(seed: bytes) -> tuple[PrivateHandle, bytes]:
    key = mldsa.MLDSA44PrivateKey.from_seed_bytes(seed)
    return key, key.public_key().public_bytes_raw()


def _expand_mldsa65(seed: bytes) -> tuple[PrivateHandle, bytes]:
    key = mldsa.MLDSA65PrivateKey.from_seed_bytes(seed)
    return key, key.public_key().public_bytes_raw()


def _expand_mldsa87(seed: bytes) -> tuple[PrivateHandle, bytes]:
    key = mldsa.MLDSA87PrivateKey.from_seed_bytes(seed)
    return key, key.public_key().public_bytes_raw()


def _load_hpke9(raw: bytes) -> PublicHandle:
    if not x25519_acceptable(raw[_MLKEM768_SIZE:]):
        raise ValueError("small order")
    _not_degenerate(raw[: _MLKEM768_SIZE - RHO_SIZE])
    return MLKEM768X25519PublicKey(
        mlkem.MLKEM768PublicKey.from_public_bytes(raw[:_MLKEM768_SIZE]),
        x25519.X25519PublicKey.from_public_bytes(raw[_MLKEM768_SIZE:]),
    )


def _expand_hpke9(seed: bytes) -> tuple[PrivateHandle, bytes]:
    wide = hashlib.shake_256(seed).digest(_MLKEM_SEED_SIZE + X25519_SIZE)
    lattice = mlkem.MLKEM768PrivateKey.from_seed_bytes(wide[:_MLKEM_SEED_SIZE])
    curve = x25519.X25519PrivateKey.from_private_bytes(wide[_MLKEM_SEED_SIZE:])
    public = lattice.public_key().public_bytes_raw() + curve.public_key().public_bytes_raw()
    return MLKEM768X25519PrivateKey(lattice, curve), public


def _load_hpke10(raw: bytes) -> PublicHandle:
    _not_degenerate(raw[: _MLKEM1024_SIZE - RHO_SIZE])
    return MLKEM1024P384PublicKey(
        mlkem.MLKEM1024PublicKey.from_public_bytes(raw[:_MLKEM1024_SIZE]), _load_p384(raw[_MLKEM1024_SIZE:])
    )


def _expand_hpke10(seed: bytes) -> tuple[PrivateHandle, bytes]:
    wide = hashlib.shake_256(seed).digest(_MLKEM_SEED_SIZE + 48)
    lattice = mlkem.MLKEM1024PrivateKey.from_seed_bytes(wide[:_MLKEM_SEED_SIZE])
    curve = ec.derive_private_key(int.from_bytes(wide[_MLKEM_SEED_SIZE:]), ec.SECP384R1())
    return MLKEM1024P384PrivateKey(lattice, curve), lattice.public_key().public_bytes_raw() + _p384_bytes(curve)


def signature_of(private: PrivateHandle, message: bytes) -> bytes | None:
    """As `broker.crypto.signatures.sign`; None for a key that does not sign."""
    if isinstance(private, ec.EllipticCurvePrivateKey):
        r, s = decode_dss_signature(private.sign(message, ec.ECDSA(SHA384())))
        return r.to_bytes(P384_BYTES) + s.to_bytes(P384_BYTES)
    if isinstance(private, MLKEM768X25519PrivateKey | MLKEM1024P384PrivateKey):
        return None
    return private.sign(message)


ALGORITHMS: Mapping[str, Algorithm] = MappingProxyType(
    {
        "Ed25519": Algorithm(32, _load_ed25519, _expand_ed25519),
        "ES384": Algorithm(P384_POINT_SIZE, _load_p384, _expand_es384),
        "ML-DSA-44": Algorithm(1312, _mldsa(mldsa.MLDSA44PublicKey.from_public_bytes), _expand_mldsa44),
        "ML-DSA-65": Algorithm(1952, _mldsa(mldsa.MLDSA65PublicKey.from_public_bytes), _expand_mldsa65),
        "ML-DSA-87": Algorithm(2592, _mldsa(mldsa.MLDSA87PublicKey.from_public_bytes), _expand_mldsa87),
        "HPKE-9-KE": Algorithm(_MLKEM768_SIZE + X25519_SIZE, _load_hpke9, _expand_hpke9),
        "HPKE-10-KE": Algorithm(_MLKEM1024_SIZE + P384_POINT_SIZE, _load_hpke10, _expand_hpke10),
    }
)
