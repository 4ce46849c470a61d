"""What a packet does to an exchange, in clear: the header's member `act`.

A gateway keeps clocks, withdraws packets and counts outcomes also where it may not read the payload, so what it must
know of that stands in the header: digests, agency ids, times, codes and numbers, never a person's data, never free
text. The payload says the same, and whoever opens it checks that (`schemas.registry.check_with_header`).

`of` is the digest of an earlier packet of the same ledger, in which sender or recipient the packet's own sender takes
part, as each act says. Which payload makes which act is in `schemas/spec/payloads.md`.
"""

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import Field

from schemas.base import AgencyId, Digest, Model, Seconds
from schemas.handling import Releasable

MAX_SOURCES = 16

Hours = Annotated[int, Field(ge=0, le=1_000_000)]


class Outcome(StrEnum):
    """What a packet led to, as its recipient says (kind `feedback`)."""

    USED = "used"
    ARREST = "arrest"
    SEIZURE = "seizure"
    PROSECUTION = "prosecution"
    NO_TRACE = "no-trace"
    FALSE_POSITIVE = "false-positive"
    EXPIRED = "expired"


class Asks(Model):
    """An answer is due from each recipient at `due`."""

    does: Literal["asks"]
    due: Seconds


class Extends(Model):
    """By the sender of `of`, which asked: the answer is due at `due` instead."""

    does: Literal["extends"]
    of: Digest
    due: Seconds


class Answers(Model):
    """By a recipient of `of`, which asked: this is its answer, and its clock stops."""

    does: Literal["answers"]
    of: Digest


class Withdraws(Model):
    """By the sender of `of`: it is no longer served, and each recipient attests by `due` that it destroyed its copy."""

    does: Literal["withdraws"]
    of: Digest
    due: Seconds


class Attests(Model):
    """By a recipient of `of`, which was withdrawn: its copy is destroyed."""

    does: Literal["attests"]
    of: Digest


class RequestsRelease(Model):
    """By a recipient of `of`: may what stands in it go on to `release_to`?"""

    does: Literal["requests-release"]
    of: Digest
    release_to: Annotated[tuple[Releasable, ...], Field(min_length=1, max_length=64)]


class DecidesRelease(Model):
    """By the sender of `of`: `agency` may (`permit`) or may not release what stands in it to `release_to`, until
    `until` where that is given. The newest decision about an agency and a target counts.
    """

    does: Literal["decides-release"]
    of: Digest
    agency: AgencyId
    release_to: Annotated[tuple[Releasable, ...], Field(min_length=1, max_length=64)]
    permit: bool
    until: Seconds | None = None


class Reports(Model):
    """By a recipient of `of`: what it led to.

    lawful: it concerned a consignment, and that turned out lawful (True) or not (False); absent where it concerned
    none, or nobody knows. held_hours: whole hours for which the consignment was held.
    """

    does: Literal["reports"]
    of: Digest
    outcome: Outcome
    lawful: bool | None = None
    held_hours: Hours | None = None


Act = Annotated[
    Asks | Extends | Answers | Withdraws | Attests | RequestsRelease | DecidesRelease | Reports,
    Field(discriminator="does"),
]
