"""Blind match tokens: two agencies find out that they work on the same target, without naming it where they do not.

The construction, `hmac-sha-256`. The checking agency draws 32 random bytes for this check alone, the key, and makes of
each identifier of its target

    token = HMAC-SHA-256(key, "setu1.deconfliction" 00 scheme 00 country 00 value), the first 16 bytes, in base64url

(RFC 2104, FIPS 180-4, RFC 4648, section 5), all parts in ASCII, `country` empty but for schemes that need it, `value`
as `normalised` gives it. Key and tokens travel in the check. The other agency makes the tokens of its own targets with
that key and compares: a token that is in both is a match, and no other identifier is shown to anybody.

What this does not do, and nobody may promise:

- It does not hide a target from the agency that is asked, if that agency tries. It holds the key, and there are so few
  telephone numbers (or plates, or passports) that it can make the tokens of all of them in hours. No hash changes that,
  keyed or not, nor would a slow one for long. What it sees without trying are the tokens of its own targets, and trying
  is misuse that its own records can show. Ask only an agency to which you could tell the target if you had to.
- It does not hide one from a gateway that reads the check, for the same reason: send a check sealed.
- It hides targets from whoever meets tokens without their key (screens, extracts, statistics), and a key of its own
  for each check keeps two checks from being compared. So keep the key no longer than the check is open.
- A match is as good as the identifier. Names are not matched at all: they are spelt in too many ways.
- No match is not "nothing there": the other side matches what it has on file, as it has it.
"""

import hashlib
import hmac
from collections.abc import Iterable
from typing import Annotated, get_args

from schemas.canonical import b64u, unb64u
from schemas.payloads.accounts import Caip10
from schemas.payloads.identifiers import NEEDS_COUNTRY, SHAPES
from schemas.payloads.parts import Identifier
from schemas.payloads.shape import Shape

KEY_SIZE = 32
TOKEN_SIZE = 16
"""Bytes. Two different identifiers share a token with a chance of 2^-128."""

_CONTEXT = b"setu1.deconfliction"

BlindKey = Annotated[str, Shape(r"[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]", "a key of 32 random bytes in base64url")]
"""The key of one check: 32 bytes, base64url, 43 characters."""

Token = Annotated[str, Shape(r"[A-Za-z0-9_-]{21}[AQgw]", "a blind token of 16 bytes in base64url, 22 characters")]
"""A blind token: 16 bytes, base64url, 22 characters."""

_CAIP10 = next(each for each in get_args(Caip10) if isinstance(each, Shape))


def normalised(scheme: str, value: str) -> str:
    """An identifier as both sides must write it: the one spelling of its scheme, and where a scheme leaves the case
    open (e-mail, handle, an `eip155` account) the lower one; a handle without its first `@`.

    Args:
        scheme: one of `schemas.payloads.identifiers.SHAPES`, or `caip10` for a blockchain account.
        value: as that scheme writes it.

    Raises:
        ValueError: no such scheme, or the value is not of it; the value is not quoted.
    """
    shape = _CAIP10 if scheme == "caip10" else SHAPES.get(scheme)
    if shape is None:
        raise ValueError(f"expected one of {', '.join(sorted([*SHAPES, 'caip10']))}, found another scheme")
    shape.validate(value)
    if scheme == "handle":
        return value.removeprefix("@").lower()
    return value.lower() if scheme == "email" or value.startswith("eip155:") else value


def token(key: str, scheme: str, value: str, country: str | None = None) -> str:
    """The blind token of one identifier.

    Args:
        key: the check's, a `BlindKey`.
        scheme: see `normalised`.
        value: likewise.
        country: ISO 3166-1 alpha-3; needed by the schemes of `NEEDS_COUNTRY`, and no part of the token for others.

    Raises:
        ValueError: see `normalised`; the country is needed and missing; or the key is no key.
    """
    if scheme in NEEDS_COUNTRY and country is None:
        raise ValueError("expected the country that issued it, for an identifier of this scheme, found none")
    issuer = (country or "") if scheme in NEEDS_COUNTRY else ""
    parts = (_CONTEXT, scheme.encode(), issuer.encode(), normalised(scheme, value).encode("ascii"))
    made = hmac.new(unb64u(key, KEY_SIZE), b"\0".join(parts), hashlib.sha256).digest()
    return b64u(made[:TOKEN_SIZE])


def tokens(key: str, identifiers: Iterable[Identifier]) -> tuple[str, ...]:
    """The tokens of identifiers, each once and in ascending order, so that their place tells nothing.

    Raises:
        ValueError: see `token`.
    """
    return tuple(sorted({token(key, each.scheme, each.value, each.country) for each in identifiers}))
