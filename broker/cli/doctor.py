"""`setu doctor`: checks a deployment."""

from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.cli.checks import Finding, State, examine
from broker.cli.output import JsonOption, document_of, emit
from broker.config import GatewaySettings, load
from broker.errors import IntegrityError

app = typer.Typer()

_MARKS = {State.OK: ("✓", "green"), State.WARNING: ("!", "yellow"), State.BAD: ("✗", "bold red")}


@app.command(epilog="Example: setu doctor --config deployment/setu.toml")
def doctor(
    ctx: typer.Context,
    config: Annotated[Path, typer.Option(dir_okay=False, help="The deployment's settings.")] = Path("setu.toml"),
    _json: JsonOption = False,
) -> None:
    """Check a deployment, running or not, and say of each finding what to do. Nothing is changed.

    Exit status 1 where anything is bad; warnings alone leave it 0.
    """
    found = list(_findings(config))
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


def _findings(config: Path) -> list[Finding]:
    try:
        settings = load(GatewaySettings, config)
    except IntegrityError as error:
        said = document_of(error)["error"]
        return [Finding("settings", State.BAD, said["message"], said["advice"])]
    return [Finding("settings", State.OK, f"{config} is as expected."), *examine(settings)]


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
