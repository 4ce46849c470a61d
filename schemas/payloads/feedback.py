"""Kind `feedback`: what a packet led to, told by who received it; senders learn which of theirs are worth it."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from schemas.act import Act, Outcome, Reports
from schemas.base import Model, Text
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Consignment, PacketRef, Payload, Place
from schemas.payloads.shape import wrong
from schemas.payloads.values import Time, seconds

HOUR = 3600
MAX_HELD_HOURS = 87_600
"""Ten years; what was held longer was mistyped."""


class Sighting(Model):
    """What the recipient itself saw of what the packet spoke of: when (UTC, RFC 3339), where (ISO 3166, UN/LOCODE) and
    how often, as STIX 2.1, section 5.2, counts sightings.
    """

    seen_at: Time
    seen_until: Time | None = None
    place: Place
    count: Annotated[int, Field(ge=1, le=999_999_999)]
    description: Text | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.seen_until is not None and self.seen_until < self.seen_at:
            wrong("seen_until", "expected a time at or after seen_at; exchange or correct the two")
        return self


class FeedbackV1(Payload):
    """What a packet led to. Anything may be sent again later, when more is known; the newest report counts.
    The header's act is `reports`.

    Sources: FATF Recommendation 40, interpretive note (feedback to those who gave information, on its use and its
    usefulness); 1988 UN Convention, Article 9(1)(a). `lawful` and the hours are there so that what enforcement costs
    lawful trade can be counted.

    usefulness: 1 (of no use) to 5 (decisive). public_credit: whether the agency that sent the target may be named in
    public. consignment: the one that was stopped or looked for; lawful: how it turned out, left out where nobody
    knows yet; held_from, released_at: for how long it was held. A lawful consignment is no seizure, and a
    false positive about a consignment says that it was lawful.
    """

    target: PacketRef
    outcome: Outcome
    usefulness: Annotated[int, Field(ge=1, le=5)]
    public_credit: bool
    sighting: Sighting | None = None
    consignment: Consignment | None = None
    lawful: bool | None = None
    held_from: Time | None = None
    released_at: Time | None = None
    remarks: Text | None = None

    @model_validator(mode="after")
    def _about_a_consignment(self) -> Self:
        if self.consignment is None:
            for member in ("lawful", "held_from", "released_at"):
                if getattr(self, member) is not None:
                    wrong("consignment", f"expected the consignment that {member} is about; add it")
        if self.released_at is not None and self.held_from is None:
            wrong("held_from", "expected since when it was held, beside released_at; add it")
        if self.released_at is not None and self.held_from is not None:
            if self.released_at < self.held_from:
                wrong("released_at", "expected a time at or after held_from; exchange or correct the two")
            if seconds(self.released_at) - seconds(self.held_from) > MAX_HELD_HOURS * HOUR:
                wrong("released_at", "expected a time within ten years of held_from; correct it")
        return self

    @model_validator(mode="after")
    def _agrees_with_the_outcome(self) -> Self:
        if self.outcome is Outcome.FALSE_POSITIVE and self.consignment is not None and self.lawful is not True:
            wrong("lawful", "expected true: a false positive about a consignment says that it was lawful; correct it")
        if self.outcome is Outcome.SEIZURE and self.lawful is True:
            wrong("lawful", "expected no lawful consignment with a seizure; correct it, or the outcome")
        if self.outcome is Outcome.NO_TRACE and self.sighting is not None:
            wrong("sighting", "expected no sighting where no trace was found; remove it, or correct the outcome")
        return self

    def held_hours(self) -> int | None:
        """Whole hours for which the consignment was held, rounded up; None where it was not, or still is."""
        if self.held_from is None or self.released_at is None:
            return None
        return -((seconds(self.held_from) - seconds(self.released_at)) // HOUR)

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return Reports(
            does="reports",
            of=self.target.digest,
            outcome=self.outcome,
            lawful=self.lawful,
            held_hours=self.held_hours(),
        )


KIND = PayloadKind(
    "feedback",
    "What a packet led to, told by its recipient",
    {1: FeedbackV1},
)
