"""What a controlled delivery is planned by: the way and who answers for each part of it, substitution, when to stop."""

from decimal import Decimal as Number
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.base import AgencyId, Line, Model, Reference, Text
from schemas.payloads.parts import Place, Quantity, Substance
from schemas.payloads.shape import wrong
from schemas.payloads.values import Date, Label, Mode, Time

Extent = Annotated[
    Literal["none", "partial", "total"],
    Field(
        description=(
            "How much of the drugs is removed or replaced before the consignment goes on: intact, in part, in whole "
            "(1988 Convention, Article 11(3))"
        )
    ),
]

AbortEvent = Annotated[
    Literal[
        "risk-to-life",
        "loss-of-surveillance",
        "route-deviation",
        "time-exceeded",
        "consignment-opened",
        "transfer-to-unknown",
        "handover-failed",
        "compromise",
        "authority-withdrawn",
        "other",
    ],
    Field(description="On what the operation is stopped; other is explained"),
]
"""This project's own list: neither Article 11 nor national law has one."""


class Leg(Model):
    """A part of the way for which one agency answers, from a place and a time to the next. A wait belongs to a leg: the
    next one starts where and when the one before ends, so that at no time nobody answers for the consignment.

    Sources: 1988 Convention, Article 11(1); UNECE Recommendation 19 (`mode`). `duty_desk` is a desk, not a person.
    """

    responsible: AgencyId
    start: Place
    end: Place
    starts_at: Time
    ends_at: Time
    mode: Mode | None = None
    duty_desk: Line | None = None

    @model_validator(mode="after")
    def _forward(self) -> Self:
        if self.ends_at <= self.starts_at:
            wrong("ends_at", "expected a time after starts_at; exchange or correct the two")
        return self


class Replacement(Model):
    """How much of a substance is removed, and what lies in its place: `by` is left out where nothing does.

    Source: 1988 Convention, Article 11(3) (removed or replaced in whole or in part). `substance` is its name as this
    payload gives it.
    """

    substance: Label
    removed: Quantity
    by: Line | None = None
    by_quantity: Quantity | None = None
    custody_ref: Reference | None = None

    @model_validator(mode="after")
    def _of_something(self) -> Self:
        if self.by_quantity is not None and self.by is None:
            wrong("by", "expected what lies in the place of the drugs, found only how much of it; add it")
        return self


class Substitution(Model):
    """What replaces what, by Article 11(3) of the 1988 Convention; it needs the consent of all parties concerned."""

    extent: Extent
    replacements: Annotated[tuple[Replacement, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _as_far_as_said(self) -> Self:
        if self.extent == "none" and self.replacements:
            wrong("replacements", "expected none where the consignment stays intact; remove them, or correct extent")
        if self.extent != "none" and not self.replacements:
            wrong("replacements", "expected what replaces what, found none; add it")
        names = [each.substance for each in self.replacements]
        if len(set(names)) != len(names):
            wrong("replacements", "expected each substance once, found one twice; add the two up")
        return self


class AbortCriterion(Model):
    """What ends the operation early, and what is done then (1988 Convention, Article 11: case by case)."""

    event: AbortEvent
    action: Annotated[
        Literal["seize", "arrest-and-seize", "hold-and-ask", "stop-surveillance"],
        Field(description="What the agency that answers for the leg does when this happens"),
    ]
    explanation: Text | None = None

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.event == "other" and self.explanation is None:
            wrong("explanation", "expected the event in words where it is other, found none; add it")
        return self


class EvidencePlan(Model):
    """How what happens is kept for a court: who keeps it, how it is recorded, who analyses, and how it gets to the
    other side (1988 Convention, Articles 7 and 11; NDPS Act 1985, section 52A for samples).
    """

    custodian: AgencyId
    recording: Annotated[
        tuple[Literal["photographs", "video", "tracking", "weighing", "sampling", "seals", "testimony"], ...],
        Field(min_length=1, max_length=7),
    ]
    laboratory: Line | None = None
    transfer: Text

    @model_validator(mode="after")
    def _once(self) -> Self:
        if len(set(self.recording)) != len(self.recording):
            wrong("recording", "expected each way of recording once, found one twice; name it once")
        return self


class Authorisation(Model):
    """The decision that lets the delivery go ahead: who took it, under what reference, when, under which provision, and
    until when it holds.

    Sources: NDPS Act 1985, section 50A (the Director General of the Narcotics Control Bureau, or an officer authorised
    by him; to a foreign country in consultation with its competent authority); 1988 Convention, Article 11(2).
    """

    authority: Line
    reference: Reference
    authorised_on: Date
    provision: Line | None = None
    valid_until: Date | None = None

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.valid_until is not None and self.valid_until < self.authorised_on:
            wrong("valid_until", "expected a date on or after authorised_on; correct it")
        return self


def contiguous(legs: tuple[Leg, ...]) -> None:
    """Refuse member `legs` where one does not start where and when the one before it ends."""
    for place, (one, other) in enumerate(pairwise(legs), start=1):
        if other.start != one.end:
            wrong(f"legs/{place}/start", "expected the place where the leg before ends, written alike; correct it")
        if other.starts_at != one.ends_at:
            wrong(f"legs/{place}/starts_at", "expected the time at which the leg before ends; correct it")


def once(member: str, criteria: tuple[AbortCriterion, ...]) -> None:
    """Refuse an event of which it is said twice what to do; `other` may be several."""
    events = [each.event for each in criteria if each.event != "other"]
    if len(set(events)) != len(events):
        wrong(member, "expected each event once, found one twice; say once what is done then")


def fits(substitution: Substitution, substances: tuple[Substance, ...]) -> None:
    """Refuse member `substitution` where it does not fit `substances`, whose quantities are there and names differ."""
    there = {each.name: each.quantity for each in substances}
    whole = set()
    for place, each in enumerate(substitution.replacements):
        at, quantity = f"substitution/replacements/{place}", there.get(each.substance)
        if quantity is None:
            wrong(f"{at}/substance", "expected the name of one of the substances; correct it")
        if quantity.unit != each.removed.unit:
            wrong(f"{at}/removed/unit", "expected the unit of that substance's quantity; convert it")
        if Number(each.removed.value) > Number(quantity.value):
            wrong(f"{at}/removed/value", "expected no more than there is of that substance; correct it")
        if Number(each.removed.value) == Number(quantity.value):
            whole.add(each.substance)
    if substitution.extent != "none" and (substitution.extent == "total") != (whole == set(there)):
        wrong("substitution/extent", "expected total where all of every substance is removed, else partial; correct it")
