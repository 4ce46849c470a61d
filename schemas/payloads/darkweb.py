"""Kind `darkweb`: what is offered for sale on a market, a messenger or a social network, as it was captured."""

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Line, Model, Reference, Sha256Hex, Text
from schemas.payloads.accounts import Asset, Caip10
from schemas.payloads.identifiers import SHAPES
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Evaluation, Payload, Quantity, Substance
from schemas.payloads.shape import Shape, wrong
from schemas.payloads.values import CountryCode, Date, Label, Positive, Time, surely_after

Handle = Annotated[str, SHAPES["handle"]]
Onion = Annotated[str, SHAPES["onion"]]
PgpFingerprint = Annotated[str, SHAPES["pgp"]]

Site = Annotated[
    str,
    Shape(
        r"([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.){1,8}([a-z]{2,24}|xn--[a-z0-9-]{2,59})",
        "a host name in lower case like shop.example.org, not an onion address",
        lambda text: not text.endswith(".onion"),
    ),
]
"""A host on the open web (RFC 1123, section 2.1); a name in another script as its A-label (RFC 5890)."""

Platform = Annotated[
    Literal["onion-market", "web-market", "messenger", "social"],
    Field(
        description="where it was seen: a market behind an onion service, a market on the open web, a messenger, "
        "a social network"
    ),
]

NEEDED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "onion-market": ("market", "onion", "vendor_handle"),
        "web-market": ("market", "site", "vendor_handle"),
        "messenger": ("service", "account_id"),
        "social": ("service", "account_id"),
    }
)
"""Platform -> the members by which others find the offer again."""

ONLY: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "market": ("onion-market", "web-market"),
        "onion": ("onion-market",),
        "site": ("web-market",),
        "service": ("messenger", "social"),
        "topic": ("messenger", "social"),
    }
)
"""Member -> the platforms that have such a thing."""


class Listing(Model):
    """The offer in its own words. `sha256` (FIPS 180-4) is of the UTF-8 bytes of `text` as it stands here, so that
    two agencies see at once whether they captured the same words. The page itself is a file in `evidence`.
    """

    title: Line | None = None
    text: Text
    sha256: Sha256Hex

    @model_validator(mode="after")
    def _of_its_text(self) -> Self:
        if hashlib.sha256(self.text.encode()).hexdigest() != self.sha256:
            wrong("sha256", "expected the SHA-256 of the UTF-8 text beside it, found another; compute it again")
        return self


class Price(Model):
    """What is asked: `amount` in whole units of `asset` (ISO 4217, or CAIP-19), for `per` if that is said."""

    amount: Positive
    asset: Asset
    per: Quantity | None = None


class Offer(Model):
    """One thing on offer: the substance it is thought to be (the CAS number where it is advertised or known), under
    the name it goes by there, at what prices (ISO 4217 or CAIP-19). What arrives in the post may be something else.
    """

    substance: Substance
    advertised_as: Label | None = None
    prices: Annotated[tuple[Price, ...], Field(max_length=20)] = ()


class DarkwebV1(Payload):
    """An offer of drugs, precursors or counterfeit medicines online.

    `platform` chooses what else is needed: `onion-market` has market, onion (version 3) and vendor_handle;
    `web-market` market, site and vendor_handle; `messenger` and `social` the service's name and account_id, and the
    group, channel or hashtag as `topic`. `account_id` is the platform's own, which stays when a handle is changed;
    `pgp_fingerprint` (RFC 9580, section 5.5.4) is of the key by which customers know the vendor again elsewhere.
    A vendor is an account holder: such a payload is always about a person.

    Sources: 1988 UN Convention, Articles 3(1)(c)(iii) (publicly inciting) and 9; Tor rend-spec-v3 (onion addresses).
    """

    platform: Platform
    market: Label | None = None
    onion: Onion | None = None
    site: Site | None = None
    service: Label | None = None
    topic: Line | None = None
    account_id: Handle | None = None
    vendor_handle: Handle | None = None
    pgp_fingerprint: PgpFingerprint | None = None
    captured_at: Time
    listed_since: Date | None = None
    listing_ref: Reference | None = None
    listing: Listing
    offers: Annotated[tuple[Offer, ...], Field(min_length=1, max_length=50)]
    ships_from: Annotated[tuple[CountryCode, ...], Field(max_length=20)] = ()
    ships_to: Annotated[tuple[CountryCode, ...], Field(max_length=250)] = ()
    ships_worldwide: bool | None = None
    payment_accounts: Annotated[tuple[Caip10, ...], Field(max_length=50)] = ()
    evaluation: Evaluation | None = None
    assessment: Text | None = None

    @model_validator(mode="after")
    def _of_its_platform(self) -> Self:
        for member, platforms in ONLY.items():
            if getattr(self, member) is not None and self.platform not in platforms:
                wrong(
                    member, f"expected this only with platform {' or '.join(platforms)}; remove it or correct platform"
                )
        for member in NEEDED[self.platform]:
            if getattr(self, member) is None:
                wrong(member, f"expected this for platform {self.platform}, found none; add it")
        return self

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.listed_since is not None and surely_after(self.listed_since, self.captured_at):
            wrong("listed_since", "expected a date not after captured_at; exchange or correct the two")
        for member in ("ships_from", "ships_to", "payment_accounts"):
            given = getattr(self, member)
            if len(set(given)) != len(given):
                wrong(member, "expected each once, found one twice; name it once")
        if self.ships_worldwide and self.ships_to:
            wrong("ships_to", "expected no countries where it ships worldwide; remove them, or ships_worldwide")
        return self

    def people(self) -> tuple[str, ...]:
        return tuple(f"/{member}" for member in ("vendor_handle", "account_id") if getattr(self, member) is not None)


KIND = PayloadKind(
    "darkweb", "An offer on a market, a messenger or a social network, as it was captured", {1: DarkwebV1}
)
