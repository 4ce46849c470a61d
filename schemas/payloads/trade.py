"""Lawful trade, for the kinds that watch it: registrants, products, lots of goods, and what holding them costs."""

from decimal import Decimal as Number
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.act import Hours
from schemas.base import Line, Model, Reference, Text
from schemas.payloads.identifiers import Batch, Gtin
from schemas.payloads.parts import Address, Identifier, Quantity, Substance
from schemas.payloads.shape import wrong
from schemas.payloads.values import Date, Label, Time, seconds

Business = Annotated[
    Literal[
        "manufacturer",
        "distributor",
        "exporter",
        "importer",
        "broker",
        "carrier",
        "pharmacy",
        "hospital-clinic",
        "practitioner",
        "laboratory",
        "online-seller",
        "other",
    ],
    Field(description="Principal business: as DEA Form 106 (21 CFR 1301.76(b)) asks, and the trades of Article 12"),
]
"""What somebody in lawful trade does."""

LICENCES = ("dea-registration", "in-ndps-urn")
"""The schemes of `Identifier` that are licences to handle what is controlled."""


class Registrant(Model):
    """Somebody who may lawfully handle what is controlled, with the licence that says so.

    Sources: 21 CFR part 1301 and 1309 (scheme `dea-registration`, with its check digit); India's NDPS (Regulation of
    Controlled Substances) Order 2013 (scheme `in-ndps-urn`, the unique registration number). Any other licence, such
    as a state's drug licence, is a free `licence_ref`. A practitioner is a `person`, which is personal data.
    """

    kind: Literal["organisation", "person"]
    name: Line
    address: Address
    business: Business
    licences: Annotated[tuple[Identifier, ...], Field(max_length=5)] = ()
    licence_ref: Reference | None = None

    @model_validator(mode="after")
    def _licensed(self) -> Self:
        for place, licence in enumerate(self.licences):
            if licence.scheme not in LICENCES:
                wrong(f"licences/{place}/scheme", f"expected a licence: {' or '.join(LICENCES)}; correct it")
        if not self.licences and self.licence_ref is None:
            wrong("licences", "expected a DEA registration, an NDPS URN or a licence_ref, found none; add one")
        return self


class Product(Model):
    """A finished product as it is traded. Sources: ISO 11615 (a medicinal product's name, manufacturer and active
    substances); GTIN of the GS1 General Specifications. A quantity in an active substance is that of one piece: its
    strength.
    """

    name: Label
    manufacturer: Line | None = None
    gtin: Gtin | None = None
    active: Annotated[tuple[Substance, ...], Field(min_length=1, max_length=10)]


class Lot(Model):
    """Goods of one batch: a substance, or a finished product. `quantity` is how much the packet is about (seized,
    ordered, shipped, held in stock), `quantity_missing` how much of it is missing from lawful trade, in the same unit.
    Sources: 1988 Convention, Article 12(12); UNECE Recommendation 20; batch and dates as GS1 identifiers 10, 11, 17.
    """

    substance: Substance | None = None
    product: Product | None = None
    batch: Batch | None = None
    made_on: Date | None = None
    expires_on: Date | None = None
    quantity: Quantity | None = None
    quantity_missing: Quantity | None = None

    @model_validator(mode="after")
    def _one_thing(self) -> Self:
        if (self.substance is None) == (self.product is None):
            wrong("substance", "expected either a substance or a product, found both or neither; give one")
        if self.substance is not None and self.substance.quantity is not None:
            wrong("substance/quantity", "expected the quantity beside the substance, as the lot's; move it there")
        if self.made_on is not None and self.expires_on is not None and self.expires_on <= self.made_on:
            wrong("expires_on", "expected a date after made_on; exchange or correct the two")
        return self

    @model_validator(mode="after")
    def _no_more_missing_than_there_was(self) -> Self:
        if self.quantity is not None and self.quantity_missing is not None:
            if self.quantity.unit != self.quantity_missing.unit:
                wrong("quantity_missing/unit", "expected the unit of quantity; convert it")
            if exceeds(self.quantity_missing, self.quantity):
                wrong("quantity_missing/value", "expected no more than quantity; correct it")
        return self


class AffectedParty(Model):
    """Somebody in lawful trade whom a measure affects, and how; no natural person's name is needed here. Source: WTO
    Agreement on Trade Facilitation, Article 7 (release and clearance).
    """

    business: Business
    name: Label | None = None
    effect: Text | None = None


class TradeImpact(Model):
    """What a measure costs lawful trade, which it is not to hinder more than it must: how long goods are held, whom
    that affects, and when they were let go. `delay_hours` counts whole hours, begun ones left out: from `held_from`
    to `released_at`, or, while they are held, to when this was written.

    Sources: WTO Agreement on Trade Facilitation, Article 7(6) (release times are measured); 1988 Convention, Article
    12(8) and (9), which control lawful trade and do not forbid it.
    """

    held_from: Time
    delay_hours: Hours
    parties_affected: Annotated[tuple[AffectedParty, ...], Field(min_length=1, max_length=50)]
    released_at: Time | None = None

    @model_validator(mode="after")
    def _as_long_as_it_was(self) -> Self:
        if self.released_at is not None:
            if self.released_at < self.held_from:
                wrong("released_at", "expected a time at or after held_from; exchange or correct the two")
            if self.delay_hours != (seconds(self.released_at) - seconds(self.held_from)) // 3600:
                wrong("delay_hours", "expected the whole hours from held_from to released_at; correct it")
        return self


def exceeds(one: Quantity, other: Quantity) -> bool:
    """Whether `one` is more than `other`, which is in the same unit."""
    return Number(one.value) > Number(other.value)
