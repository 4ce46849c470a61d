"""`setu rotate wrap|wrap-signers`: the gateway's wrap keys; its certificates are in `broker.cli.rotate_tls`."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.realm import local_directory
from broker.assembly.wrap import destroy_ended, make_key
from broker.cli import rotate_tls
from broker.cli.directory import GatewayOption
from broker.cli.keyring import spoken, write_wrap_signers
from broker.cli.output import JsonOption, emit
from broker.config import GatewaySettings, load
from broker.errors import IntegrityError
from schemas.canonical import unb64u
from schemas.problem import Code


def register(app: typer.Typer) -> None:
    """Add the commands to `setu rotate`."""
    app.command("wrap", epilog="Example: setu rotate wrap --config deployment/setu.toml")(wrap)
    app.command("wrap-signers", epilog="Example: setu rotate wrap-signers realm/keys in-setu")(wrap_signers)
    rotate_tls.register(app)


def wrap(ctx: typer.Context, config: GatewayOption, _json: JsonOption = False) -> None:
    """Make another wrap key for the gateway now, put it in force, and destroy the private halves of those that ended.

    A running gateway that has the role's keys does so each day by itself. Running gateways take it up within seconds.
    """
    settings = load(GatewaySettings, config)
    made = make_key(settings)
    if made is None:
        raise IntegrityError(Code.DIRECTORY_INVALID, "Expected a role for the gateway's wrap keys, found none.")
    gone = destroy_ended(settings, local_directory(settings).current())
    until = datetime.fromtimestamp(made.key.not_after, UTC).isoformat()
    found: dict[str, Any] = {
        "gateway": settings.gateway,
        "version": made.version,
        "kid": made.key.kid,
        "fingerprint": spoken(unb64u(made.key.kid)),
        "until": until,
        "destroyed": gone,
    }

    def human(console: Console) -> None:
        console.print(f"In force: a new wrap key of {settings.gateway}, good until {until}.", style="bold green")
        console.print(f"  fingerprint  {found['fingerprint']}")
        for kid in gone:
            console.print(f"  destroyed    {spoken(unb64u(kid))}")

    emit(ctx, found, human)


def wrap_signers(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="A folder of key files.")],
    gateway: Annotated[str, typer.Argument(metavar="GATEWAY", help="The gateway's agency id.")],
    _json: JsonOption = False,
) -> None:
    """Make the two keys that sign a gateway's wrap keys. A ceremony gives them the role, with the operator's share."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = [each.public for each in write_wrap_signers(folder, gateway)]
    found = [{"alg": each.alg, "kid": each.kid, "fingerprint": spoken(unb64u(each.kid))} for each in made]

    def human(console: Console) -> None:
        for each in found:
            console.print(f"{each['alg']:10} fingerprint {each['fingerprint']}")

    emit(ctx, {"gateway": gateway, "keys": found}, human)
