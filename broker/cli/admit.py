"""`setu directory add`: a request becomes a certificate, and a row of the directory's next version."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.assembly.keystore import keystore
from broker.assembly.realm import put_in_force
from broker.cli.enrol import AnswerOption, KeptOption, prove
from broker.cli.inputs import FileArgument, model_of, read_bytes
from broker.cli.options import ConfigOption, write_new
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, trusting
from broker.config import GatewaySettings, load
from broker.crypto.certificates import Authority, authority_of, directory_row, pem_to_der, verify_chain
from broker.crypto.requests import certified_key, check_issued
from broker.directory.enrol import Terms, admitted, check_country, check_request
from broker.directory.lookup import Snapshot
from broker.envelope.enrolment import ParsedEnrolment, parse_enrolment
from broker.errors import IntegrityError, MalformedError, PacketError, SignatureError
from schemas.directory import Channel, Role
from schemas.handling import Classification, Purpose
from schemas.problem import Code

ISSUED = "issued"
"""The folder of a CA in which every certificate issued here is kept, so that no TLS key gets two."""

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
        snapshot = trust.named().current()
    if not snapshot.realm:
        raise typer.BadParameter("expected a realm's repository, found a document alone: its realm is not known")
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
    for each in (out, stage):
        if each is not None and each.exists():
            raise MalformedError(
                Code.BAD_REQUEST, f"Expected no file at {each}, found one.", advice="Name another file."
            )
    pem = _certificate(parsed, ca, certificate, now)
    document = admitted(snapshot.signed, parsed, terms, directory_row(pem_to_der(pem)), now)
    _keep_issued(ca, parsed, pem)
    write_new(out, pem)
    if stage is not None:
        write_new(stage, document.canonical())
    elif config is not None:
        put_in_force(load(GatewaySettings, config), document)
    _tell(ctx, parsed, snapshot, out, stage)


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


def _certificate(parsed: ParsedEnrolment, ca: Path, given: Path | None, now: float) -> bytes:
    """Issued here, or elsewhere and checked; PEM. Nothing else is issued than the request asks for."""
    body = parsed.body
    try:
        cas = (ca / "ca.pem").read_bytes()
    except OSError:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a CA's certificate at {ca / 'ca.pem'}, found none that can be read.",
            advice="Name the folder of the agency's country's CA.",
        ) from None
    check_country(parsed, authority_of(cas))
    pem = given.read_bytes() if given is not None else _issued_before(parsed, ca)
    if pem is None:
        authority = Authority.load(ca / "ca.pem", ca / "ca.key", keystore().read)
        return authority.certify_client(body.agency, body.generation, parsed.csr.key, now=now)
    check_issued(pem, parsed.csr, body.agency)
    verify_chain(pem_to_der(pem), cas, now)
    return pem


def _issued_before(parsed: ParsedEnrolment, ca: Path) -> bytes | None:
    """The certificate of a request that is added again, since a version that was staged is not always signed."""
    for path in sorted((ca / ISSUED).glob("*.pem")):
        pem = path.read_bytes()
        if certified_key(pem) == parsed.csr.fingerprint:
            if not path.name.startswith(f"{parsed.body.agency}.g"):
                raise PacketError(
                    Code.ID_CONFLICT,
                    f"Expected a TLS key that has no certificate yet, found that of {path.name}.",
                    advice="Have the agency make new keys, and ask how it came by that one.",
                )
            return pem
    return None


def _keep_issued(ca: Path, parsed: ParsedEnrolment, pem: bytes) -> None:
    folder = ca / ISSUED
    folder.mkdir(mode=0o700, exist_ok=True)
    kept = folder / f"{parsed.body.agency}.g{parsed.body.generation}.{parsed.csr.fingerprint[:8]}.pem"
    kept.write_bytes(pem)


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
