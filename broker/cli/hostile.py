"""What dishonest people send, for the demonstration: each function makes one packet that must be refused."""

import json
import os
from collections.abc import Sequence

from broker.cli.forgery import two_plaintexts
from broker.crypto.content import decrypt, encrypt
from broker.crypto.keys import PublicKey
from broker.crypto.suites import CONTENT_KEY_SIZE, IV_SIZE
from broker.crypto.wrap import wrap
from broker.envelope.content import RANDOM_SIZE, aad_of, info_of, manifest
from broker.envelope.jws import PACKET_TYP, Signer, sign_both
from broker.envelope.shape import JWE_PROTECTED, text_of
from schemas.canonical import b64u, unb64u
from schemas.packet import Header, Jwe, Jws, Packet, Recipient, RecipientHeader

CLOSED = b'{"narrative":"The bridge is closed."}'
RAID = b'{"narrative":"The raid is at 04:00."}'
SIZE = RANDOM_SIZE + 1024


def tampered(raw: bytes) -> bytes:
    """The packet with one bit of its ciphertext changed on the way."""
    packet = json.loads(raw)
    ciphertext = bytearray(unb64u(packet["jwe"]["ciphertext"]))
    ciphertext[0] ^= 1
    packet["jwe"]["ciphertext"] = b64u(bytes(ciphertext))
    return json.dumps(packet, separators=(",", ":")).encode()


def two_texts(header: Header, readers: Sequence[PublicKey], signer: Signer) -> tuple[bytes, tuple[bytes, bytes]]:
    """A properly signed packet that opens to one text for the first reader and to another for the second.

    `header` names these two readers, and carries a commitment that is worth nothing. Beside the packet: what plain
    AES-GCM reads of it under either content key.
    """
    aad, iv = b64u(header.canonical()), os.urandom(IV_SIZE)
    keys = (os.urandom(CONTENT_KEY_SIZE), os.urandom(CONTENT_KEY_SIZE))
    gcm_aad = aad_of(JWE_PROTECTED, aad)
    first = os.urandom(RANDOM_SIZE) + len(CLOSED).to_bytes(4, "big") + CLOSED
    ciphertext, tag = two_plaintexts(_encrypt, keys, iv, gcm_aad, (first, RAID), SIZE)
    info = info_of(aad)
    wraps = [(reader, *wrap(reader, key, info)) for reader, key in zip(readers, keys, strict=True)]
    jwe = Jwe(
        protected=JWE_PROTECTED,
        aad=aad,
        iv=b64u(iv),
        ciphertext=b64u(ciphertext),
        tag=b64u(tag),
        recipients=tuple(
            Recipient(header=RecipientHeader(alg=reader.alg, kid=reader.kid, ek=b64u(ek)), encrypted_key=b64u(wrapped))
            for reader, ek, wrapped in wraps
        ),
    )
    payload = b64u(manifest(text_of(jwe)))
    packet = Packet(jwe=jwe, jws=Jws(payload=payload, signatures=sign_both(payload, signer, PACKET_TYP)))
    raw = json.dumps(packet.model_dump(mode="json"), separators=(",", ":")).encode()
    readings = tuple(decrypt(key, iv, ciphertext, tag, gcm_aad) for key in keys)
    return raw, (readings[0], readings[1])


def _encrypt(key: bytes, iv: bytes, plain: bytes, aad: bytes) -> bytes:
    return b"".join(encrypt(key, iv, plain, aad))
