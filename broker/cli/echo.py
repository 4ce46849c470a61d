"""`setu echo`: a practice partner, with which agencies try their set-up."""

import time
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.cli.follow import reporter
from broker.cli.options import AsOption
from broker.cli.output import JsonOption, console, print_json, wants_json
from broker.cli.patience import PATIENCE, connected
from broker.sdk.echo import Echo, Echoed
from schemas import registry

app = typer.Typer()


@app.command(epilog="Example: setu echo --as zz-echo/agency.toml")
def echo(
    ctx: typer.Context,
    profile: AsOption,
    once: Annotated[bool, typer.Option("--once", help="End when nothing more is at hand.")] = False,
    stream: Annotated[bool, typer.Option("--stream", help="By server-sent events instead of long poll.")] = False,
    _json: JsonOption = False,
) -> None:
    """Be a practice partner: acknowledge each exercise packet as opened, and answer it; Ctrl-C ends.

    An rfi gets a reply, every other kind feedback, all marked as exercises. Answers get none. What is no exercise is
    rejected. With --json one document a line.
    """
    shown = console()
    with connected(profile) as client:
        partner = Echo(client, time.time)
        packets = client.follow(
            *(() if once else registry.kinds()),
            stream=stream,
            wait=0.0 if once else 25.0,
            drain=once,
            patience=PATIENCE if once else None,
            report=reporter(ctx),
        )
        for packet in packets:
            done = partner.take(packet)
            if wants_json(ctx):
                print_json(_document(done), lines=True)
            else:
                _show(shown, done)


def _document(done: Echoed) -> dict[str, Any]:
    packet = done.packet
    found: dict[str, Any] = {"index": packet.index, "digest": packet.digest, "kind": packet.header.kind}
    found |= {"from": packet.header.from_, "answered": done.sent is not None}
    if done.sent is None:
        return found | {"why": done.why}
    return found | {"answer": {"kind": done.sent.header.kind, "digest": done.sent.digest, "index": done.sent.index}}


def _show(shown: Console, done: Echoed) -> None:
    header = done.packet.header
    shown.print(f"{header.kind} from {header.from_}", style="bold", end=", ")
    if done.sent is None:
        shown.print(f"ledger index {done.packet.index}: {done.why}.")
    else:
        shown.print(
            f"ledger index {done.packet.index}: answered with {done.sent.header.kind}, index {done.sent.index}."
        )
