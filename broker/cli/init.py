"""`setu init`: makes a deployment folder."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.cli.deployment import DRAFTS, LOOPBACK, OPERATOR_SHARE, Deployment, create
from broker.cli.output import JsonOption, emit, note
from schemas.packet import SuiteName

app = typer.Typer()


@app.command(epilog="Example: setu init deployment --demo")
def init(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="A new or empty folder.")],
    demo: Annotated[
        bool, typer.Option("--demo", help="Also make eight agencies and a practice partner, with keys.")
    ] = False,
    host: Annotated[str, typer.Option(help="The name or IPv4 address agencies reach the gateway by.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=1, max=65_535, help="The gateway's port.")] = 8443,
    operations_port: Annotated[
        int, typer.Option(min=1, max=65_535, help="The operator's port, on loopback: /healthz, /readyz, /metrics.")
    ] = 9443,
    suite: Annotated[SuiteName, typer.Option(help="The realm's one suite.")] = SuiteName.HYBRID_768,
    ceremony: Annotated[
        bool,
        typer.Option(
            "--ceremony",
            help="Make no country's keys: the realm is founded by `setu realm`.",
        ),
    ] = False,
    _json: JsonOption = False,
) -> None:
    """Make a deployment: settings, a private CA per country, keys, the signed directory, policies.

    Without --demo no agency's keys are made: each agency makes its own and is enrolled. With --ceremony the directory
    is a draft in realm/, for both countries to sign.
    """
    if demo and ceremony:
        raise typer.BadParameter("expected --demo or --ceremony, found both: a ceremony is for a real realm")
    made = create(
        folder,
        demo=demo,
        ceremony=ceremony,
        host=host,
        port=port,
        operations_port=operations_port,
        suite=suite,
        progress=note,
    )
    emit(ctx, _document(made), lambda console: _show(console, made))


def _document(made: Deployment) -> dict[str, object]:
    return {
        "deployment": str(made.path),
        "config": str(made.config),
        "url": made.url,
        "operations": made.operations,
        "agencies": {agency: str(profile) for agency, profile in made.agencies.items()},
    }


def _show(console: Console, made: Deployment) -> None:
    console.print(f"A deployment is in {made.path}.", style="bold green")
    if not (made.path / "directory" / "root.json").exists():
        drafts = made.path / DRAFTS
        console.print("Its realm is not founded yet: until it is, nothing can be served.", style="yellow")
        console.print(f"  edit:       {drafts / 'directory.json'}: name, agreement and agencies, with both countries")
        console.print(f"  hand out:   that, and {drafts / OPERATOR_SHARE}")
        console.print("  found it:   setu realm new --help; then sign and publish (deploy/runbooks/ceremony.md)")
    console.print(f"  check it:   setu doctor --config {made.config}")
    console.print(f"  serve it:   setu serve --config {made.config}")
    if made.agencies:
        console.print(f"  send:       setu send tip tip.json --as {made.agencies['in-ncb']} --to us-dea ...")
    console.print("Everything in it is secret but certificates, directory and policies: it is readable by you alone.")
