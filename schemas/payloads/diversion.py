"""Kind `diversion`: what leaves lawful trade, or was about to, one model for each type of incident."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import Line, Model, Reference, Text
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Consignment, Evaluation, Party, Payload, Place, Substance, persons, unique_refs
from schemas.payloads.pen_parts import Ground, Trader
from schemas.payloads.shape import wrong
from schemas.payloads.trade import Lot, Registrant, TradeImpact
from schemas.payloads.values import Date, Label

Point = Annotated[
    Literal[
        "manufacture",
        "storage",
        "wholesale",
        "transport",
        "export",
        "transit",
        "import",
        "retail",
        "dispensing",
        "online-sale",
        "disposal",
        "illicit-site",
    ],
    Field(description="Where in the supply chain it was noticed: 1988 Convention, Article 12(8) and (9), and beyond"),
]
"""A point of the supply chain; `illicit-site` is outside of it."""

Method = Annotated[
    Literal[
        "forged-licence",
        "front-company",
        "hijacked-identity",
        "false-end-use",
        "misdeclaration",
        "mislabelling",
        "over-ordering",
        "order-splitting",
        "forged-prescription",
        "over-prescribing",
        "collusion",
        "smuggling",
        "other",
    ],
    Field(description="Method of diversion: what 1988 Convention, Article 12(12)(c), asks parties to report"),
]
"""How it is, or was to be, taken out of lawful trade; `other` is explained in the summary."""

Loss = Annotated[
    Literal[
        "break-in",
        "armed-robbery",
        "employee-pilferage",
        "customer-theft",
        "hijacking",
        "lost-in-transit",
        "packaging-discrepancy",
        "other",
    ],
    Field(description="Type of theft or loss: DEA Form 106 (21 CFR 1301.76(b))"),
]

Activity = Annotated[
    Literal["synthesis", "extraction", "conversion", "cutting", "tableting", "packaging", "storage", "dumping"],
    Field(description="What is done at an illicit site: illicit manufacture, 1988 Convention, Article 3(1)(a)"),
]

Indicator = Annotated[
    Literal[
        "unusual-size",
        "unusual-pattern",
        "unusual-frequency",
        "unusual-payment",
        "unusual-delivery",
        "unknown-customer",
        "end-use-unexplained",
        "other",
    ],
    Field(
        description=(
            "Why an order is suspicious: size, pattern and frequency as 21 CFR 1301.74(b), payment and delivery as "
            "21 USC 830(b)(1)(A)"
        )
    ),
]


class ChannelRef(Model):
    """The incident in a channel of record, which stays that: INCB's PICS (precursors), IONICS (new psychoactive
    substances) and PEN Online (1988 Convention, Article 12), Interpol's I-24/7, Egmont Secure Web.
    """

    channel: Literal["PICS", "IONICS", "PEN-ONLINE", "I-24/7", "EGMONT"]
    reference: Reference


class Incident(Payload):
    """What every type has. `lots` are what it is about; `authority` is who reports; `detected_on` is a date of the
    place. Where lawful trade is held up, `legitimate_trade_impact` says for how long and whom that affects.
    """

    authority: Line
    summary: Text
    detected_on: Date
    occurred_on: Date | None = None
    detected_point: Point
    place: Place
    lots: Annotated[tuple[Lot, ...], Field(min_length=1, max_length=50)]
    parties: Annotated[tuple[Party, ...], Field(max_length=100)] = ()
    evaluation: Evaluation | None = None
    channel_refs: Annotated[tuple[ChannelRef, ...], Field(max_length=10)] = ()
    legitimate_trade_impact: TradeImpact | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.occurred_on is not None and self.detected_on < self.occurred_on:
            wrong("detected_on", "expected a date on or after occurred_on; exchange or correct the two")
        unique_refs("parties", [party.ref for party in self.parties])
        return self

    def registrants(self) -> tuple[tuple[str, Registrant], ...]:
        """The member names and values of this type's registrants."""
        return ()

    def people(self) -> tuple[str, ...]:
        holders = tuple(f"/{member}" for member, each in self.registrants() if each.kind == "person")
        return (*holders, *persons("parties", self.parties))

    def each_lot_has(self, *members: str) -> None:
        """Refuse a lot that lacks one of these."""
        for place, lot in enumerate(self.lots):
            for member in members:
                if getattr(lot, member) is None:
                    wrong(f"lots/{place}/{member}", "expected how much, with its unit, found none; add it")

    def nothing_is_missing(self) -> None:
        """Refuse a missing quantity, where nothing has left lawful trade."""
        for place, lot in enumerate(self.lots):
            if lot.quantity_missing is not None:
                wrong(f"lots/{place}/quantity_missing", "expected none: nothing is missing; remove it or change type")


class DiversionSeizureV1(Incident):
    """Diverted goods, or chemicals for illicit manufacture, were seized; reported for where they came from. What an
    agency seizes of drugs is a packet of kind `seizure`.

    Source: 1988 UN Convention, Article 12(12)(a) (amounts seized and, when known, their origin), and Article 12(9)(b).
    """

    type: Literal["seizure"]
    seizure_ref: Reference | None = None
    suspected_origin: Place | None = None
    consignment: Consignment | None = None

    @model_validator(mode="after")
    def _weighed(self) -> Self:
        self.each_lot_has("quantity")
        return self


class DiversionStoppedShipmentV1(Incident):
    """An authority stopped a shipment between two countries on a ground of suspicion, to be looked at again on
    `review_on`: lawful trade is not held for ever, so what the stop costs it is part of the notice.

    Source: 1988 UN Convention, Article 12(9)(c) (reason to believe that an import, export or transit is destined for
    illicit manufacture). `pen_ref` is the notification's number in PEN Online.
    """

    type: Literal["stopped-shipment"]
    stopped_on: Date
    review_on: Date
    ground: Ground
    exporter: Trader
    importer: Trader
    consignment: Consignment
    pen_ref: Reference | None = None
    legitimate_trade_impact: TradeImpact

    @model_validator(mode="after")
    def _held_for_a_time(self) -> Self:
        if self.stopped_on < self.detected_on:
            wrong("stopped_on", "expected a date on or after detected_on; correct it")
        if self.review_on < self.stopped_on:
            wrong("review_on", "expected a date on or after stopped_on; correct it")
        self.each_lot_has("quantity")
        self.nothing_is_missing()
        return self


class DiversionAttemptV1(Incident):
    """Somebody tried to take goods out of lawful trade, and it was noticed in time: nothing is missing. `holder` is
    the registrant it was tried on.

    Source: 1988 UN Convention, Article 12(9)(a) (suspicious transactions) and 12(12)(c) (methods).
    """

    type: Literal["attempted-diversion"]
    method: Method
    holder: Registrant
    how_noticed: Text

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        self.each_lot_has("quantity")
        self.nothing_is_missing()
        return self

    def registrants(self) -> tuple[tuple[str, Registrant], ...]:
        return (("holder", self.holder),)


class DiversionCompletedV1(Incident):
    """Goods have left lawful trade. `holder` is the last registrant who had them, `found_at` where they came to light.

    Source: 1988 UN Convention, Article 12(1) (measures to prevent diversion) and 12(12)(c).
    """

    type: Literal["diversion"]
    method: Method
    holder: Registrant
    found_at: Place | None = None

    @model_validator(mode="after")
    def _something_is_missing(self) -> Self:
        self.each_lot_has("quantity_missing")
        return self

    def registrants(self) -> tuple[tuple[str, Registrant], ...]:
        return (("holder", self.holder),)


class DiversionTheftV1(Incident):
    """A registrant's goods were stolen or lost. `police_ref` is the report to the police.

    Sources: DEA Form 106, 21 CFR 1301.76(b); for listed chemicals 21 CFR 1310.05; 1988 UN Convention, Article
    12(1). As that form asks, what was lost or taken on the road names its `carrier`.
    """

    type: Literal["theft"]
    loss: Loss
    holder: Registrant
    carrier: Label | None = None
    police_ref: Reference | None = None

    @model_validator(mode="after")
    def _what_the_form_asks(self) -> Self:
        self.each_lot_has("quantity_missing")
        if self.loss in ("lost-in-transit", "hijacking") and self.carrier is None:
            wrong("carrier", "expected the carrier of what was lost or taken on the way, found none; add it")
        return self

    def registrants(self) -> tuple[tuple[str, Registrant], ...]:
        return (("holder", self.holder),)


class DiversionIllicitLabV1(Incident):
    """A place of illicit manufacture was found. `lots` are the chemicals found there,
    `made` the substances made, `hazards` what whoever goes there must know.

    Source: 1988 UN Convention, Article 3(1)(a)(i) and (iv), Article 13 (equipment) and Article 12(12)(b) and (c).
    """

    type: Literal["illicit-lab"]
    activities: Annotated[tuple[Activity, ...], Field(min_length=1, max_length=8)]
    made: Annotated[tuple[Substance, ...], Field(max_length=20)] = ()
    equipment: Annotated[tuple[Line, ...], Field(max_length=50)] = ()
    hazards: Text | None = None

    @model_validator(mode="after")
    def _at_a_site(self) -> Self:
        if len(set(self.activities)) != len(self.activities):
            wrong("activities", "expected each activity once, found one twice; name it once")
        if self.detected_point != "illicit-site":
            wrong("detected_point", "expected illicit-site: a laboratory is no point of lawful trade; correct it")
        self.each_lot_has("quantity")
        return self


class DiversionSuspiciousOrderV1(Incident):
    """A registrant's customer ordered what does not fit its business. What became of the order is `disposition`; an
    order that is `held` says what that costs, for most orders are lawful.

    Sources: 21 CFR 1301.74(b) and 21 USC 832 (suspicious orders); 21 USC 830(b)(1)(A) (transactions in listed
    chemicals); 1988 UN Convention, Article 12(9)(a).
    """

    type: Literal["suspicious-order"]
    supplier: Registrant
    customer: Trader
    ordered_on: Date
    order_ref: Reference | None = None
    indicators: Annotated[tuple[Indicator, ...], Field(min_length=1, max_length=8)]
    disposition: Literal["refused", "held", "filled"]

    @model_validator(mode="after")
    def _an_order(self) -> Self:
        if self.detected_on < self.ordered_on:
            wrong("detected_on", "expected a date on or after ordered_on; exchange or correct the two")
        if len(set(self.indicators)) != len(self.indicators):
            wrong("indicators", "expected each indicator once, found one twice; name it once")
        self.each_lot_has("quantity")
        self.nothing_is_missing()
        if self.disposition == "held" and self.legitimate_trade_impact is None:
            wrong("legitimate_trade_impact", "expected what holding the order costs lawful trade, found none; add it")
        return self

    def registrants(self) -> tuple[tuple[str, Registrant], ...]:
        return (("supplier", self.supplier),)


DiversionV1 = Annotated[
    DiversionSeizureV1
    | DiversionStoppedShipmentV1
    | DiversionAttemptV1
    | DiversionCompletedV1
    | DiversionTheftV1
    | DiversionIllicitLabV1
    | DiversionSuspiciousOrderV1,
    Field(discriminator="type"),
]
"""The model for the incident its member `type` names: INCB's types of incident in PICS, and suspicious orders."""


KIND = PayloadKind("diversion", "Goods that left lawful trade, or were about to", {1: DiversionV1})
