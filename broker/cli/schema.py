"""`setu schema`: the payload kinds this program knows."""

from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.cli.inputs import FileArgument, model_of, payload_error, read_bytes, read_json
from broker.cli.output import JsonOption, emit
from broker.cli.publishing import publish
from broker.cli.scaffold import new
from schemas import registry
from schemas.handling import Handling

app = typer.Typer(no_args_is_help=True, help="Payload kinds: list them, show, sample, check a payload; add a kind.")
app.command(epilog="Example: setu schema publish --check")(publish)
app.command(epilog="Example: setu schema new vessel-movement --about 'Where a vessel was' --source 'SOLAS, V/19'")(new)

KindArgument = Annotated[str, typer.Argument(metavar="KIND", help="A kind, for example tip.")]
VersionOption = Annotated[int | None, typer.Option("--version", min=1, help="Its version; the newest without.")]


@app.command("list", epilog="Example: setu schema list")
def list_(ctx: typer.Context, _json: JsonOption = False) -> None:
    """List kinds and versions."""
    found = [
        {"kind": kind, "versions": list(registry.versions(kind)), "about": registry.about(kind)}
        for kind in registry.kinds()
    ]

    def show(console: Console) -> None:
        table = Table("kind", "versions", "about", box=None, header_style="bold")
        for each in found:
            table.add_row(str(each["kind"]), ", ".join(map(str, each["versions"])), str(each["about"]))
        console.print(table)

    emit(ctx, {"kinds": found}, show)


@app.command(epilog="Example: setu schema show tip > tip.schema.json")
def show(
    ctx: typer.Context,
    kind: KindArgument,
    version: VersionOption = None,
    _json: JsonOption = False,
) -> None:
    """Print a kind's JSON Schema (draft 2020-12)."""
    try:
        found = registry.json_schema(kind, version or registry.versions(kind)[-1])
    except registry.PayloadError as error:
        raise payload_error(error) from None
    emit(ctx, found, lambda console: console.print_json(data=found))


@app.command(epilog="Example: setu schema sample tip > tip.json")
def sample(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND|handling", help="A kind, or `handling` for a handling block.")],
    name: Annotated[str | None, typer.Argument(help="Which sample; the usual one without.")] = None,
    version: VersionOption = None,
    _json: JsonOption = False,
) -> None:
    """Print a payload with invented details, ready to be sent."""
    found = _sample(kind, name, version)
    emit(ctx, found, lambda console: console.print_json(data=found))


@app.command(epilog="Example: setu schema check tip tip.json --handling handling.json")
def check(
    ctx: typer.Context,
    kind: KindArgument,
    file: FileArgument,
    version: VersionOption = None,
    handling: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="Check it together with this handling block.")
    ] = None,
    _json: JsonOption = False,
) -> None:
    """Check a payload against its kind, offline; exit status 1 where it does not hold.

    Warnings refuse nothing: names, numbers and codes of substances that the list of substances knows otherwise.
    """
    chosen = version
    faults: list[dict[str, str]] = []
    warnings: list[dict[str, str]] = []
    try:
        chosen = version or registry.versions(kind)[-1]
        payload = registry.load(kind, chosen, read_bytes(file))
        warnings = [{"pointer": each.pointer, "sentence": each.sentence} for each in registry.warnings(payload)]
        if handling is not None:
            registry.check_with_handling(payload, model_of(Handling, read_json(handling), "a handling block"))
    except registry.HandlingRuleError as error:
        faults = [{"pointer": error.pointer, "sentence": error.message, "rule": error.rule, "remedy": error.advice}]
    except registry.PayloadError as error:
        faults = [{"pointer": each.pointer, "sentence": each.sentence} for each in error.faults]

    def show(console: Console) -> None:
        if not faults:
            console.print(f"This is a valid {kind}, version {chosen}.", style="green")
        for each in faults:
            console.print(each["pointer"] or "(whole document)", style="bold", end=": ")
            console.print(each["sentence"])
            if "remedy" in each:
                console.print(f"  what would change it: {each['remedy']}", style="cyan")
        for each in warnings:
            console.print(f"look again at {each['pointer']}: {each['sentence']}", style="yellow")

    emit(ctx, {"ok": not faults, "kind": kind, "faults": faults, "warnings": warnings}, show)
    if faults:
        raise typer.Exit(1)


def _sample(kind: str, name: str | None, version: int | None) -> dict[str, Any]:
    if kind == "handling":
        return registry.sample_handling()
    try:
        found = registry.samples(kind, version)
    except registry.PayloadError as error:
        raise payload_error(error) from None
    if name is None:
        return next(iter(found.values()))
    if name not in found:
        raise typer.BadParameter(f"expected one of: {', '.join(found)}")
    return found[name]
