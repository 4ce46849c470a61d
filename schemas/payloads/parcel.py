"""Kind `parcel`: an item in the post or with a carrier, one model for each status: on its way, held, opened, let go."""

from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.act import Act, Asks
from schemas.base import Line, Model, Reference, Text
from schemas.payloads.identifiers import S10
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Confidence, Money, Party, Payload, Place, Quantity, Substance, Tracking
from schemas.payloads.shape import wrong
from schemas.payloads.trade import TradeImpact
from schemas.payloads.values import CountryCode, Date, Due, HsDeclared, Label, Positive, Time, seconds

Event = Annotated[
    Literal[
        "EMA",
        "EMB",
        "EXA",
        "EXB",
        "EXC",
        "EXD",
        "EXX",
        "EMC",
        "EMJ",
        "EMK",
        "EMD",
        "EDA",
        "EDB",
        "EME",
        "EDC",
        "EMF",
        "EMG",
        "EMH",
        "EMI",
    ],
    Field(
        description=(
            "Tracking event of the UPU's EMSEVT message: EMA posted; EMB at, EMC left the outward office of exchange; "
            "EXA presented to, EXB held by, EXC back from export customs; EXD held there, EXX export cancelled; EMJ "
            "at, EMK left a transit office; EMD at, EDA held at the inward office; EDB presented to, EME held by, EDC "
            "back from import customs; EMF left the inward office; EMG at the delivery office; EMH not delivered; EMI "
            "delivered"
        )
    ),
]

Ground = Annotated[
    Literal[
        "lookout",
        "listed-sender",
        "misdeclaration",
        "no-declaration",
        "scan",
        "detector-dog",
        "odour-or-leak",
        "no-licence",
        "other",
    ],
    Field(description="Why an item is held; scan: X-ray or another image; lookout: an agency asked; other: explained"),
]


class TrackingEvent(Model):
    """What happened to the item, when and where. Source: UPU's EMSEVT message (item tracking events)."""

    event: Event
    at: Time
    place: Place | None = None


class Weight(Model):
    """A weight in kilograms or grams (UNECE Recommendation 20: KGM, GRM), as customs declarations state it."""

    value: Positive
    unit: Literal["KGM", "GRM"]


class Contents(Model):
    """A line of the declaration, as it was declared. Source: UPU forms CN 22 and CN 23: description, quantity, net
    weight, value, HS tariff number and country of origin of the goods.
    """

    description: Line
    quantity: Quantity | None = None
    net_weight: Weight | None = None
    value: Money | None = None
    hs: HsDeclared | None = None
    origin: CountryCode | None = None


class Declaration(Model):
    """The customs declaration as it stands on the item, mistakes and lies included: nothing holds its lines to its
    totals or to what was found, for where they differ, that is the intelligence.

    Source: Universal Postal Convention (UPU) and its Regulations, forms CN 22 (small letter-post items) and CN 23,
    whose categories of item these are.
    """

    form: Literal["CN22", "CN23"]
    category: Literal["gift", "documents", "sale-of-goods", "commercial-sample", "returned-goods", "other"]
    explanation: Line | None = None
    contents: Annotated[tuple[Contents, ...], Field(min_length=1, max_length=50)]
    total_weight: Weight | None = None
    total_value: Money | None = None
    licence_no: Reference | None = None
    certificate_no: Reference | None = None
    invoice_no: Reference | None = None
    signed_on: Date | None = None


class RealSender(Model):
    """Who is thought to have sent the item, whatever is printed on it, and how sure that is (ICD 203)."""

    party: Party
    confidence: Confidence
    basis: Text


class Parcel(Payload):
    """What every status has. An item is known by its S10 number or a carrier's. `shipper_of_record` is the sender as
    printed, `drop_shipper` who forwarded it under another's name, `order_ref` and `platform` where it was ordered.

    Where an action is requested, `answer_by` may say until when an answer is needed; then the packet asks for one.
    Sources: UPU standard S10; 1988 UN Convention, Article 19 (the use of the mails).
    """

    s10: S10 | None = None
    tracking: Tracking | None = None
    posted_on: Date | None = None
    origin: Place
    destination: Place
    events: Annotated[tuple[TrackingEvent, ...], Field(max_length=100)] = ()
    declaration: Declaration | None = None
    shipper_of_record: Party
    real_sender: RealSender | None = None
    drop_shipper: Party | None = None
    addressee: Party | None = None
    order_ref: Reference | None = None
    platform: Label | None = None
    remarks: Text | None = None
    action_requested: str
    answer_by: Due | None = None

    @model_validator(mode="after")
    def _one_item(self) -> Self:
        if self.s10 is None and self.tracking is None:
            wrong("s10", "expected an S10 number or a carrier's tracking, found neither; add one")
        for place, (one, other) in enumerate(pairwise(self.events), start=1):
            if other.at < one.at:
                wrong(f"events/{place}/at", "expected a time at or after that of the event before; put them in order")
        if self.answer_by is not None and self.action_requested == "none":
            wrong("answer_by", "expected no time where no action is requested; remove it, or request an action")
        return self

    def answered_after(self, member: str, time: str) -> None:
        """Refuse an answer that is due before what it answers has happened."""
        if self.answer_by is not None and self.answer_by < time:
            wrong("answer_by", f"expected a time at or after {member}; correct it")

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return None if self.answer_by is None else Asks(does="asks", due=seconds(self.answer_by))

    def people(self) -> tuple[str, ...]:
        named = (
            ("/shipper_of_record", self.shipper_of_record),
            ("/real_sender/party", self.real_sender.party if self.real_sender else None),
            ("/drop_shipper", self.drop_shipper),
            ("/addressee", self.addressee),
        )
        return tuple(at for at, each in named if each is not None and each.kind in ("person", "account-holder"))


class ParcelInTransitV1(Parcel):
    """The item is on its way: where it was last is the last of `events`, which are those of the UPU's EMSEVT."""

    status: Literal["in-transit"]
    events: Annotated[tuple[TrackingEvent, ...], Field(min_length=1, max_length=100)]
    expected_on: Date | None = None
    action_requested: Literal["none", "watch", "detain", "examine", "controlled-delivery"]

    @model_validator(mode="after")
    def _expected_after_posting(self) -> Self:
        if self.posted_on is not None and self.expected_on is not None and self.expected_on < self.posted_on:
            wrong("expected_on", "expected a date on or after posted_on; exchange or correct the two")
        return self


class ParcelDetainedV1(Parcel):
    """The item is held, unopened, until `review_by` at the latest somebody decides: mail is not held for ever.

    Source: 1988 UN Convention, Article 19(2)(b) (inspection of the mails, with respect for their confidentiality).
    """

    status: Literal["detained"]
    detained_at: Time
    detained_by: Line
    held_at: Place
    ground: Ground
    explanation: Text | None = None
    review_by: Time
    action_requested: Literal["none", "hold", "examine", "release", "controlled-delivery"]

    @model_validator(mode="after")
    def _held_for_a_time(self) -> Self:
        if self.review_by <= self.detained_at:
            wrong("review_by", "expected a time after detained_at; correct it")
        if self.ground == "other" and self.explanation is None:
            wrong("explanation", "expected the ground in words where it is other, found none; add it")
        self.answered_after("detained_at", self.detained_at)
        return self


class ParcelExaminedV1(Parcel):
    """The item was opened, under a power that is named, and this was found; `found` is empty where nothing illicit
    was, and then nothing but its release is left to ask for.

    Source: 1988 UN Convention, Article 19(2) (investigation and control of illicit consignments in the mails).
    """

    status: Literal["examined"]
    examined_at: Time
    examined_by: Line
    examined_place: Place
    power: Annotated[
        Literal["customs", "postal", "warrant", "consent"], Field(description="Under which power the item was opened")
    ]
    power_ref: Reference | None = None
    finding: Literal["nothing-illicit", "controlled-substance", "undeclared-goods", "counterfeit", "inconclusive"]
    found: Annotated[tuple[Substance, ...], Field(max_length=50)] = ()
    lab_ref: Reference | None = None
    narrative: Text
    action_requested: Literal["none", "hold", "test", "seize", "release", "controlled-delivery"]

    @model_validator(mode="after")
    def _found_or_not(self) -> Self:
        if self.finding == "controlled-substance" and not self.found:
            wrong("found", "expected what was found, with its quantity; add it")
        for place, substance in enumerate(self.found):
            if substance.quantity is None:
                wrong(f"found/{place}/quantity", "expected how much was found, with its unit, found none; add it")
        if self.finding == "nothing-illicit":
            if self.found:
                wrong("found", "expected none where the finding is nothing-illicit; remove it or correct the finding")
            if self.action_requested not in ("none", "release"):
                wrong("action_requested", "expected none or release: nothing illicit was found; correct it")
        if self.power == "warrant" and self.power_ref is None:
            wrong("power_ref", "expected the warrant's reference, found none; add it")
        self.answered_after("examined_at", self.examined_at)
        return self


class ParcelReleasedV1(Parcel):
    """The item is let go. One that turned out lawful, or was held without ground enough, says what holding it cost.

    Source: WTO Agreement on Trade Facilitation, Article 7 (release); 1988 UN Convention, Article 11, where it goes on
    under a controlled delivery.
    """

    status: Literal["released"]
    released_at: Time
    released_by: Line
    released_to: Literal["addressee", "post", "carrier", "customs", "sender", "agency"]
    reason: Literal["lawful-contents", "insufficient-ground", "contents-seized", "controlled-delivery", "returned"]
    legitimate_trade_impact: TradeImpact | None = None
    action_requested: Literal["none", "watch", "report-delivery"]

    @model_validator(mode="after")
    def _what_it_cost(self) -> Self:
        impact = self.legitimate_trade_impact
        if impact is None and self.reason in ("lawful-contents", "insufficient-ground"):
            wrong("legitimate_trade_impact", "expected what holding the item cost, found none; add it")
        if impact is not None and impact.released_at != self.released_at:
            wrong("legitimate_trade_impact/released_at", "expected the item's own released_at; make the two agree")
        self.answered_after("released_at", self.released_at)
        return self


ParcelV1 = Annotated[
    ParcelInTransitV1 | ParcelDetainedV1 | ParcelExaminedV1 | ParcelReleasedV1, Field(discriminator="status")
]
"""The model for the status its member `status` names."""


KIND = PayloadKind("parcel", "An item in the post or with a carrier: on its way, held, opened, let go", {1: ParcelV1})
