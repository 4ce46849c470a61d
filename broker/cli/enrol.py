"""`setu enrol`: an agency asks to join a realm. Keys stay where they are made; what travels holds no secret."""

import json
import os
import time
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError
from rich.console import Console

from broker.assembly.hsm import maker
from broker.assembly.keys import keys_in, pinned_root, signer_of, wrap_keys_of
from broker.assembly.keystore import keystore
from broker.cli.atrest import DescriptorOption, chosen, seal_files
from broker.cli.inputs import FileArgument, model_of, read_bytes, read_json
from broker.cli.keyring import spoken, write_agency_keys
from broker.cli.options import ConfigOption, TokenOption, write_new
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, trusting
from broker.config import AgencySettings
from broker.crypto.certificates import pem_to_der, uri_of
from broker.crypto.keyfile import write_secret
from broker.crypto.requests import check_issued, new_tls_key, request_certificate
from broker.directory.enrol import faults
from broker.directory.lookup import Snapshot
from broker.directory.tuf_client import check_first_root
from broker.envelope.enrolment import (
    Offer,
    ParsedEnrolment,
    answer_challenge,
    check_answer,
    make_challenge,
    parse_enrolment,
    request_enrolment,
)
from broker.envelope.hashes import sha384
from broker.errors import IntegrityError, MalformedError
from schemas.base import Model
from schemas.canonical import b64u, unb64u
from schemas.enrolment import Answer, Challenge, KeptChallenge
from schemas.packet import SuiteName
from schemas.problem import Code

app = typer.Typer(no_args_is_help=True, help="Ask to join a realm: make keys and a request; prove and check it.")

M = TypeVar("M", bound=Model)

REQUEST = "enrolment.json"
HomeArgument = Annotated[Path, typer.Argument(metavar="HOME", file_okay=False, help="The agency's own folder.")]
NewFile = Annotated[Path, typer.Option("--out", dir_okay=False, help="The new file.")]
AnswerOption = Annotated[
    Path | None, typer.Option("--answer", exists=True, dir_okay=False, help="The agency's answer to the challenge.")
]
KeptOption = Annotated[
    Path | None,
    typer.Option(
        "--kept", exists=True, dir_okay=False, help="What you kept of your own challenge; take it from nobody."
    ),
]


@app.command(
    epilog='Example: setu enrol request us-tst us-tst --name "Test Agency" --root root.json --suite hybrid-768'
)
def request(
    ctx: typer.Context,
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="The id it asks for, like us-dea.")],
    home: HomeArgument,
    name: Annotated[str, typer.Option(help="The agency's name, as people write it.")],
    root: Annotated[
        Path, typer.Option(exists=True, dir_okay=False, help="The realm's first root, compared by voice; it is pinned.")
    ],
    suite: Annotated[SuiteName, typer.Option(help="The realm's suite.")] = SuiteName.HYBRID_768,
    sealed: Annotated[bool, typer.Option("--seal", help="Seal the private keys with a passphrase at once.")] = False,
    descriptor: DescriptorOption = None,
    pkcs11: TokenOption = None,
    _json: JsonOption = False,
) -> None:
    """Make the agency's keys, and a request to enrol them: HOME/enrolment.json, which holds no secret.

    Run it on the agency's own machine. The signing keys sign the request; the TLS key signs a certificate request that
    is bound to them; that the wrap key is held is shown by `setu enrol answer`.
    """
    pinned = _first_root(root)
    passphrase = chosen(descriptor) if sealed else None
    token = maker(pkcs11) if pkcs11 is not None else None
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keys = home / "keys"
    keys.mkdir(mode=0o700, exist_ok=True)
    tls = new_tls_key()
    made = write_agency_keys(keys, suite, token=token)
    write_secret(home / "tls.key", tls)
    files = [*(keys / file for file, _, _ in made), home / "tls.key"]
    own = [(use.value, key) for _, use, key in made]
    (wrap,) = wrap_keys_of(own).values()
    try:
        raw = request_enrolment(
            Offer(b64u(sha384(pinned)), suite, agency, name, int(time.time())),
            signer_of(own),
            wrap.public,
            lambda binding: request_certificate(tls, agency, 1, binding),
        )
    except MalformedError as error:
        # Nobody knows these keys yet, and they would stand in the way of the next attempt.
        for each in files:
            each.unlink()
        advice = "Correct what was given, as an id like us-dea; nothing was kept."
        raise MalformedError(error.code, error.message, advice=advice, pointer=error.pointer) from None
    if passphrase is not None:
        seal_files(files, passphrase)
    write_new(home / REQUEST, raw + b"\n")
    write_new(home / "root.json", pinned)
    parsed = parse_enrolment(raw)

    def human(console: Console) -> None:
        _show(console, parsed)
        console.print(f"Send {home / REQUEST} to your country's registrar; all else in {home} stays here.")

    emit(ctx, {"ok": True, "file": str(home / REQUEST), **document_of(parsed)}, human)


@app.command(epilog="Example: setu enrol show us-tst/enrolment.json --config deployment/setu.toml")
def show(
    ctx: typer.Context,
    file: FileArgument,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    answer: AnswerOption = None,
    kept: KeptOption = None,
    _json: JsonOption = False,
) -> None:
    """Check a request, and print the fingerprints that both sides compare by voice.

    With --config or --directory also against the realm: its root and suite, and ids, names and keys that are taken or
    look alike. With --answer and --kept also that the wrap key is held. Status 1 where anything is wrong.
    """
    parsed = parse_enrolment(read_bytes(file))
    wrong, version = [], None
    if config is not None or directory is not None:
        with trusting(None, config, directory) as trust:
            snapshot = named_realm(trust.named().current())
        wrong, version = list(faults(parsed, snapshot, time.time())), snapshot.ref.version
    proven = prove(parsed, answer, kept) if answer is not None or kept is not None else False
    found = {
        "ok": not wrong,
        **document_of(parsed),
        "checked": {"proofs": True, "wrap_key_held": proven, "directory": config is not None or directory is not None},
        "faults": [{"code": each.code.value, "message": each.message, "advice": each.advice} for each in wrong],
    }

    def human(console: Console) -> None:
        _show(console, parsed)
        console.print(f"wrap key held: {'shown by its answer' if proven else 'not asked here'}")
        if version is None:
            console.print("directory:     not asked here; name it with --directory or --config", style="yellow")
        elif not wrong:
            console.print(f"directory:     nothing in version {version} stands against it", style="green")
        for each in wrong:
            console.print(f"{each.code.value}: {each.message} {each.advice}", style="bold red")

    emit(ctx, found, human)
    if wrong:
        raise typer.Exit(1)


@app.command(
    epilog="Example: setu enrol challenge us-tst/enrolment.json --out us-tst.challenge.json --keep us-tst.kept.json"
)
def challenge(
    ctx: typer.Context,
    file: FileArgument,
    out: NewFile,
    keep: Annotated[Path, typer.Option(dir_okay=False, help="What you keep, to know the right answer by.")],
    _json: JsonOption = False,
) -> None:
    """Ask whether the agency holds its wrap key: a KEM cannot sign. --out goes to the agency, --keep to nobody."""
    parsed = parse_enrolment(read_bytes(file))
    asked, kept = make_challenge(parsed, os.urandom)
    write_new(keep, kept.canonical() + b"\n")
    write_new(out, asked.canonical() + b"\n")
    _written(ctx, out, f"Send {out} to the agency; keep {keep} and take no other in its place.")


@app.command(epilog="Example: setu enrol answer us-tst.challenge.json --home us-tst --out us-tst.answer.json")
def answer(
    ctx: typer.Context,
    file: FileArgument,
    home: Annotated[Path, typer.Option(exists=True, file_okay=False, help="Where `enrol request` made the keys.")],
    out: NewFile,
    _json: JsonOption = False,
) -> None:
    """Answer a challenge, on the agency's own machine, with its wrap key."""
    parsed = parse_enrolment(read_bytes(home / REQUEST))
    asked = _read(Challenge, file, "a challenge")
    key = wrap_keys_of(keys_in(home / "keys")).get(parsed.keys[2].kid)
    if key is None:
        raise MalformedError(
            Code.BAD_REQUEST,
            "Expected the wrap key of the request in this folder, found others.",
            advice="Name the folder in which `setu enrol request` made its keys.",
        )
    write_new(out, answer_challenge(parsed, asked, key).canonical() + b"\n")
    _written(ctx, out, f"Send {out} back.")


@app.command(
    epilog="Example: setu enrol finish us-tst --certificate us-tst.pem --gateway-ca ca.pem --gateway in-setu "
    "--url https://gateway.example:8443"
)
def finish(
    ctx: typer.Context,
    home: Annotated[Path, typer.Argument(metavar="HOME", exists=True, file_okay=False, help="The agency's folder.")],
    certificate: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="What the country's CA issued, PEM.")],
    gateway_ca: Annotated[Path, typer.Option(exists=True, dir_okay=False, help="The gateway's CA, PEM.")],
    gateway: Annotated[str, typer.Option(metavar="AGENCY", help="The gateway's agency id.")],
    url: Annotated[list[str], typer.Option(help="Where the gateway is; may be repeated.")],
    trust_gateway: Annotated[
        bool, typer.Option("--trust-gateway/--no-trust-gateway", help="May its operator read what is sent?")
    ] = False,
    _json: JsonOption = False,
) -> None:
    """Put the certificate in its place and write agency.toml, once the realm has enrolled the agency.

    A certificate of another agency, or for another key, is refused.
    """
    parsed = parse_enrolment(read_bytes(home / REQUEST))
    pem = read_bytes(certificate)
    check_issued(pem, keystore().read(home / "tls.key"), parsed.body.agency)
    pinned_root(home / "root.json")
    before = [home / name for name in ("tls.pem", "gateway-ca.pem", "agency.toml") if (home / name).exists()]
    if before:
        raise MalformedError(
            Code.BAD_REQUEST,
            f"Expected an enrolment that is not finished yet, found {', '.join(str(each) for each in before)}.",
            advice="To finish it anew, with another certificate, CA or address, move these away first.",
        )
    text = settings_text(parsed.body.agency, url, gateway, trust_gateway=trust_gateway)
    write_new(home / "tls.pem", pem)
    write_new(home / "gateway-ca.pem", read_bytes(gateway_ca))
    write_new(home / "agency.toml", text.encode())
    profile = home / "agency.toml"
    found = {"ok": True, "profile": str(profile), "uri": uri_of(pem_to_der(pem))}
    emit(ctx, found, lambda console: console.print(f"Ready: its program runs with {profile}.", style="green"))


def named_realm(snapshot: Snapshot) -> Snapshot:
    """The same; raises typer.BadParameter for a document alone, which belongs to any realm or none."""
    if not snapshot.realm:
        raise typer.BadParameter(
            "expected --directory to be the realm's repository, a folder with root.json in it, found a document alone: "
            "of which realm it is, is not known"
        )
    return snapshot


def _first_root(path: Path) -> bytes:
    pinned = path.read_bytes()
    try:
        check_first_root(pinned)
    except IntegrityError:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected the realm's first root at {path}, found another file.",
            advice="It is `directory/root.json` of the gateway's deployment; compare its SHA-384 by voice.",
        ) from None
    return pinned


def prove(parsed: ParsedEnrolment, answer: Path | None, kept: Path | None) -> bool:
    """The wrap key is held, by an answer and what was kept of the challenge.

    Raises:
        typer.BadParameter: one of the two is missing. PacketError: as `check_answer`.
    """
    if answer is None or kept is None:
        raise typer.BadParameter(
            "expected --answer and --kept together: the answer, and what you kept of the challenge"
        )
    check_answer(parsed, _read(KeptChallenge, kept, "what was kept of a challenge"), _read(Answer, answer, "an answer"))
    return True


def document_of(parsed: ParsedEnrolment) -> dict[str, Any]:
    """What is shown of a request; all of it is public."""
    body = parsed.body
    return {
        "agency": body.agency,
        "name": body.name,
        "suite": body.suite.value,
        "realm": spoken(unb64u(body.realm)),
        "fingerprint": spoken(parsed.fingerprint),
        "keys": [
            {"use": key.use.value, "alg": key.alg, "kid": key.kid, "fingerprint": spoken(unb64u(key.kid))}
            for key in body.keys
        ],
        "tls": {"alg": "P-256", "fingerprint": spoken(bytes.fromhex(parsed.csr.fingerprint))},
    }


def _show(console: Console, parsed: ParsedEnrolment) -> None:
    found = document_of(parsed)
    console.print(f"{found['agency']}  {found['name']}", style="bold")
    console.print(f"suite         {found['suite']}")
    console.print(f"realm         {found['realm']}")
    for key in found["keys"]:
        console.print(f"{key['use']:13} {key['fingerprint']}  {key['alg']}")
    console.print(f"{'tls':13} {found['tls']['fingerprint']}  {found['tls']['alg']}")
    console.print("Every proof in it holds. Compare by voice; this one stands for all of the above:")
    console.print(f"  {found['fingerprint']}", style="bold green")


def settings_text(agency: str, urls: list[str], gateway: str, *, trust_gateway: bool) -> str:
    """An agency.toml; raises MalformedError (code `bad-request`) for what its settings do not take."""
    members = {"agency": agency, "url": urls, "gateway": gateway, "trust_gateway": trust_gateway}
    try:
        AgencySettings.model_validate(members)
    except ValidationError:
        raise MalformedError(
            Code.BAD_REQUEST,
            "Expected the gateway's agency id, and addresses like https://gateway.example:8443, found others.",
            advice="Ask the gateway's operator for both.",
        ) from None
    lines = [f"{name} = {json.dumps(value)}" for name, value in members.items()]
    return "\n".join([_SETTINGS, *lines, ""])


_SETTINGS = "# One agency's own program. Paths are relative to this file; what is left out has its default."


def _read(kind: type[M], file: Path, what: str) -> M:
    return model_of(kind, read_json(file), what, "Use the file as it was made.")


def _written(ctx: typer.Context, out: Path, sentence: str) -> None:
    emit(ctx, {"ok": True, "file": str(out)}, lambda console: console.print(sentence))
