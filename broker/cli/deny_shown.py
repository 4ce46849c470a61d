"""Deny lists, shown: for programs, for people, and for `setu doctor`."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, Literal

from rich.console import Console

from broker.directory.deny import Listed, lifted
from broker.directory.lookup import Snapshot
from broker.flows.standing import deny_warnings
from schemas.deny import OPERATOR

_ADVICE = "Have who keeps that list sign it anew (`setu deny renew`), and put it in force (`setu deny publish`)."


def document_of(snapshot: Snapshot, now: float) -> dict[str, Any]:
    """For `--json`. An entry that the directory lifted has `lifted`."""
    return {"directory": snapshot.ref.version, "lists": [_list(snapshot, each, now) for each in snapshot.lists]}


def _list(snapshot: Snapshot, each: Listed, now: float) -> dict[str, Any]:
    up_to = lifted(snapshot.signed, snapshot.realm, each.name).serial
    place = each.places[-1] if each.places else None
    entries = []
    if each.document is not None:
        for number, denial in enumerate(each.document.denials, each.document.base.serial + 1):
            entries.append({"serial": number, **denial.to_object(), "lifted": number <= up_to})
    return {
        "list": each.name,
        "version": each.version,
        "serial": place.serial if place else 0,
        "hash": place.hash if place else None,
        "expires": datetime.fromtimestamp(each.expires, UTC).isoformat() if each.expires else None,
        "stale": each.stale(now),
        "trouble": each.trouble,
        "entries": entries,
    }


def show_lists(console: Console, found: dict[str, Any]) -> None:
    if not found["lists"]:
        console.print("No deny list is agreed on in this realm.")
    for each in found["lists"]:
        console.print(f"{each['list']}", style="bold", end="  ")
        console.print(f"version {each['version']}, after entry {each['serial']}", style="dim", end="  ")
        console.print(
            f"{'expired' if each['stale'] else 'good until'} {each['expires'] or 'and was never signed'}",
            style="yellow" if each["stale"] else "dim",
        )
        if each["trouble"]:
            console.print(f"  {each['trouble']}", style="bold red")
        for entry in each["entries"]:
            what = entry["agency"]
            for member in ("kid", "certificate"):
                what += f", {member} {entry[member]}" if member in entry else ""
            console.print(f"  {entry['serial']}  {what}", style="dim" if entry["lifted"] else "red", end="")
            console.print("  lifted" if entry["lifted"] else "", end="")
            console.print(f"  {entry.get('note', '')}".rstrip(), style="dim")
        if not each["entries"]:
            console.print("  suspends nobody")


def deny_findings(snapshot: Snapshot, now: float, grace: int) -> Iterator[tuple[Literal["warning", "bad"], str, str]]:
    """What is wrong with the lists: state, what was found, what to do."""
    doubts = deny_warnings(snapshot, now)
    for each in doubts:
        yield "warning", each, _ADVICE
    unheard = [each.name for each in snapshot.lists if each.name != OPERATOR and each.stale(now, grace)]
    if unheard:
        yield "bad", f"Expected deny lists within the grace, found {', '.join(unheard)} beyond it: not heard.", _ADVICE
    if not snapshot.lists:
        told = "No deny list is agreed on: a suspension waits for a ceremony."
        yield "warning", told, "Have the countries give keys to deny lists at the next ceremony."
