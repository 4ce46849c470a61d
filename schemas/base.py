"""The model all others extend, and the types that occur in many of them: ids, digests, times, text."""

import re
import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Any, ClassVar, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from schemas.canonical import MAX_SAFE_INTEGER, MalformedBase64Error, canonical, parse, unb64u


class Model(BaseModel):
    """Frozen, strict, without members that are not named. Absent optional members are left out, never null."""

    model_config: ClassVar[ConfigDict] = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        populate_by_name=True,
        hide_input_in_errors=True,
        ser_json_inf_nan="strings",
    )

    @classmethod
    def from_json(cls, raw: bytes) -> Self:
        """Read strict JSON (`schemas.canonical.parse`) as this model.

        Raises:
            MalformedJsonError: the bytes are not strict JSON.
            pydantic.ValidationError: the JSON is not this model.
        """
        parse(raw)
        return cls.model_validate_json(raw, by_alias=True, by_name=False)

    @classmethod
    def from_object(cls, value: object) -> Self:
        """Read an object of JSON types as this model; raises pydantic.ValidationError or ValueError."""
        return cls.model_validate_json(canonical(value), by_alias=True, by_name=False)

    def to_object(self) -> dict[str, Any]:
        """The object of JSON types, without absent members."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)

    def canonical(self) -> bytes:
        """The RFC 8785 bytes."""
        return canonical(self.to_object())


def plain_text(text: str) -> str:
    """Free text as it is allowed everywhere; raises ValueError, which says what was expected and quotes nothing."""
    if text.isascii() and not _CONTROL.search(text):
        return text
    if unicodedata.normalize("NFC", text) != text:
        raise ValueError("expected text in Unicode normalisation form C; normalise it before sending")
    for character in set(text) - {"\n", "\t"}:
        if unicodedata.category(character) in _UNSEEN or character in _BIDI or character >= "\U000e0000":
            raise ValueError("expected text without control or bidirectional characters, found one; remove it")
    return text


_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UNSEEN = frozenset({"Cc", "Cs", "Co", "Cn", "Zl", "Zp"})
_BIDI = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def _b64_of(size: int) -> AfterValidator:
    def check(text: str) -> str:
        try:
            unb64u(text, size)
        except MalformedBase64Error as error:
            raise ValueError(str(error)) from None
        return text

    return AfterValidator(check)


AgencyId = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]{2}-[a-z0-9]+(-[a-z0-9]+)*$", max_length=32),
    Field(description="an agency's id like us-dea"),
]
"""ISO 3166-1 alpha-2 country (lower case), a hyphen, the agency: `in-ncb`, `us-dea`."""

Country = Annotated[
    str, StringConstraints(pattern=r"^[A-Z]{3}$"), Field(description="a country as ISO 3166-1 alpha-3 like IND")
]
"""ISO 3166-1 alpha-3."""

Kind = Annotated[
    str,
    StringConstraints(pattern=r"^[a-z]+(-[a-z]+)*$", max_length=32),
    Field(description="a kind of payload like tip"),
]
Digest = Annotated[str, _b64_of(48), Field(description="a SHA-384 in base64url, 64 characters")]
"""SHA-384, base64url: 64 characters."""

Kid = Annotated[str, _b64_of(32), Field(description="a key's RFC 7638 thumbprint in base64url, 43 characters")]
"""RFC 7638 SHA-256 thumbprint, base64url: 43 characters."""

Sha256Hex = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{64}$"),
    Field(description="a SHA-256 of 64 lower-case hexadecimal digits"),
]
UuidText = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"),
    Field(description="a UUID in lower case"),
]
Uuid7 = Annotated[
    str,
    StringConstraints(pattern=r"^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"),
    Field(description="a UUID of version 7 in lower case"),
]
"""RFC 9562, section 5.7, lower case."""

Seconds = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER, description="whole seconds since 1970-01-01T00:00:00Z")]
"""Whole seconds since 1970-01-01T00:00:00Z."""

Count = Annotated[int, Field(ge=0, le=MAX_SAFE_INTEGER, description="a whole number")]

Line = Annotated[
    str,
    StringConstraints(min_length=1, max_length=200, pattern=r"^[^\n\t]*$"),
    AfterValidator(plain_text),
    Field(description="one line of text in any script"),
]
"""One line of free text: NFC, no control or bidirectional characters, at most 200 characters."""

Text = Annotated[
    str,
    StringConstraints(min_length=1, max_length=20_000),
    AfterValidator(plain_text),
    Field(description="text of any number of lines in any script"),
]
"""Free text: NFC, no control (but newline and tab) or bidirectional characters, at most 20,000 characters."""

Reference = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ./:_#()-]{0,99}$"),
    Field(description="a reference of ASCII letters, digits and ` ./:_#()-`, at most 100 characters"),
]
"""A reference in somebody's files: ASCII letters, digits and ` ./:_#()-`, at most 100 characters."""

MICROSECONDS = re.compile(r"\A[0-9]{4}-[0-9]{2}-[0-9]{2}T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\.[0-9]{6}Z\Z")


def _instant(text: str) -> str:
    if not MICROSECONDS.match(text):
        raise ValueError("expected a UTC time like 2026-01-31T12:00:00.000000Z")
    try:
        datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("expected a time that exists, found one that does not") from None
    return text


Instant = Annotated[str, AfterValidator(_instant), Field(description="a UTC time like 2026-01-31T12:00:00.000000Z")]
"""A UTC instant with microseconds, RFC 3339: `2026-01-31T12:00:00.000000Z`."""


def instant(moment: datetime) -> str:
    """Write an aware datetime as an `Instant`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
