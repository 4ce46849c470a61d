"""A holder's share of a realm's keys: the public halves, each with the proof that its private half is there."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pydantic

from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.signatures import sign, verify
from broker.directory.roles import DENY, WRAP
from broker.directory.tuf_delegated import algorithms_of
from broker.errors import IntegrityError, SignatureError
from schemas.canonical import MalformedBase64Error, MalformedJsonError, b64u, canonical, unb64u
from schemas.problem import Code
from schemas.realm import OPERATOR, Share, ShareKey

Keys = Iterable[tuple[str, PrivateKey]]
"""(use, key)."""
SIX: Mapping[tuple[str, str], int] = {
    ("root", "Ed25519"): 2,
    ("root", "ML-DSA-65"): 2,
    ("targets", "Ed25519"): 1,
    ("targets", "ML-DSA-65"): 1,
}
TWO: Mapping[tuple[str, str], int] = {("snapshot", "Ed25519"): 1, ("timestamp", "Ed25519"): 1}
OWN_LIST = "deny"
"""The use, in a share, of the keys of its holder's deny list, which it may have besides."""


def make_share(holder: str, keys: Keys) -> Share:
    """The share of a country (ISO 3166-1 alpha-3) or of the `operator`; keys of other uses are left out.

    Raises:
        IntegrityError: code `directory-invalid`; other keys than that holder's six, or two, and those of its deny list
            (use `deny-IND`, in a share `deny`) and of a gateway's wrap keys (`wrap-in-setu`); a country's may be of its
            deny list's alone.
    """
    named = [(OWN_LIST if use == DENY + holder else use, key) for use, key in keys]
    held = sorted((each for each in named if _may(holder, each[0])), key=lambda each: (each[0], each[1].alg))
    if not _agreed(holder, [(use, key.alg) for use, key in held]):
        raise _refused(_described(holder), ", ".join(f"{use} {key.alg}" for use, key in held) or "none")
    members = {
        "v": "setu1.share",
        "holder": holder,
        "keys": [{"use": use, "alg": key.alg, "public": b64u(key.public.raw)} for use, key in held],
    }
    payload = proven({**members, "proofs": []})
    proofs = [{"kid": key.public.kid, "signature": b64u(sign(key, payload))} for _, key in held]
    return read_share(canonical({**members, "proofs": proofs}))


def read_share(raw: bytes) -> Share:
    """Raises IntegrityError, code `directory-invalid`: not a share, or not every key proven."""
    try:
        return check_share(Share.from_json(raw))
    except (MalformedJsonError, pydantic.ValidationError) as error:
        raise _refused("the file `setu realm share` writes (setu1.share)", "another") from error


def check_share(share: Share) -> Share:
    """Refuse a share with other keys than its holder's, with one twice, of small order, or not proven.

    Raises:
        IntegrityError: code `directory-invalid`.
    """
    if not _agreed(share.holder, [(key.use, key.alg) for key in share.keys]):
        raise _refused(_described(share.holder), f"{len(share.keys)} others")
    try:
        publics = {public.kid: public for public in map(public_key, share.keys)}
        if len(publics) != len(share.keys):
            raise _refused("each key once in a share", "one twice")
        if sorted(publics) != sorted(proof.kid for proof in share.proofs):
            raise _refused("one proof for each key of a share", "others")
        payload = proven(share.to_object())
        for proof in share.proofs:
            verify(publics[proof.kid], payload, unb64u(proof.signature))
    except (SignatureError, MalformedBase64Error) as error:
        raise _refused("sound keys, each proven by a signature that verifies", "one that is not") from error
    return share


def public_key(key: ShareKey) -> PublicKey:
    """Raises SignatureError (code `key-unknown`), MalformedBase64Error."""
    return PublicKey(key.alg, unb64u(key.public))


def role_in_share(holder: str, use: str) -> str | None:
    """The delegated role whose key it is; None for one of a role of the root."""
    return DENY + holder if use == OWN_LIST else use if use.startswith(WRAP) else None


def _least(holder: str) -> Mapping[tuple[str, str], int]:
    return TWO if holder == OPERATOR else SIX


def _may(holder: str, use: str) -> bool:
    return use in {each for each, _ in _least(holder)} | {OWN_LIST} or (use.startswith(WRAP) and holder == OPERATOR)


def _agreed(holder: str, found: Sequence[tuple[str, str]]) -> bool:
    if holder != OPERATOR and found and all(use == OWN_LIST for use, _ in found):
        wanted: Counter[tuple[str, str]] = Counter()
    else:
        wanted = Counter(_least(holder))
    for use in {use for use, _ in found}:
        if (role := role_in_share(holder, use)) is not None:
            wanted += Counter({(use, alg): 1 for alg in algorithms_of(role)})
    return Counter(found) == wanted and all(_may(holder, use) for use, _ in found)


def is_whole(share: Share) -> bool:
    """Whether it has keys beside those of a deny list, which alone make no holder."""
    return any(key.use != OWN_LIST for key in share.keys)


def _described(holder: str) -> str:
    if holder == OPERATOR:
        return (
            "an operator's two keys (Ed25519 for snapshot and timestamp), its deny list's one or none, and for each "
            "gateway two that sign its wrap keys, or none"
        )
    return (
        "a country's six keys (root: two Ed25519, two ML-DSA-65; targets: one of each), its deny list's two (one of "
        "each), or both"
    )


def proven(share: Mapping[str, object]) -> bytes:
    """What each key of a share signs: a prefix, for TUF metadata begins with a brace, and all but the proofs."""
    return b"setu1.share\n" + canonical({name: value for name, value in share.items() if name != "proofs"})


def _refused(expected: str, found: str) -> IntegrityError:
    return IntegrityError(
        Code.DIRECTORY_INVALID,
        f"Expected {expected}, found {found}.",
        advice="Have the holder make its share again, and compare the fingerprints by voice.",
    )
