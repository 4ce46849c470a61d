"""Kind `pen`: pre-export notification of precursors, from the notice to its clearance, one model for each stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Line, Model, Reference, Text
from schemas.payloads.identifiers import SHAPES
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Address, Consignment, Identifier, Payload, Place, Quantity, Substance
from schemas.payloads.shape import wrong
from schemas.payloads.values import Date

Iec = Annotated[str, SHAPES["in-iec"]]
"""Importer-Exporter Code of the Indian side (Foreign Trade (Development and Regulation) Act 1992, section 7)."""

Ground = Literal[
    "importer-unknown",
    "importer-not-authorised",
    "no-import-permit",
    "quantity-above-need",
    "end-use-unverified",
    "substance-not-permitted",
    "suspected-diversion",
    "incomplete-notice",
    "other",
]
"""Why a shipment is objected to or suspended (1988 Convention, Article 12(9)(c) and (10)); `other` is explained."""


class Trader(Model):
    """An exporter, importer or consignee, with name and address as Article 12(10)(a)(i) asks."""

    name: Line
    address: Address
    identifiers: Annotated[tuple[Identifier, ...], Field(max_length=10)] = ()
    licence: Reference | None = None


class PenStage(Payload):
    """What every stage has. `pen_ref` is the notification's number in PEN Online, which stays the channel of record;
    `authority` the competent national authority that speaks (India: the Narcotics Commissioner; US: DEA).
    """

    pen_ref: Reference
    authority: Line
    remarks: Text | None = None


class PenNotifyV1(PenStage):
    """The notice, by the exporting country's authority, before the export.

    Source: 1988 UN Convention, Article 12(10)(a): (i) name and address of exporter, importer and, when available,
    consignee, (ii) name of the substance, (iii) quantity, (iv) expected point of entry and date of dispatch, (v) other
    information mutually agreed upon. A substance in neither table is notified voluntarily (PEN Online Light).
    """

    stage: Literal["notify"]
    issued_on: Date
    exporter: Trader
    importer: Trader
    consignee: Trader | None = None
    substance: Substance
    point_of_entry: Place
    dispatch_date: Date
    arrival_by: Date | None = None
    response_due: Date
    permit_no: Reference | None = None
    import_permit_no: Reference | None = None
    end_use: Line
    iec: Iec | None = None
    consignment: Consignment | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.response_due < self.issued_on:
            wrong("response_due", "expected a date on or after issued_on; correct it")
        if self.dispatch_date < self.response_due:
            wrong("dispatch_date", "expected a date on or after response_due: the answer comes before the export")
        if self.arrival_by is not None and self.arrival_by < self.dispatch_date:
            wrong("arrival_by", "expected a date on or after dispatch_date; correct it")
        return self

    @model_validator(mode="after")
    def _what_the_article_asks(self) -> Self:
        if self.substance.quantity is None:
            wrong("substance/quantity", "expected the quantity to be exported; add it")
        if self.substance.cas is None:
            wrong("substance/cas", "expected the substance's CAS number beside its name; add it")
        if self.substance.un_list not in (None, "1988-I", "1988-II"):
            wrong("substance/un_list", "expected a table of the 1988 Convention; drugs need permits of 1961 or 1971")
        if self.exporter.address.country == self.importer.address.country:
            wrong("importer/address/country", "expected another country than the exporter's; correct it")
        if self.point_of_entry.country == self.exporter.address.country:
            wrong("point_of_entry/country", "expected a country other than the exporter's; correct it")
        return self


class PenAcknowledgeV1(PenStage):
    """The importing country's authority has the notice (Article 12(10)(a)) and looks into it; no answer yet."""

    stage: Literal["acknowledge"]
    received_on: Date
    answer_by: Date | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.answer_by is not None and self.answer_by < self.received_on:
            wrong("answer_by", "expected a date on or after received_on; correct it")
        return self


class PenObjectV1(PenStage):
    """The importing country's authority objects: the export must not go ahead (Article 12(9)(c), 12(10))."""

    stage: Literal["object"]
    decided_on: Date
    ground: Ground
    explanation: Text


class PenNoObjectionV1(PenStage):
    """The importing country's authority does not object to a notice of Article 12(10)(a), where it wishes under
    conditions or up to a quantity.
    """

    stage: Literal["no-objection"]
    decided_on: Date
    import_permit_no: Reference | None = None
    quantity: Quantity | None = None
    valid_until: Date | None = None
    conditions: Text | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.decided_on:
            wrong("valid_until", "expected a date on or after decided_on; correct it")
        return self


class PenSuspendV1(PenStage):
    """Either authority holds the shipment while facts are checked, with a date to look at it again, so that lawful
    trade is not held for ever (Article 12(9)(c)).
    """

    stage: Literal["suspend"]
    decided_on: Date
    ground: Ground
    explanation: Text
    review_on: Date
    held_at: Place | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.review_on < self.decided_on:
            wrong("review_on", "expected a date on or after decided_on; correct it")
        return self


class PenClearedV1(PenStage):
    """An objection or suspension is lifted, for Article 12 is not to hinder lawful trade: the shipment may go, whole or
    in part.
    """

    stage: Literal["cleared"]
    decided_on: Date
    lifts: Literal["object", "suspend"]
    explanation: Text
    quantity: Quantity | None = None


PenV1 = Annotated[
    PenNotifyV1 | PenAcknowledgeV1 | PenObjectV1 | PenNoObjectionV1 | PenSuspendV1 | PenClearedV1,
    Field(discriminator="stage"),
]
"""The model for the stage its member `stage` names."""

KIND = PayloadKind("pen", "Pre-export notification of precursors, from the notice to its clearance", {1: PenV1})
