import copy
import hashlib
import json
import pickle

import pytest

from broker.crypto.algorithms import ALGORITHMS
from broker.crypto.keys import PublicKey, SeedKey, generate, thumbprint
from broker.errors import SignatureError
from schemas.canonical import b64u, unb64u
from schemas.problem import Code
from tests.builders import key_row, private_key

SEED = bytes(range(32))
TORSION = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac03fa",
]
OTHER_SPELLINGS = [
    "0100000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
]
MONTGOMERY = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
]


def refused(alg, raw):
    with pytest.raises(SignatureError) as found:
        PublicKey(alg, raw)
    assert found.value.code is Code.KEY_UNKNOWN


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_seed_gives_one_key(alg):
    one, two = SeedKey(alg, SEED), SeedKey(alg, SEED)
    assert one.public == two.public
    assert one.public.kid == two.public.kid
    assert hash(one.public) == hash(two.public)
    assert len(one.public.raw) == ALGORITHMS[alg].public_size
    assert SeedKey(alg, bytes(32)).public != one.public


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_public_key_is_read_from_the_directory(alg):
    key = private_key(alg, "x")
    assert PublicKey.from_directory(key_row(key, "log")) == key.public


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_sizes_off_by_one(alg):
    raw = SeedKey(alg, SEED).public.raw
    refused(alg, raw[:-1])
    refused(alg, raw + b"\0")
    refused(alg, b"")


def test_randomness_is_injected():
    assert generate("Ed25519", lambda size: SEED[:size]).public == SeedKey("Ed25519", SEED).public
    assert generate("Ed25519").public != generate("Ed25519").public


def test_thumbprint_of_rfc_8037():
    """RFC 8037, appendix A.3."""
    raw = unb64u("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
    assert thumbprint("Ed25519", raw) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize(
    ("alg", "members"),
    [
        ("ML-DSA-65", lambda raw: {"alg": "ML-DSA-65", "kty": "AKP", "pub": b64u(raw)}),
        ("HPKE-9-KE", lambda raw: {"alg": "HPKE-9-KE", "kty": "AKP", "pub": b64u(raw)}),
        ("ES384", lambda raw: {"crv": "P-384", "kty": "EC", "x": b64u(raw[1:49]), "y": b64u(raw[49:])}),
    ],
)
def test_thumbprint_members(alg, members):
    """RFC 7638 and RFC 9964: the required members, in lexicographic order, without spaces."""
    public = SeedKey(alg, SEED).public
    text = json.dumps(members(public.raw), separators=(",", ":"))
    assert public.kid == b64u(hashlib.sha256(text.encode()).digest())


def test_one_key_has_another_kid_under_another_algorithm():
    assert thumbprint("ML-DSA-65", b"x") != thumbprint("ML-DSA-87", b"x")


@pytest.mark.parametrize("point", TORSION + OTHER_SPELLINGS)
def test_small_order_ed25519(point):
    refused("Ed25519", bytes.fromhex(point))


def test_bytes_that_are_no_ed25519_point():
    refused("Ed25519", (2).to_bytes(32, "little"))


@pytest.mark.parametrize("number", range(20))
def test_sound_ed25519_keys_are_accepted(number):
    assert SeedKey("Ed25519", bytes([number]) * 32).public.kid


@pytest.mark.parametrize(
    "point", MONTGOMERY + [point[:-2] + f"{int(point[-2:], 16) | 0x80:02x}" for point in MONTGOMERY]
)
def test_small_order_x25519_in_a_wrap_key(point):
    raw = SeedKey("HPKE-9-KE", SEED).public.raw
    refused("HPKE-9-KE", raw[:-32] + bytes.fromhex(point))


@pytest.mark.parametrize("alg", ["ES384", "HPKE-10-KE"])
@pytest.mark.parametrize(
    "bend",
    [
        pytest.param(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]), id="off the curve"),
        pytest.param(lambda raw: raw[:-97] + b"\2" + raw[-96:], id="another form"),
        pytest.param(lambda raw: raw[:-97] + b"\4" + bytes(96), id="zero"),
        pytest.param(lambda raw: raw[:-96] + b"\xff" * 96, id="beyond the field"),
    ],
)
def test_no_p384_point(alg, bend):
    refused(alg, bend(SeedKey(alg, SEED).public.raw))


@pytest.mark.parametrize("alg", ["HPKE-9-KE", "HPKE-10-KE"])
def test_ml_kem_coefficients_beyond_the_modulus(alg):
    """FIPS 203, section 7.2: the encapsulation key check."""
    refused(alg, b"\xff" * 384 + SeedKey(alg, SEED).public.raw[384:])


@pytest.mark.parametrize("alg", ["RS256", "HS256", "none", "", "ed25519"])
def test_algorithms_that_are_not_the_formats(alg):
    refused(alg, bytes(32))
    with pytest.raises(SignatureError):
        SeedKey(alg, SEED)


@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_seeds_of_another_size(size):
    with pytest.raises(SignatureError):
        SeedKey("Ed25519", bytes(size))


def test_the_directorys_kid_must_be_the_keys_own():
    row = key_row(private_key("Ed25519", "x"), "sign", kid=b64u(bytes(32)))
    with pytest.raises(SignatureError) as found:
        PublicKey.from_directory(row)
    assert found.value.code is Code.KEY_UNKNOWN


def test_the_directorys_key_must_be_base64url():
    row = key_row(private_key("Ed25519", "x"), "sign", public="A")
    with pytest.raises(SignatureError) as found:
        PublicKey.from_directory(row)
    assert found.value.code is Code.KEY_UNKNOWN


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_private_key_shows_nothing(alg):
    key = SeedKey(alg, SEED)
    shown = f"{key} {key!r} {key.public!r}"
    assert SEED.hex() not in shown
    assert b64u(SEED) not in shown
    assert repr(SEED) not in shown
    for leak in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(TypeError):
            leak(key)


@pytest.mark.parametrize(
    ("alg", "raw"),
    [
        pytest.param("ML-DSA-44", SEED + bytes(1280), id="ml-dsa-44"),
        pytest.param("ML-DSA-65", SEED + bytes(1920), id="ml-dsa-65"),
        pytest.param("ML-DSA-87", SEED + bytes(2560), id="ml-dsa-87"),
        pytest.param("HPKE-9-KE", bytes(1152) + SEED + SeedKey("HPKE-9-KE", SEED).public.raw[-32:], id="ml-kem-768"),
        pytest.param("HPKE-10-KE", bytes(1536) + SEED + SeedKey("HPKE-10-KE", SEED).public.raw[-97:], id="ml-kem-1024"),
    ],
)
def test_a_lattice_key_that_everybody_can_use(alg, raw):
    refused(alg, raw)
