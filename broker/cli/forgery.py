"""A dishonest sender's tool, for the demonstration: one AES-GCM ciphertext that opens to two texts under two keys.

AES-GCM does not commit to its key (Dodis, Grubbs, Ristenpart, Woodage: Fast Message Franking, CRYPTO 2018). The tag is
a polynomial over GF(2^128) in a value H that depends on the key (NIST SP 800-38D, sections 6.3 and 6.4), so one block
of the ciphertext can be chosen such that the tags under both keys agree. Setu's commitment is what it fails.
"""

from collections.abc import Callable

BLOCK = 16
_R = 0xE1 << 120
_ONE = 1 << 127

Encrypt = Callable[[bytes, bytes, bytes, bytes], bytes]
"""(key, iv, plaintext, aad) -> ciphertext followed by the 16-byte tag."""


def two_plaintexts(
    encrypt: Encrypt, keys: tuple[bytes, bytes], iv: bytes, aad: bytes, texts: tuple[bytes, bytes], size: int
) -> tuple[bytes, bytes]:
    """(ciphertext, tag) that AES-GCM opens under both keys; `size` bytes, a multiple of 16.

    Under the first key it begins with the first text, under the second it holds the second text right after, at the
    next block; the rest of either reading is noise.
    """
    first = texts[0].ljust(-(-len(texts[0]) // BLOCK) * BLOCK, b" ")
    second = texts[1].ljust(size - len(first) - BLOCK, b" ")
    streams = [encrypt(key, iv, bytes(size), b"")[:size] for key in keys]
    body = _xor(first, streams[0]) + _xor(second, streams[1][len(first) :])
    hashes = [_hash_key(encrypt, key, iv) for key in keys]
    masks = [int.from_bytes(encrypt(key, iv, b"", b""), "big") for key in keys]
    ends = [mask ^ _ghash(h, aad, body + bytes(BLOCK)) for mask, h in zip(masks, hashes, strict=True)]
    # The last block is worth its value times H^2 in the tag: choose it so that both tags agree.
    factor = _multiply(hashes[0], hashes[0]) ^ _multiply(hashes[1], hashes[1])
    last = _multiply(ends[0] ^ ends[1], _inverse(factor))
    ciphertext = body + last.to_bytes(BLOCK, "big")
    tag = masks[0] ^ _ghash(hashes[0], aad, ciphertext)
    return ciphertext, tag.to_bytes(BLOCK, "big")


def _hash_key(encrypt: Encrypt, key: bytes, iv: bytes) -> int:
    """H, from the tag of a ciphertext of one zero block: tag = mask + L * H, with L the block of lengths."""
    stream = encrypt(key, iv, bytes(BLOCK), b"")[:BLOCK]
    tag = int.from_bytes(encrypt(key, iv, stream, b"")[BLOCK:], "big")
    mask = int.from_bytes(encrypt(key, iv, b"", b""), "big")
    return _multiply(tag ^ mask, _inverse(8 * BLOCK))


def _ghash(h: int, aad: bytes, ciphertext: bytes) -> int:
    lengths = (8 * len(aad)).to_bytes(8, "big") + (8 * len(ciphertext)).to_bytes(8, "big")
    data = _padded(aad) + _padded(ciphertext) + lengths
    total = 0
    for place in range(0, len(data), BLOCK):
        total = _multiply(total ^ int.from_bytes(data[place : place + BLOCK], "big"), h)
    return total


def _multiply(x: int, y: int) -> int:
    """In GF(2^128) with GCM's order of bits (SP 800-38D, algorithm 1)."""
    product = 0
    for bit in range(127, -1, -1):
        if y >> bit & 1:
            product ^= x
        x = x >> 1 ^ (_R if x & 1 else 0)
    return product


def _inverse(x: int) -> int:
    """x^(2^128 - 2)."""
    result = _ONE
    for _ in range(127):
        x = _multiply(x, x)
        result = _multiply(result, x)
    return result


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % BLOCK)


def _xor(text: bytes, stream: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(text, stream, strict=False))
