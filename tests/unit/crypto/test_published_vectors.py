"""Against vectors that others published: the package `cryptography-vectors`."""

import json

import cryptography_vectors
import pytest
from cryptography.hazmat.bindings._rust import openssl
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey, MLDSA65PublicKey, MLDSA87PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from broker.crypto.keys import PublicKey, SeedKey
from broker.crypto.signatures import sign, verify
from broker.errors import SignatureError

KEMS = {0x647A: ("HPKE-9-KE", KEM.MLKEM768_X25519), 0x0051: ("HPKE-10-KE", KEM.MLKEM1024_P384)}
KDFS = {0x01: KDF.HKDF_SHA256, 0x02: KDF.HKDF_SHA384, 0x11: KDF.SHAKE256}
AEADS = {0x02: AEAD.AES_256_GCM, 0x03: AEAD.CHACHA20_POLY1305}


def text(*path):
    with cryptography_vectors.open_vector_file("/".join(path), "r") as file:
        return file.read()


def hpke():
    for vector in json.loads(text("HPKE", "hpke-pq-test-vectors.json")):
        if vector["kem_id"] in KEMS:
            yield pytest.param(vector, id=f"{vector['kem_id']:#x}-{vector['kdf_id']:#x}-{vector['aead_id']:#x}")


@pytest.mark.parametrize("vector", list(hpke()))
def test_hpke_hybrid_keys_and_ciphertexts(vector):
    """draft-ietf-hpke-pq: our expansion of a seed gives the draft's public key, and it opens the draft's messages."""
    alg, kem = KEMS[vector["kem_id"]]
    key = SeedKey(alg, bytes.fromhex(vector["skRm"]))
    assert key.public.raw.hex() == vector["pkRm"]
    first = vector["encryptions"][0]
    opened = openssl.hpke._decrypt_with_aad(
        Suite(kem, KDFS[vector["kdf_id"]], AEADS[vector["aead_id"]]),
        bytes.fromhex(vector["enc"] + first["ct"]),
        key.handle,
        info=bytes.fromhex(vector["info"]),
        aad=bytes.fromhex(first["aad"]),
    )
    assert opened.hex() == first["pt"]


def records(raw):
    """The `name = value` blocks of a .rsp file, without its section lines."""
    for block in raw.replace("\r", "").split("\n\n"):
        lines = [line.partition(" = ") for line in block.splitlines() if " = " in line]
        if lines:
            yield {name.strip(): value.strip() for name, _, value in lines}


@pytest.mark.parametrize(
    ("alg", "public", "size"),
    [
        ("ML-DSA-44", MLDSA44PublicKey, 2420),
        ("ML-DSA-65", MLDSA65PublicKey, 3309),
        ("ML-DSA-87", MLDSA87PublicKey, 4627),
    ],
)
def test_ml_dsa_keys_and_signatures(alg, public, size):
    raw = text("asymmetric", "MLDSA", f"kat_{alg.replace('-', '', 1).replace('-', '_')}_det_pure.rsp")
    vectors = list(records(raw.replace("count = ", "\n\ncount = ")))[:10]
    assert len(vectors) == 10
    for vector in vectors:
        key = SeedKey(alg, bytes.fromhex(vector["xi"]))
        assert key.public.raw.hex() == vector["pk"]
        message, signature = bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sm"])[:size]
        assert isinstance(key.public.handle, public)
        key.public.handle.verify(signature, message, bytes.fromhex(vector["ctx"]))
        # The vectors have contexts; ours is empty, so none of them is a signature of ours.
        with pytest.raises(SignatureError):
            verify(key.public, message, signature)


def test_ed25519():
    for line in text("asymmetric", "Ed25519", "sign.input").splitlines()[:20]:
        secret, public, message, signed = (bytes.fromhex(part) for part in line.split(":")[:4])
        key = SeedKey("Ed25519", secret[:32])
        assert key.public.raw == public
        assert sign(key, message) == signed[:64]
        verify(key.public, message, signed[:64])


def test_es384():
    section = (
        text("asymmetric", "ECDSA", "FIPS_186-3", "SigVer.rsp").partition("[P-384,SHA-384]")[2].partition("\n[")[0]
    )
    results = []
    for vector in records(section):
        x, y, r, s = (bytes.fromhex(vector[name].zfill(96)) for name in ("Qx", "Qy", "R", "S"))
        try:
            verify(PublicKey("ES384", b"\4" + x + y), bytes.fromhex(vector["Msg"]), r + s)
        except SignatureError:
            results.append((vector["Result"][0], "F"))
        else:
            results.append((vector["Result"][0], "P"))
    assert {("F", "F"), ("P", "P")} == set(results)
