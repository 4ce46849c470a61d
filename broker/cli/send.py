"""`setu send`: seals a payload and sends it."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.cli import markings
from broker.cli.inputs import FileArgument
from broker.cli.options import (
    AsOption,
    ExerciseOption,
    KindVersionOption,
    LifetimeOption,
    PrecedenceOption,
    ReplyOption,
    SealedOption,
    ThreadOption,
    ToOption,
    write_new,
)
from broker.cli.output import JsonOption, emit, note
from broker.cli.patience import PATIENCE, PatienceOption, connected
from broker.cli.sealing import Request, seal, sent_document
from broker.errors import OutcomeUnknownError
from broker.sdk.posting import Sent
from schemas.packet import Precedence

app = typer.Typer()


@app.command(epilog="Example: setu send tip tip.json --as in-ncb/agency.toml --to us-dea --handling handling.json")
def send(
    ctx: typer.Context,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="A kind, for example tip; see `setu schema list`.")],
    file: FileArgument,
    profile: AsOption,
    to: ToOption,
    handling: markings.FileOption = None,
    classification: markings.ClassificationOption = None,
    tlp: markings.TlpOption = None,
    pap: markings.PapOption = None,
    handling_code: markings.CodeOption = None,
    dissem: markings.DissemOption = None,
    releasable_to: markings.ReleasableOption = None,
    purpose: markings.PurposeOption = None,
    legal_basis: markings.BasisOption = None,
    permitted_actions: markings.ActionsOption = None,
    personal_data: markings.PersonalOption = None,
    sanitised: markings.SanitisedOption = None,
    review_on: markings.ReviewOption = None,
    purge_on: markings.PurgeOption = None,
    precedence: PrecedenceOption = Precedence.ROUTINE,
    exercise: ExerciseOption = False,
    thread: ThreadOption = None,
    in_reply_to: ReplyOption = None,
    lifetime: LifetimeOption = None,
    kind_version: KindVersionOption = None,
    sealed: SealedOption = None,
    receipt: Annotated[Path | None, typer.Option(help="Keep the receipt in this new file.")] = None,
    patience: PatienceOption = PATIENCE,
    check: Annotated[bool, typer.Option("--check", help="Only ask what the gateway would say; send nothing.")] = False,
    _json: JsonOption = False,
) -> None:
    """Seal a payload and send it; print the receipt, which was verified.

    The payload is JSON from FILE or stdin. A lost answer is asked for again by itself, with the same bytes.
    """
    block = markings.handling_of(
        handling,
        to,
        classification=classification,
        tlp=tlp,
        pap=pap,
        handling_code=handling_code,
        dissem=dissem,
        releasable_to=releasable_to,
        purpose=purpose,
        legal_basis=legal_basis,
        permitted_actions=permitted_actions,
        personal_data=personal_data,
        sanitised=sanitised,
        review_on=review_on,
        purge_on=purge_on,
    )
    request = Request(kind, file, to, block, precedence, exercise, thread, in_reply_to, lifetime, kind_version, sealed)
    with connected(profile, patience) as client:
        made = seal(client, profile, request)
        if check:
            answer = client.check(made.raw)
            emit(ctx, answer, lambda console: console.print("The gateway would accept this packet.", style="green"))
            return
        try:
            sent = client.post(made.raw)
        except OutcomeUnknownError:
            note("The packet is kept in the outbox; `setu packet resend` posts the same bytes again.", "yellow")
            raise
    if receipt is not None:
        write_new(receipt, sent.receipt.canonical())
    emit(ctx, sent_document(sent), lambda console: show_sent(console, sent))


def show_sent(console: Console, sent: Sent) -> None:
    console.print("Accepted", style="bold green", end=" ")
    console.print(f"at ledger index {sent.index}; the receipt verifies.")
    console.print(f"  id      {sent.id}")
    console.print(f"  digest  {sent.digest}")
    readers = ", ".join(each.agency for each in sent.header.to)
    console.print(f"  readers {readers}", style="dim")
