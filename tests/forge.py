"""A second maker of packets, by hand from the format's text, with a hook at each step to make it wrong there.

It shares no code with broker.envelope: what it makes unbent must be accepted, and what it bends comes with good
signatures over what was bent.
"""

import hashlib
import hmac
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.signatures import sign
from broker.crypto.suites import SUITES
from broker.crypto.wrap import wrap
from broker.envelope.open import open_packet
from broker.envelope.verify import Parsed, check_audience, check_signatures, parse
from broker.errors import PacketError
from schemas.canonical import b64u, canonical
from schemas.problem import Code
from tests.builders import HANDLING, NOW, Realm, uuid7


def same(value: Any) -> Any:
    return value


def accept(raw: bytes, realm: Realm, reader: str = "us-dea") -> bytes:
    """The whole recipe, for one reader; returns the payload."""
    return open_packet(verified(raw, realm), reader, realm.members[reader].keys)


def verified(raw: bytes, realm: Realm) -> Parsed:
    """Steps 1 to 5, with the realm's directory."""
    parsed = parse(raw)
    check_audience(parsed, realm=realm.realm, gateway=realm.gateway, suite=realm.suite)
    check_signatures(parsed, realm.signing_key(parsed.header.from_))
    return parsed


def refused(raw: bytes, realm: Realm, code: Code, **expected: Any) -> PacketError:
    """Assert that the recipe refuses, with this code."""
    with pytest.raises(PacketError) as found:
        accept(raw, realm, **expected)
    assert found.value.code is code
    return found.value


@dataclass
class Forge:
    """Hooks, in the order of the format: `fields` (header object before the commitment), `plain` (before it is
    committed to), `commitment` (its bytes), `header` (HDR's bytes), `cek` (a reader's content key), `jwe`, `manifest`
    (MAN's bytes), `protected` (number, object) -> object or bytes, `signatures` (list), `packet` (whole, unsigned).
    """

    realm: Realm
    to: Sequence[str] = ("us-dea", "us-cbp", "in-setu")
    sender: str = "in-ncb"
    payload: bytes = b'{"note":"raid at 04:00"}'
    r: bytes = b"r" * 32
    iv: bytes = b"iv iv iv iv."
    key: bytes = b"content key of thirty-two bytes."
    signers: Sequence[PrivateKey] | None = None
    readers: Sequence[tuple[str, PublicKey]] | None = None
    fields: Callable[[dict[str, Any]], dict[str, Any]] = same
    plain: Callable[[bytes], bytes] = same
    commitment: Callable[[bytes], bytes] = same
    header: Callable[[bytes], bytes] = same
    cek: Callable[[int, bytes], bytes] = field(default=lambda _n, cek: cek)
    jwe: Callable[[dict[str, Any]], dict[str, Any]] = same
    manifest: Callable[[bytes], bytes] = same
    protected: Callable[[int, dict[str, Any]], Any] = field(default=lambda _n, value: value)
    signatures: Callable[[list[Any]], list[Any]] = same
    packet: Callable[[dict[str, Any]], Any] = same
    reuse: dict[str, Any] | None = None
    """A finished JWE to sign, instead of making one."""

    def make(self) -> bytes:
        return json.dumps(self.packet(self.object())).encode()

    def object(self) -> dict[str, Any]:
        signers = self.signers or self._own_keys()
        fields = self._header(signers)
        plain = self.plain(padded(self.r, self.payload))
        commitment = self.commitment(commit(fields, plain))
        hdr = self.header(canonical({**fields, "commitment": b64u(commitment)}))
        jwe = self.jwe(self._jwe(hdr, plain))
        payload = b64u(self.manifest(man(jwe)))
        signatures = [self._signature(n, key, payload) for n, key in enumerate(signers)]
        return {"jwe": jwe, "jws": {"payload": payload, "signatures": self.signatures(signatures)}}

    def _own_keys(self) -> tuple[PrivateKey, PrivateKey]:
        signer = self.realm.members[self.sender].sign
        return (signer.classical, signer.post_quantum)

    def _readers(self) -> Sequence[tuple[str, PublicKey]]:
        return self.readers or [(agency, self.realm.wrap_key(agency)) for agency in self.to]

    def _header(self, signers: Sequence[PrivateKey]) -> dict[str, Any]:
        return self.fields(
            {
                "v": "setu1",
                "id": uuid7(1),
                "aud": {"realm": self.realm.realm, "gateway": self.realm.gateway},
                "from": self.sender,
                "to": [{"agency": agency, "kid": key.kid} for agency, key in self._readers()],
                "suite": self.realm.suite.value,
                "kind": "tip",
                "kind_version": 1,
                "handling": json.loads(json.dumps(HANDLING)),
                "precedence": "ROUTINE",
                "exercise": False,
                "thread": uuid7(2),
                "iat": NOW,
                "exp": NOW + 86_400,
                "sig": [key.public.kid for key in signers],
            }
        )

    def _jwe(self, hdr: bytes, plain: bytes) -> dict[str, Any]:
        if self.reuse is not None:
            return self.reuse
        aad = b64u(hdr)
        protected = b64u(b'{"enc":"A256GCM","typ":"setu1+jwe"}')
        sealed = AESGCM(self.key).encrypt(self.iv, plain, f"{protected}.{aad}".encode())
        info = b"JOSE-HPKE rcpt\xffA256GCM\xffsetu1" + hashlib.sha384(aad.encode()).digest()
        recipients = []
        for n, (_, key) in enumerate(self._readers()):
            ek, encrypted_key = wrap(key, self.cek(n, self.key), info)
            header = {"alg": SUITES[self.realm.suite].wrap, "kid": key.kid, "ek": b64u(ek)}
            recipients.append({"header": header, "encrypted_key": b64u(encrypted_key)})
        return {
            "protected": protected,
            "aad": aad,
            "iv": b64u(self.iv),
            "ciphertext": b64u(sealed[:-16]),
            "tag": b64u(sealed[-16:]),
            "recipients": recipients,
        }

    def _signature(self, n: int, key: PrivateKey, payload: str) -> dict[str, str]:
        header = self.protected(n, {"alg": key.alg, "kid": key.public.kid, "typ": "setu1+jws"})
        protected = b64u(header if isinstance(header, bytes) else canonical(header))
        return {"protected": protected, "signature": b64u(sign(key, f"{protected}.{payload}".encode()))}


def padded(r: bytes, payload: bytes) -> bytes:
    body = len(payload).to_bytes(4, "big") + payload
    return r + body + bytes(max(1024, padded_size(len(body))) - len(body))


def padded_size(size: int) -> int:
    """Padme, from the paper: only the top log2(log2 L) + 1 bits of a size may be set."""
    e = size.bit_length() - 1
    s = e.bit_length() if e else 0
    step = 2 ** max(e - s, 0)
    return -(-size // step) * step


def commit(fields: dict[str, Any], plain: bytes) -> bytes:
    bare = hashlib.sha384(canonical(fields)).digest()
    return hmac.new(plain[:32], b"setu1.commit\0" + bare + plain[32:], "sha384").digest()


def man(jwe: dict[str, Any]) -> bytes:
    strings = ["setu1.manifest", *(jwe[name] for name in ("protected", "aad", "iv", "ciphertext", "tag"))]
    for each in jwe["recipients"]:
        strings += [each["header"]["alg"], each["header"]["kid"], each["header"]["ek"], each["encrypted_key"]]
    net = b"".join(f"{len(each)}:{each},".encode() for each in strings)
    digests = {"hdr": hashlib.sha384(jwe["aad"].encode()).digest(), "jwe": hashlib.sha384(net).digest()}
    return canonical({"v": "setu1", **{name: b64u(digest) for name, digest in digests.items()}})


def acknowledged(
    realm: Realm,
    *,
    fields: Callable[[dict[str, Any]], dict[str, Any]] = same,
    body: Callable[[bytes], bytes] = same,
    protected: Callable[[int, dict[str, Any]], Any] = lambda _n, header: header,
    ack: Callable[[dict[str, Any]], Any] = same,
    signers: Sequence[PrivateKey] | None = None,
) -> bytes:
    """An acknowledgement by hand, bent at each step; the signatures are made over what was bent."""
    signer = realm.members["us-dea"].sign
    signers = signers or (signer.classical, signer.post_quantum)
    made = {
        "v": "setu1.ack",
        "aud": realm.aud.to_object(),
        "by": "us-dea",
        "event": "opened",
        "at": NOW,
        "packet": {"from": "in-ncb", "id": uuid7(1), "digest": b64u(bytes(48)), "index": 0},
        "sig": [key.public.kid for key in signers],
    }
    payload = b64u(body(canonical(fields(made))))
    signatures = []
    for n, key in enumerate(signers):
        head = protected(n, {"alg": key.alg, "kid": key.public.kid, "typ": "setu1+ack"})
        head = b64u(head if isinstance(head, bytes) else canonical(head))
        signatures.append({"protected": head, "signature": b64u(sign(key, f"{head}.{payload}".encode()))})
    return json.dumps(ack({"payload": payload, "signatures": signatures})).encode()


def two_plaintexts(realm: Realm, **hooks: Any) -> Forge:
    """A packet with one ciphertext and tag that open under two content keys, wrapped to different readers.

    The last block of the padding is chosen so that both keys give the same tag: AES-GCM does not commit to its key.
    """
    other = b"another content key of 32 bytes."

    def collide(jwe: dict[str, Any]) -> dict[str, Any]:
        aad = f"{jwe['protected']}.{jwe['aad']}".encode()
        plain = padded(forge.r, forge.payload)
        ciphertext = AESGCM(forge.key).encrypt(forge.iv, plain, aad)[:-16]
        bent = _collide(forge.key, other, forge.iv, aad, ciphertext)
        tag = _tag(forge.key, forge.iv, aad, bent)
        for key in (forge.key, other):
            AESGCM(key).decrypt(forge.iv, bent + tag, aad)
        return {**jwe, "ciphertext": b64u(bent), "tag": b64u(tag)}

    forge = Forge(realm, cek=lambda n, cek: other if n == 0 else cek, jwe=collide, **hooks)
    return forge


_POLYNOMIAL = 0xE1 << 120


def _times(a: int, b: int) -> int:
    # GF(2^128) as GCM orders its bits (NIST SP 800-38D, section 6.3)
    product = 0
    for n in range(128):
        if a >> (127 - n) & 1:
            product ^= b
        b = b >> 1 ^ (_POLYNOMIAL if b & 1 else 0)
    return product


def _power(a: int, exponent: int) -> int:
    result = 1 << 127
    while exponent:
        if exponent & 1:
            result = _times(result, a)
        a, exponent = _times(a, a), exponent >> 1
    return result


def _block(key: bytes, block: bytes) -> int:
    return int.from_bytes(Cipher(algorithms.AES256(key), modes.ECB()).encryptor().update(block), "big")  # noqa: S305 - the bare block cipher, as GCM uses it


def _ghash(h: int, aad: bytes, ciphertext: bytes) -> int:
    blocks = aad + bytes(-len(aad) % 16) + ciphertext + bytes(-len(ciphertext) % 16)
    blocks += (len(aad) * 8).to_bytes(8, "big") + (len(ciphertext) * 8).to_bytes(8, "big")
    state = 0
    for at in range(0, len(blocks), 16):
        state = _times(state ^ int.from_bytes(blocks[at : at + 16], "big"), h)
    return state


def _tag(key: bytes, iv: bytes, aad: bytes, ciphertext: bytes) -> bytes:
    mask = _block(key, iv + b"\0\0\0\1")
    return (_ghash(_block(key, bytes(16)), aad, ciphertext) ^ mask).to_bytes(16, "big")


def _collide(one: bytes, two: bytes, iv: bytes, aad: bytes, ciphertext: bytes) -> bytes:
    """The ciphertext with its last block set so that both keys authenticate it with one tag."""
    cleared = ciphertext[:-16] + bytes(16)
    wanted = int.from_bytes(_tag(one, iv, aad, cleared), "big") ^ int.from_bytes(_tag(two, iv, aad, cleared), "big")
    # The last whole block is multiplied by H^2 in each tag, so block * (H1^2 + H2^2) must make up the difference.
    factor = _power(_block(one, bytes(16)), 2) ^ _power(_block(two, bytes(16)), 2)
    block = _times(wanted, _power(factor, 2**128 - 2))
    return ciphertext[:-16] + block.to_bytes(16, "big")
