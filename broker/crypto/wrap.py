"""Key wrap: HPKE base mode with a hybrid KEM, SHAKE256 and AES-256-GCM (RFC 9180, draft-ietf-jose-hpke-encrypt)."""

from collections.abc import Mapping
from types import MappingProxyType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.hpke import (
    AEAD,
    KDF,
    KEM,
    MLKEM768X25519PrivateKey,
    MLKEM768X25519PublicKey,
    MLKEM1024P384PrivateKey,
    MLKEM1024P384PublicKey,
)
from cryptography.hazmat.primitives.hpke import Suite as Hpke

from broker.crypto.algorithms import P384_POINT_SIZE, X25519_SIZE
from broker.crypto.curves import p384_acceptable, x25519_acceptable
from broker.crypto.keys import PrivateKey, PublicKey, SeedKey
from broker.crypto.suites import CONTENT_KEY_SIZE, ENCRYPTED_KEY_SIZE, SUITES
from broker.errors import MalformedError, PacketError, SignatureError
from schemas.problem import Code

_HPKE: Mapping[str, Hpke] = MappingProxyType(
    {
        "HPKE-9-KE": Hpke(KEM.MLKEM768_X25519, KDF.SHAKE256, AEAD.AES_256_GCM),
        "HPKE-10-KE": Hpke(KEM.MLKEM1024_P384, KDF.SHAKE256, AEAD.AES_256_GCM),
    }
)
MAX_POINT = P384_POINT_SIZE
_EK_SIZES: Mapping[str, int] = MappingProxyType({suite.wrap: suite.ek_size for suite in SUITES.values()})


def wrap(public: PublicKey, cek: bytes, info: bytes) -> tuple[bytes, bytes]:
    """Wrap a 32-byte content key; returns (ek, encrypted_key).

    Raises:
        SignatureError: code `key-unknown`; the key is for something else.
    """
    if not isinstance(public.handle, MLKEM768X25519PublicKey | MLKEM1024P384PublicKey):
        raise _not_for_wraps(public.alg)
    if len(cek) != CONTENT_KEY_SIZE:
        # A 16-byte key would silently mean AES-128.
        raise ValueError(f"expected a content key of {CONTENT_KEY_SIZE} bytes, found {len(cek)}")
    sealed = _HPKE[public.alg].encrypt(cek, public.handle, info=info)
    size = _EK_SIZES[public.alg]
    return sealed[:size], sealed[size:]


def unwrap(private: PrivateKey, ek: bytes, encrypted_key: bytes, info: bytes) -> bytes:
    """Unwrap a content key of 32 bytes.

    Raises:
        PacketError: code `wrap-invalid`; it proves nothing against either side.
        SignatureError: code `key-unknown`; the key is for something else.
    """
    handle = private.handle if isinstance(private, SeedKey) else None
    if not isinstance(handle, MLKEM768X25519PrivateKey | MLKEM1024P384PrivateKey):
        raise _not_for_wraps(private.alg)
    if len(ek) != _EK_SIZES[private.alg] or len(encrypted_key) != ENCRYPTED_KEY_SIZE:
        raise _does_not_open()
    try:
        return _HPKE[private.alg].decrypt(ek + encrypted_key, handle, info=info)
    except InvalidTag:
        raise _does_not_open() from None


def check_encapsulation(alg: str, end: bytes, size: int) -> None:
    """Check what can be known of an encapsulation without the key: its size and its curve point.

    `end` is its last bytes, at least `MAX_POINT` of them where there are so many; `size` is the whole's.

    Raises:
        MalformedError: code `envelope-invalid`.
    """
    if size != _EK_SIZES[alg]:
        raise MalformedError(
            Code.ENVELOPE_INVALID, f"Expected {_EK_SIZES[alg]} bytes of {alg} encapsulated key, found {size}."
        )
    sound = x25519_acceptable(end[-X25519_SIZE:]) if alg == "HPKE-9-KE" else p384_acceptable(end[-P384_POINT_SIZE:])
    if not sound:
        raise MalformedError(
            Code.ENVELOPE_INVALID,
            "Expected an encapsulated key with a sound curve point, found one of low order or off the curve.",
            advice="Seal the packet anew.",
        )


def _does_not_open() -> PacketError:
    return PacketError(
        Code.WRAP_INVALID,
        "Expected the wrapped key to open with the recipient's key, found that it does not.",
        advice="Ask the sender to seal the packet anew, to the key the directory lists.",
    )


def _not_for_wraps(alg: str) -> SignatureError:
    return SignatureError(Code.KEY_UNKNOWN, f"Expected a wrap key, found one for {alg}: one key, one use.")
