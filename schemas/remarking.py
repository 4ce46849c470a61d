"""Rule 7: only the originator lowers a marking; a recipient may raise it for itself. What is lower, by member."""

from collections.abc import Callable, Sequence
from datetime import date
from enum import StrEnum
from typing import TypeVar

from schemas.derivative import covers
from schemas.handling import (
    Classification,
    Dissem,
    Handling,
    HandlingCode,
    Level,
    Pap,
    PermittedActions,
    Retention,
    Tlp,
)

E = TypeVar("E", bound=StrEnum)

Ranking = Callable[[Classification], int | None]
"""A marking's place in the agreement's order; None where it has none (`schemas.directory.Agreement.rank`)."""

ATTRIBUTION = ("may", "must", "must-not")


class LoweredError(ValueError):
    """A marking was lowered by somebody else than its originator. members: which, as dotted names in the block."""

    def __init__(self, members: tuple[str, ...]) -> None:
        super().__init__(
            f"expected markings at least as strict as the originator's, found lower: {', '.join(members)}; "
            "ask the originator, who alone may lower them"
        )
        self.members = members


def remark(before: Handling, after: Handling, rank: Ranking, *, by_originator: bool) -> Handling:
    """`after`, where whoever marks anew may do so: the originator as it likes, a recipient only upwards.

    Raises:
        LoweredError: a recipient would lower a marking.
    """
    members = () if by_originator else lowered(before, after, rank)
    if members:
        raise LoweredError(members)
    return after


def lowered(before: Handling, after: Handling, rank: Ranking, *, also: Sequence[str] = ()) -> tuple[str, ...]:
    """The members in which `after` is less strict than `before`, as dotted names in the block's own order.

    What `schemas.derivative.derivative` makes of several blocks is lower than none of them. The legal basis is no
    marking and has no order. Where ranks are unknown, only the same marking is as strict.

    Args:
        before: as its originator marked it.
        after: as it is marked now.
        rank: the agreement's.
        also: agencies and countries that may have it beside `before.releasable_to`: by a release decision, or because
            they are its originator.
    """
    held = (*before.releasable_to, *also)
    # REL only says that there is a list, and NF is stricter than any
    kept = set(before.dissem) - {Dissem.RELIDO, Dissem.NF}
    if _noforn(after):
        kept -= {Dissem.REL}
    found = {
        "classification": _below(before.classification, after.classification, rank),
        "tlp": _earlier(Tlp, before.tlp, after.tlp),
        "pap": _earlier(Pap, before.pap, after.pap),
        "handling_code": _earlier(HandlingCode, before.handling_code, after.handling_code),
        "dissem": not kept <= set(after.dissem)
        or (_noforn(before) and not _noforn(after))
        or (Dissem.RELIDO in after.dissem and Dissem.RELIDO not in before.dissem),
        "releasable_to": not all(covers(held, name) for name in after.releasable_to),
        "purpose": not set(after.purpose) <= set(before.purpose),
        "permitted_actions": _earlier(PermittedActions, after.permitted_actions, before.permitted_actions),
        "attribution": ATTRIBUTION.index(after.attribution) < ATTRIBUTION.index(before.attribution),
        "retention.review_on": _later(_review(before.retention), _review(after.retention)),
        "retention.purge_on": _later(before.retention.purge_on, after.retention.purge_on),
        "flags.personal_data": before.flags.personal_data and not after.flags.personal_data,
        "flags.sanitised": after.flags.sanitised and not before.flags.sanitised,
    }
    return tuple(name for name, lower in found.items() if lower)


def _below(before: Classification, after: Classification, rank: Ranking) -> bool:
    was, now = rank(before), rank(after)
    if was is None or now is None:
        return before != after
    return now < was


def _noforn(block: Handling) -> bool:
    return Dissem.NF in block.dissem or block.classification.level is Level.US_LES_NF


def _earlier(order: type[E], before: E, after: E) -> bool:
    return list(order).index(after) < list(order).index(before)


def _review(retention: Retention) -> date | None:
    """What is purged is reviewed no more."""
    return min((day for day in (retention.review_on, retention.purge_on) if day is not None), default=None)


def _later(before: date | None, after: date | None) -> bool:
    return before is not None and (after is None or after > before)
