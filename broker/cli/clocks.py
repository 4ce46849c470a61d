"""`setu clocks`: what is due to an agency and from it."""

import time
from datetime import UTC, datetime
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.cli.options import AsOption
from broker.cli.output import JsonOption, emit, note
from broker.cli.patience import PATIENCE, PatienceOption, connected
from schemas.evidence import ClockState, OpenClock, OpenClocks

app = typer.Typer()

MOST = 500
_UNITS = (("d", 86_400), ("h", 3_600), ("min", 60))


@app.command(epilog="Example: setu clocks --as us-dea/agency.toml")
def clocks(
    ctx: typer.Context,
    profile: AsOption,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="At most so many.")] = 100,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Show what this agency owes and waits for: answers, and attestations that what was withdrawn is destroyed.

    Overdue ones come first, then those that are due soonest. A packet that waits for this agency and that `setu follow`
    has not fetched yet is not among them.
    """
    with connected(profile, patience) as client:
        agency, found = client.agency, client.clocks(limit)
    emit(ctx, found.to_object(), lambda console: _show(console, agency, found, time.time()))


def _show(console: Console, agency: str, found: OpenClocks, now: float) -> None:
    if not found.clocks:
        console.print("Nothing is due to this agency or from it.", style="green")
        return
    table = Table(box=None, header_style="bold")
    for name in ("due (UTC)", "", "who", "owes", "for", "packet"):
        table.add_column(name, no_wrap=True)
    for each in found.clocks:
        overdue = each.state is ClockState.OVERDUE
        who = "this agency" if each.recipient == agency else each.recipient
        whom = "this agency" if each.from_ == agency else each.from_
        table.add_row(
            _moment(each.due),
            _distance(each.due - now),
            who,
            _owed(each, whom),
            f"{each.kind} {each.index}",
            each.digest,
            style="bold red" if overdue else None,
        )
    console.print(table)
    if found.more:
        note("There are more; --limit shows them.", "yellow")


def _owed(clock: OpenClock, whom: str) -> str:
    return f"an answer to {whom}" if clock.word == "answer" else f"its destruction, attested to {whom}"


def _moment(due: int) -> str:
    try:
        return datetime.fromtimestamp(due, UTC).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, ValueError, OSError):
        return f"{due} s"  # beyond the calendar's years


def _distance(seconds: float) -> str:
    """`in 3 h`, `2 d ago`."""
    size = abs(seconds)
    text = next((f"{int(size // one)} {unit}" for unit, one in _UNITS if size >= one), "a moment")
    return f"in {text}" if seconds > 0 else f"{text} ago"
