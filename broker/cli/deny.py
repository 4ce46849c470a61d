"""`setu deny`: who is suspended without waiting for a ceremony, and the small job that keeps a list fresh."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.agency import transport_of
from broker.assembly.deny import deny_signers, file_of, put_lists, sign_next
from broker.assembly.hsm import maker
from broker.assembly.realm import operator_keys
from broker.cli.deny_shown import document_of, show_lists
from broker.cli.directory import GatewayOption
from broker.cli.inputs import FileArgument, model_of, read_json
from broker.cli.keyring import spoken, write_deny_keys
from broker.cli.options import ConfigOption, MaybeAsOption, TokenOption, write_new
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, trusting
from broker.config import AgencySettings, GatewaySettings, load
from broker.directory.deny import read_list
from broker.directory.lookup import Snapshot
from broker.directory.roles import DENY
from broker.directory.tuf_signed import SignedTarget
from broker.errors import MalformedError
from broker.sdk.denying import hand_in
from broker.sdk.http import Http
from schemas.canonical import b64u, parse, unb64u
from schemas.deny import OPERATOR, Denial, SignedDenyList
from schemas.problem import Code

app = typer.Typer(
    no_args_is_help=True, help="Suspend agencies, keys and certificates at once, by a country's own deny list."
)

NameArgument = Annotated[str, typer.Argument(metavar="LIST", help="A country (ISO 3166-1 alpha-3), or `operator`.")]
KeysOption = Annotated[
    Path, typer.Option("--keys", exists=True, file_okay=False, help="The folder with the keys of that list.")
]
OutOption = Annotated[
    Path | None,
    typer.Option("--out", dir_okay=False, help="A new file for the signed list, to be given to the operator."),
]

PushOption = Annotated[
    bool,
    typer.Option("--push", help="With --as: hand the signed list to the gateway, which puts it in force."),
]
_IN_FORCE = "put in force"


class _Where:
    """Where a signed list goes; raises typer.BadParameter where it would go nowhere."""

    def __init__(self, profile: Path | None, config: Path | None, out: Path | None, push: bool) -> None:
        if push and profile is None:
            raise typer.BadParameter("expected --as with --push: an agency of the country hands the list in")
        if out is None and config is None and not push:
            raise typer.BadParameter(
                "expected --push, or --out, or --config of the deployment to put it in force at once"
            )
        self.push = profile if push else None
        self.config = config
        self.out = out


@app.command("keys", epilog="Example: setu deny keys deny-keys IND")
def keys_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="A folder of key files.")],
    name: NameArgument,
    pkcs11: TokenOption = None,
    _json: JsonOption = False,
) -> None:
    """Make the keys that sign a deny list: a country's two, or the operator's one. A ceremony gives them the list."""
    _checked(name)
    token = maker(pkcs11) if pkcs11 is not None else None
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [each.public for each in write_deny_keys(folder, name, token=token)]
    found = [{"alg": each.alg, "kid": each.kid, "fingerprint": spoken(unb64u(each.kid))} for each in made]

    def human(console: Console) -> None:
        for each in found:
            console.print(f"{each['alg']:10} fingerprint {each['fingerprint']}")

    emit(ctx, {"list": name, "keys": found}, human)


@app.command(epilog="Example: setu deny show --config deployment/setu.toml")
def show(
    ctx: typer.Context,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    _json: JsonOption = False,
) -> None:
    """Show every deny list in force: whom it suspends, until when it is good, what the directory lifted."""
    with trusting(profile, config, directory) as trust:
        snapshot = trust.named().current()
    found = document_of(snapshot, time.time())
    emit(ctx, found, lambda console: show_lists(console, found))


@app.command(epilog="Example: setu deny add IND --agency in-ncb --keys deny-keys --as agency.toml --out IND.json")
def add(
    ctx: typer.Context,
    name: NameArgument,
    keys: KeysOption,
    agency: Annotated[list[str] | None, typer.Option(help="An agency's id; may be repeated.")] = None,
    key: Annotated[
        list[str] | None, typer.Option("--kid", help="A key's kid or fingerprint, alone; may be repeated.")
    ] = None,
    certificate: Annotated[
        list[str] | None, typer.Option(help="A certificate's SHA-256, in hex, alone; may be repeated.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="From when on what the keys signed is disputed, UTC; with --kid.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--note", help="Why, for those who read the list.")] = None,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    out: OutOption = None,
    push: PushOption = False,
    _json: JsonOption = False,
) -> None:
    """Sign a list that suspends more. It is in force once it is in the gateway's repository, within a second.

    With --push the gateway is given it and puts it there. With --config and without --out that is done here, with the
    operator's keys of that deployment. Nothing but a new version of the directory, signed by all countries, lifts what
    a list says.
    """
    to = _Where(profile, config, out, push)
    snapshot = _snapshot(profile, config, directory)
    members: dict[str, Any] = {"at": int(time.time())} | ({"note": reason} if reason is not None else {})
    disputed = {} if since is None else {"since": int(since.replace(tzinfo=UTC).timestamp())}
    wanted: list[dict[str, Any]] = [{"agency": _listed(snapshot, each)} for each in agency or ()]
    wanted += [_owned(snapshot, "kid", each) | disputed for each in key or ()]
    wanted += [_owned(snapshot, "certificate", each) for each in certificate or ()]
    if not wanted or (since is not None and not key):
        raise MalformedError(
            Code.BAD_REQUEST,
            "Expected whom to suspend, found "
            + ("--since without --kid." if wanted else "neither --agency nor --kid nor --certificate."),
        )
    denials = [model_of(Denial, each | members, "an entry of a deny list") for each in wanted]
    _sign(ctx, snapshot, name, keys, denials, to)


@app.command(epilog="Example: setu deny renew IND --keys deny-keys --as agency.toml --push")
def renew(
    ctx: typer.Context,
    name: NameArgument,
    keys: KeysOption,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    out: OutOption = None,
    push: PushOption = False,
    _json: JsonOption = False,
) -> None:
    """Sign a list for another day, as it is; what the directory lifted is left out. Best done every six hours.

    With --push the gateway is given it and puts it in force. With --config and without --out that is done here, with
    the operator's keys of that deployment.
    """
    to = _Where(profile, config, out, push)
    _sign(ctx, _snapshot(profile, config, directory), name, keys, [], to)


@app.command(epilog="Example: setu deny publish IND.json --config deployment/setu.toml")
def publish(ctx: typer.Context, file: FileArgument, config: GatewayOption, _json: JsonOption = False) -> None:
    """Put a list that was signed elsewhere in force, with the operator's keys. Gateways take it up within a second."""
    made = list_file(file)
    _publish(config, made)
    _say(ctx, made, _IN_FORCE)


def list_file(file: Path) -> SignedTarget:
    """A list as `setu deny add` and `renew` write it; raises MalformedError (code `bad-request`)."""
    found = model_of(SignedDenyList, read_json(file), "a signed deny list")
    return file_of(found)


def _sign(
    ctx: typer.Context,
    snapshot: Snapshot,
    name: str,
    keys: Path,
    denials: list[Denial],
    to: _Where,
) -> None:
    made = sign_next(snapshot, name, deny_signers(keys, name), denials)
    file = SignedDenyList(metadata=parse(made.metadata), document=read_list(made.document, name))
    if to.out is not None:
        write_new(to.out, file.canonical())
    if to.push is not None:
        _push(to.push, file)
    elif to.out is None and to.config is not None:
        _publish(to.config, made)
    in_force = to.push is not None or to.out is None
    _say(ctx, made, _IN_FORCE if in_force else f"signed into {to.out}")


def _push(profile: Path, made: SignedDenyList) -> None:
    settings = load(AgencySettings, profile)
    with transport_of(settings) as transport:
        hand_in(Http(transport, gateways=settings.url), made)


def _say(ctx: typer.Context, made: SignedTarget, done: str) -> None:
    name = made.role.removeprefix(DENY)
    document = read_list(made.document, name)
    found = {
        "list": name,
        "version": made.version,
        "serial": document.serial,
        "hash": document.places()[-1].hash,
        "expires": datetime.fromtimestamp(made.expires, UTC).isoformat(),
        "published": done == _IN_FORCE,
    }
    emit(
        ctx,
        found,
        lambda console: console.print(
            f"The deny list {name}, version {made.version}, after entry {document.serial}, was {done}; "
            f"good until {found['expires']}.",
            style="bold green",
        ),
    )


def _publish(config: Path, made: SignedTarget) -> None:
    settings = load(GatewaySettings, config)
    operator = operator_keys(settings.at(settings.paths.realm_keys))
    put_lists(settings.at(settings.paths.directory), operator, [made])


def _snapshot(profile: Path | None, config: Path | None, directory: Path | None) -> Snapshot:
    with trusting(profile, config, directory) as trust:
        return trust.named().current()


def _listed(snapshot: Snapshot, agency: str) -> str:
    """The same: a misspelt id would suspend nobody, and look as if it did."""
    if agency not in {each.id for each in snapshot.signed.agencies}:
        raise MalformedError(
            Code.BAD_REQUEST,
            f"Expected an agency of directory version {snapshot.ref.version}, found none of that id.",
            advice="`setu directory show` lists their ids.",
        )
    return agency


def _owned(snapshot: Snapshot, member: str, named: str) -> dict[str, Any]:
    """An agency and its key or certificate. A fingerprint may stand as `setu keys list` or `openssl x509` write it."""
    digits = re.sub(r"[\s:]", "", named).lower()
    if member == "kid" and re.fullmatch("[0-9a-f]{64}", digits):
        named = b64u(bytes.fromhex(digits))
    elif member == "certificate":
        named = digits
    for each in snapshot.document.agencies:  # with a gateway's wrap keys of the day
        known = [key.kid for key in each.keys] if member == "kid" else [row.sha256 for row in each.certificates]
        if named in known:
            return {"agency": each.id, member: named}
    raise MalformedError(
        Code.BAD_REQUEST,
        f"Expected a {member} of directory version {snapshot.ref.version}, found none of that name.",
        advice="`setu directory show --json` lists kids and fingerprints.",
    )


def _checked(name: str) -> None:
    if name != OPERATOR and not (len(name) == 3 and name.isascii() and name.isupper()):  # noqa: PLR2004 - alpha-3
        raise typer.BadParameter("expected a country as ISO 3166-1 alpha-3 like IND, or `operator`")
