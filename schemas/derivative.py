"""Rule 6: what is made from several packets carries the strictest of their markings."""

from collections.abc import Callable, Iterable, Sequence
from datetime import date
from enum import StrEnum
from typing import TypeVar

import pycountry

from schemas.handling import (
    Classification,
    Dissem,
    Flags,
    Handling,
    HandlingCode,
    Level,
    Pap,
    PermittedActions,
    Retention,
    Tlp,
)

E = TypeVar("E", bound=StrEnum)


def derivative(
    sources: Sequence[Handling], rank: Callable[[Classification], int], *, legal_basis: str | None = None
) -> Handling:
    """The handling block of something made from `sources`.

    The highest rank, the strictest TLP, PAP and handling code, every dissemination control (NF before REL; RELIDO, by
    which others decide, only where all have it), the intersection of releasable_to (a country holds its agencies) and
    of purpose, the narrowest permitted actions, the earliest review and purge; personal data if any has it, sanitised
    only if all are. Nothing is converted: the classification is one of the sources', of equals the first, and LES-NF
    before what is not; where another outranks it, NF says the same.

    Args:
        sources: the handling blocks of all that went in, at least one.
        rank: a marking's place in the agreement's order (`schemas.directory.Agreement`).
        legal_basis: needed where the sources' differ.

    Raises:
        ValueError: no source, no purpose in common, or differing bases and none given: these may not be joined.
    """
    if not sources:
        raise ValueError("expected at least one source, found none")
    bases = {each.legal_basis for each in sources} if legal_basis is None else {legal_basis}
    if len(bases) != 1:
        raise ValueError("expected one legal basis, found several; say which the new information rests on")
    purposes = [each for each in sources[0].purpose if all(each in other.purpose for other in sources)]
    if not purposes:
        raise ValueError("expected a purpose that all sources share, found none; ask the originators")
    dissem = {control for each in sources for control in each.dissem}
    if not all(Dissem.RELIDO in each.dissem for each in sources):
        dissem -= {Dissem.RELIDO}
    classification = max(
        (each.classification for each in sources), key=lambda found: (rank(found), found.level is Level.US_LES_NF)
    )
    if Dissem.NF in dissem or any(each.classification.level is Level.US_LES_NF for each in sources):
        dissem -= {Dissem.REL, Dissem.RELIDO}
        if classification.level is not Level.US_LES_NF:
            dissem |= {Dissem.NF}
    return Handling(
        classification=classification,
        tlp=_last(Tlp, (each.tlp for each in sources)),
        pap=_last(Pap, (each.pap for each in sources)),
        handling_code=_last(HandlingCode, (each.handling_code for each in sources)),
        dissem=tuple(each for each in Dissem if each in dissem),
        releasable_to=_shared([each.releasable_to for each in sources]),
        purpose=tuple(purposes),
        legal_basis=bases.pop(),
        permitted_actions=_first(PermittedActions, (each.permitted_actions for each in sources)),
        attribution=max((each.attribution for each in sources), key=("may", "must", "must-not").index),
        retention=Retention(
            review_on=_earliest(
                bound for each in sources for bound in (each.retention.review_on, each.retention.purge_on)
            ),
            purge_on=_earliest(each.retention.purge_on for each in sources),
        ),
        flags=Flags(
            personal_data=any(each.flags.personal_data for each in sources),
            sanitised=all(each.flags.sanitised for each in sources),
        ),
    )


def _last(order: type[E], values: Iterable[E]) -> E:
    return max(values, key=list(order).index)


def _first(order: type[E], values: Iterable[E]) -> E:
    return min(values, key=list(order).index)


def _earliest(days: Iterable[date | None]) -> date | None:
    return min((day for day in days if day is not None), default=None)


def _shared(lists: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    named = dict.fromkeys(name for each in lists for name in each)
    return tuple(name for name in named if all(covers(each, name) for each in lists))


def covers(releasable_to: Sequence[str], name: str) -> bool:
    """Is this agency or country among these? A country holds its agencies."""
    return name in releasable_to or _country_of(name) in releasable_to


def _country_of(name: str) -> str | None:
    found = pycountry.countries.get(alpha_2=name[:2].upper()) if "-" in name else None
    return None if found is None else str(found.alpha_3)
