"""`setu topics`: Kafka's topics and grants, from the directory."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.realm import local_directory
from broker.assembly.topics import make_certificates, topics_of
from broker.cli.output import JsonOption, emit, note, print_json, wants_json
from broker.config import GatewaySettings, load
from broker.errors import IntegrityError, UnavailableError
from broker.flows.topics import Difference, Topics
from broker.transport.port import Grant

app = typer.Typer(no_args_is_help=True, help="Make Kafka's topics and ACLs what the directory says.")

ConfigOption = Annotated[
    Path, typer.Option("--config", metavar="SETU.TOML", exists=True, dir_okay=False, help="The gateway's settings.")
]
LOOK = 0.3
"""Seconds between two looks at the directory: a suspended agency is cut off within a second."""


@app.command(epilog="Example: setu topics certificates --config deployment/setu.toml")
def certificates(
    ctx: typer.Context,
    config: ConfigOption,
    host: Annotated[list[str] | None, typer.Option(help="A name of the node; localhost without.")] = None,
    _json: JsonOption = False,
) -> None:
    """Make the certificates of a Kafka node, the relay and the administrator; those that there are stay."""
    made = make_certificates(load(GatewaySettings, config), tuple(host or ("localhost",)))
    emit(
        ctx,
        {"ok": True, "made": made},
        lambda console: console.print(f"Made: {', '.join(made)}." if made else "All there already; nothing was made."),
    )


@app.command(epilog="Example: setu topics plan --config deployment/setu.toml")
def plan(ctx: typer.Context, config: ConfigOption, _json: JsonOption = False) -> None:
    """Say what Kafka lacks and has too much, by the directory in force. Nothing is changed.

    Exit status 1 where there is a difference.
    """
    settings = load(GatewaySettings, config)
    found = topics_of(settings).plan(local_directory(settings).current())
    emit(ctx, _document(found), lambda console: _show(console, found))
    if not found.none or found.odd:
        raise typer.Exit(1)


@app.command(epilog="Example: setu topics apply --config deployment/setu.toml")
def apply(
    ctx: typer.Context,
    config: ConfigOption,
    remove: Annotated[
        bool, typer.Option("--remove", help="Also take ACLs away that the directory does not call for.")
    ] = False,
    watch: Annotated[
        bool, typer.Option("--watch", help="Go on, and cut off at once who may not read any more; Ctrl-C ends.")
    ] = False,
    _json: JsonOption = False,
) -> None:
    """Make the topics and ACLs that are missing, after showing what they are. A topic is never deleted."""
    settings = load(GatewaySettings, config)
    topics, directory = topics_of(settings), local_directory(settings)
    found = topics.plan(directory.refresh())
    emit(ctx, _document(found), lambda console: _show(console, found))
    topics.apply(found, take=remove)
    if found.take and not remove:
        note(f"{len(found.take)} ACLs too many were left; --remove takes them away.", "yellow")
    if watch:
        for gone in _watched(topics, directory):
            for each in sorted(gone):
                if wants_json(ctx):
                    print_json({"taken": _line(each)}, lines=True)
                else:
                    note(f"- {_line(each)}", "red")


def _watched(topics: Topics, directory: Any) -> Iterator[frozenset[Grant]]:
    while True:
        try:
            gone = frozenset(topics.cut_off(directory.refresh()))
            if gone:
                yield gone
        except (UnavailableError, IntegrityError) as error:
            note(error.message, "yellow")
        time.sleep(LOOK)


def _document(found: Difference) -> dict[str, Any]:
    return {
        "same": found.none and not found.odd,
        "create": sorted(found.create),
        "set": {name: dict(settings) for name, settings in found.set.items()},
        "give": [_line(each) for each in sorted(found.give)],
        "take": [_line(each) for each in sorted(found.take)],
        "odd": dict(found.odd),
    }


def _show(console: Console, found: Difference) -> None:
    for name in sorted(found.create):
        console.print(f"+ topic {name}", style="green")
    for name, settings in sorted(found.set.items()):
        console.print(
            f"~ topic {name}: {', '.join(f'{key}={value}' for key, value in settings.items())}", style="yellow"
        )
    for name, why in sorted(found.odd.items()):
        console.print(f"! topic {name}: {why}", style="bold red")
    for each in sorted(found.give):
        console.print(f"+ {_line(each)}", style="green")
    for each in sorted(found.take):
        console.print(f"- {_line(each)}", style="red")
    if found.none:
        console.print("Kafka holds what the directory says.", style="bold green")


def _line(grant: Grant) -> str:
    who = "everybody" if grant.principal == "*" else grant.principal
    if grant.resource == "cluster":
        return f"{who} may {grant.operation} the cluster"
    if not grant.literal:
        return f"{who} may {grant.operation} {grant.resource}s {grant.prefix}*"
    return f"{who} may {grant.operation} {'every' if grant.prefix == '*' else 'the'} {grant.resource} {grant.prefix}"
