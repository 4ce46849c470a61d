"""`setu deny`: who is suspended without waiting for a ceremony, and the small job that keeps a list fresh."""

import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.deny import deny_signers, put_lists, sign_next
from broker.assembly.realm import operator_keys
from broker.cli.deny_shown import document_of, show_lists
from broker.cli.directory import GatewayOption
from broker.cli.inputs import FileArgument, model_of, read_json
from broker.cli.keyring import spoken, write_deny_keys
from broker.cli.options import ConfigOption, MaybeAsOption, write_new
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, trusting
from broker.config import GatewaySettings, load
from broker.directory.deny import read_list
from broker.directory.lookup import Snapshot
from broker.directory.roles import DENY
from broker.directory.tuf_signed import SignedTarget
from broker.errors import MalformedError
from schemas.canonical import canonical, parse, unb64u
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


@app.command("keys", epilog="Example: setu deny keys deny-keys IND")
def keys_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="A folder of key files.")],
    name: NameArgument,
    _json: JsonOption = False,
) -> None:
    """Make the keys that sign a deny list: a country's two, or the operator's one. A ceremony gives them the list."""
    _checked(name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [each.public for each in write_deny_keys(folder, name)]
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
    key: Annotated[list[str] | None, typer.Option("--kid", help="A key's kid, alone; may be repeated.")] = None,
    certificate: Annotated[
        list[str] | None, typer.Option(help="A certificate's SHA-256, alone; may be repeated.")
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="From when on what the keys signed is disputed, UTC; with --kid.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--note", help="Why, for those who read the list.")] = None,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    out: OutOption = None,
    _json: JsonOption = False,
) -> None:
    """Sign a list that suspends more. It is in force once the operator has put it there, within a second.

    With --config and without --out it is put in force at once, with the operator's keys of that deployment. Nothing
    but a new version of the directory, signed by all countries, lifts what a list says.
    """
    snapshot = _snapshot(profile, config, directory)
    members: dict[str, Any] = {"at": int(time.time())} | ({"note": reason} if reason is not None else {})
    disputed = {} if since is None else {"since": int(since.replace(tzinfo=UTC).timestamp())}
    wanted: list[dict[str, Any]] = [{"agency": each} for each in agency or ()]
    wanted += [{"agency": _owner(snapshot, each), "kid": each} | disputed for each in key or ()]
    wanted += [{"agency": _owner(snapshot, each), "certificate": each} for each in certificate or ()]
    if not wanted or (since is not None and not key):
        raise MalformedError(
            Code.BAD_REQUEST,
            "Expected whom to suspend, found "
            + ("--since without --kid." if wanted else "neither --agency nor --kid nor --certificate."),
        )
    denials = [model_of(Denial, each | members, "an entry of a deny list") for each in wanted]
    _sign(ctx, snapshot, name, keys, denials, config, out)


@app.command(epilog="Example: setu deny renew IND --keys deny-keys --as agency.toml --out IND.json")
def renew(
    ctx: typer.Context,
    name: NameArgument,
    keys: KeysOption,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    out: OutOption = None,
    _json: JsonOption = False,
) -> None:
    """Sign a list for another day, as it is; what the directory lifted is left out. Best done every six hours.

    With --config and without --out it is put in force at once, with the operator's keys of that deployment.
    """
    _sign(ctx, _snapshot(profile, config, directory), name, keys, [], config, out)


@app.command(epilog="Example: setu deny publish IND.json --config deployment/setu.toml")
def publish(ctx: typer.Context, file: FileArgument, config: GatewayOption, _json: JsonOption = False) -> None:
    """Put a list that was signed elsewhere in force, with the operator's keys. Gateways take it up within a second."""
    made = list_file(file)
    _publish(config, made)
    _say(ctx, made, "put in force")


def list_file(file: Path) -> SignedTarget:
    """A list as `setu deny add` and `renew` write it; raises MalformedError (code `bad-request`)."""
    found = model_of(SignedDenyList, read_json(file), "a signed deny list")
    return SignedTarget(DENY + found.document.list, canonical(found.metadata), found.document.canonical())


def _sign(
    ctx: typer.Context,
    snapshot: Snapshot,
    name: str,
    keys: Path,
    denials: list[Denial],
    config: Path | None,
    out: Path | None,
) -> None:
    if out is None and config is None:
        raise typer.BadParameter("expected --out, or --config of the deployment to put it in force at once")
    made = sign_next(snapshot, name, deny_signers(keys, name), denials)
    if out is not None:
        file = SignedDenyList(metadata=parse(made.metadata), document=read_list(made.document, name))
        write_new(out, file.canonical())
    elif config is not None:
        _publish(config, made)
    _say(ctx, made, "put in force" if out is None else f"signed into {out}")


def _say(ctx: typer.Context, made: SignedTarget, done: str) -> None:
    name = made.role.removeprefix(DENY)
    document = read_list(made.document, name)
    found = {
        "list": name,
        "version": made.version,
        "serial": document.serial,
        "hash": document.places()[-1].hash,
        "expires": datetime.fromtimestamp(made.expires, UTC).isoformat(),
        "published": done == "put in force",
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


def _owner(snapshot: Snapshot, named: str) -> str:
    for each in snapshot.signed.agencies:
        if named in {key.kid for key in each.keys} | {row.sha256 for row in each.certificates}:
            return each.id
    raise MalformedError(
        Code.BAD_REQUEST,
        f"Expected a key or certificate of directory version {snapshot.ref.version}, found none of that name.",
        advice="`setu directory show --json` lists kids and fingerprints.",
    )


def _checked(name: str) -> None:
    if name != OPERATOR and not (len(name) == 3 and name.isascii() and name.isupper()):  # noqa: PLR2004 - alpha-3
        raise typer.BadParameter("expected a country as ISO 3166-1 alpha-3 like IND, or `operator`")
