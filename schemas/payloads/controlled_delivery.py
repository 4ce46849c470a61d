"""Kind `controlled-delivery`: from the request to the result, one model for each stage."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.act import Act, Answers, Asks
from schemas.base import AgencyId, Line, Reference, Text
from schemas.payloads.kind import PayloadKind
from schemas.payloads.operation import (
    AbortCriterion,
    AbortEvent,
    Authorisation,
    EvidencePlan,
    Extent,
    Leg,
    Substitution,
    contiguous,
    fits,
    once,
)
from schemas.payloads.parts import Consignment, Party, Payload, Place, Quantity, Substance, persons, unique_refs
from schemas.payloads.seizure import PersonsByCountry
from schemas.payloads.shape import wrong
from schemas.payloads.values import Date, Due, Time, seconds, surely_after, surely_before

Ground = Annotated[
    Literal[
        "no-legal-basis",
        "risk-to-life",
        "risk-of-loss",
        "no-capacity",
        "time-too-short",
        "information-insufficient",
        "conflicting-operation",
        "already-intercepted",
        "other",
    ],
    Field(description="Why a controlled delivery is refused (1988 Convention, Article 11(2): case by case)"),
]

Legs = Annotated[tuple[Leg, ...], Field(min_length=1, max_length=30)]


class DeliveryStage(Payload):
    """What every stage has. `operation_ref` is the operation's number, the same in all its packets; `authority` is who
    speaks. Nothing here takes the place of the law's own form: what is authorised is authorised there.
    """

    operation_ref: Reference
    authority: Line
    remarks: Text | None = None


class DeliveryRequestV1(DeliveryStage):
    """May this consignment go on, watched, to find who stands behind it? An answer is due at `answer_by`, which is
    before the first leg starts; the packet asks for it.

    Sources: 1988 UN Convention, Article 1(g) and Article 11(1) (controlled delivery at the international level),
    11(2) (case by case; costs and jurisdiction), 11(3) (substitution); NDPS Act 1985, sections 2(viib) and 50A.
    """

    stage: Literal["request"]
    answer_by: Due
    ground: Text
    consignment: Consignment
    substances: Annotated[tuple[Substance, ...], Field(min_length=1, max_length=50)]
    legs: Legs
    substitution: Substitution
    abort_criteria: Annotated[tuple[AbortCriterion, ...], Field(min_length=1, max_length=20)]
    evidence_plan: EvidencePlan
    jurisdiction: Text | None = None
    costs: Text | None = None
    parties: Annotated[tuple[Party, ...], Field(max_length=100)] = ()

    @model_validator(mode="after")
    def _a_plan(self) -> Self:
        names = [substance.name for substance in self.substances]
        for place, substance in enumerate(self.substances):
            if substance.quantity is None:
                wrong(f"substances/{place}/quantity", "expected how much there is, with its unit, found none; add it")
        if len(set(names)) != len(names):
            wrong("substances", "expected each substance once, found one twice; add the two up")
        contiguous(self.legs)
        fits(self.substitution, self.substances)
        once("abort_criteria", self.abort_criteria)
        if self.answer_by > self.legs[0].starts_at:
            wrong(
                "answer_by", "expected a time at or before the first leg starts: the answer comes before the delivery"
            )
        unique_refs("parties", [party.ref for party in self.parties])
        return self

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return Asks(does="asks", due=seconds(self.answer_by))

    def people(self) -> tuple[str, ...]:
        return persons("parties", self.parties)


class DeliveryAnswer(DeliveryStage):
    """An answer to the request that the header's `in_reply_to` names; it stops the request's clock."""

    def replies(self) -> bool:
        return True

    def act(self, in_reply_to: str | None) -> Act | None:
        return None if in_reply_to is None else Answers(does="answers", of=in_reply_to)


class DeliveryAuthoriseV1(DeliveryAnswer):
    """The delivery may go ahead, on these legs, with substitution as agreed, and on these conditions. It answers the
    request; a handover names this packet. `legs` lie within what the authorisation is valid for.

    Sources: 1988 UN Convention, Article 11(2) and (3); NDPS Act 1985, section 50A.
    """

    stage: Literal["authorise"]
    authorisation: Authorisation
    legs: Legs
    substitution_agreed: Extent
    abort_criteria: Annotated[tuple[AbortCriterion, ...], Field(max_length=20)] = ()
    conditions: Text | None = None
    jurisdiction: Text | None = None
    costs: Text | None = None

    @model_validator(mode="after")
    def _while_it_is_valid(self) -> Self:
        contiguous(self.legs)
        once("abort_criteria", self.abort_criteria)
        if self.authorisation.valid_until is None:
            wrong("authorisation/valid_until", "expected until when the authorisation holds, found none; add it")
        if surely_after(self.authorisation.authorised_on, self.legs[0].starts_at):
            wrong("authorisation/authorised_on", "expected a date before the first leg starts; correct it")
        if surely_before(self.authorisation.valid_until, self.legs[-1].ends_at):
            wrong("authorisation/valid_until", "expected a date on which the last leg has ended; correct it")
        return self


class DeliveryRefuseV1(DeliveryAnswer):
    """The delivery may not go ahead, and why. It answers the request.

    Source: 1988 UN Convention, Article 11(1) (where domestic law permits) and 11(2).
    """

    stage: Literal["refuse"]
    decided_on: Date
    ground: Ground
    explanation: Text


class DeliveryHandoverV1(DeliveryStage):
    """One agency hands the consignment to the next. It follows an authorisation: the header's `in_reply_to` is the
    `authorise` packet, and `authorisation` is the decision as that packet gives it, taken before and still valid.

    That packet is on the same ledger, and a recipient that has it can compare the two; its program should. A gateway
    cannot: it knows no stages. `leg` is the leg that begins here, counted from 1 as that packet lists them.
    Sources: 1988 UN Convention, Article 11; NDPS Act 1985, section 50A; ISO 6346 and UPU S10 in `consignment`.
    """

    stage: Literal["handover"]
    authorisation: Authorisation
    handed_over_at: Time
    place: Place
    from_agency: AgencyId
    to_agency: AgencyId
    leg: Annotated[int, Field(ge=1, le=30)]
    consignment: Consignment
    gross_weight: Quantity | None = None
    seals: Annotated[tuple[Reference, ...], Field(max_length=50)] = ()
    condition: Literal["intact", "substituted", "opened", "damaged"]
    substitution: Substitution | None = None
    explanation: Text | None = None
    custody_ref: Reference

    @model_validator(mode="after")
    def _follows_an_authorisation(self) -> Self:
        if surely_after(self.authorisation.authorised_on, self.handed_over_at):
            wrong("authorisation/authorised_on", "expected a date before the handover, which follows it; correct it")
        valid_until = self.authorisation.valid_until
        if valid_until is not None and surely_before(valid_until, self.handed_over_at):
            wrong("authorisation/valid_until", "expected an authorisation that still holds at the handover; renew it")
        return self

    @model_validator(mode="after")
    def _from_hand_to_hand(self) -> Self:
        if self.from_agency == self.to_agency:
            wrong("to_agency", "expected another agency than from_agency; correct it")
        replaced = self.substitution is not None and self.substitution.extent != "none"
        if replaced != (self.condition == "substituted"):
            at = "condition" if replaced else "substitution"
            wrong(at, "expected condition substituted and what replaces what together; add it, or correct condition")
        if self.condition in ("opened", "damaged") and self.explanation is None:
            wrong("explanation", "expected what is wrong with the consignment, found none; add it")
        return self

    def replies(self) -> bool:
        return True


class DeliveryTerminateV1(DeliveryStage):
    """The operation is stopped before its end: on which event, by whom, and where the consignment is. `in_reply_to`
    names the request or the authorisation.

    Source: 1988 UN Convention, Article 11; the event is one of the abort criteria, which the parties agreed on.
    """

    stage: Literal["terminate"]
    terminated_at: Time
    ordered_by: AgencyId
    event: AbortEvent
    explanation: Text
    consignment_status: Literal["seized", "held", "returned", "lost", "delivered"]
    last_seen_at: Time | None = None
    place: Place | None = None

    @model_validator(mode="after")
    def _where_it_is(self) -> Self:
        if self.consignment_status == "lost" and self.last_seen_at is None:
            wrong("last_seen_at", "expected when the consignment was last seen, found none; add it")
        if self.consignment_status != "lost" and self.place is None:
            wrong("place", "expected where the consignment is, found none; add it, or say lost")
        if self.last_seen_at is not None and self.last_seen_at > self.terminated_at:
            wrong("last_seen_at", "expected a time at or before terminated_at; correct it")
        return self

    def replies(self) -> bool:
        return True


class DeliveryResultV1(DeliveryStage):
    """What came of it: who was arrested (a count by country), what was seized, what is unaccounted for, and how the
    evidence gets to the other side. `in_reply_to` names the request or the authorisation.

    Sources: 1988 UN Convention, Article 11(1) (to identify persons) and Article 7 (mutual legal assistance).
    """

    stage: Literal["result"]
    concluded_on: Date
    outcome: Literal["seized-at-delivery", "seized-on-the-way", "not-collected", "stopped", "lost"]
    arrests: Annotated[tuple[PersonsByCountry, ...], Field(max_length=50)] = ()
    seized: Annotated[tuple[Substance, ...], Field(max_length=50)] = ()
    unaccounted: Annotated[tuple[Substance, ...], Field(max_length=50)] = ()
    seizure_refs: Annotated[tuple[Reference, ...], Field(max_length=20)] = ()
    evidence_transfer: Text | None = None
    narrative: Text

    @model_validator(mode="after")
    def _accounted_for(self) -> Self:
        for member in ("seized", "unaccounted"):
            for place, substance in enumerate(getattr(self, member)):
                if substance.quantity is None:
                    wrong(f"{member}/{place}/quantity", "expected how much, with its unit, found none; add it")
        if self.outcome.startswith("seized") and not self.seized:
            wrong("seized", "expected what was seized, with its quantity; add it, or correct outcome")
        if self.outcome == "lost" and not self.unaccounted:
            wrong("unaccounted", "expected what is lost, with its quantity; add it, or correct outcome")
        countries = [each.country for each in self.arrests]
        if len(set(countries)) != len(countries):
            wrong("arrests", "expected each country once, found one twice; add the two up")
        return self

    def replies(self) -> bool:
        return True


ControlledDeliveryV1 = Annotated[
    DeliveryRequestV1
    | DeliveryAuthoriseV1
    | DeliveryRefuseV1
    | DeliveryHandoverV1
    | DeliveryTerminateV1
    | DeliveryResultV1,
    Field(discriminator="stage"),
]
"""The model for the stage its member `stage` names."""


KIND = PayloadKind(
    "controlled-delivery",
    "A consignment that goes on under watch, from the request to the result",
    {1: ControlledDeliveryV1},
)
