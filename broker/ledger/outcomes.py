"""Counts what packets led to, from `accepted` entries in ledger order: of a live log, or of a mirror."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any

from schemas.act import Outcome
from schemas.outcomes import OutcomeRow, Outcomes


@dataclass(slots=True)
class _Packet:
    sender: str
    kind: str
    at: str
    asks: bool
    first: str | None = None
    answered: bool = False
    reports: dict[str, Mapping[str, Any]] = field(default_factory=dict)


class Counting:
    """Give it every accepted entry from `since` on, in order; what comes after `until` counts as a word about earlier
    packets only.

    Args:
        until: `Instant` text, exclusive; None for no end.
        agency, kind: count only this sender's packets, this kind's.
        exercise: whether drill traffic is counted, instead of the rest.
    """

    def __init__(
        self, *, until: str | None = None, agency: str | None = None, kind: str | None = None, exercise: bool = False
    ) -> None:
        self._until = until
        self._agency = agency
        self._kind = kind
        self._exercise = exercise
        self._packets: dict[str, _Packet] = {}
        self._entries = 0

    def entry(self, entry: Mapping[str, Any]) -> None:
        """An accepted entry, as an object of JSON types."""
        self._entries += 1
        named, act = entry["packet"], entry.get("act")
        if bool(named.get("exercise")) is not self._exercise:
            return
        if act is not None and "of" in act:
            self._word(entry, act)
        wanted = (self._agency or named["from"], self._kind or named["kind"]) == (named["from"], named["kind"])
        if wanted and (self._until is None or entry["time"] < self._until):
            asks = act is not None and act["does"] == "asks"
            self._packets[named["digest"]] = _Packet(named["from"], named["kind"], entry["time"], asks)

    def report(self) -> Outcomes:
        """What was counted so far."""
        groups: dict[tuple[str, str], list[_Packet]] = defaultdict(list)
        for each in self._packets.values():
            groups[each.sender, each.kind].append(each)
        return Outcomes(
            entries=self._entries,
            rows=tuple(_row(agency, kind, packets) for (agency, kind), packets in sorted(groups.items())),
        )

    def _word(self, entry: Mapping[str, Any], act: Mapping[str, Any]) -> None:
        about = self._packets.get(act["of"])
        if about is None or entry["actor"] == about.sender:
            return
        if act["does"] == "reports":
            about.reports[entry["actor"]] = act
        elif act["does"] == "answers" and about.asks:
            about.answered = True
        else:
            return
        if about.first is None and (act["does"] == "answers" or not about.asks):
            about.first = entry["time"]


def _row(agency: str, kind: str, packets: list[_Packet]) -> OutcomeRow:
    waited = [_seconds(each.at, each.first) for each in packets if each.first is not None]
    reports = [report for each in packets for report in each.reports.values()]
    judged = [each["lawful"] for each in reports if "lawful" in each]
    held = [each["held_hours"] for each in reports if each.get("lawful") is True and "held_hours" in each]
    led: dict[Outcome, int] = dict.fromkeys(Outcome, 0)
    for packet in packets:
        for outcome in {report["outcome"] for report in packet.reports.values()}:
            led[Outcome(outcome)] += 1
    return OutcomeRow(
        agency=agency,
        kind=kind,
        packets=len(packets),
        asked=sum(each.asks for each in packets),
        answered=sum(each.answered for each in packets),
        median_answer_seconds=int(median(waited)) if waited else None,
        reported=sum(bool(each.reports) for each in packets),
        outcomes={outcome: count for outcome, count in led.items() if count},
        consignments=len(judged),
        lawful=sum(judged),
        false_positive_rate=f"{sum(judged) / len(judged):.3f}" if judged else None,
        held_hours=sum(held),
        median_held_hours=int(median(held)) if held else None,
    )


def _seconds(since: str, until: str) -> int:
    return int((datetime.fromisoformat(until) - datetime.fromisoformat(since)).total_seconds())
