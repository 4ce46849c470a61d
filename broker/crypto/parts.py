"""The single keys that a hybrid key is made of, in a form in which one key is equal however it is written.

A key that is used twice is found by these, also where the second use is another algorithm's or half of a hybrid.
"""

from broker.crypto.algorithms import P384_POINT_SIZE, X25519_SIZE
from broker.crypto.curves import P25519, montgomery_u
from broker.crypto.keys import PublicKey

Part = tuple[str, bytes]
"""(family, canonical bytes)."""

_HALF = P384_POINT_SIZE // 2


def parts_of(key: PublicKey) -> frozenset[Part]:
    """Curve25519 keys by their Montgomery u (RFC 7748, section 4.1), P-384 keys by x, lattice keys by their bytes.

    By u and x a point and its negative are the same key, since whoever has the secret of one has that of the other.
    """
    raw = key.raw
    if key.alg == "Ed25519":
        return frozenset({("curve25519", montgomery_u(raw))})
    if key.alg == "ES384":
        return frozenset({_p384(raw)})
    if key.alg == "HPKE-9-KE":
        return frozenset({("ML-KEM", raw[:-X25519_SIZE]), ("curve25519", _x25519(raw[-X25519_SIZE:]))})
    if key.alg == "HPKE-10-KE":
        return frozenset({("ML-KEM", raw[:-P384_POINT_SIZE]), _p384(raw[-P384_POINT_SIZE:])})
    return frozenset({("ML-DSA", raw)})


def _x25519(raw: bytes) -> bytes:
    return (int.from_bytes(raw, "little") % 2**255 % P25519).to_bytes(32, "little")


def _p384(raw: bytes) -> Part:
    return ("P-384", raw[1 : 1 + _HALF])
