"""Keys and signers for TUF over the broker's own primitives, and the shape a realm's root must have.

TUF metadata says `ml-dsa-65` as key type and scheme: pure ML-DSA-65 with an empty context (FIPS 204) over the signed
bytes, key and signature in hex. Key ids are RFC 7638 thumbprints, as everywhere in Setu.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from securesystemslib.exceptions import UnverifiedSignatureError, VerificationError
from securesystemslib.signer import KEY_FOR_TYPE_AND_SCHEME, Key, SecretsHandler, Signature, Signer, SSlibKey
from tuf.api.metadata import Root, Snapshot, Targets, Timestamp

from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.signatures import sign, verify
from broker.directory.changes import COUNTRY
from broker.errors import IntegrityError, SignatureError
from schemas.problem import Code

ML_DSA_65: Final = "ml-dsa-65"
ED25519: Final = "ed25519"
_ALGORITHMS: Mapping[tuple[str, str], str] = {(ED25519, ED25519): "Ed25519", (ML_DSA_65, ML_DSA_65): "ML-DSA-65"}
_ALPHA_3 = re.compile("[A-Z]{3}")
_TYPES = {alg: names for names, alg in _ALGORITHMS.items()}
_PER_COUNTRY: Mapping[str, Mapping[str, int]] = {
    Root.type: {"Ed25519": 2, "ML-DSA-65": 2},
    Targets.type: {"Ed25519": 1, "ML-DSA-65": 1},
}


class MlDsaKey(Key):
    """An ML-DSA-65 public key in TUF metadata."""

    @classmethod
    def from_dict(cls, keyid: str, key_dict: dict[str, Any]) -> "MlDsaKey":
        keytype, scheme, keyval = cls._from_dict(key_dict)
        return cls(keyid, keytype, scheme, keyval, key_dict)

    def to_dict(self) -> dict[str, Any]:
        return self._to_dict()

    def verify_signature(self, signature: Signature, data: bytes) -> None:
        try:
            verify(public_of(self), data, bytes.fromhex(signature.signature))
        except SignatureError as error:
            raise UnverifiedSignatureError(f"expected a signature by {self.keyid}, found none that verifies") from error
        except (TypeError, ValueError) as error:
            raise VerificationError(f"expected a signature by {self.keyid} in hex, found other text") from error


KEY_FOR_TYPE_AND_SCHEME[(ML_DSA_65, ML_DSA_65)] = MlDsaKey


class OwnSigner(Signer):
    """Signs TUF metadata with one of the broker's private keys, Ed25519 or ML-DSA-65."""

    def __init__(self, key: PrivateKey) -> None:
        self._key = key
        self._public = tuf_key(key.public)

    @property
    def public_key(self) -> Key:
        return self._public

    @classmethod
    def from_priv_key_uri(
        cls,
        priv_key_uri: str,  # noqa: ARG003 - securesystemslib's signature
        public_key: Key,  # noqa: ARG003
        secrets_handler: SecretsHandler | None = None,  # noqa: ARG003
    ) -> "OwnSigner":
        raise ValueError("expected a key read with broker.crypto.keyfile; a key has no URI here")

    def sign(self, payload: bytes) -> Signature:
        return Signature(self._public.keyid, sign(self._key, payload).hex())


def tuf_key(key: PublicKey, country: str | None = None) -> Key:
    """The key as TUF writes it.

    Raises:
        IntegrityError: code `directory-invalid`; not Ed25519 or ML-DSA-65.
    """
    names = _TYPES.get(key.alg)
    if names is None:
        raise _unsound(f"a {key.alg} key, where only Ed25519 and ML-DSA-65 sign")
    made = MlDsaKey if names[0] == ML_DSA_65 else SSlibKey
    return made(key.kid, *names, {"public": key.raw.hex()}, {COUNTRY: country} if country else {})


def public_of(key: Key) -> PublicKey:
    """The TUF key as one of the broker's, checked: its type, its size, no small order, its id the thumbprint.

    Raises:
        SignatureError: code `key-unknown`.
    """
    alg = _ALGORITHMS.get((key.keytype, key.scheme))
    text = key.keyval.get("public")
    try:
        raw = bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        raw = b""
    if alg is None:
        raise SignatureError(Code.KEY_UNKNOWN, "Expected an Ed25519 or ML-DSA-65 key, found another type.")
    public = PublicKey(alg, raw)
    if public.kid != key.keyid or text != raw.hex():  # a key is shown by its id: no two ways to write one
        raise SignatureError(Code.KEY_UNKNOWN, "Expected a key in hex under its thumbprint, found another.")
    return public


def check_root(root: Root) -> None:
    """Refuse a root without the agreed shape: per country two Ed25519 and two ML-DSA-65 root keys, all but one of all
    must sign; per country one of each for targets, all must sign; one operator's key each for snapshot and timestamp.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    for fault in _faults(root):
        raise _unsound(fault)


def _faults(root: Root) -> Iterator[str]:
    if root.consistent_snapshot is not True:
        yield "no consistent snapshots"
    if any(type(each) is not int for each in (root.version, *(role.threshold for role in root.roles.values()))):
        yield "a version or threshold that is no whole number"  # Python takes true for 1; others do not
    for key in root.keys.values():
        try:
            public_of(key)
        except SignatureError:
            yield "a key that is no sound Ed25519 or ML-DSA-65 key under its thumbprint"
    countries = {country_of(key) for key in keys_of_role(root, Root.type)}
    if None in countries or len(countries) < 2:  # noqa: PLR2004 - a realm is between at least two
        yield "root keys that are not of two or more countries"
    for role, missing in ((Root.type, 1), (Targets.type, 0)):
        found = Counter((country_of(key), key.keytype) for key in keys_of_role(root, role))
        agreed = {
            (country, _TYPES[alg][0]): number for country in countries for alg, number in _PER_COUNTRY[role].items()
        }
        if found != agreed:
            yield f"other {role} keys than each country's"
        elif root.roles[role].threshold != sum(agreed.values()) - missing:
            yield f"a threshold of {root.roles[role].threshold} for {role}"
    for role in (Snapshot.type, Timestamp.type):
        if (len(root.roles[role].keyids), root.roles[role].threshold) != (1, 1):
            yield f"not exactly one key for {role}"
        if any(COUNTRY in key.unrecognized_fields for key in keys_of_role(root, role)):
            yield f"a country's mark on the operator's key for {role}"
    roles = Counter(keyid for role in root.roles.values() for keyid in set(role.keyids))
    if any(number > 1 for number in roles.values()):
        yield "one key in two roles"
    if set(root.keys) != {keyid for role in root.roles.values() for keyid in role.keyids}:
        yield "other keys than its roles name"


def country_of(key: Key) -> str | None:
    """Whose a key is, ISO 3166-1 alpha-3; None where it does not say so, or says something else."""
    country = key.unrecognized_fields.get(COUNTRY)
    return country if isinstance(country, str) and _ALPHA_3.fullmatch(country) else None


def keys_of_role(root: Root, role: str) -> list[Key]:
    return [root.keys[keyid] for keyid in root.roles[role].keyids if keyid in root.keys]


def _unsound(found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected a root of the agreed shape, found {found}.",
        advice="Have the countries sign a root with each country's keys and the agreed thresholds.",
    )
