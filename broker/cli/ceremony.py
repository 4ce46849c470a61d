"""`setu realm`: a realm's key ceremonies. Keys are made and used on each holder's own machine; only files travel."""

import hashlib
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.assembly.keys import Keys, keys_in
from broker.assembly.keystore import keystore
from broker.assembly.realm import held_realm, install_proposal, operator_keys
from broker.cli.ceremony_files import (
    FileOption,
    InForceOption,
    RootOption,
    delegates_for,
    document_for,
    gathered,
    held_by,
    keys_for,
    read_kind,
    remember_signing,
    shares_of,
    write_object,
)
from broker.cli.ceremony_shown import (
    of_proposal,
    of_realm,
    of_share,
    show_proposal,
    show_realm,
    show_share,
    told,
    versions,
)
from broker.cli.deny import list_file
from broker.cli.inputs import model_of, read_bytes, read_json
from broker.cli.keyring import spoken
from broker.cli.keys import country_of
from broker.cli.output import JsonOption, console, emit, wants_json
from broker.config import GatewaySettings, load
from broker.directory.files import write_whole
from broker.directory.share import make_share, public_key, read_share
from broker.directory.tuf_proposal import Proposal, draw_up
from broker.directory.tuf_signed import SignedTarget
from broker.errors import IntegrityError
from schemas.canonical import b64u, unb64u
from schemas.directory import Directory
from schemas.problem import Code
from schemas.realm import OPERATOR

app = typer.Typer(no_args_is_help=True, help="Key ceremonies: found a realm, replace keys, renew; each holder signs.")

KeysOption = Annotated[
    list[Path], typer.Option("--keys", metavar="DIR", exists=True, help="A folder of key files, or one; repeat it.")
]
OutOption = Annotated[Path, typer.Option("--out", metavar="FILE", dir_okay=False, help="A new file to write.")]
DAYS = 366


class Part(StrEnum):
    """What `realm new --renew` signs anew as it is."""

    ROOT = "root"
    TARGETS = "targets"


@app.command(epilog="Example: setu realm share --keys keys --country IND --out ind.share.json")
def share(
    ctx: typer.Context,
    keys: KeysOption,
    out: OutOption,
    country: Annotated[
        str | None, typer.Option(metavar="IND", help="Whose they are, ISO 3166-1 alpha-3; without: the operator's.")
    ] = None,
    _json: JsonOption = False,
) -> None:
    """Write the public halves of a country's six keys, or of the operator's two, with a proof of each.

    And of the keys of its deny list (setu deny keys), and of those that sign a gateway's wrap keys (setu rotate
    wrap-keys), where those are among the keys given; of a country of the realm its deny list's alone, where it changes
    nothing else.
    """
    made = make_share(OPERATOR if country is None else country_of(country), _keys(keys))
    write_object(out, made.to_object())
    found = of_share(made, [public_key(key).kid for key in made.keys])
    emit(ctx, {"file": str(out), **found}, lambda console: show_share(console, found))


@app.command(
    epilog="Example: setu realm new founding.json --share ind.share.json --share usa.share.json "
    "--share operator.share.json --document directory.json"
)
def new(
    ctx: typer.Context,
    out: Annotated[Path, typer.Argument(metavar="FILE", dir_okay=False, help="The proposal, a new file.")],
    share: Annotated[
        list[Path] | None,
        typer.Option("--share", exists=True, dir_okay=False, help="A holder's share, also a new holder's; repeat it."),
    ] = None,
    document: Annotated[
        Path | None, typer.Option("--document", exists=True, dir_okay=False, help="The directory document.")
    ] = None,
    in_force: InForceOption = None,
    root: RootOption = None,
    renew: Annotated[
        list[Part] | None, typer.Option("--renew", help="Have it signed anew with later expiry; repeat it.")
    ] = None,
    days: Annotated[int, typer.Option(min=1, max=3660, help="How long the countries' signatures are good.")] = DAYS,
    _json: JsonOption = False,
) -> None:
    """Draw up what the holders are to sign: with --in-force the next root, directory or both; else a first realm.

    Nobody needs to trust who draws it up: each holder sees what it says before it signs.
    """
    held = held_by(in_force, root)
    asked = set(renew or ())
    shares = shares_of(share or [])
    keys, delegates = keys_for(held, shares, renewed=Part.ROOT in asked), delegates_for(held, shares)
    given = model_of(Directory, read_json(document), "a directory document") if document is not None else None
    made = draw_up(
        held,
        keys=keys,
        document=document_for(held, keys, given, renewed=Part.TARGETS in asked or delegates is not None),
        delegates=delegates,
        now=time.time(),
        days=days,
    )
    write_object(out, made.file())
    found = of_proposal(made)
    emit(ctx, {"file": str(out), **found}, lambda console: show_proposal(console, found))


@app.command(epilog="Example: setu realm sign founding.json --keys keys --out founding.ind.json")
def sign(
    ctx: typer.Context,
    file: FileOption,
    keys: KeysOption,
    out: OutOption,
    in_force: InForceOption = None,
    root: RootOption = None,
    fingerprint: Annotated[
        str | None,
        typer.Option(help="The proposal's fingerprint as the other side read it out; asked for where left out."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Sign though these keys signed another proposal of the same version.")
    ] = False,
    _json: JsonOption = False,
) -> None:
    """Show what a proposal says and changes; once the fingerprint is confirmed, sign it with the keys given.

    The fingerprint is typed as the other side reads it out from its own screen: then both sign the same.
    """
    if wants_json(ctx) and fingerprint is None:
        raise typer.BadParameter("expected --fingerprint with --json, for nothing is asked then")
    held = held_by(in_force, root)
    proposal = Proposal.from_json(read_bytes(file), held)
    private = _keys(keys)
    if not wants_json(ctx):
        show_proposal(console(), of_proposal(proposal), {spoken(unb64u(key.public.kid)) for _, key in private})
    heard = fingerprint or typer.prompt("The fingerprint, as the other side reads it out", err=True)
    if "".join(heard.split()).lower() != proposal.fingerprint.hex():
        raise IntegrityError(
            Code.DIRECTORY_INVALID,
            "Expected the fingerprint of this proposal, found another: the two sides do not look at the same one.",
            advice="Nothing was signed. Compare the files, and have it drawn up again if they differ.",
        )
    signed = proposal.with_signatures(private)
    remember_signing(keys, proposal, again=again)
    write_object(out, signed.file())
    found = of_proposal(signed)

    def human(console: Console) -> None:
        console.print(f"Signed, in {out}.", style="bold green")
        for tally in found["thresholds"]:
            console.print(f"  {told(tally)}")

    emit(ctx, {"file": str(out), **found}, human)


@app.command(epilog="Example: setu realm publish founding.ind.json founding.usa.json --config deployment/setu.toml")
def publish(
    ctx: typer.Context,
    files: Annotated[
        list[Path], typer.Argument(metavar="FILE...", exists=True, dir_okay=False, help="Signed files of one proposal.")
    ],
    config: Annotated[
        Path, typer.Option("--config", metavar="SETU.TOML", exists=True, dir_okay=False, help="The gateway's settings.")
    ],
    lists: Annotated[
        list[Path] | None,
        typer.Option(
            "--list",
            exists=True,
            dir_okay=False,
            help="A deny list signed by the keys that it is given (setu deny renew); repeat it.",
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what is missing.")] = False,
    _json: JsonOption = False,
) -> None:
    """Put the signatures of all files together; where the thresholds are met, put the proposal in force.

    Where some are missing it says how many of which country, and ends with status 1. A running gateway takes a new
    version up within a second.
    """
    settings = load(GatewaySettings, config)
    pinned = settings.at(settings.paths.root)
    proposal = gathered(files, held_realm(settings.at(settings.paths.directory), pinned))
    found = of_proposal(proposal)
    complete = not any(each["missing"] for each in found["thresholds"])
    if complete and not dry_run:
        _install(proposal, settings, pinned, [list_file(each) for each in lists or ()])
        found["realm"] = _realm(pinned)
    found |= {"ok": complete, "published": complete and not dry_run}

    def human(console: Console) -> None:
        for tally in found["thresholds"]:
            console.print(f"  {told(tally)}", style="green" if not tally["missing"] else "yellow")
        if found["published"]:
            console.print(f"In force: {versions(found)}.", style="bold green")
            console.print(f"  realm   {spoken(unb64u(found['realm']))}")
        else:
            console.print("Nothing was changed." if complete else "Not yet: signatures are missing.", style="bold")

    emit(ctx, found, human)
    if not complete:
        raise typer.Exit(1)


@app.command(epilog="Example: setu realm show founding.json")
def show(
    ctx: typer.Context,
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...", exists=True, help="A share, a proposal (signed or not; several of one), or a repository."
        ),
    ],
    in_force: InForceOption = None,
    root: RootOption = None,
    _json: JsonOption = False,
) -> None:
    """Show a share, a proposal or a realm: fingerprints, holders, thresholds and how far they are met, expiries."""
    if files[0].is_dir():
        held = held_by(files[0], root)
        if held is None or len(files) > 1:
            raise typer.BadParameter("expected one repository's folder, found several, or one without a realm")
        realm = of_realm(held, _realm(root or files[0] / "root.json"))
        emit(ctx, realm, lambda console: show_realm(console, realm))
    elif len(files) == 1 and read_kind(files[0]) == "setu1.share":
        given = read_share(read_bytes(files[0]))
        found = of_share(given, [public_key(key).kid for key in given.keys])
        emit(ctx, found, lambda console: show_share(console, found))
    else:
        proposed = of_proposal(gathered(files, held_by(in_force, root)))
        emit(ctx, proposed, lambda console: show_proposal(console, proposed))


def _install(proposal: Proposal, settings: GatewaySettings, pinned: Path, lists: Sequence[SignedTarget]) -> None:
    founding = proposal.root_bytes if proposal.held is None else None
    if founding is not None and pinned.exists():
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected no pinned root at {pinned} before the realm is founded, found one.",
            advice="Move it away, or restore the repository that it belongs to.",
        )
    keys = operator_keys(settings.at(settings.paths.realm_keys))
    install_proposal(settings.at(settings.paths.directory), proposal, keys, lists)
    if founding is not None:
        write_whole(pinned, founding)


def _keys(places: Sequence[Path]) -> Keys:
    return [each for path in places for each in (keys_in(path) if path.is_dir() else [keystore().key_with_use(path)])]


def _realm(pinned: Path) -> str:
    return b64u(hashlib.sha384(pinned.read_bytes()).digest())
