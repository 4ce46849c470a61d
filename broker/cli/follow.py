"""`setu follow`: receives packets as they come."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.cli.options import AsOption
from broker.cli.output import JsonOption, console, note, print_json, wants_json
from broker.cli.patience import PATIENCE, connected
from broker.sdk.cursors import MemoryCursors
from broker.sdk.reading import Gone, Rejected, Waiting
from broker.sdk.received import Received
from schemas import registry

app = typer.Typer()


class Answer(StrEnum):
    """What to tell the sender of each packet by itself."""

    NONE = "none"
    RECEIVED = "received"
    OPENED = "opened"


@app.command(epilog="Example: setu follow tip --as us-dea/agency.toml --once --ack opened")
def follow(
    ctx: typer.Context,
    profile: AsOption,
    kinds: Annotated[list[str] | None, typer.Argument(metavar="[KIND]...", help="Kinds; all without.")] = None,
    once: Annotated[bool, typer.Option("--once", help="End when nothing more is at hand.")] = False,
    ack: Annotated[Answer, typer.Option(help="The signed answer each packet gets.")] = Answer.RECEIVED,
    from_start: Annotated[
        bool, typer.Option("--from-start", help="Read all again and keep no place; nothing is answered.")
    ] = False,
    patience: Annotated[
        float | None,
        typer.Option(
            "--patience",
            metavar="SECONDS",
            min=0.0,
            help="For how long to go on asking a gateway that does not answer; with --once 120 s, else without end.",
        ),
    ] = None,
    stream: Annotated[bool, typer.Option("--stream", help="By server-sent events instead of long poll.")] = False,
    _json: JsonOption = False,
) -> None:
    """Receive the agency's packets: each is verified, opened, printed, and acknowledged; Ctrl-C ends.

    With --json one document a line. The place in each topic is kept, so the next run goes on behind it.
    """
    shown = console()
    said = Answer.NONE if from_start else ack
    cursors = MemoryCursors() if from_start else None
    if not set(kinds or ()) <= set(registry.kinds()):
        # A misspelt kind would be a topic in which nothing ever comes.
        raise typer.BadParameter(f"expected kinds among {', '.join(registry.kinds())}, found another")
    named = tuple(kinds or ()) or (() if once else registry.kinds())
    if patience is None and once:
        patience = PATIENCE
    with connected(profile, PATIENCE if patience is None else patience) as client:
        packets = client.follow(
            *named,
            cursors=cursors,
            stream=stream,
            wait=0.0 if once else 25.0,
            drain=once,
            patience=patience,
            report=reporter(ctx),
        )
        came = False
        for packet in packets:
            came = True
            if wants_json(ctx):
                print_json(_document(packet), lines=True)
            else:
                _show(shown, packet)
            if said is not Answer.NONE:
                receipt = packet.acknowledge(said.value)
                note(f"answered `{said}`: ledger index {receipt.index}")
        if not came:
            note("no packet was at hand")


def _document(packet: Received) -> dict[str, Any]:
    return {
        "index": packet.index,
        "digest": packet.digest,
        "topic": packet.topic,
        "disputed": packet.disputed,
        "header": packet.header.to_object(),
        "payload": packet.as_object(),
        "receipt": packet.receipt.to_object(),
    }


def _show(shown: Console, packet: Received) -> None:
    header, handling = packet.header, packet.header.handling
    shown.print(f"{header.kind} from {header.from_}", style="bold", end="  ")
    shown.print(
        f"{header.precedence}  {handling.classification.system} {handling.classification.level}  TLP:{handling.tlp}"
        + ("  EXERCISE" if header.exercise else "")
    )
    shown.print(f"ledger index {packet.index}, {packet.entry.time}, digest {packet.digest}", style="dim")
    if packet.disputed:
        shown.print("DISPUTED: the sender's key was compromised before this packet.", style="bold red")
    shown.print_json(data=packet.as_object(), highlight=shown.is_terminal)
    shown.print()


def reporter(ctx: typer.Context) -> Callable[[Waiting | Rejected | Gone], None]:
    def report(event: Waiting | Rejected | Gone) -> None:
        match event:
            case Waiting(topic, error, seconds, left):
                until = "" if left is None else f", for {left:.0f} s more (--patience)"
                note(f"{topic}: asking again in {seconds:.1f} s{until}: {error.message}", "yellow")
            case Rejected(topic, index, digest, code, message, answered):
                note(f"{topic}: packet {index} rejected, {code}: {message}", "red")
                if wants_json(ctx):
                    line = {"index": index, "digest": digest, "topic": topic, "rejected": code, "answered": answered}
                    print_json(line, lines=True)
            case Gone(topic, index, digest, why):
                note(f"{topic}: packet {index} is {why}")
                if wants_json(ctx):
                    print_json({"index": index, "digest": digest, "topic": topic, "gone": why}, lines=True)

    return report
