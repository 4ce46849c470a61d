"""Kind `deconfliction`: does what we plan there and then meet something of yours? One model for each stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.act import Act, Answers, Asks
from schemas.base import AgencyId, Digest, Model, Reference, Text
from schemas.payloads.blind import BlindKey, Token
from schemas.payloads.identifiers import SHAPES
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Payload
from schemas.payloads.shape import wrong
from schemas.payloads.values import Due, Label, Latitude, Longitude, Positive, Time, seconds

MAX_RADIUS = 100_000
"""Metres. A wider circle meets something everywhere, and asks for others' plans rather than for safety."""

EventType = Literal["undercover", "surveillance", "warrant", "buy-bust", "controlled-delivery"]
"""What is planned, in the words of the US event deconfliction systems RISSafe, SAFETNet and Case Explorer (Global
Justice Information Sharing Initiative, A Call to Action, 2013), and of the 1988 Convention, Article 11
(controlled-delivery).
"""

Phone = Annotated[str, SHAPES["phone"]]
Email = Annotated[str, SHAPES["email"]]


class Window(Model):
    """From when until when, both UTC (RFC 3339)."""

    start: Time
    end: Time

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.end <= self.start:
            wrong("end", "expected a time after start; exchange or correct the two")
        return self


class Radius(Model):
    """A distance in metres: MTR of UNECE Recommendation 20, above zero and at most 100000."""

    value: Positive
    unit: Literal["MTR"]

    @model_validator(mode="after")
    def _of_a_place(self) -> Self:
        whole, _, places = self.value.partition(".")
        if (int(whole), places.strip("0")) > (MAX_RADIUS, ""):
            wrong("value", f"expected at most {MAX_RADIUS} metres, found more; ask about a smaller place")
        return self


class Area(Model):
    """A circle: WGS 84 degrees as decimal text (as ISO 6709 counts them) and a radius."""

    latitude: Latitude
    longitude: Longitude
    radius: Radius


class DutyContact(Model):
    """Whom to call, at any hour: an office, never a person, with the telephone (ITU-T E.164) or mailbox (RFC 5322) of
    its duty desk.
    """

    office: Label
    phone: Phone | None = None
    email: Email | None = None

    @model_validator(mode="after")
    def _can_be_reached(self) -> Self:
        if self.phone is None and self.email is None:
            wrong("phone", "expected a telephone number or an e-mail address of the duty desk, found neither; add one")
        return self


class BlindMatch(Model):
    """The target's identifiers as tokens that show nothing by themselves (HMAC, RFC 2104), and the key of this check
    with which the other side makes its own. `schemas/payloads/blind.py` has the construction and its limits: it does
    not withstand an asked agency, or a gateway that reads, that tries all telephone numbers.
    """

    scheme: Literal["hmac-sha-256"]
    key: BlindKey
    tokens: Annotated[tuple[Token, ...], Field(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _in_no_order_of_its_own(self) -> Self:
        if list(self.tokens) != sorted(set(self.tokens)):
            wrong(
                "tokens", "expected each token once, in ascending order, so that their places tell nothing; sort them"
            )
        return self


class DeconflictionStage(Payload):
    """What every stage has: `check_ref`, the check's number in the checking agency's own files. Source: 1988 UN
    Convention, Article 9(1)(a) and (c).
    """

    check_ref: Reference
    remarks: Text | None = None


class DeconflictionCheckV1(DeconflictionStage):
    """Something is planned; does it meet an operation or a target of yours? An answer is due at `answer_by`, which is
    before the event is over.

    Sources: event deconfliction as RISSafe, SAFETNet and Case Explorer do it (events matched by time, place and
    target, immediate notice to both); 1988 UN Convention, Article 9(1)(c) (joint teams, with protection of
    persons and operations) and 11. Where (`area`), on whom (`match`), or both. The header's act is
    `asks`, due at `answer_by`.
    """

    stage: Literal["check"]
    event_type: EventType
    window: Window
    area: Area | None = None
    match: BlindMatch | None = None
    answer_by: Due
    duty_contact: DutyContact

    @model_validator(mode="after")
    def _can_be_answered(self) -> Self:
        if self.area is None and self.match is None:
            wrong("area", "expected where it is planned (area), on whom (match), or both, found neither; add one")
        if self.answer_by >= self.window.end:
            wrong("answer_by", "expected a time before the event is over (window/end); correct it")
        return self

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return Asks(does="asks", due=seconds(self.answer_by))


class DeconflictionAnswer(DeconflictionStage):
    """What the asked side found; the header's act is `answers`, and the check's clock stops with it. Source: 1988 UN
    Convention, Article 9(1)(a).
    """

    checked_at: Time

    def act(self, in_reply_to: Digest | None) -> Act | None:
        return None if in_reply_to is None else Answers(does="answers", of=in_reply_to)

    def replies(self) -> bool:
        return True


class DeconflictionNoHitV1(DeconflictionAnswer):
    """Nothing of ours is met, as far as our files at `checked_at` say; until `valid_until` we tell if that changes. The
    header's act is `answers`. Source: 1988 UN Convention, Article 9(1)(a).
    """

    stage: Literal["no-hit"]
    valid_until: Time | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.checked_at:
            wrong("valid_until", "expected a time at or after checked_at; correct it")
        return self


class DeconflictionConflictV1(DeconflictionAnswer):
    """Something of ours is met: call the duty contact before anything else is done.

    Source: 1988 UN Convention, Article 9(1)(c). `on`: the target, place and time, or both. `matched`: those of the
    check's tokens that are ours too; with target or both always, with place-and-time never. The header's act is
    `answers`.
    """

    stage: Literal["conflict"]
    on: Literal["target", "place-and-time", "both"]
    matched: Annotated[tuple[Token, ...], Field(max_length=200)] = ()
    event_type: EventType | None = None
    hold_requested: bool
    duty_contact: DutyContact

    @model_validator(mode="after")
    def _says_what_is_met(self) -> Self:
        if len(set(self.matched)) != len(self.matched):
            wrong("matched", "expected each token once, found one twice; name it once")
        if self.on == "place-and-time" and self.matched:
            wrong("matched", "expected no tokens where only place and time are met; remove them or correct on")
        if self.on != "place-and-time" and not self.matched:
            wrong("matched", "expected the tokens of the check that matched; add them or correct on")
        return self


class DeconflictionResolvedV1(DeconflictionStage):
    """What the two sides agreed after a conflict; it replies to the check or to the conflict, and has no act.

    Source: 1988 UN Convention, Article 9(1)(c), and 11(2) where a controlled delivery is meant. `lead`: the agency that
    leads, where the operation is joint or handed over.
    """

    stage: Literal["resolved"]
    resolution: Literal["proceed", "postponed", "stand-down", "joint", "handed-over", "no-conflict"]
    agreed_at: Time
    arrangement: Text
    lead: AgencyId | None = None

    @model_validator(mode="after")
    def _led_by_one(self) -> Self:
        if self.resolution in ("joint", "handed-over") and self.lead is None:
            wrong("lead", "expected the agency that leads what is joint or handed over; add it")
        if self.resolution not in ("joint", "handed-over") and self.lead is not None:
            wrong("lead", "expected no lead but where it is joint or handed over; remove it or correct resolution")
        return self

    def replies(self) -> bool:
        return True


DeconflictionV1 = Annotated[
    DeconflictionCheckV1 | DeconflictionNoHitV1 | DeconflictionConflictV1 | DeconflictionResolvedV1,
    Field(discriminator="stage"),
]
"""The model for the stage its member `stage` names."""


KIND = PayloadKind(
    "deconfliction",
    "Whether a planned operation meets another agency's, and what was agreed then",
    {1: DeconflictionV1},
)
