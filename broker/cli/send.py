"""`setu send`: seals a payload and sends it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.cli.inputs import all_there
from broker.cli.options import AsOption, write_new
from broker.cli.output import JsonOption, document_of, emit, note
from broker.cli.patience import PATIENCE, PatienceOption, connected
from broker.cli.sealing import Request, seal, sent_document, takes_a_request
from broker.errors import OutcomeUnknownError, SetuError
from broker.sdk.client import Client
from broker.sdk.posting import Sent

KEPT = "What has no answer is kept in the outbox; `setu packet resend` posts the same bytes again."

FilesArgument = Annotated[
    list[Path], typer.Argument(metavar="FILE...", callback=all_there, help="One or more files; - is stdin.")
]

app = typer.Typer()


@app.command(epilog="Example: setu send tip tip.json --as in-ncb/agency.toml --to us-dea --handling handling.json")
@takes_a_request
def send(
    ctx: typer.Context,
    request: Request,
    files: FilesArgument,
    profile: AsOption,
    receipt: Annotated[Path | None, typer.Option(help="Keep the receipt in this new file.")] = None,
    patience: PatienceOption = PATIENCE,
    check: Annotated[bool, typer.Option("--check", help="Only ask what the gateway would say; send nothing.")] = False,
    _json: JsonOption = False,
) -> None:
    """Seal a payload and send it; print the receipt, which was verified.

    The payload is JSON from FILE or stdin. Several files are as many packets, posted in batches, each with its own
    outcome. A lost answer is asked for again by itself, with the same bytes.
    """
    if len(files) > 1 and (receipt is not None or check):
        raise typer.BadParameter("expected one FILE with --receipt or --check, found several")
    with connected(profile, patience) as client:
        if len(files) > 1:
            made = [_sealed_of_several(client, profile, request, each) for each in files]
            _tell_many(ctx, files, client.post_many(made))
            return
        raw = seal(client, profile, request, files[0]).raw
        if check:
            answer = client.check(raw)
            emit(ctx, answer, lambda console: console.print("The gateway would accept this packet.", style="green"))
            return
        try:
            sent = client.post(raw)
        except OutcomeUnknownError:
            note(KEPT, "yellow")
            raise
    if receipt is not None:
        write_new(receipt, sent.receipt.canonical())
    emit(ctx, sent_document(sent), lambda console: show_sent(console, sent))


def _sealed_of_several(client: Client, profile: Path, request: Request, file: Path) -> bytes:
    try:
        return seal(client, profile, request, file).raw
    except SetuError:
        note(f"{file}: refused before anything was sent; none of the files was", "red")
        raise


def _tell_many(ctx: typer.Context, files: Sequence[Path], outcomes: Sequence[Sent | SetuError]) -> None:
    def show(console: Console) -> None:
        for file, each in zip(files, outcomes, strict=True):
            console.print(f"{file}: ", end="", style="bold")
            if isinstance(each, Sent):
                console.print(f"accepted at ledger index {each.index}, digest {each.digest}")
            else:
                console.print(f"{each.code}: {each}", style="red")

    documents = [
        {"file": str(file), **(sent_document(each) if isinstance(each, Sent) else document_of(each))}
        for file, each in zip(files, outcomes, strict=True)
    ]
    refused = [each for each in outcomes if not isinstance(each, Sent)]
    emit(ctx, {"ok": not refused, "packets": documents}, show)
    if any(isinstance(each, OutcomeUnknownError) for each in refused):
        note(KEPT, "yellow")
    if refused:
        raise typer.Exit(1)


def show_sent(console: Console, sent: Sent) -> None:
    console.print("Accepted", style="bold green", end=" ")
    console.print(f"at ledger index {sent.index}; the receipt verifies.")
    console.print(f"  id      {sent.id}")
    console.print(f"  digest  {sent.digest}")
    readers = ", ".join(each.agency for each in sent.header.to)
    console.print(f"  readers {readers}", style="dim")
