"""`setu directory`: the agencies of a realm, and the operator's part in keeping their directory."""

import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.assembly.deny import list_in
from broker.assembly.realm import local_directory, operator_keys, put_in_force, renew_directory
from broker.cli import admit, rotating
from broker.cli.inputs import FileArgument, model_of, read_json
from broker.cli.keyring import fingerprint_of, spoken
from broker.cli.options import ConfigOption, MaybeAsOption
from broker.cli.output import JsonOption, emit, wants_json
from broker.cli.trust import DirectoryOption, Trust, trusting
from broker.cli.weighing import expiry_of
from broker.config import GatewaySettings, load
from broker.directory.deny import suspended
from broker.directory.lookup import Snapshot
from broker.errors import MalformedError
from schemas.canonical import unb64u
from schemas.deny import DenyRef
from schemas.directory import Agency, AgencyState, Channel, Directory
from schemas.problem import Code

app = typer.Typer(no_args_is_help=True, help="Show, verify, renew the directory; add agencies; publish a version.")

GatewayOption = Annotated[
    Path, typer.Option("--config", metavar="SETU.TOML", exists=True, dir_okay=False, help="The gateway's settings.")
]
ROLES = ("root", "targets", "snapshot", "timestamp")


@app.command(epilog="Example: setu directory show --as in-ncb/agency.toml")
def show(
    ctx: typer.Context,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    document: Annotated[
        bool, typer.Option("--document", help="Print the document itself, byte for byte as it was signed.")
    ] = False,
    wrap_keys: Annotated[
        str | None, typer.Option(metavar="GATEWAY", help="Print what signs this gateway's own wrap keys, as signed.")
    ] = None,
    _json: JsonOption = False,
) -> None:
    """Show who takes part: agencies, roles, clearance, mandates, keys; the ledgers and their keys.

    Whom a deny list suspends is shown as suspended; the document itself (--document) is what the countries signed.
    """
    with trusting(profile, config, directory) as trust:
        snapshot = trust.named().current()
    if wrap_keys is not None:
        sys.stdout.buffer.write(_wrap_keys(snapshot, wrap_keys))
        return
    if document and not wants_json(ctx):
        sys.stdout.buffer.write(snapshot.raw)
        return
    found = _identity(trust, snapshot) | {"directory": _agreed(snapshot).to_object()}
    found["wrap_keys"] = {each.gateway: [key.to_object() for key in each.keys] for each in snapshot.gateways}
    found["denied"] = [ref.to_object() for each in snapshot.lists if (ref := each.ref) is not None]
    emit(ctx, found, lambda console: _show(console, snapshot))


def _agreed(snapshot: Snapshot) -> Directory:
    """With what deny lists suspend, and without what changes each day."""
    return suspended(snapshot.signed, snapshot.lists, snapshot.realm)


def _wrap_keys(snapshot: Snapshot, gateway: str) -> bytes:
    for each in snapshot.gateways:
        if each.gateway == gateway and each.document is not None:
            return each.document.canonical()
    raise MalformedError(
        Code.BAD_REQUEST,
        "Expected a gateway whose wrap keys a role of the directory signs, found none of that name.",
        advice="Its keys stand in the directory itself; or ask its operator for `setu rotate wrap`.",
    )


@app.command(epilog="Example: setu directory verify --config deployment/setu.toml")
def verify(
    ctx: typer.Context,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    _json: JsonOption = False,
) -> None:
    """Verify the directory from the pinned root: signatures, thresholds, dates, the document's soundness."""
    with trusting(profile, config, directory) as trust:
        snapshot = trust.named().current()
    found: dict[str, Any] = {"ok": True} | _identity(trust, snapshot)
    folder = _metadata_of(config, directory)
    dates = expiries(folder) if folder is not None else {}
    found["expires"] = dates

    def human(console: Console) -> None:
        if trust.named().realm:
            console.print(
                f"Directory version {snapshot.ref.version} verifies from the pinned root.", style="bold green"
            )
            console.print(f"  realm   {spoken(unb64u(trust.named().realm))}")
        else:
            console.print(f"Directory version {snapshot.ref.version} is sound; who signed it was not asked.")
        console.print(f"  hash    {spoken(unb64u(snapshot.ref.hash))}")
        for role, moment in dates.items():
            console.print(f"  {role:10} until {moment}", style="dim")

    emit(ctx, found, human)


@app.command(epilog="Example: setu directory renew --config deployment/setu.toml")
def renew(ctx: typer.Context, config: GatewayOption, _json: JsonOption = False) -> None:
    """Sign a new timestamp, and a new snapshot where it is due, with the operator's keys.

    A running gateway that has these keys does so by itself, each hour.
    """
    settings = load(GatewaySettings, config)
    folder = settings.at(settings.paths.directory)
    renew_directory(folder, operator_keys(settings.at(settings.paths.realm_keys)))
    dates = expiries(folder)
    emit(
        ctx,
        {"ok": True, "expires": dates},
        lambda console: console.print(f"Renewed: the timestamp is good until {dates['timestamp']}.", style="green"),
    )


@app.command(epilog="Example: setu directory publish directory.json --config deployment/setu.toml")
def publish(
    ctx: typer.Context,
    file: FileArgument,
    config: GatewayOption,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
    _json: JsonOption = False,
) -> None:
    """Put a new version of the document in force, signed with the targets keys in the deployment.

    For realms whose keys are all in one place (a demonstration). A running gateway takes it up within a second.
    Begin with `setu directory show --document`, and raise `version` by one.
    """
    settings = load(GatewaySettings, config)
    document = model_of(Directory, read_json(file), "a directory document")
    before = local_directory(settings).current().signed
    changes = differences(before, document)
    if not dry_run:
        put_in_force(settings, document)
    found = {"ok": True, "published": not dry_run, "version": document.version, "changes": changes}

    def human(console: Console) -> None:
        said = "would follow" if dry_run else "is in force after"
        console.print(f"Version {document.version} {said} version {before.version}.", style="bold green")
        for each in changes or ["no agency changes"]:
            console.print(f"  {each}")

    emit(ctx, found, human)


@app.command(
    epilog="Example: setu directory change us-dea --channel https --channel kafka --config deployment/setu.toml"
)
def change(
    ctx: typer.Context,
    agency: Annotated[list[str], typer.Argument(metavar="AGENCY...", help="Ids of agencies in the directory.")],
    config: GatewayOption,
    channel: Annotated[
        list[Channel] | None, typer.Option(help="A way it reads its topics; may be repeated, and replaces what was.")
    ] = None,
    state: Annotated[AgencyState | None, typer.Option(help="Whether it takes part.")] = None,
    lift: Annotated[
        list[str] | None,
        typer.Option(help="A deny list of which all that it says now is lifted; name --state for whom it named."),
    ] = None,
    _json: JsonOption = False,
) -> None:
    """Change by which ways agencies read, or whether they take part, and put that in force.

    As `publish`, for realms whose keys are all in one place. Where Kafka is a way, `setu topics apply` comes next.
    """
    settings = load(GatewaySettings, config)
    snapshot = local_directory(settings).current()
    before = snapshot.signed
    asked: dict[str, Any] = {} if channel is None else {"channels": tuple(sorted(set(channel)))}
    asked |= {} if state is None else {"state": state}
    document = _changed(before, frozenset(agency), asked, _lifted(snapshot, frozenset(lift or ())))
    changes = differences(before, document)
    if changes:
        put_in_force(settings, document)
    found = {"ok": True, "published": bool(changes), "version": (document if changes else before).version}

    def human(console: Console) -> None:
        if changes:
            console.print(f"Version {document.version} is in force after version {before.version}.", style="bold green")
        for each in changes or ["It is so already; nothing was changed."]:
            console.print(f"  {each}")

    emit(ctx, {**found, "changes": changes}, human)


app.command("add", epilog=admit.EXAMPLE)(admit.add)
rotating.register(app)


def _lifted(snapshot: Snapshot, names: frozenset[str]) -> tuple[DenyRef, ...] | None:
    """What the next version says of the deny lists: as before, but these up to where they are now."""
    refs = {each.list: each for each in snapshot.signed.lifted or ()}
    refs |= {name: ref for name in names if (ref := list_in(snapshot, name).ref) is not None}
    return tuple(refs[name] for name in sorted(refs)) or None


def _changed(
    before: Directory, names: frozenset[str], asked: Mapping[str, Any], lifted: tuple[DenyRef, ...] | None
) -> Directory:
    missing = sorted(names - {each.id for each in before.agencies})
    if missing or not (asked or lifted != before.lifted):
        raise MalformedError(
            Code.BAD_REQUEST,
            "Expected agencies of the directory and what to change, found "
            + (f"{len(missing)} of {len(names)} that are not in it." if missing else "nothing to change."),
            advice="`setu directory show` lists them; name --channel, --state or --lift.",
        )
    agencies = tuple(each.model_copy(update=asked) if each.id in names else each for each in before.agencies)
    changed = {"version": before.version + 1, "agencies": agencies, "lifted": lifted}
    return before.model_copy(update=changed)


def differences(before: Directory, after: Directory) -> list[str]:
    """What a new version changes, a line for each agency."""
    old, new = ({agency.id: agency for agency in document.agencies} for document in (before, after))
    changes = [f"{each}: leaves" for each in sorted(old.keys() - new.keys())]
    changes += [f"{each}: joins" for each in sorted(new.keys() - old.keys())]
    for each in sorted(old.keys() & new.keys()):
        members = [name for name in Agency.model_fields if getattr(old[each], name) != getattr(new[each], name)]
        if members:
            changes.append(f"{each}: {', '.join(members)}")
    rows = {log.gateway: log for log in before.logs}
    for log in after.logs:
        if (row := rows.get(log.gateway)) is not None and row != log:
            what = "another pair of keys" if row.pairs[0] != log.pairs[0] else "the same pair of keys"
            ended = [f", a former one up to {each.size} entries" for each in log.pairs[1:] if each not in row.pairs]
            changes.append(f"ledger of {log.gateway}: {what}{''.join(ended)}")
    up_to = {each.list: each.serial for each in before.lifted or ()}
    changes += [
        f"deny list {each.list}: lifted up to entry {each.serial}"
        for each in after.lifted or ()
        if up_to.get(each.list) != each.serial
    ]
    return changes


def expiries(folder: Path) -> dict[str, str]:
    """Until when the newest metadata of each role in a TUF repository is good, RFC 3339; raises as `expiry_of`."""
    found = {}
    for role in ROLES:
        files = sorted((folder / "metadata").glob(f"*.{role}.json"), key=_version) or [
            folder / "metadata" / f"{role}.json"
        ]
        found[role] = expiry_of(files[-1].read_bytes(), files[-1].name)
    return found


def _version(path: Path) -> int:
    number = path.name.split(".")[0]
    return int(number) if number.isdigit() else -1


def _metadata_of(config: Path | None, directory: Path | None) -> Path | None:
    if config is not None:
        settings = load(GatewaySettings, config)
        return settings.at(settings.paths.directory)
    return directory if directory is not None and directory.is_dir() else None


def _identity(trust: Trust, snapshot: Snapshot) -> dict[str, Any]:
    return {"realm": trust.named().realm, "version": snapshot.ref.version, "hash": snapshot.ref.hash}


def _show(console: Console, snapshot: Snapshot) -> None:
    document = _agreed(snapshot)
    console.print(document.name, style="bold", end="  ")
    console.print(f"version {document.version}, suite {document.suite}", style="dim")
    table = Table(box=None, header_style="bold")
    for name in ("agency", "country", "roles", "state", "clearance"):
        table.add_column(name, no_wrap=True)
    for name in ("mandates", "keys and certificates"):
        table.add_column(name)
    now = time.time()
    for agency in document.agencies:
        good = sum(key.not_before <= now < key.not_after and key.state == "active" for key in agency.keys)
        ends = [key.not_after for key in agency.keys] + [each.not_after for each in agency.certificates]
        until = f", until {datetime.fromtimestamp(min(ends), UTC):%Y-%m-%d}" if ends else ""
        table.add_row(
            agency.id,
            agency.country,
            " ".join(agency.roles),
            agency.state,
            f"{agency.clearance.system} {agency.clearance.level}",
            " ".join(agency.mandates),
            f"{good} keys, {len(agency.certificates)} certificates{until}",
        )
    console.print(table)
    for log in document.logs:
        console.print(f"ledger of {log.gateway}: {log.origin}", style="bold")
        for pair in log.pairs:
            until = "" if pair.size is None else f", up to {pair.size} entries"
            for key in (pair.ed25519, pair.mldsa44):
                console.print(f"  fingerprint {fingerprint_of(key)}{until}")
