"""The envelope's shape: header, recipients, signatures. The recipes that make and check it are broker.envelope.

The wire format is `schemas/spec/packet.md`.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, field_validator

from schemas.act import MAX_SOURCES, Act
from schemas.base import AgencyId, Digest, Kid, Kind, Model, Seconds, Uuid7, UuidText
from schemas.handling import Handling

MEDIA_TYPE = "application/vnd.setu.packet+json"
VERSION = "setu1"
MAX_RECIPIENTS = 64

B64u = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_-]+$")]


class SuiteName(StrEnum):
    """A realm fixes one; nothing is negotiated."""

    HYBRID_768 = "hybrid-768"
    HYBRID_1024 = "hybrid-1024"


class Precedence(StrEnum):
    """How soon a person should look."""

    ROUTINE = "ROUTINE"
    PRIORITY = "PRIORITY"
    IMMEDIATE = "IMMEDIATE"
    FLASH = "FLASH"


class Audience(Model):
    """`realm`: base64url SHA-384 of the first TUF root; `gateway`: the agency id of one ledger."""

    realm: Digest
    gateway: AgencyId


class Addressee(Model):
    """A reader and the key of its that the content key is wrapped to."""

    agency: AgencyId
    kid: Kid


class Header(Model):
    """HDR: signed and in clear. Its RFC 8785 bytes are the JWE's `aad`.

    act: what the packet does to an exchange (`schemas.act`); absent where it does nothing.
    sources: digests of the packets whose content went into this one, 1 to 16, none twice; absent where none did.
    """

    v: Literal["setu1"]
    id: Uuid7
    aud: Audience
    from_: Annotated[AgencyId, Field(alias="from")]
    to: Annotated[tuple[Addressee, ...], Field(min_length=1, max_length=MAX_RECIPIENTS + 1)]
    suite: SuiteName
    kind: Kind
    kind_version: Annotated[int, Field(ge=1, le=999)]
    handling: Handling
    precedence: Precedence
    exercise: bool
    thread: UuidText
    in_reply_to: Digest | None = None
    act: Act | None = None
    sources: Annotated[tuple[Digest, ...], Field(min_length=1, max_length=MAX_SOURCES)] | None = None
    iat: Seconds
    exp: Seconds
    commitment: Digest
    sig: tuple[Kid, Kid]

    @field_validator("sources")
    @classmethod
    def _once(cls, sources: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if sources is not None and len(set(sources)) != len(sources):
            raise ValueError("expected each source once, found one twice; name it once")
        return sources

    def recipients(self) -> tuple[Addressee, ...]:
        """Who the packet is delivered to: all of `to` but the gateway, which is a reader and no recipient."""
        return tuple(each for each in self.to if each.agency != self.aud.gateway)

    @property
    def open(self) -> bool:
        """True where the gateway is one of the readers (open mode), False where it is not (sealed mode)."""
        return any(each.agency == self.aud.gateway for each in self.to)


class RecipientHeader(Model):
    alg: str
    kid: Kid
    ek: B64u


class Recipient(Model):
    header: RecipientHeader
    encrypted_key: B64u


class Jwe(Model):
    """RFC 7516, section 7.2.1 (general JSON serialisation), strictly profiled."""

    protected: B64u
    aad: B64u
    iv: B64u
    ciphertext: B64u
    tag: B64u
    recipients: Annotated[tuple[Recipient, ...], Field(min_length=1, max_length=MAX_RECIPIENTS + 1)]


class Signature(Model):
    protected: B64u
    signature: B64u


class Jws(Model):
    """RFC 7515, section 7.2.1 (general JSON serialisation), strictly profiled: two signatures, both required."""

    payload: B64u
    signatures: tuple[Signature, Signature]


class Packet(Model):
    jwe: Jwe
    jws: Jws
