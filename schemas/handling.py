"""The handling block: markings, releasability, purpose, retention. In clear, for policy needs it.

Sources: TLP 2.0 and IEP 2.0 (FIRST), PAP (MISP), Europol handling codes H0 to H3, the US dissemination controls
OC, NF, REL and RELIDO. It never holds personal data or free text.
"""

import re
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StringConstraints, model_validator

from schemas.base import Model


class Level(StrEnum):
    """Levels of both systems; which belongs to which is `LEVELS`."""

    IN_TOP_SECRET = "TOP SECRET"  # noqa: S105 - a marking
    IN_SECRET = "SECRET"  # noqa: S105 - a marking
    IN_CONFIDENTIAL = "CONFIDENTIAL"
    IN_RESTRICTED = "RESTRICTED"
    IN_UNCLASSIFIED = "UNCLASSIFIED"
    US_TS = "TS"
    US_S = "S"
    US_C = "C"
    US_U = "U"
    US_LES = "LES"
    US_LES_NF = "LES-NF"
    US_SBU = "SBU"


LEVELS: dict[str, frozenset[str]] = {
    "IN": frozenset({"TOP SECRET", "SECRET", "CONFIDENTIAL", "RESTRICTED", "UNCLASSIFIED"}),
    "US": frozenset({"TS", "S", "C", "U", "LES", "LES-NF", "SBU"}),
}


class Classification(Model):
    """A marking in its own system. It is compared by the agreement's map and never converted."""

    system: Literal["IN", "US"]
    level: Level

    @model_validator(mode="after")
    def _of_its_system(self) -> Self:
        if self.level not in LEVELS[self.system]:
            raise ValueError(f"expected a level of system {self.system}: {', '.join(sorted(LEVELS[self.system]))}")
        return self


class Tlp(StrEnum):
    """Traffic Light Protocol 2.0 (FIRST, 2022)."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    AMBER_STRICT = "AMBER+STRICT"
    RED = "RED"


class Pap(StrEnum):
    """Permissible Actions Protocol."""

    CLEAR = "CLEAR"
    GREEN = "GREEN"
    AMBER = "AMBER"
    RED = "RED"


class HandlingCode(StrEnum):
    """Europol handling codes."""

    H0 = "H0"
    H1 = "H1"
    H2 = "H2"
    H3 = "H3"


class Dissem(StrEnum):
    """US dissemination controls."""

    OC = "OC"
    NF = "NF"
    REL = "REL"
    RELIDO = "RELIDO"


class Purpose(StrEnum):
    """What the information may be used for; policy matches it with the recipient's mandate."""

    PREVENTION = "prevention"
    INVESTIGATION = "investigation"
    PROSECUTION = "prosecution"
    REGULATORY = "regulatory"
    FINANCIAL = "financial"
    BORDER = "border"
    OFFICER_SAFETY = "officer-safety"
    PUBLIC_HEALTH = "public-health"


class PermittedActions(StrEnum):
    """Information Exchange Policy 2.0 (FIRST), permitted actions."""

    NONE = "none"
    CONTACT_FOR_INSTRUCTION = "contact-for-instruction"
    INTERNALLY_VISIBLE = "internally-visible"
    EXTERNALLY_VISIBLE_INDIRECT = "externally-visible-indirect"
    EXTERNALLY_VISIBLE_DIRECT = "externally-visible-direct"


def _one_spelling(value: Any) -> Any:
    # pydantic also reads a number of seconds as a date; no other reader would
    if not isinstance(value, str):
        return value
    if not _DAY.fullmatch(value):
        raise ValueError("expected a date like 2026-01-31, found another form; write it that way")
    try:
        return date.fromisoformat(value)
    except ValueError:
        raise ValueError("expected a date that exists, found one that does not; correct it") from None


_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Day = Annotated[date, BeforeValidator(_one_spelling)]
"""An ISO 8601 calendar date, UTC; `2026-01-31` on the wire."""


class Retention(Model):
    """When the recipient reviews and purges."""

    review_on: Day | None = None
    purge_on: Day | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.review_on and self.purge_on and self.review_on > self.purge_on:
            raise ValueError("expected review_on on or before purge_on")
        return self


class Flags(Model):
    """Whether personal data is in the payload, and whether its sources were removed."""

    personal_data: bool
    sanitised: bool


def _white_is_clear(value: Any) -> Any:
    return "CLEAR" if value == "WHITE" else value


Releasable = Annotated[str, StringConstraints(pattern=r"^([A-Z]{3}|[a-z]{2}-[a-z0-9]+(-[a-z0-9]+)*)$", max_length=32)]
"""An agency id, or a country as ISO 3166-1 alpha-3."""

LegalBasis = Annotated[str, StringConstraints(pattern=r"^[A-Z0-9][A-Z0-9-]{0,39}$")]
"""UN1988-7, UN1988-9, UN1988-11, UN1988-12, IN-US-MLAT-2001, EGMONT, DOMESTIC, or one the directory names."""


class Handling(Model):
    """The handling block of a header. `releasable_to` empty releases to nobody."""

    classification: Classification
    tlp: Annotated[Tlp, BeforeValidator(_white_is_clear)]
    pap: Pap
    handling_code: HandlingCode
    dissem: Annotated[tuple[Dissem, ...], Field(max_length=4)] = ()
    releasable_to: Annotated[tuple[Releasable, ...], Field(max_length=64)]
    purpose: Annotated[tuple[Purpose, ...], Field(min_length=1, max_length=8)]
    legal_basis: LegalBasis
    permitted_actions: PermittedActions
    attribution: Literal["may", "must", "must-not"]
    retention: Retention
    flags: Flags

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        for name in ("dissem", "releasable_to", "purpose"):
            values = getattr(self, name)
            if len(set(values)) != len(values):
                raise ValueError(f"expected each value of {name} once, found one twice")
        return self
