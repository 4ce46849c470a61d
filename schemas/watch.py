"""The precursor watch: notices of exports held against answers, arrivals, movements and diversions.

A notice and what belongs to it are joined by the notification's number in PEN Online (`pen_ref`), which is the channel
of record, or by the answer's `in_reply_to`. What names no notice is counted by substance, route and cluster alone.

The number is no secret: whom a notice is addressed to answers it, its two sides say what is held, let go or arrived,
and of others only what moved on or was diverted is joined to it.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Literal

from schemas.base import AgencyId, Count, Digest, Kind, Model, Reference
from schemas.payloads.values import Date, Label
from schemas.precursors import Event, Fact
from schemas.quantities import normalised, total, written

TOLERANCE = Decimal("0.005")
"""The share by which what arrives may differ from what was notified before the two count as discrepant: scales and
packaging differ by less.
"""

Trouble = Literal[
    "overdue", "answered-late", "sent-unanswered", "sent-against-objection", "not-arrived", "arrived-short",
    "arrived-over", "moved-over", "declared", "diverted",
]  # fmt: skip

ORDER: tuple[Trouble, ...] = (
    "overdue", "diverted", "sent-against-objection", "not-arrived", "arrived-short", "arrived-over", "moved-over",
    "sent-unanswered", "declared", "answered-late",
)  # fmt: skip
"""What is looked at first."""

_LAST = 253_402_300_799
"""9999-12-31T23:59:59Z."""

Amounts = dict[str, str]
"""Unit (KGM, LTR, or a unit of pieces) -> decimal."""


class NoticeRow(Model):
    """One notice. `troubles`: what does not fit, the gravest first.

    overdue: no answer, and it was due. answered-late: after that. sent-unanswered: the day of dispatch came without an
    answer. sent-against-objection: an objection or suspension stands, and something arrived. not-arrived: the last day
    for it is over. arrived-short, -over: by more than half a per cent. moved-over: more moved on than arrived.
    declared: a packet itself says so. diverted: a diversion or stopped shipment names this notice.
    """

    pen_ref: Reference
    digest: Digest
    sender: AgencyId
    recipients: tuple[AgencyId, ...]
    substance: Label
    cas: str | None = None
    cluster: str | None = None
    route: str
    dispatch: Date
    due: str
    state: Literal["open", "acknowledged", "no-objection", "objection", "suspended", "cleared"]
    notified: Amounts
    arrived: Amounts
    moved: Amounts
    diverted: Amounts
    troubles: tuple[Trouble, ...]


class GroupRow(Model):
    """All that is known of one substance, route or cluster. Counts of packets' facts, and amounts by unit."""

    value: Label
    notices: Count
    troubled: Count
    events: dict[Event, Count]
    amounts: dict[Event, Amounts]


class UnreadRow(Model):
    """A packet that the caller may know of and that was not opened for it: what the log says of it. due: when an answer
    is due, where it asks for one; answered: by at least one recipient; overdue: due, and not answered; destroyed: the
    gateway's wrap key that would open it ended and was destroyed, so only its recipients can read it.
    """

    digest: Digest
    index: Count
    kind: Kind
    sender: AgencyId
    recipients: tuple[AgencyId, ...]
    at: str
    due: str | None = None
    answered: bool = False
    overdue: bool = False
    destroyed: bool = False


class Watch(Model):
    """notices: those in trouble first, the gravest trouble first, then by due date. unread: overdue ones first. facts:
    what the rest was made from, where it was asked for.
    """

    notices: tuple[NoticeRow, ...]
    substances: tuple[GroupRow, ...]
    routes: tuple[GroupRow, ...]
    clusters: tuple[GroupRow, ...]
    unread: tuple[UnreadRow, ...] = ()
    facts: tuple[Fact, ...] | None = None


def watch(facts: Iterable[Fact], now: int, *, unread: Iterable[UnreadRow] = (), show: bool = False) -> Watch:
    """The whole picture of these facts. now: whole seconds UTC; a fact that was given twice counts once. show: with the
    facts.
    """
    known = sorted({_identity(each): each for each in facts}.values(), key=lambda each: each.source.index)
    found = [each for each in known if each.event == "notice"]
    by_name: dict[str, list[Fact]] = defaultdict(list)
    for each in found:
        by_name[each.source.digest].append(each)
        by_name[each.pen_ref or ""].append(each)
    of_notice: dict[str, list[Fact]] = defaultdict(list)
    notice_of: dict[int, Fact] = {}
    for each in known:
        if each.event == "notice" or each.pen_ref is None:
            continue
        notice = _meant(each, by_name.get(each.source.of or "") or by_name.get(each.pen_ref) or ())
        if notice is not None:
            of_notice[notice.source.digest].append(each)
            notice_of[id(each)] = notice
    notices = [_notice(each, of_notice[each.source.digest], now) for each in found]
    notices.sort(key=lambda row: (ORDER.index(row.troubles[0]) if row.troubles else len(ORDER), row.due, row.pen_ref))
    troubled = {row.digest for row in notices if row.troubles}
    filled = [_filled(each, notice_of.get(id(each))) for each in known]
    return Watch(
        notices=tuple(notices),
        substances=_groups([(each.substance, each) for each in filled], troubled),
        routes=_groups([(each.route, each) for each in filled], troubled),
        clusters=_groups([(each.cluster, each) for each in filled], troubled),
        unread=tuple(sorted(unread, key=lambda row: (not row.overdue, row.due or "~", row.index))),
        facts=tuple(known) if show else None,
    )


def _identity(fact: Fact) -> tuple[object, ...]:
    return fact.source.digest, fact.part


def _meant(fact: Fact, named: Sequence[Fact]) -> Fact | None:
    """The newest of these notices whose party says it; where others may say it too, else the oldest."""
    sender = fact.source.sender
    theirs = [
        each
        for each in named
        if sender in each.source.recipients or (sender == each.source.sender and fact.event not in _ANSWERS)
    ]
    if theirs:
        return theirs[-1]
    return named[0] if named and fact.event in _OF_ANYBODY else None


_ANSWERS = frozenset({"acknowledged", "no-objection", "objection"})
_OF_ANYBODY = frozenset({"movement", "diversion", "seizure"})


def _filled(fact: Fact, notice: Fact | None) -> Fact:
    """A stage that names no substance or route is about its notice's."""
    if notice is None:
        return fact
    missing = {
        name: getattr(notice, name) for name in ("substance", "cas", "cluster", "route") if getattr(fact, name) is None
    }
    return fact.model_copy(update=missing)


def _notice(notice: Fact, others: Sequence[Fact], now: int) -> NoticeRow:
    arrivals = [each for each in others if each.event == "arrival"]
    moves = [each for each in others if each.event == "movement"]
    lost = [each for each in others if each.event == "diversion"]
    notified, arrived, moved = (_sum(each) for each in ([notice], arrivals, moves))
    decisions = [each for each in others if each.event in ("no-objection", "objection", "suspended", "cleared")]
    answers = [each for each in decisions if each.event in ("no-objection", "objection")]
    acknowledged = any(each.event == "acknowledged" for each in others)
    state = decisions[-1].event if decisions else "acknowledged" if acknowledged else "open"
    today = _day(now)
    due = notice.due or 0
    found: dict[Trouble, bool] = {
        "overdue": not answers and now >= due,
        "answered-late": bool(answers) and min(each.source.at for each in answers) >= due,
        "sent-unanswered": not answers and (bool(arrivals) or (notice.on or today) < today),
        "sent-against-objection": state in ("objection", "suspended") and bool(arrivals),
        "not-arrived": not arrivals
        and state not in ("objection", "suspended")
        and notice.by is not None
        and notice.by < today,
        "arrived-short": bool(arrivals) and _differs(notified, arrived) < 0,
        "arrived-over": bool(arrivals) and _differs(notified, arrived) > 0,
        "moved-over": bool(moves) and bool(arrivals) and _differs(arrived, moved) > 0,
        "declared": any(each.declared for each in others),
        "diverted": bool(lost),
    }
    return NoticeRow.model_validate(
        {
            "pen_ref": notice.pen_ref,
            "digest": notice.source.digest,
            "sender": notice.source.sender,
            "recipients": notice.source.recipients,
            "substance": notice.substance,
            "cas": notice.cas,
            "cluster": notice.cluster,
            "route": notice.route,
            "dispatch": notice.on,
            "due": moment(due),
            "state": state,
            "notified": _written(notified),
            "arrived": _written(arrived),
            "moved": _written(moved),
            "diverted": _written(_sum(lost)),
            "troubles": tuple(each for each in ORDER if found[each]),
        }
    )


def _groups(facts: Sequence[tuple[str | None, Fact]], troubled: set[str]) -> tuple[GroupRow, ...]:
    by_value: dict[str, list[Fact]] = defaultdict(list)
    for value, fact in facts:
        if value is not None:
            by_value[value].append(fact)
    rows = [_group(value, each, troubled) for value, each in by_value.items()]
    return tuple(sorted(rows, key=lambda row: (-row.troubled, -row.notices, row.value)))


def _group(value: str, facts: Sequence[Fact], troubled: set[str]) -> GroupRow:
    events: dict[Event, list[Fact]] = defaultdict(list)
    for each in facts:
        events[each.event].append(each)
    return GroupRow(
        value=value,
        notices=len(events.get("notice", ())),
        troubled=sum(each.source.digest in troubled for each in events.get("notice", ())),
        events={event: len(found) for event, found in sorted(events.items())},
        amounts={event: amounts for event, found in sorted(events.items()) if (amounts := _written(_sum(found)))},
    )


def _sum(facts: Iterable[Fact]) -> dict[str, Decimal]:
    found: dict[str, list[Decimal]] = defaultdict(list)
    for each in facts:
        if each.quantity is not None:
            unit, amount = normalised(each.quantity.value, each.quantity.unit)
            found[unit].append(amount)
    return {unit: total(amounts) for unit, amounts in found.items()}


def _differs(expected: dict[str, Decimal], found: dict[str, Decimal]) -> int:
    """-1 where less was found than expected, 1 where more, 0 where neither or where the units cannot be compared."""
    for unit, amount in expected.items():
        if unit in found and abs(found[unit] - amount) > amount * TOLERANCE:
            return 1 if found[unit] > amount else -1
    return 0


def _written(amounts: dict[str, Decimal]) -> Amounts:
    return {unit: written(amount) for unit, amount in sorted(amounts.items())}


def _day(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()


def moment(seconds: int) -> str:
    """Whole seconds UTC as text (RFC 3339); the calendar's last second for all that come after it."""
    return datetime.fromtimestamp(min(seconds, _LAST), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
