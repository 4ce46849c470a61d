"""Kind `rfi`: a request for information, from the questions to their answers, one model for each stage."""

from datetime import timedelta
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from schemas.act import Act, Answers, Asks, Extends
from schemas.base import AgencyId, Digest, Line, Model, Reference, Text
from schemas.handling import Purpose
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Consignment, Party, Payload, Substance, persons, unique_refs
from schemas.payloads.shape import wrong
from schemas.payloads.values import Due, LocalId, Time, seconds

URGENT = timedelta(days=3)
"""An answer wanted sooner than this needs a reason: people are taken from other work for it."""

Status = Literal["full", "partial", "no-hit", "refused"]
"""full: all that was asked; partial: some of it; no-hit: looked for, nothing found; refused: with its ground."""

RefusalGround = Literal[
    "not-in-conformity",
    "essential-interests",
    "domestic-law",
    "legal-system",
    "ongoing-investigation",
    "purpose-insufficient",
    "originator-consent",
    "safety",
    "not-competent",
    "other",
]
"""Why an answer is refused. 1988 Convention, Article 7(15): (a) the request is not in conformity with it, (b) essential
interests, (c) domestic law, (d) legal system; 7(17): an ongoing investigation; 7(10)(f): a purpose that does not carry
the request. originator-consent: the information is a third party's, which has not agreed (third-party rule). safety: of
a person. `other` is explained.
"""


class Question(Model):
    """One thing to be told, by an id that its answer names. `about`: the refs of parties of this request that it
    concerns. Source: 1988 Convention, Article 7(10)(d) and (e).
    """

    id: LocalId
    text: Text
    about: Annotated[tuple[LocalId, ...], Field(max_length=20)] = ()


class Answer(Model):
    """The answer to one question of the request, by the question's id. The reply does not hold the request, so whether
    the request has that question is for whoever has both to see. Source: 1988 Convention, Article 7(12), (15) and (16).

    text: what is known; there with full and partial. refusal_ground: there with refused, and only then.
    """

    question: LocalId
    status: Status
    text: Text | None = None
    refusal_ground: RefusalGround | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.status in ("full", "partial") and self.text is None:
            wrong("text", "expected what is known, for this status; add it")
        if self.status == "refused" and self.refusal_ground is None:
            wrong("refusal_ground", "expected the ground on which the answer is refused; add it")
        if self.status != "refused" and self.refusal_ground is not None:
            wrong("refusal_ground", "expected a ground only with status refused; remove it or correct the status")
        if self.refusal_ground == "other" and self.text is None:
            wrong("text", "expected an explanation of the ground other; add it")
        return self


class RfiStage(Payload):
    """What every stage has. `request_ref` is the request's number in the requester's own files; `channel_ref` its
    number where I-24/7, the Egmont Secure Web or another channel of record carries it too.
    """

    request_ref: Reference
    channel_ref: Reference | None = None


class RfiRequestV1(RfiStage):
    """The questions, what the answers are for, and by when they are wanted.

    Sources: 1988 UN Convention, Article 9(1)(a) and (b) (exchange of information on identity, whereabouts and
    activities of persons, proceeds, substances), Article 7(10) (what a request contains) and 7(13) (use for no other
    purpose). `purpose` has the words of the handling block. Less than three days need an `urgency_reason`.
    The header's act is `asks`, due at `due_at`.
    """

    stage: Literal["request"]
    title: Line
    background: Text
    purpose: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=8)]
    questions: Annotated[tuple[Question, ...], Field(min_length=1, max_length=50)]
    asked_at: Time
    due_at: Due
    urgency_reason: Text | None = None
    parties: Annotated[tuple[Party, ...], Field(max_length=100)] = ()
    substances: Annotated[tuple[Substance, ...], Field(max_length=50)] = ()
    consignments: Annotated[tuple[Consignment, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.due_at <= self.asked_at:
            wrong("due_at", "expected a time after asked_at; correct it")
        if self.urgency_reason is None and seconds(self.due_at) - seconds(self.asked_at) < URGENT.total_seconds():
            wrong("urgency_reason", "expected why less than three days must do; add it, or give more time")
        return self

    @model_validator(mode="after")
    def _points_inside(self) -> Self:
        if len(set(self.purpose)) != len(self.purpose):
            wrong("purpose", "expected each purpose once, found one twice; name it once")
        unique_refs("questions", [question.id for question in self.questions])
        unique_refs("parties", [party.ref for party in self.parties])
        parties = {party.ref for party in self.parties}
        for place, question in enumerate(self.questions):
            for position, named in enumerate(question.about):
                if named not in parties:
                    wrong(f"questions/{place}/about/{position}", "expected the ref of one of the parties; correct it")
        return self

    def people(self) -> tuple[str, ...]:
        return persons("parties", self.parties)

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return Asks(does="asks", due=seconds(self.due_at))


class RfiAnswer(RfiStage):
    """What the asked side says to a request; the header's act is `answers`, and the request's clock stops with it.
    Source: 1988 Convention, Article 7(12).
    """

    def act(self, in_reply_to: Digest | None) -> Act | None:
        return None if in_reply_to is None else Answers(does="answers", of=in_reply_to)

    def replies(self) -> bool:
        return True


class RfiReplyV1(RfiAnswer):
    """The answers, each to one question of the request; by the header's `in_reply_to` it says to which request.

    Source: 1988 UN Convention, Article 7(12), (15) and (16). `status` is that of all answers where they agree, else
    `partial`. Parties, substances and consignments are what was found. The header's act is `answers`.
    """

    stage: Literal["reply"]
    answered_at: Time
    status: Status
    answers: Annotated[tuple[Answer, ...], Field(min_length=1, max_length=50)]
    parties: Annotated[tuple[Party, ...], Field(max_length=100)] = ()
    substances: Annotated[tuple[Substance, ...], Field(max_length=50)] = ()
    consignments: Annotated[tuple[Consignment, ...], Field(max_length=50)] = ()

    @model_validator(mode="after")
    def _agrees_with_its_answers(self) -> Self:
        unique_refs("parties", [party.ref for party in self.parties])
        if len({answer.question for answer in self.answers}) != len(self.answers):
            wrong("answers", "expected one answer to each question, found two to the same; join them")
        found = {answer.status for answer in self.answers}
        overall = found.pop() if len(found) == 1 else "partial"
        if self.status != overall:
            wrong("status", f"expected {overall}: all answers' own status where they agree, else partial; correct it")
        if self.status in ("no-hit", "refused") and (self.parties or self.substances or self.consignments):
            wrong("status", "expected full or partial where something was found; correct it, or remove what was found")
        return self

    def people(self) -> tuple[str, ...]:
        return persons("parties", self.parties)


class RfiDeclineV1(RfiAnswer):
    """The asked side does not take the request up at all, for a reason that it gives (1988 UN Convention, Article 7(15)
    to (17)). `ask_instead`: the agency that could answer. The header's act is `answers`.
    """

    stage: Literal["decline"]
    declined_at: Time
    refusal_ground: RefusalGround
    explanation: Text | None = None
    ask_instead: AgencyId | None = None

    @model_validator(mode="after")
    def _explained(self) -> Self:
        if self.refusal_ground == "other" and self.explanation is None:
            wrong("explanation", "expected an explanation of the ground other; add it")
        return self


class RfiExtendV1(RfiStage):
    """More time (1988 UN Convention, Article 7(17): the Parties consult). By the `requester`, who alone sets the clock:
    the answer is due at `due_at` instead, and the header's act is `extends`. By the side that is `asked`: it asks for
    that time, with its reason, and does nothing to the clock (no act) until the requester extends. Both reply to the
    request.
    """

    stage: Literal["extend"]
    by: Literal["requester", "asked"]
    due_at: Due
    reason: Text | None = None

    @model_validator(mode="after")
    def _asks_with_a_reason(self) -> Self:
        if self.by == "asked" and self.reason is None:
            wrong("reason", "expected why the asked side needs more time; add it")
        return self

    def act(self, in_reply_to: Digest | None) -> Act | None:
        if self.by == "asked" or in_reply_to is None:
            return None
        return Extends(does="extends", of=in_reply_to, due=seconds(self.due_at))

    def replies(self) -> bool:
        return True


RfiV1 = Annotated[RfiRequestV1 | RfiReplyV1 | RfiDeclineV1 | RfiExtendV1, Field(discriminator="stage")]
"""The model for the stage its member `stage` names."""


KIND = PayloadKind(
    "rfi",
    "Request for information, and the answers to its questions",
    {1: RfiV1},
)
