"""What is encrypted: random r, length, payload, zeros; the commitment to it; and the strings both sides derive."""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any

from broker.envelope.shape import malformed
from broker.errors import PacketError
from schemas.canonical import b64u, canonical, unb64u
from schemas.packet import VERSION, Jwe
from schemas.problem import Code

RANDOM_SIZE = 32
_LENGTH_SIZE = 4
_SMALLEST = 1024


def padme(size: int) -> int:
    """The next size with few significant bits (Nikitin et al., Reducing Metadata Leakage, 2019, algorithm 1)."""
    exponent = size.bit_length() - 1
    spare = exponent - exponent.bit_length()
    mask = (1 << max(spare, 0)) - 1
    return (size + mask) & ~mask


def pack(r: bytes, payload: bytes) -> bytes:
    body = len(payload).to_bytes(_LENGTH_SIZE) + payload
    return r + body.ljust(max(_SMALLEST, padme(len(body))), b"\0")


def unpack(plain: bytes) -> bytes:
    """The payload, unpadded strictly.

    Raises:
        MalformedError: code `envelope-invalid`.
    """
    start = RANDOM_SIZE + _LENGTH_SIZE
    end = start + int.from_bytes(plain[RANDOM_SIZE:start])
    if pack(plain[:RANDOM_SIZE], plain[start:end]) != plain:
        raise malformed("/jwe/ciphertext", "expected the payload's length and padding with zeros, found another")
    return plain[start:end]


def check_size(size: int) -> None:
    """A plaintext, and so a ciphertext, has one of the padded sizes: what can be told without a key.

    Raises:
        MalformedError: code `envelope-invalid`.
    """
    body = size - RANDOM_SIZE
    if body < _SMALLEST or padme(body) != body:
        raise malformed("/jwe/ciphertext", "expected 32 bytes and a padded size of at least 1024, found another size")


def commitment(fields: Mapping[str, Any], plain: bytes) -> bytes:
    """HMAC-SHA384 keyed by r over the header without its commitment, and the rest of the plaintext; 48 bytes."""
    bare = canonical({name: value for name, value in fields.items() if name != "commitment"})
    message = b"setu1.commit\0" + hashlib.sha384(bare).digest() + plain[RANDOM_SIZE:]
    return hmac.digest(plain[:RANDOM_SIZE], message, "sha384")


def check_commitment(fields: Mapping[str, Any], plain: bytes) -> None:
    """Recipe step 7: the one plaintext that the sender signed for, in constant time.

    Raises:
        PacketError: code `commitment-mismatch`.
    """
    if not hmac.compare_digest(commitment(fields, plain), unb64u(fields["commitment"])):
        raise PacketError(
            Code.COMMITMENT_MISMATCH,
            "Expected the content to match the signed commitment, found another content.",
            advice="Keep the packet: the content key proves that the sender sealed two contents.",
        )


def aad_of(protected: str, aad: str) -> bytes:
    """Additional data of the content encryption (RFC 7516, section 5.1, step 14)."""
    return f"{protected}.{aad}".encode()


def info_of(aad: str) -> bytes:
    """HPKE `info`: draft-ietf-jose-hpke-encrypt, and the header's digest so that a wrap fits one packet only."""
    return b"JOSE-HPKE rcpt\xffA256GCM\xff" + VERSION.encode() + hashlib.sha384(aad.encode()).digest()


def manifest(jwe: Jwe) -> bytes:
    """MAN: what is signed. Digests over the strings as received, as netstrings so that no boundary can move."""
    parts = ["setu1.manifest", jwe.protected, jwe.aad, jwe.iv, jwe.ciphertext, jwe.tag]
    for each in jwe.recipients:
        parts += (each.header.alg, each.header.kid, each.header.ek, each.encrypted_key)
    strings = hashlib.sha384()
    for part in parts:
        raw = part.encode()
        strings.update(b"%d:%b," % (len(raw), raw))
    hdr = hashlib.sha384(jwe.aad.encode()).digest()
    return canonical({"hdr": b64u(hdr), "jwe": b64u(strings.digest()), "v": VERSION})


def digest_of(man: bytes) -> str:
    """A packet's digest, wherever one is needed."""
    return b64u(hashlib.sha384(man).digest())
