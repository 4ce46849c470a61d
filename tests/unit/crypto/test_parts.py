"""One key is one key, however it is written and whatever it is half of."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, x25519

from broker.crypto.algorithms import ALGORITHMS
from broker.crypto.curves import montgomery_u
from broker.crypto.keys import PublicKey
from broker.crypto.parts import parts_of
from tests.builders import private_key

HYBRID = {"HPKE-9-KE", "HPKE-10-KE"}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_key_has_its_parts_and_another_has_none_of_them(alg):
    one, two = (parts_of(private_key(alg, each).public) for each in ("one", "two"))
    assert len(one) == (2 if alg in HYBRID else 1)
    assert parts_of(private_key(alg, "one").public) == one
    assert not one & two


def test_the_two_forms_of_a_curve25519_key():
    """An X25519 key is clamped from the same hash that an Ed25519 key is made of (RFC 8032, section 5.1.5)."""

    seed = bytes(range(32))
    signing = ed25519.Ed25519PrivateKey.from_private_bytes(seed).public_key().public_bytes_raw()
    agreeing = x25519.X25519PrivateKey.from_private_bytes(hashlib.sha512(seed).digest()[:32])
    assert montgomery_u(signing) == agreeing.public_key().public_bytes_raw()


def test_the_other_spelling_of_a_point_is_the_same_key():
    key = private_key("HPKE-9-KE", "one").public
    spelt = PublicKey(key.alg, key.raw[:-1] + bytes([key.raw[-1] | 0x80]))
    assert spelt != key
    assert parts_of(spelt) == parts_of(key)


def test_a_p384_point_and_its_negative():
    key = private_key("ES384", "one").public
    y = int.from_bytes(key.raw[49:])
    p = 2**384 - 2**128 - 2**96 + 2**32 - 1
    assert parts_of(PublicKey("ES384", key.raw[:49] + (p - y).to_bytes(48))) == parts_of(key)
