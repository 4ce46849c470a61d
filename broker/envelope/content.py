"""What is encrypted: random r, length, payload, zeros; the commitment to it; and the strings both sides derive."""

import hmac
from collections.abc import Mapping
from typing import Any

from broker.envelope.hashes import hmac_sha384, sha384
from broker.envelope.shape import JweText, malformed
from broker.errors import PacketError
from schemas.canonical import b64u, canonical, unb64u
from schemas.packet import VERSION
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
    return _committed(canonical({name: value for name, value in fields.items() if name != "commitment"}), plain)


def check_commitment(hdr: bytes, commitment: str, plain: bytes) -> None:
    """Recipe step 7: the one plaintext that the sender signed for, in constant time.

    `hdr` is the canonical bytes of a header that is of its schema, `commitment` the member of it.

    Raises:
        PacketError: code `commitment-mismatch`.
    """
    # In canonical order only `aud`, which has no such member, stands before it; so to cut it out is to leave it out.
    bare = hdr.replace(b'"commitment":"%b",' % commitment.encode(), b"", 1)
    if not hmac.compare_digest(_committed(bare, plain), unb64u(commitment)):
        raise PacketError(
            Code.COMMITMENT_MISMATCH,
            "Expected the content to match the signed commitment, found another content.",
            advice="Keep the packet: the content key proves that the sender sealed two contents.",
        )


def _committed(bare: bytes, plain: bytes) -> bytes:
    return hmac_sha384(plain[:RANDOM_SIZE], b"setu1.commit\0" + sha384(bare) + plain[RANDOM_SIZE:])


def aad_of(protected: str, aad: str) -> bytes:
    """Additional data of the content encryption (RFC 7516, section 5.1, step 14)."""
    return f"{protected}.{aad}".encode()


def info_of(aad: str) -> bytes:
    """HPKE `info`: draft-ietf-jose-hpke-encrypt, and the header's digest so that a wrap fits one packet only."""
    return b"JOSE-HPKE rcpt\xffA256GCM\xff" + VERSION.encode() + sha384(aad.encode())


def manifest(jwe: JweText) -> bytes:
    """MAN: what is signed. Digests over the strings as received, as netstrings so that no boundary can move."""
    parts = ["setu1.manifest", *jwe[:5]]
    for each in jwe.wraps:
        parts += each
    # All of them are ASCII but an alg, which may be anything: a netstring counts bytes.
    strings = b"".join([b"%d:%b," % (len(raw), raw) for raw in map(str.encode, parts)])
    hdr = b64u(sha384(jwe.aad.encode()))
    return b'{"hdr":"%b","jwe":"%b","v":"%b"}' % (
        hdr.encode(),
        b64u(sha384(strings)).encode(),
        VERSION.encode(),
    )


def digest_of(man: bytes) -> str:
    """A packet's digest, wherever one is needed."""
    return b64u(sha384(man))
