"""packet.md carried out with primitives alone: what an implementer who has only the prose would write."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, mlkem, x25519
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA384
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

P384_ORDER = int("ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973", 16)
ML_DSA: dict[str, Any] = {
    "ML-DSA-44": (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey),
    "ML-DSA-65": (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey),
    "ML-DSA-87": (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey),
}


def b64u(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64u(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jcs(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def sha384(data: bytes) -> bytes:
    return hashlib.sha384(data).digest()


def kid(alg: str, raw: bytes) -> str:
    """Section 3."""
    if alg == "Ed25519":
        members = {"crv": "Ed25519", "kty": "OKP", "x": b64u(raw)}
    elif alg == "ES384":
        members = {"crv": "P-384", "kty": "EC", "x": b64u(raw[1:49]), "y": b64u(raw[49:97])}
    else:
        members = {"alg": alg, "kty": "AKP", "pub": b64u(raw)}
    return b64u(hashlib.sha256(jcs(members)).digest())


def _p384_public(number: int) -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    private = ec.derive_private_key(number, ec.SECP384R1())
    return private, private.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)


def expand(alg: str, seed: bytes) -> tuple[Any, bytes]:
    """Section 3: (private parts, public bytes)."""
    if alg == "Ed25519":
        signing = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        return signing, signing.public_key().public_bytes_raw()
    if alg == "ES384":
        wide = hashlib.shake_256(b"setu1.es384" + b"\x00" + seed).digest(56)
        return _p384_public(int.from_bytes(wide, "big") % (P384_ORDER - 1) + 1)
    if alg in ML_DSA:
        lattice = ML_DSA[alg][0].from_seed_bytes(seed)
        return lattice, lattice.public_key().public_bytes_raw()
    if alg == "HPKE-9-KE":
        w = hashlib.shake_256(seed).digest(96)
        m9 = mlkem.MLKEM768PrivateKey.from_seed_bytes(w[:64])
        x = x25519.X25519PrivateKey.from_private_bytes(w[64:96])
        pk_x = x.public_key().public_bytes_raw()
        return (m9, x, pk_x), m9.public_key().public_bytes_raw() + pk_x
    w = hashlib.shake_256(seed).digest(112)
    m10 = mlkem.MLKEM1024PrivateKey.from_seed_bytes(w[:64])
    p, pk_p = _p384_public(int.from_bytes(w[64:112], "big"))
    return (m10, p, pk_p), m10.public_key().public_bytes_raw() + pk_p


def verify(alg: str, raw: bytes, message: bytes, signature: bytes) -> None:
    """Section 8; raises InvalidSignature."""
    if alg == "Ed25519":
        ed25519.Ed25519PublicKey.from_public_bytes(raw).verify(signature, message)
    elif alg == "ES384":
        r, s = int.from_bytes(signature[:48], "big"), int.from_bytes(signature[48:], "big")
        key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), raw)
        key.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA384()))
    else:
        ML_DSA[alg][1].from_public_bytes(raw).verify(signature, message)


def unwrap(alg: str, seed: bytes, ek: bytes, encrypted_key: bytes, info: bytes) -> bytes:
    """Section 7, steps 1 to 4."""
    (lattice, curve, public), _ = expand(alg, seed)
    if alg == "HPKE-9-KE":
        ss_m, ct = lattice.decapsulate(ek[:1088]), ek[1088:]
        ss_t = curve.exchange(x25519.X25519PublicKey.from_public_bytes(ct))
        kem, label = 0x647A, bytes.fromhex("5C2E2F2F5E5C")
    else:
        ss_m, ct = lattice.decapsulate(ek[:1568]), ek[1568:]
        ss_t = curve.exchange(ec.ECDH(), ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP384R1(), ct))
        kem, label = 0x0051, b"MLKEM1024-P384"
    ss = hashlib.sha3_256(ss_m + ss_t + ct + public + label).digest()

    def u16(number: int) -> bytes:
        return number.to_bytes(2, "big")

    def lp(data: bytes) -> bytes:
        return u16(len(data)) + data

    suite_id = b"HPKE" + u16(kem) + u16(0x0011) + u16(0x0002)
    ikm = lp(b"") + lp(ss) + b"HPKE-v1" + suite_id + lp(b"secret") + u16(108) + b"\x00" + lp(b"") + lp(info)
    secret = hashlib.shake_256(ikm).digest(108)
    return AESGCM(secret[:32]).decrypt(secret[32:44], encrypted_key, b"")


def padme(size: int) -> int:
    """Section 5."""
    e = size.bit_length() - 1
    s = e.bit_length()
    z = max(e - s, 0)
    m = 2**z - 1
    return (size + m) // 2**z * 2**z


def manifest(jwe: dict[str, Any]) -> bytes:
    """Section 8."""
    strings = ["setu1.manifest", *(jwe[name] for name in ("protected", "aad", "iv", "ciphertext", "tag"))]
    for each in jwe["recipients"]:
        strings += [each["header"]["alg"], each["header"]["kid"], each["header"]["ek"], each["encrypted_key"]]
    n = "".join(f"{len(each)}:{each}," for each in strings).encode()
    return jcs({"hdr": b64u(sha384(jwe["aad"].encode())), "jwe": b64u(sha384(n)), "v": "setu1"})


def commitment(header: dict[str, Any], plain: bytes) -> bytes:
    """Section 6."""
    bare = {name: value for name, value in header.items() if name != "commitment"}
    return hmac.digest(plain[:32], b"setu1.commit\x00" + sha384(jcs(bare)) + plain[32:], "sha384")


def open_content(jwe: dict[str, Any], position: int, alg: str, seed: bytes) -> bytes:
    """Section 7: plain, for the reader at `position`."""
    reader = jwe["recipients"][position]
    info = b"JOSE-HPKE rcpt\xffA256GCM\xffsetu1" + sha384(jwe["aad"].encode())
    key = unwrap(alg, seed, unb64u(reader["header"]["ek"]), unb64u(reader["encrypted_key"]), info)
    assert len(key) == 32
    additional = f"{jwe['protected']}.{jwe['aad']}".encode()
    return AESGCM(key).decrypt(unb64u(jwe["iv"]), unb64u(jwe["ciphertext"]) + unb64u(jwe["tag"]), additional)
