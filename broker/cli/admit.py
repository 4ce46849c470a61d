"""`setu directory add`: a request becomes a certificate, and a row of the directory's next version."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.assembly.realm import put_in_force
from broker.cli.enrol import AnswerOption, KeptOption, named_realm, prove
from broker.cli.inputs import FileArgument, model_of, read_bytes, read_json
from broker.cli.issuing import Asked, certificate_for, check_free, keep_issued
from broker.cli.options import ConfigOption, write_new
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, trusting
from broker.config import GatewaySettings, load
from broker.crypto.certificates import directory_row, pem_to_der
from broker.directory.check import check_document
from broker.directory.enrol import Terms, admitted, check_request
from broker.directory.lookup import Snapshot
from broker.envelope.enrolment import ParsedEnrolment, parse_enrolment
from broker.errors import MalformedError, PacketError, SignatureError
from schemas.directory import Channel, Directory, Role
from schemas.handling import Classification, Purpose
from schemas.problem import Code

EXAMPLE = (
    "Example: setu directory add enrolment.json --fingerprint 'e45c ...' --answer us-tst.answer.json --kept "
    "us-tst.kept.json --ca ca/us --clearance US:LES --mandate investigation --config setu.toml --stage directory.json"
)


def add(
    ctx: typer.Context,
    file: FileArgument,
    fingerprint: Annotated[
        str, typer.Option(help="The request's fingerprint as the agency read it out, not as this machine shows it.")
    ],
    ca: Annotated[
        Path, typer.Option(metavar="DIR", exists=True, file_okay=False, help="The country's CA: ca.pem, ca.key.")
    ],
    clearance: Annotated[str, typer.Option(help="The highest marking it may receive, like US:LES.")],
    answer: AnswerOption = None,
    kept: KeptOption = None,
    role: Annotated[list[Role] | None, typer.Option(help="May be repeated; agency without.")] = None,
    mandate: Annotated[list[Purpose] | None, typer.Option(help="A purpose; may be repeated.")] = None,
    channel: Annotated[
        list[Channel] | None, typer.Option(help="A way it reads; may be repeated; https without.")
    ] = None,
    client: Annotated[
        list[str] | None, typer.Option(help="An agency that is its client (TLP AMBER); repeat it.")
    ] = None,
    community: Annotated[list[str] | None, typer.Option(help="A community it joins; may be repeated.")] = None,
    sealed_kind: Annotated[
        list[str] | None, typer.Option(help="A kind it may send without the gateway as a reader; repeat it.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="For which its keys are good.")] = 731,
    certificate: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="One that the CA issued elsewhere; then ca.key is not needed."),
    ] = None,
    certificate_out: Annotated[
        Path | None, typer.Option("--certificate-out", help="Where its certificate goes; AGENCY.pem without.")
    ] = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    stage: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write the new version here, for the ceremony, and put nothing in force."),
    ] = None,
    onto: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A version staged before: this agency joins in the same one."),
    ] = None,
    _json: JsonOption = False,
) -> None:
    """Check an agency's request, issue its certificate, and add it to the directory's next version.

    With --stage the version is a file, as `setu directory show --document` prints one, which the countries sign.
    Without, it is put in force at once, for realms whose keys are all in one place (a demonstration). Nothing is issued
    or written before every check has passed.
    """
    if stage is None and config is None:
        raise typer.BadParameter("expected --stage, or --config of a realm whose keys are all in one place")
    now = time.time()
    parsed = parse_enrolment(read_bytes(file))
    check_compared(parsed, fingerprint)
    if answer is None and kept is None:
        raise unproven()
    prove(parsed, answer, kept)
    with trusting(None, config, directory) as trust:
        snapshot = named_realm(trust.named().current())
    if onto is not None:
        snapshot = staged_before(snapshot, onto)
    check_request(parsed, snapshot, now)
    terms = Terms(
        clearance=_clearance(clearance),
        roles=tuple(dict.fromkeys(role or [Role.AGENCY])),
        mandates=tuple(dict.fromkeys(mandate or ())),
        channels=tuple(sorted(set(channel or [Channel.HTTPS]))),
        clients=tuple(dict.fromkeys(client or ())),
        sealed_kinds=tuple(dict.fromkeys(sealed_kind or ())),
        communities=tuple(dict.fromkeys(community or ())),
        days=days,
    )
    out = certificate_out or Path(f"{parsed.body.agency}.pem")
    check_free(out, stage)
    asked = Asked(parsed.body.agency, parsed.body.generation, parsed.csr)
    pem = certificate_for(asked, ca, certificate, now)
    document = admitted(snapshot.signed, parsed, terms, directory_row(pem_to_der(pem)), now)
    keep_issued(ca, asked, pem)
    write_new(out, pem)
    if stage is not None:
        write_new(stage, document.canonical())
    elif config is not None:
        put_in_force(load(GatewaySettings, config), document)
    _tell(ctx, parsed, snapshot, out, stage)


def staged_before(snapshot: Snapshot, path: Path) -> Snapshot:
    """What was staged on this version, so that the next agency is held against it and joins in the same version.

    Raises:
        MalformedError: no directory, or one that is no longer ahead of what is in force.
        IntegrityError: an unsound one.
    """
    staged = model_of(Directory, read_json(path), "a staged directory", "Name what `--stage` wrote.")
    if staged.version <= snapshot.ref.version:
        raise MalformedError(
            Code.BAD_REQUEST,
            f"Expected a staged version above {snapshot.ref.version}, which is in force, found {staged.version}.",
            advice="Stage the agencies anew on what is in force now.",
        )
    check_document(staged)
    base = staged.model_copy(update={"version": staged.version - 1})
    return Snapshot(base, raw=base.canonical(), realm=snapshot.realm, lists=snapshot.lists, gateways=snapshot.gateways)


def check_compared(parsed: ParsedEnrolment, fingerprint: str) -> None:
    """The fingerprint that was read out is this request's; raises SignatureError (code `signature-invalid`)."""
    if "".join(fingerprint.split()).lower() != parsed.fingerprint.hex():
        raise SignatureError(
            Code.SIGNATURE_INVALID,
            "Expected the fingerprint that the agency read out to be this request's, found another.",
            advice="Somebody may have exchanged the file on its way: have the agency send it again, and compare anew.",
        )


def unproven() -> PacketError:
    return SignatureError(
        Code.SIGNATURE_INVALID,
        "Expected proof that the agency holds its wrap key, found none.",
        advice="Ask with `setu enrol challenge`, and give what it answers: --answer, and --kept, which you kept.",
    )


def _clearance(text: str) -> Classification:
    system, _, level = text.partition(":")
    found = {"system": system.strip().upper(), "level": level.strip().upper()}
    return model_of(Classification, found, "a clearance of system and level", "Write it like US:LES.")


def _tell(ctx: typer.Context, parsed: ParsedEnrolment, before: Snapshot, certificate: Path, stage: Path | None) -> None:
    version = before.ref.version + 1
    found = {
        "ok": True,
        "agency": parsed.body.agency,
        "published": stage is None,
        "version": version,
        "staged": str(stage) if stage is not None else None,
        "certificate": str(certificate),
    }

    def human(console: Console) -> None:
        if stage is None:
            console.print(f"Version {version} is in force after version {before.ref.version}.", style="bold green")
        else:
            console.print(f"Version {version} is in {stage}: have the countries sign it.", style="bold green")
        console.print(f"  {parsed.body.agency}: joins")
        console.print(f"  send {certificate} to it, with the gateway's CA certificate and address")

    emit(ctx, found, human)
