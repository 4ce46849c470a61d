"""Kind `lifecycle`: what becomes of a packet after it was sent: amended, superseded, withdrawn, released onward."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from schemas.act import Act, Attests, DecidesRelease, RequestsRelease, Withdraws
from schemas.base import AgencyId, Text
from schemas.codes.lists import countries
from schemas.handling import Purpose, Releasable
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import PacketRef, Payload
from schemas.payloads.patch import Operation, PatchTest
from schemas.payloads.shape import wrong
from schemas.payloads.values import Due, Label, Time, seconds

AmendReason = Literal["error", "misidentification", "obsolete", "new-information", "other"]
"""Why content changes: errors and corrections of which recipients are to be told (28 CFR 23.20(h)); somebody was taken
for somebody else; what was so has changed; more is known. `other` is explained.
"""

WithdrawReason = Literal[
    "error",
    "misidentification",
    "unreliable",
    "obsolete",
    "wrong-recipient",
    "wrong-marking",
    "unlawful",
    "retention-over",
    "source-protection",
    "other",
]
"""Why a packet must go: misleading, obsolete or otherwise unreliable information is destroyed (28 CFR 23.20(h)); it
went to one who may not have it, or under a wrong marking; it was not lawfully obtained or passed on (Directive (EU)
2016/680, Articles 7(3) and 16(2)), or the time for which it may be kept is over (Article 5); it endangers a source.
`other` is explained.
"""

RefusalReason = Literal["third-party", "source-protection", "ongoing-investigation", "purpose", "domestic-law", "other"]
"""Why onward release is refused: the information is a third party's (third-party rule), endangers a source or an
investigation, is asked for another purpose, or the law forbids it (1988 Convention, Article 7(13), (15) and (17)).
"""


def _recipients(named: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(named)) != len(named):
        raise ValueError("expected each agency or country once, found one twice; name it once")
    if any(each.isupper() and each not in countries() for each in named):
        raise ValueError("expected agency ids, or countries as ISO 3166-1 alpha-3, found one that is not assigned")
    return named


ReleaseTo = Annotated[tuple[Releasable, ...], Field(min_length=1, max_length=64), AfterValidator(_recipients)]
"""Agency ids, or countries as ISO 3166-1 alpha-3; each once."""


class LifecycleStage(Payload):
    """What every stage has: the packet it is about. Source: 28 CFR 23.20(h) (periodic review, corrections,
    destruction, and that recipients are told).
    """

    target: PacketRef
    explanation: Text | None = None

    @model_validator(mode="after")
    def _other_is_explained(self) -> Self:
        if getattr(self, "reason_code", None) == "other" and self.explanation is None:
            wrong("explanation", "expected an explanation of the reason other; add it")
        return self


class LifecycleAmendV1(LifecycleStage):
    """By the sender of the target: its payload is to be read with these changes, a JSON Patch (RFC 6902) of which not
    all operations are tests. The target stays as it was sent; `schemas.payloads.patch.applied` makes the amended
    payload, which must again be valid for its kind. A changed marking stands in this packet's own handling block. The
    header has no act.
    """

    stage: Literal["amend"]
    reason_code: AmendReason
    patch: Annotated[tuple[Operation, ...], Field(min_length=1, max_length=100)]

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if all(isinstance(each, PatchTest) for each in self.patch):
            wrong("patch", "expected an operation that changes something, found tests alone; add it")
        return self


class LifecycleSupersedeV1(LifecycleStage):
    """By the sender of the target: use the packet `replacement` instead, which was sent before this one. The target
    stays served and may be kept; withdraw it where it must go. The header has no act. Source: 28 CFR 23.20(h).
    """

    stage: Literal["supersede"]
    reason_code: AmendReason
    replacement: PacketRef

    @model_validator(mode="after")
    def _another_packet(self) -> Self:
        if self.replacement.digest == self.target.digest:
            wrong("replacement/digest", "expected another packet than the target, found the same; correct it")
        if self.replacement.id == self.target.id:
            wrong("replacement/id", "expected another packet than the target, found the same id; correct it")
        return self


class LifecycleWithdrawal(LifecycleStage):
    """What both ways to withdraw a packet have: why, and by when each recipient attests that its copies are gone.
    Source: 28 CFR 23.20(h); Directive (EU) 2016/680, Articles 7(3) and 16.
    """

    reason_code: WithdrawReason
    deadline: Due

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return Withdraws(does="withdraws", of=self.target.digest, due=seconds(self.deadline))


class LifecycleRetractV1(LifecycleWithdrawal):
    """By the sender of the target: it should not have been sent, or is not true; do not rely on it, tell whom you told,
    destroy it and what was made of it, and attest that by `deadline`. The header's act is `withdraws`. Source: 28 CFR
    23.20(h).
    """

    stage: Literal["retract"]


class LifecycleDestroyV1(LifecycleWithdrawal):
    """By the sender of the target: it was right, and may not be kept any longer; destroy it and attest that by
    `deadline`. What was lawfully made of it may stay. The header's act is `withdraws`. Source: Directive (EU) 2016/680,
    Article 5 and Article 16(2).
    """

    stage: Literal["destroy"]


class LifecycleReleaseRequestV1(LifecycleStage):
    """By a recipient of the target: may what stands in it go on to `release_to` (agency ids, or countries as ISO 3166-1
    alpha-3)? Source: the third-party rule, 1988 Convention, Article 7(13); Egmont Group, Principles for Information
    Exchange between Financial Intelligence Units (2013). The header's act is `requests-release`.
    """

    stage: Literal["release-request"]
    release_to: ReleaseTo
    purpose: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=8)]
    justification: Text
    needed_by: Time | None = None

    @model_validator(mode="after")
    def _no_purpose_twice(self) -> Self:
        if len(set(self.purpose)) != len(self.purpose):
            wrong("purpose", "expected each purpose once, found one twice; name it once")
        return self

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return RequestsRelease(does="requests-release", of=self.target.digest, release_to=self.release_to)


class LifecycleReleaseDecisionV1(LifecycleStage):
    """By the sender of the target: `agency` may, or may not, release what stands in it to `release_to`; also unasked,
    and the newest decision counts. Permitted until `until`, where that is given, and under `conditions`; refused for a
    reason. The header's act is `decides-release`. Source: the third-party rule, 1988 Convention, Article 7(13).
    """

    stage: Literal["release-decision"]
    agency: AgencyId
    release_to: ReleaseTo
    permit: bool
    reason_code: RefusalReason | None = None
    decided_at: Time
    until: Due | None = None
    conditions: Text | None = None

    @model_validator(mode="after")
    def _permitted_or_refused(self) -> Self:
        if self.agency in self.release_to:
            wrong("release_to", "expected others than the agency that releases; remove it")
        if not self.permit and self.reason_code is None:
            wrong("reason_code", "expected why the release is refused; add it")
        if self.permit and self.reason_code is not None:
            wrong("reason_code", "expected a reason only where the release is refused; remove it or correct permit")
        for member in ("until", "conditions"):
            if not self.permit and getattr(self, member) is not None:
                wrong(member, "expected this only where the release is permitted; remove it or correct permit")
        if self.until is not None and self.until <= self.decided_at:
            wrong("until", "expected a time after decided_at; correct it")
        return self

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return DecidesRelease(
            does="decides-release",
            of=self.target.digest,
            agency=self.agency,
            release_to=self.release_to,
            permit=self.permit,
            until=None if self.until is None else seconds(self.until),
        )


class LifecycleAttestV1(LifecycleStage):
    """By a recipient of the target, which was withdrawn: every copy it holds is destroyed, backups too.

    Source: NIST SP 800-88 Rev. 1 (`method`: clear, purge, destroy, and cryptographic-erase, its way to purge by
    destroying the keys) and 28 CFR 23.20(h). `office` is the office that answers for it, never a person. `derived`:
    what was made of the packet; there was none, it is destroyed too, or it is corrected. `told`: the agencies to which
    it had gone on, and that were told. The header's act is `attests`.
    """

    stage: Literal["attest"]
    method: Literal["clear", "purge", "cryptographic-erase", "destroy"]
    destroyed_at: Time
    office: Label
    copies: Annotated[int, Field(ge=1, le=1_000_000)]
    derived: Literal["none", "destroyed", "corrected"]
    told: Annotated[tuple[AgencyId, ...], Field(max_length=64)] = ()

    @model_validator(mode="after")
    def _told_once(self) -> Self:
        if len(set(self.told)) != len(self.told):
            wrong("told", "expected each agency once, found one twice; name it once")
        return self

    def act(self, in_reply_to: str | None) -> Act | None:
        del in_reply_to
        return Attests(does="attests", of=self.target.digest)


LifecycleV1 = Annotated[
    LifecycleAmendV1
    | LifecycleSupersedeV1
    | LifecycleRetractV1
    | LifecycleDestroyV1
    | LifecycleReleaseRequestV1
    | LifecycleReleaseDecisionV1
    | LifecycleAttestV1,
    Field(discriminator="stage"),
]
"""The model for the stage its member `stage` names."""


KIND = PayloadKind(
    "lifecycle",
    "What becomes of a packet: amended, superseded, withdrawn, destroyed, released onward",
    {1: LifecycleV1},
)
