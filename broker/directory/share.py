"""A holder's share of a realm's keys: the public halves, each with the proof that its private half is there."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pydantic

from broker.crypto.keys import PrivateKey, PublicKey
from broker.crypto.signatures import sign, verify
from broker.directory.tuf_deny import role_of
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
DENY: Mapping[bool, Mapping[tuple[str, str], int]] = {
    False: {("deny", "Ed25519"): 1, ("deny", "ML-DSA-65"): 1},
    True: {("deny", "Ed25519"): 1},
}
"""Is it the operator's -> the keys of its deny list, which a share may have besides."""


def make_share(holder: str, keys: Keys) -> Share:
    """The share of a country (ISO 3166-1 alpha-3) or of the `operator`; keys of other uses are left out.

    Raises:
        IntegrityError: code `directory-invalid`; other keys than that holder's six, or two, and those of its deny list
            (use `deny-IND`, in a share `deny`); a country's may be of these alone.
    """
    agreed = _agreed(holder)
    uses = {use: use for each in agreed for use, _ in each if use != "deny"} | {role_of(holder): "deny"}
    held = sorted(((uses[use], key) for use, key in keys if use in uses), key=lambda each: (each[0], each[1].alg))
    if Counter((use, key.alg) for use, key in held) not in agreed:
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
    if Counter((key.use, key.alg) for key in share.keys) not in _agreed(share.holder):
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


def _agreed(holder: str) -> Sequence[Mapping[tuple[str, str], int]]:
    if holder == OPERATOR:
        return TWO, {**TWO, **DENY[True]}
    return SIX, {**SIX, **DENY[False]}, DENY[False]


def is_whole(share: Share) -> bool:
    """Whether it has keys beside those of a deny list, which alone make no holder."""
    return any(key.use != "deny" for key in share.keys)


def _described(holder: str) -> str:
    if holder == OPERATOR:
        return "an operator's two keys (Ed25519 for snapshot and timestamp), and its deny list's one or none"
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
