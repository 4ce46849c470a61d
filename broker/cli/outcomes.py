"""`setu outcomes`: what the packets of a period led to."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.cli.folders import mirror_in
from broker.cli.inputs import instant_of
from broker.cli.options import MaybeAsOption
from broker.cli.output import JsonOption, emit, progress
from broker.cli.patience import PATIENCE, PatienceOption, connected
from broker.ledger.fetch import Fetch
from broker.ledger.outcomes import Counting
from broker.ledger.port import EntryFilter
from broker.ledger.search import search_mirror
from broker.merkle.note import parse_checkpoint
from broker.merkle.tiles import CHECKPOINT
from broker.sdk.lookups import Counted
from schemas.evidence import EntryType
from schemas.outcomes import OutcomeRow, Outcomes

app = typer.Typer()

HOUR, DAY = 3600, 86_400


@app.command(epilog="Example: setu outcomes log --since 2026-01-01 --agency in-ncb")
def outcomes(
    ctx: typer.Context,
    copy: Annotated[
        Path | None,
        typer.Argument(metavar="[MIRROR]", exists=True, file_okay=False, help="Count in this mirror, offline."),
    ] = None,
    profile: MaybeAsOption = None,
    since: Annotated[str | None, typer.Option(help="Packets accepted from this day or time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this one; later words about them count.")] = None,
    agency: Annotated[str | None, typer.Option(help="Only this sender's packets.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only packets of this kind.")] = None,
    exercise: Annotated[bool, typer.Option("--exercise", help="Drill traffic, which else is left out.")] = False,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Count by agency and kind: packets, answers and how long they took, what the packets led to, how often a
    consignment turned out lawful and for how long lawful ones were held.

    At the gateway (--as), an auditor's of all, an agency's of what it may see; or offline in a mirror.
    """
    if (profile is None) == (copy is None):
        raise typer.BadParameter("expected either a mirror (offline) or --as (at the gateway)")
    begin, end = instant_of(since, "--since"), instant_of(until, "--until")
    if copy is not None:
        found = _offline(mirror_in(copy), begin, Counting(until=end, agency=agency, kind=kind, exercise=exercise))
    else:
        asked: Counted = {"exercise": exercise}
        for name, value in (("since", begin), ("until", end), ("agency", agency), ("kind", kind)):
            if value is not None:
                asked[name] = value  # type: ignore[literal-required]
        with connected(profile or Path(), patience) as client:
            found = client.outcomes(**asked)
    emit(ctx, found.to_object(), lambda console: _show(console, found))


def _offline(fetch: Fetch, since: str | None, counting: Counting) -> Outcomes:
    size = parse_checkpoint(fetch(CHECKPOINT)).size
    what = EntryFilter(since=since, types=[EntryType.ACCEPTED], limit=size)
    with progress("counting entries") as moved:
        for each in search_mirror(fetch, what):
            counting.entry(json.loads(each.entry))
            moved(each.index + 1, size)
    return counting.report()


def _show(console: Console, found: Outcomes) -> None:
    table = Table(box=None, header_style="bold")
    for name in ("agency", "kind", "packets", "answered", "first answer", "led to", "consignments", "lawful", "held"):
        table.add_column(name, no_wrap=name != "led to")
    for row in found.rows:
        table.add_row(*_cells(row))
    console.print(table)
    console.print(f"{found.entries} accepted packets looked at.", style="dim")


def _cells(row: OutcomeRow) -> tuple[str, ...]:
    led = ", ".join(f"{outcome} {count}" for outcome, count in row.outcomes.items())
    lawful = f"{row.lawful} ({row.false_positive_rate})" if row.false_positive_rate is not None else ""
    held = f"{row.held_hours} h, median {row.median_held_hours} h" if row.median_held_hours is not None else ""
    return (
        row.agency,
        row.kind,
        str(row.packets),
        f"{row.answered} of {row.asked}" if row.asked else "",
        _spoken(row.median_answer_seconds),
        led,
        str(row.consignments) if row.consignments else "",
        lawful,
        held,
    )


def _spoken(seconds: int | None) -> str:
    if seconds is None:
        return ""
    if seconds < 2 * HOUR:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / HOUR:.0f} h" if seconds < 2 * DAY else f"{seconds / DAY:.1f} days"
