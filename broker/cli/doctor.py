"""`setu doctor`: checks a gateway's deployment, or an agency's own set-up."""

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, TypeVar

import typer
from rich.console import Console

from broker.assembly.agency import connect
from broker.cli.agency_checks import examine_agency
from broker.cli.findings import Finding, State
from broker.cli.options import MaybeAsOption
from broker.cli.output import JsonOption, document_of, emit, note
from broker.cli.practising import ANSWER, checked, echoed
from broker.config import AgencySettings, GatewaySettings, load
from broker.errors import IntegrityError, SetuError
from broker.sdk.cursors import FileCursors
from broker.transport.topics import topic

app = typer.Typer()

PARTNER, AWAITED, SHORT = "zz-echo", 60.0, 15.0
S = TypeVar("S", GatewaySettings, AgencySettings)

_MARKS = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.BAD: ("✗", "bold red")}


@app.command(epilog="Example: setu doctor --config deployment/setu.toml; setu doctor --as agency.toml --echo")
def doctor(
    ctx: typer.Context,
    config: Annotated[Path, typer.Option(dir_okay=False, help="A gateway's settings.")] = Path("setu.toml"),
    profile: MaybeAsOption = None,
    echo: Annotated[
        bool, typer.Option("--echo", help="With --as: send the practice partner an exercise and await its answer.")
    ] = False,
    partner: Annotated[str, typer.Option(help="The practice partner's agency id.")] = PARTNER,
    patience: Annotated[
        float, typer.Option(metavar="SECONDS", min=1.0, help="For how long to await the answer.")
    ] = AWAITED,
    _json: JsonOption = False,
) -> None:
    """Check a gateway's deployment, running or not, or with --as an agency's own set-up, and say what to do.

    Nothing is changed, but that --echo sends an exercise. Exit status 1 where anything is bad; warnings leave it 0.
    """
    if echo and profile is None:
        raise typer.BadParameter("expected --as with --echo: an agency practises")
    found = list(_findings(config) if profile is None else _of_agency(profile, partner, patience, echo=echo))
    ok = all(each.state is not State.BAD for each in found)
    document = {
        "ok": ok,
        "findings": [
            {"name": each.name, "state": each.state.value, "found": each.found, "advice": each.advice} for each in found
        ],
    }
    emit(ctx, document, lambda console: _show(console, found))
    if not ok:
        raise typer.Exit(1)


def _findings(config: Path) -> Iterator[Finding]:
    # Imported where it is wanted: an agency has none of what a gateway needs.
    from broker.cli.checks import examine  # noqa: PLC0415

    settings = _settings(GatewaySettings, config)
    if isinstance(settings, Finding):
        yield settings
        return
    yield Finding("settings", State.OK, f"{config} is as expected.")
    yield from examine(settings)


def _of_agency(profile: Path, partner: str, patience: float, *, echo: bool) -> Iterator[Finding]:
    settings = _settings(AgencySettings, profile)
    if isinstance(settings, Finding):
        yield settings
        return
    yield Finding("settings", State.OK, f"{profile} is as expected.")
    bad = False
    for finding in examine_agency(settings):
        bad = bad or finding.state is State.BAD
        yield finding
    if bad:
        return
    try:
        with connect(profile, patience=SHORT) as client:
            for finding in checked(client, partner):
                bad = bad or finding.state is State.BAD
                yield finding
            if echo and not bad:
                begin = FileCursors(settings.at(settings.cache) / "cursors").read(topic(settings.agency, ANSWER))
                note(f"An exercise goes to {partner}; its answer is awaited for up to {patience:g} s.")
                yield from echoed(client, partner, patience, begin)
    except SetuError as error:
        yield Finding("practice", State.BAD, error.message, error.advice)


def _settings(kind: type[S], path: Path) -> S | Finding:
    try:
        return load(kind, path)
    except IntegrityError as error:
        said = document_of(error)["error"]
        return Finding("settings", State.BAD, said["message"], said["advice"])


def _show(console: Console, found: list[Finding]) -> None:
    for each in found:
        mark, style = _MARKS[each.state]
        console.print(mark, style=style, end=" ")
        console.print(f"{each.name:13}", style="bold", end="")
        console.print(each.found)
        if each.advice:
            console.print(f"{'':15}what to do: {each.advice}", style="cyan")
    count = Counter(each.state for each in found)
    console.print(f"{count[State.OK]} good, {count[State.WARNING]} to look at, {count[State.BAD]} bad.", style="dim")
