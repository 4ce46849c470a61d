"""Public and private keys. A key object exists only for bytes that are a sound key of its algorithm."""

import hashlib
import hmac
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from functools import cached_property, lru_cache
from typing import NoReturn

from broker.crypto.algorithms import ALGORITHMS, P384_POINT_SIZE, SEED_SIZE, PrivateHandle, PublicHandle, signature_of
from broker.errors import SignatureError
from schemas.canonical import MalformedBase64Error, b64u, canonical, unb64u
from schemas.directory import Key
from schemas.problem import Code


class PublicKey:
    """A public key and the one algorithm it is for.

    `raw`: Ed25519, ML-DSA: the standard encoding; ES384: the uncompressed point; HPKE-9-KE: ML-KEM-768 key || X25519;
    HPKE-10-KE: ML-KEM-1024 key || uncompressed P-384 point.

    Raises:
        SignatureError: code `key-unknown`; the bytes are no key of this algorithm, or one of small order.
    """

    __slots__ = ("alg", "handle", "kid", "raw")

    def __init__(self, alg: str, raw: bytes) -> None:
        self.alg = alg
        self.raw = raw
        self.handle: PublicHandle = _load(alg, raw)
        self.kid = thumbprint(alg, raw)

    @classmethod
    def from_directory(cls, key: Key) -> "PublicKey":
        """The directory's key, checked against its own kid.

        Raises:
            SignatureError: code `key-unknown`.
        """
        public = _from_text(key.alg, key.public)
        if public.kid != key.kid:
            raise SignatureError(
                Code.KEY_UNKNOWN,
                "Expected a key whose kid is its RFC 7638 thumbprint, found another kid.",
                advice="Have the directory corrected; until then this key is of no use.",
            )
        return public

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublicKey) and (self.alg, self.raw) == (other.alg, other.raw)

    def __hash__(self) -> int:
        return hash((self.alg, self.raw))

    def __repr__(self) -> str:
        return f"PublicKey({self.alg!r}, kid={self.kid!r})"


class PrivateKey(ABC):
    """A private key, here as its seed or in an HSM. Never shown, never copied into a message."""

    alg: str

    @property
    @abstractmethod
    def public(self) -> PublicKey: ...

    @abstractmethod
    def sign(self, message: bytes) -> bytes:
        """As `broker.crypto.signatures.sign`.

        Raises:
            SignatureError: code `key-unknown`; the key is for something else.
            UnavailableError: it is in an HSM that does not answer.
        """

    @abstractmethod
    def derive(self, label: bytes) -> bytes:
        """32 secret bytes for another purpose, which only the holder of this key makes; raises as `sign`."""

    @abstractmethod
    def stored(self) -> dict[str, str]:
        """What a key file says of where the secret is: the seed itself, or its place in an HSM."""

    def __reduce__(self) -> NoReturn:
        raise TypeError("a private key is not copied or pickled; write it with broker.crypto.keyfile")


class SeedKey(PrivateKey):
    """A private key that is kept as its 32-byte seed.

    ES384: the scalar is SHAKE256("setu1.es384" 00 seed) to 56 bytes, modulo (n - 1), plus 1 (FIPS 186-5, A.2.1).
    HPKE-9-KE, HPKE-10-KE: SHAKE256(seed) to 96 or 112 bytes: 64 of ML-KEM seed, then the X25519 key or P-384 scalar
    (draft-irtf-cfrg-concrete-hybrid-kems). Ed25519, ML-DSA: the seed of RFC 8032 and FIPS 204.

    Raises:
        SignatureError: code `key-unknown`; no such algorithm, or not 32 bytes.
    """

    def __init__(self, alg: str, seed: bytes) -> None:
        if alg not in ALGORITHMS or len(seed) != SEED_SIZE:
            raise SignatureError(
                Code.KEY_UNKNOWN, f"Expected a known algorithm and a seed of {SEED_SIZE} bytes, found another."
            )
        self.alg = alg
        self._seed = seed

    @cached_property
    def _expanded(self) -> tuple[PrivateHandle, bytes]:
        return ALGORITHMS[self.alg].expand(self._seed)

    @property
    def handle(self) -> PrivateHandle:
        return self._expanded[0]

    @cached_property
    def public(self) -> PublicKey:
        return PublicKey(self.alg, self._expanded[1])

    def sign(self, message: bytes) -> bytes:
        signature = signature_of(self.handle, message)
        if signature is None:
            raise not_for_signatures(self.alg)
        return signature

    def derive(self, label: bytes) -> bytes:
        return hmac.digest(self._seed, label, "sha256")

    def stored(self) -> dict[str, str]:
        return {"seed": b64u(self._seed)}

    def seed(self) -> bytes:
        """The secret itself, for a key file."""
        return self._seed

    def __repr__(self) -> str:
        return f"SeedKey({self.alg!r}, seed hidden)"


def generate(alg: str, random: Callable[[int], bytes] = os.urandom) -> SeedKey:
    return SeedKey(alg, random(SEED_SIZE))


def not_for_signatures(alg: str) -> SignatureError:
    return SignatureError(Code.KEY_UNKNOWN, f"Expected a signature key, found one for {alg}: one key, one use.")


def thumbprint(alg: str, raw: bytes) -> str:
    """The kid: RFC 7638 SHA-256 thumbprint of the key's required JWK members (AKP, OKP or EC), base64url."""
    if alg == "Ed25519":
        members = {"crv": "Ed25519", "kty": "OKP", "x": b64u(raw)}
    elif alg == "ES384":
        half = P384_POINT_SIZE // 2
        members = {"crv": "P-384", "kty": "EC", "x": b64u(raw[1 : 1 + half]), "y": b64u(raw[1 + half :])}
    else:
        members = {"alg": alg, "kty": "AKP", "pub": b64u(raw)}
    return b64u(hashlib.sha256(canonical(members)).digest())


def _load(alg: str, raw: bytes) -> PublicHandle:
    algorithm = ALGORITHMS.get(alg)
    if algorithm is None:
        raise SignatureError(Code.KEY_UNKNOWN, "Expected a key of an algorithm of the format, found another algorithm.")
    if len(raw) != algorithm.public_size:
        raise SignatureError(
            Code.KEY_UNKNOWN, f"Expected {algorithm.public_size} bytes of {alg} public key, found {len(raw)}."
        )
    try:
        return algorithm.load(raw)
    except ValueError:
        raise SignatureError(
            Code.KEY_UNKNOWN,
            f"Expected a sound {alg} public key, found bytes that are none, or a point of small order.",
            advice="Have the agency enrol a key made by its own program.",
        ) from None


@lru_cache(maxsize=4096)
def _from_text(alg: str, text: str) -> PublicKey:
    # Loading costs tens of microseconds and the gateway needs the same few keys for every packet.
    try:
        raw = unb64u(text)
    except MalformedBase64Error:
        raise SignatureError(Code.KEY_UNKNOWN, "Expected a public key in base64url, found another text.") from None
    return PublicKey(alg, raw)
