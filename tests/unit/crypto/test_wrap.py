import pytest

from broker.crypto.content import decrypt, encrypt
from broker.crypto.suites import ENCRYPTED_KEY_SIZE, SUITES
from broker.crypto.wrap import MAX_POINT, check_encapsulation, unwrap, wrap
from broker.errors import MalformedError, PacketError, SignatureError
from schemas.problem import Code
from tests.builders import private_key

CEK = bytes(range(32))
ALGS = [suite.wrap for suite in SUITES.values()]


def refused(code, call, *arguments):
    with pytest.raises(PacketError) as found:
        call(*arguments)
    assert found.value.code is code
    assert CEK.hex() not in str(found.value)


@pytest.mark.parametrize("suite", SUITES.values(), ids=str)
def test_what_is_wrapped_unwraps(suite):
    key = private_key(suite.wrap, "a")
    ek, encrypted_key = wrap(key.public, CEK, b"info")
    assert (len(ek), len(encrypted_key)) == (suite.ek_size, ENCRYPTED_KEY_SIZE)
    assert unwrap(key, ek, encrypted_key, b"info") == CEK
    assert wrap(key.public, CEK, b"info") != (ek, encrypted_key)


@pytest.mark.parametrize("alg", ALGS)
def test_another_key_or_info(alg):
    key = private_key(alg, "a")
    wrapped = wrap(key.public, CEK, b"info")
    refused(Code.WRAP_INVALID, unwrap, key, *wrapped, b"other")
    refused(Code.WRAP_INVALID, unwrap, private_key(alg, "b"), *wrapped, b"info")


@pytest.mark.parametrize("alg", ALGS)
@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda ek, key: (ek[:-1], ek[-1:] + key), id="boundary moved down"),
        pytest.param(lambda ek, key: (ek + key[:1], key[1:]), id="boundary moved up"),
        pytest.param(lambda ek, key: (ek, key[:-1]), id="key one short"),
        pytest.param(lambda ek, key: (ek, key + b"\0"), id="key one long"),
        pytest.param(lambda ek, key: (b"", b""), id="nothing"),
        pytest.param(lambda ek, key: (ek[:-1] + bytes([ek[-1] ^ 1]), key), id="last byte of ek"),
        pytest.param(lambda ek, key: (bytes([ek[0] ^ 1]) + ek[1:], key), id="first byte of ek"),
        pytest.param(lambda ek, key: (ek, bytes([key[0] ^ 1]) + key[1:]), id="first byte of the key"),
        pytest.param(lambda ek, key: (bytes(len(ek)), key), id="ek zero"),
        pytest.param(lambda ek, key: (b"\xff" * len(ek), key), id="ek all ones"),
    ],
)
def test_a_wrap_that_was_bent(alg, bend):
    key = private_key(alg, "a")
    refused(Code.WRAP_INVALID, unwrap, key, *bend(*wrap(key.public, CEK, b"info")), b"info")


@pytest.mark.parametrize("alg", ["Ed25519", "ES384", "ML-DSA-65"])
def test_a_signing_key_does_not_wrap(alg):
    key = private_key(alg, "a")
    for call in (lambda: wrap(key.public, CEK, b""), lambda: unwrap(key, bytes(1120), bytes(48), b"")):
        with pytest.raises(SignatureError) as found:
            call()
        assert found.value.code is Code.KEY_UNKNOWN


@pytest.mark.parametrize("size", [0, 16, 31, 33])
def test_only_content_keys_of_32_bytes(size):
    with pytest.raises(ValueError, match="32 bytes"):
        wrap(private_key("HPKE-9-KE", "a").public, bytes(size), b"")
    with pytest.raises(ValueError, match="32 bytes"):
        encrypt(bytes(size), bytes(12), b"", b"")


@pytest.mark.parametrize("size", [0, 8, 11, 13, 16])
def test_only_ivs_of_12_bytes(size):
    with pytest.raises(ValueError, match="iv of 12"):
        encrypt(CEK, bytes(size), b"", b"")


@pytest.mark.parametrize("alg", ALGS)
def test_encapsulations_that_are_sound(alg):
    for n in range(5):
        ek, _ = wrap(private_key(alg, f"{n}").public, CEK, b"")
        check_encapsulation(alg, ek, len(ek))
        check_encapsulation(alg, ek[-MAX_POINT:], len(ek))


@pytest.mark.parametrize(
    ("alg", "point"),
    [
        pytest.param("HPKE-9-KE", bytes(32), id="X25519 zero"),
        pytest.param("HPKE-9-KE", b"\1" + bytes(31), id="X25519 one"),
        pytest.param("HPKE-9-KE", b"\xee" + b"\xff" * 31, id="X25519 p + 1, high bit set"),
        pytest.param("HPKE-10-KE", b"\4" + bytes(96), id="P-384 zero"),
        pytest.param("HPKE-10-KE", b"\0" + bytes(96), id="P-384 infinity"),
        pytest.param("HPKE-10-KE", b"\4" + b"\xff" * 96, id="P-384 beyond the field"),
    ],
)
def test_encapsulations_that_are_not(alg, point):
    key = private_key(alg, "a")
    ek, encrypted_key = wrap(key.public, CEK, b"info")
    bent = ek[: -len(point)] + point
    with pytest.raises(MalformedError) as found:
        check_encapsulation(alg, bent, len(bent))
    assert found.value.code is Code.ENVELOPE_INVALID
    refused(Code.WRAP_INVALID, unwrap, key, bent, encrypted_key, b"info")


@pytest.mark.parametrize("alg", ALGS)
def test_encapsulations_of_another_size(alg):
    ek, _ = wrap(private_key(alg, "a").public, CEK, b"")
    for bent in (ek[:-1], ek + b"\0", b""):
        refused(Code.ENVELOPE_INVALID, check_encapsulation, alg, bent, len(bent))


def test_content_opens():
    ciphertext, tag = encrypt(CEK, bytes(12), b"plain", b"aad")
    assert decrypt(CEK, bytes(12), ciphertext, tag, b"aad") == b"plain"


@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda k, i, c, t, a: (bytes(32), i, c, t, a), id="another key"),
        pytest.param(lambda k, i, c, t, a: (k[:16], i, c, t, a), id="an AES-128 key"),
        pytest.param(lambda k, i, c, t, a: (k, i[:-1], c, t, a), id="iv one short"),
        pytest.param(lambda k, i, c, t, a: (k, i + b"\0", c, t, a), id="iv one long"),
        pytest.param(lambda k, i, c, t, a: (k, b"\1" * 12, c, t, a), id="another iv"),
        pytest.param(lambda k, i, c, t, a: (k, i, c + t[:1], t[1:], a), id="boundary moved"),
        pytest.param(lambda k, i, c, t, a: (k, i, c, t[:-1], a), id="tag one short"),
        pytest.param(lambda k, i, c, t, a: (k, i, c, bytes(16), a), id="another tag"),
        pytest.param(lambda k, i, c, t, a: (k, i, c[::-1], t, a), id="another ciphertext"),
        pytest.param(lambda k, i, c, t, a: (k, i, c, t, b"other"), id="another aad"),
    ],
)
def test_content_that_does_not_open(bend):
    ciphertext, tag = encrypt(CEK, bytes(12), b"plain", b"aad")
    refused(Code.WRAP_INVALID, decrypt, *bend(CEK, bytes(12), ciphertext, tag, b"aad"))
