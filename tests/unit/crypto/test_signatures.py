import pytest

from broker.crypto.signatures import SIGNATURE_SIZES, sign, verify
from broker.errors import SignatureError
from schemas.problem import Code
from tests.builders import private_key

ALGORITHMS = list(SIGNATURE_SIZES)
P384_ORDER = int("FFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973", 16)
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493


def refused(key, message, signature, code=Code.SIGNATURE_INVALID):
    with pytest.raises(SignatureError) as found:
        verify(key, message, signature)
    assert found.value.code is code


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_is_signed_verifies(alg):
    key = private_key(alg, "a")
    signature = sign(key, b"message")
    assert len(signature) == SIGNATURE_SIZES[alg]
    verify(key.public, b"message", signature)


@pytest.mark.parametrize("alg", ALGORITHMS)
@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda s: s[:-1], id="one short"),
        pytest.param(lambda s: s + b"\0", id="one long"),
        pytest.param(lambda _: b"", id="empty"),
        pytest.param(lambda s: bytes(len(s)), id="zero"),
        pytest.param(lambda s: b"\xff" * len(s), id="all ones"),
        pytest.param(lambda s: bytes([s[0] ^ 1]) + s[1:], id="first bit"),
        pytest.param(lambda s: s[:-1] + bytes([s[-1] ^ 1]), id="last bit"),
    ],
)
def test_a_signature_that_was_bent(alg, bend):
    key = private_key(alg, "a")
    refused(key.public, b"message", bend(sign(key, b"message")))


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_another_message_or_key(alg):
    signature = sign(private_key(alg, "a"), b"message")
    refused(private_key(alg, "a").public, b"massage", signature)
    refused(private_key(alg, "b").public, b"message", signature)


@pytest.mark.parametrize("alg", ["HPKE-9-KE", "HPKE-10-KE"])
def test_a_wrap_key_neither_signs_nor_verifies(alg):
    key = private_key(alg, "a")
    with pytest.raises(SignatureError) as found:
        sign(key, b"message")
    assert found.value.code is Code.KEY_UNKNOWN
    for size in (0, 64, 96):
        refused(key.public, b"message", bytes(size), Code.KEY_UNKNOWN)


def test_es384_is_malleable_so_sameness_is_by_digest():
    key = private_key("ES384", "a")
    signature = sign(key, b"message")
    r, s = signature[:48], int.from_bytes(signature[48:])
    verify(key.public, b"message", r + (P384_ORDER - s).to_bytes(48))


@pytest.mark.parametrize(
    "bend", [lambda r, s: (0, s), lambda r, s: (r, 0), lambda r, s: (r, s + P384_ORDER), lambda r, _: (r, r)]
)
def test_es384_numbers_out_of_range(bend):
    key = private_key("ES384", "a")
    for n in range(40):
        signature = sign(key, b"%d" % n)
        r, s = bend(int.from_bytes(signature[:48]), int.from_bytes(signature[48:]))
        if max(r, s) < 2**384:
            refused(key.public, b"%d" % n, r.to_bytes(48) + s.to_bytes(48))


def test_es384_with_a_zero_put_between_its_numbers():
    """The numbers are the same, the bytes are one more."""
    key = private_key("ES384", "a")
    signature = sign(key, b"message")
    refused(key.public, b"message", signature[:48] + b"\0" + signature[48:])


def test_ed25519_is_not_malleable():
    """RFC 8032, section 5.1.7: S below the order."""
    key = private_key("Ed25519", "a")
    signature = sign(key, b"message")
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    refused(key.public, b"message", signature[:32] + s.to_bytes(32, "little"))
