"""`setu watch`: what the exchanged packets together say of a trade."""

import time
from datetime import datetime, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from broker.cli.inputs import instant_of
from broker.cli.options import AsOption
from broker.cli.output import JsonOption, emit, note
from broker.cli.patience import PATIENCE, PatienceOption, connected
from broker.sdk.client import Client
from broker.sdk.cursors import MemoryCursors
from schemas.payloads.parts import Payload
from schemas.precursors import KINDS, Event, Fact, Source, facts_of
from schemas.watch import Amounts, GroupRow, Watch, watch

app = typer.Typer(no_args_is_help=True, help="What the exchanged packets together say of a trade.")

UNITS = {"KGM": "kg", "LTR": "l", "H87": "pieces", "U2": "tablets", "AV": "capsules", "VI": "vials"}
"""UN/ECE Recommendation 20, as people say it."""


@app.callback()
def root() -> None:
    """What the exchanged packets together say of a trade."""


@app.command(epilog="Example: setu watch precursors --as in-ncb/agency.toml --since 2026-01-01")
def precursors(
    ctx: typer.Context,
    profile: AsOption,
    since: Annotated[str | None, typer.Option(help="Packets accepted from this day or time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this one.")] = None,
    by: Annotated[str | None, typer.Option(help="Show one table alone: substances, routes or clusters.")] = None,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Hold notices of exports against answers, arrivals, domestic movements and diversions: overdue and discrepant ones
    first, then by substance, route and chemical cluster.

    It reads what this agency sent or received: the gateway opens what it is a reader of, and this program, with the
    agency's own key, what was sealed for the agency alone.
    """
    if by not in (None, "substances", "routes", "clusters"):
        raise typer.BadParameter("expected substances, routes or clusters", param_hint="--by")
    begin, end = instant_of(since, "--since"), instant_of(until, "--until")
    with connected(profile, patience) as client:
        found = client.precursors(since=begin, until=end)
        mine = {row.digest for row in found.unread if client.agency in row.recipients}
        if mine:
            note(f"opening {len(mine)} packets that the gateway cannot read")
            found = _with(found, _opened(client, mine), int(time.time()))
    emit(ctx, found.model_copy(update={"facts": None}).to_object(), lambda console: _show(console, found, by))


def _opened(client: Client, wanted: set[str]) -> dict[str, tuple[Fact, ...]]:
    """Digest -> facts. Each packet is verified and judged as `follow` does it; nothing is acknowledged."""
    opened: dict[str, tuple[Fact, ...]] = {}
    for packet in client.follow(*KINDS, cursors=MemoryCursors(), drain=True):
        if packet.digest in wanted and isinstance(packet.payload, Payload):
            at = int(datetime.fromisoformat(packet.entry.time).timestamp())
            opened[packet.digest] = facts_of(
                packet.payload, Source.of_packet(packet.header, packet.digest, packet.index, at)
            )
    return opened


def _with(found: Watch, opened: dict[str, tuple[Fact, ...]], now: int) -> Watch:
    facts = [*(found.facts or ()), *(each for facts in opened.values() for each in facts)]
    return watch(facts, now, unread=[row for row in found.unread if row.digest not in opened], show=True)


def _show(console: Console, found: Watch, by: str | None) -> None:
    if not (found.notices or found.substances or found.routes or found.clusters):
        console.print("No packet that this agency may see says anything of a precursor in this time.")
        _show_unread(console, found)
        return
    if by is None:
        _show_notices(console, found)
    for name in ("substances", "routes", "clusters"):
        if by in (None, name):
            _show_groups(console, name, getattr(found, name))
    _show_unread(console, found)


def _show_unread(console: Console, found: Watch) -> None:
    if found.unread:
        overdue = sum(row.overdue for row in found.unread)
        number = len(found.unread)
        said = "1 packet" if number == 1 else f"{number} packets"
        console.print(f"{said} could not be read here, {overdue} of them overdue.", style="yellow")
    if destroyed := sum(row.destroyed for row in found.unread):
        console.print(
            f"{destroyed} of them the gateway could read once: the wrap key has ended and is destroyed. "
            "Their recipients read them.",
            style="dim",
        )


def _show_notices(console: Console, found: Watch) -> None:
    table = Table(box=None, header_style="bold", title="notices", title_justify="left")
    for name in ("notice", "substance", "route", "from", "to", "due", "state", "notified", "arrived", "moved"):
        table.add_column(name, no_wrap=True)
    table.add_column("trouble", style="bold red")
    for row in found.notices:
        table.add_row(
            row.pen_ref,
            row.substance,
            row.route,
            row.sender,
            " ".join(row.recipients),
            _day(row.due),
            row.state,
            _amounts(row.notified),
            _amounts(row.arrived),
            _amounts(row.moved),
            ", ".join(row.troubles),
        )
    console.print(table)


def _show_groups(console: Console, name: str, rows: tuple[GroupRow, ...]) -> None:
    table = Table(box=None, header_style="bold", title=name, title_justify="left")
    for column in ("", "notices", "in trouble", "notified", "arrived", "moved", "diverted", "seized"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        amounts = [_amounts(row.amounts.get(event, {})) for event in _SHOWN]
        table.add_row(row.value, str(row.notices), str(row.troubled or ""), *amounts)
    console.print(table)


_SHOWN: tuple[Event, ...] = ("notice", "arrival", "movement", "diversion", "seizure")


def _day(due: str) -> str:
    """The last day on which it can be done: what is due at 24:00 is due on the day that ends then."""
    return (datetime.fromisoformat(due) - timedelta(microseconds=1)).date().isoformat()


def _amounts(amounts: Amounts) -> str:
    return ", ".join(f"{value} {UNITS.get(unit, unit)}" for unit, value in amounts.items())
