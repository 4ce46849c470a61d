"""What the stages of kind `pen` share: traders, grounds, discrepancies, and what every stage has."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Line, Model, Reference, Text
from schemas.payloads.identifiers import SHAPES
from schemas.payloads.parts import Address, Identifier, Payload, Quantity
from schemas.payloads.shape import Shape, wrong

Iec = Annotated[str, SHAPES["in-iec"]]
"""Importer-Exporter Code of the Indian side (Foreign Trade (Development and Regulation) Act 1992, section 7)."""

FormLetter = Annotated[str, Shape(r"[A-Z]", "the letter of a form like F")]

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


class Discrepancy(Model):
    """In what the goods differ from what was notified or sent (1988 Convention, Article 12(9)(c) and (d)). `quantity`
    is how much is missing (`quantity-short`) or too much (`quantity-over`).
    """

    kinds: Annotated[
        tuple[
            Literal[
                "quantity-short",
                "quantity-over",
                "substance-differs",
                "purity-differs",
                "packaging-damaged",
                "seal-broken",
                "documents-differ",
                "consignee-differs",
                "place-differs",
                "other",
            ],
            ...,
        ],
        Field(min_length=1, max_length=10),
    ]
    quantity: Quantity | None = None
    explanation: Text

    @model_validator(mode="after")
    def _how_much(self) -> Self:
        amounts = {"quantity-short", "quantity-over"} & set(self.kinds)
        if len(set(self.kinds)) != len(self.kinds) or len(amounts) > 1:
            wrong("kinds", "expected each once, and not both quantity-short and quantity-over; keep what holds")
        if amounts and self.quantity is None:
            wrong("quantity", "expected how much is missing or too much, found none; add it")
        if self.quantity is not None and not amounts:
            wrong("quantity", "expected this only with quantity-short or quantity-over; remove it, or add the kind")
        return self


class PenStage(Payload):
    """What every stage has. `pen_ref` is the notification's number in PEN Online, which stays the channel of record;
    `authority` the competent national authority that speaks (India: the Narcotics Commissioner; US: DEA).

    Every stage but `notify` and `moved` is sent in reply to another (the header's `in_reply_to`).
    """

    pen_ref: Reference
    authority: Line
    remarks: Text | None = None

    def replies(self) -> bool:
        return True
