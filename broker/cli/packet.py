"""`setu packet`: packets as files."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.agency import connect
from broker.assembly.keys import keys_in, wrap_keys_of
from broker.cli.doubting import WHY
from broker.cli.evidence import verify_receipt_file
from broker.cli.inputs import FileArgument, model_of, read_bytes, read_json
from broker.cli.options import AsOption, ConfigOption, MaybeAsOption, write_new
from broker.cli.output import JsonOption, emit, note, wants_json
from broker.cli.patience import PATIENCE, PatienceOption, connected
from broker.cli.sealing import Request, seal, sent_document, takes_a_request
from broker.cli.send import show_sent
from broker.cli.trust import DirectoryOption, Trust, trusting
from broker.config import AgencySettings, load
from broker.directory.alarm import snapshot_of
from broker.directory.disputed import is_disputed, seconds_of
from broker.directory.signing import keys_of
from broker.envelope.open import open_packet
from broker.envelope.verify import Parsed, check_audience, check_recipients, check_signatures, parse
from broker.errors import PacketError
from broker.sdk.content import read_payload
from broker.sdk.posting import Sent
from schemas.evidence import EntryType, Receipt
from schemas.problem import Code

app = typer.Typer(no_args_is_help=True, help="Seal, open, verify and look into packets as files.")

ReceiptOption = Annotated[
    Path | None,
    typer.Option(exists=True, dir_okay=False, help="Its receipt: keys are then judged at its place in the ledger."),
]


@app.command(
    "seal", epilog="Example: setu packet seal tip tip.json --as agency.toml --to us-dea --handling h.json -o p"
)
@takes_a_request
def seal_(
    ctx: typer.Context,
    request: Request,
    file: FileArgument,
    profile: AsOption,
    out: Annotated[Path, typer.Option("--out", "-o", help="The new file that takes the packet.")],
    _json: JsonOption = False,
) -> None:
    """Seal a payload into a packet and send nothing; `setu packet post` sends it."""
    with connect(profile) as client:
        made = seal(client, profile, request, file)
    write_new(out, made.raw)
    document = {"file": str(out), "digest": made.digest, "header": made.header.to_object()}
    emit(ctx, document, lambda console: console.print(f"Sealed into {out}: digest {made.digest}", style="green"))


@app.command(epilog="Example: setu packet post packet.json --as in-ncb/agency.toml")
def post(
    ctx: typer.Context,
    file: FileArgument,
    profile: AsOption,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Send a sealed packet; sending the same bytes again is always safe and gives the same receipt."""
    with connected(profile, patience) as client:
        sent = client.post(read_bytes(file))
    emit(ctx, sent_document(sent), lambda console: show_sent(console, sent))


@app.command(epilog="Example: setu packet resend --as in-ncb/agency.toml")
def resend(
    ctx: typer.Context, profile: AsOption, patience: PatienceOption = PATIENCE, _json: JsonOption = False
) -> None:
    """Send what is still in the agency's outbox: packets that were sealed and have no receipt yet."""
    with connected(profile, patience) as client:
        sent = client.resend()

    def show(console: Console) -> None:
        if not sent:
            console.print("No packet was waiting in the outbox.")
            return
        waited = "1 packet was" if len(sent) == 1 else f"{len(sent)} packets were"
        console.print(f"{waited} waiting; the receipts are there now.")
        for each in sent:
            show_sent(console, each)

    emit(ctx, {"sent": [_short(each) for each in sent]}, show)


@app.command(epilog="Example: setu packet inspect packet.json")
def inspect(ctx: typer.Context, file: FileArgument, _json: JsonOption = False) -> None:
    """Show what anybody can read of a packet. Its shape is checked, its signatures are NOT."""
    parsed = parse(read_bytes(file))
    document = _described(parsed) | {"checked": ["shape", "manifest", "header"]}

    def show(console: Console) -> None:
        _show(console, parsed)
        console.print(
            "Shape, manifest and header hold. Signatures were not checked: `setu packet verify`.", style="dim"
        )

    emit(ctx, document, show)


@app.command(epilog="Example: setu packet verify packet.json --as us-dea/agency.toml --receipt receipt.json")
def verify(
    ctx: typer.Context,
    file: FileArgument,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    receipt: ReceiptOption = None,
    _json: JsonOption = False,
) -> None:
    """Verify a packet: shape, manifest, audience, both signatures, recipients, and its receipt where it is given.

    The directory comes from --as (an agency's, through its gateway), --config (a gateway's own) or --directory.
    """
    with trusting(profile, config, directory) as trust:
        parsed = parse(read_bytes(file))
        checked, disputed = _verify(parsed, trust, receipt)

    def show(console: Console) -> None:
        _show(console, parsed)
        console.print(f"Verified: {', '.join(checked)}.", style="bold green")
        if disputed:
            console.print(f"Disputed: {WHY}.", style="bold yellow")

    emit(ctx, _described(parsed) | {"ok": True, "checked": checked, "disputed": disputed}, show)


@app.command("open", epilog="Example: setu packet open packet.json --as us-dea/agency.toml > tip.json")
def open_(
    ctx: typer.Context,
    file: FileArgument,
    profile: AsOption,
    receipt: ReceiptOption = None,
    _json: JsonOption = False,
) -> None:
    """Verify a packet, open it with the agency's keys, and print the payload on stdout, nowhere else."""
    settings = load(AgencySettings, profile)
    with trusting(profile) as trust:
        parsed = parse(read_bytes(file))
        _, disputed = _verify(parsed, trust, receipt)
    raw = open_packet(parsed, settings.agency, wrap_keys_of(keys_in(settings.at(settings.keys))))
    payload = read_payload(parsed.header, raw)
    document = payload if isinstance(payload, dict) else payload.to_object()
    if disputed:
        note(f"Disputed: {WHY}.", "bold yellow")
    if wants_json(ctx):
        found = {"header": parsed.header.to_object(), "disputed": disputed, "payload": document}
        emit(ctx, found, lambda _: None)
    elif sys.stdout.isatty():
        Console().print_json(data=document)
    else:
        sys.stdout.buffer.write(raw + b"\n")


def _verify(parsed: Parsed, trust: Trust, receipt: Path | None) -> tuple[list[str], bool]:
    """Steps 3 to 6 of the recipe; `parse` did 1, 2 and 5. What was checked, and whether its entry is disputed."""
    source = trust.named()
    snapshot, at = source.current(), int(time.time())
    if receipt is not None:
        held = model_of(Receipt, _receipt_in(read_json(receipt)), "a receipt")
        entry = verify_receipt_file(held, trust)
        named = entry.packet
        if entry.type is not EntryType.ACCEPTED or named is None or named.digest != parsed.digest:
            raise PacketError(Code.RECEIPT_INVALID, "Expected the receipt of this packet, found another's.")
        snapshot, at = snapshot_of(source, entry.directory), seconds_of(entry)
    header = parsed.header
    # A document given by hand names no realm: then the packet's own word stands, and the result says so.
    realm = source.realm or header.aud.realm
    check_audience(parsed, realm=realm, gateway=trust.gateway, suite=snapshot.suite)
    check_signatures(parsed, keys_of(snapshot, header.from_, at))
    check_recipients(parsed)
    checked = ["shape", "manifest", "header", "gateway", "signatures", "recipients"]
    checked += [*(["realm"] if source.realm else []), *(["receipt"] if receipt is not None else [])]
    return checked, is_disputed(source.current(), header.from_, header.sig, at)


def _receipt_in(document: Any) -> Any:
    """A receipt, or the output of `setu send --json`, which holds one."""
    return document["receipt"] if isinstance(document, dict) and "receipt" in document else document


def _described(parsed: Parsed) -> dict[str, Any]:
    return {"digest": parsed.digest, "bytes": len(parsed.raw), "header": parsed.header.to_object()}


def _short(sent: Sent) -> dict[str, Any]:
    return {"id": sent.id, "digest": sent.digest, "index": sent.index}


def _show(console: Console, parsed: Parsed) -> None:
    header, handling = parsed.header, parsed.header.handling
    rows = {
        "kind": f"{header.kind} version {header.kind_version}" + (", EXERCISE" if header.exercise else ""),
        "from": header.from_,
        "to": ", ".join(each.agency for each in header.to) + ("" if header.open else "  (sealed: not the gateway)"),
        "marking": f"{handling.classification.system} {handling.classification.level}, TLP:{handling.tlp}, "
        f"PAP:{handling.pap}, {handling.handling_code}" + "".join(f", {each}" for each in handling.dissem),
        "release": ", ".join(handling.releasable_to) or "nobody",
        "purpose": ", ".join(handling.purpose) + f" ({handling.legal_basis})",
        "issued": _time(header.iat),
        "expires": _time(header.exp),
        "precedence": header.precedence.value,
        "id": header.id,
        "thread": header.thread,
        "digest": parsed.digest,
        "suite": f"{header.suite}, {len(parsed.raw):,} bytes",
    }
    for name, value in rows.items():
        console.print(f"{name:11}", style="bold", end="")
        console.print(value)


def _time(seconds: int) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(seconds))
    except (OverflowError, ValueError, OSError):
        return f"{seconds} s"
