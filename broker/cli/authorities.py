"""`setu keys ca`: a country's certificate authority, made where the country keeps it."""

import hashlib
import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from broker.cli.atrest import DescriptorOption, chosen, seal_files
from broker.cli.keyring import spoken
from broker.cli.options import write_new
from broker.cli.output import JsonOption, emit
from broker.crypto.certificates import Authority
from broker.crypto.keyfile import write_secret

CERTIFICATE, KEY = "ca.pem", "ca.key"


def ca(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="Its folder; made where there is none.")
    ],
    country: Annotated[str, typer.Option(metavar="AUS", help="Whose: ISO 3166-1 alpha-3.")],
    days: Annotated[int, typer.Option(min=1, max=7300, help="For which it is good.")] = 3650,
    sealed: Annotated[bool, typer.Option("--seal", help="Seal its private key with a passphrase at once.")] = False,
    descriptor: DescriptorOption = None,
    _json: JsonOption = False,
) -> None:
    """Make a country's certificate authority: DIR/ca.pem and DIR/ca.key, as `setu directory add --ca` takes them.

    It issues agencies' certificates. What counts is the directory, which lists each by its fingerprint.
    """
    if not (len(country) == 3 and country.isascii() and country.isalpha() and country.isupper()):  # noqa: PLR2004
        raise typer.BadParameter("expected a country as three capitals, like AUS (ISO 3166-1 alpha-3)")
    passphrase = chosen(descriptor) if sealed else None
    issued = Authority.create(country, now=time.time(), days=days).issued
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    write_secret(folder / KEY, issued.key)
    write_new(folder / CERTIFICATE, issued.certificate)
    if passphrase is not None:
        seal_files([folder / KEY], passphrase)
    fingerprint = spoken(hashlib.sha256(issued.der).digest())
    found = {"ok": True, "certificate": str(folder / CERTIFICATE), "key": str(folder / KEY), "fingerprint": fingerprint}

    def human(console: Console) -> None:
        console.print(f"The certificate authority of {country} is in {folder}.", style="bold green")
        console.print(f"  fingerprint (SHA-256) {fingerprint}")
        console.print(
            f"  give {folder / CERTIFICATE} to the gateway's operator, who appends it to tls/clients-ca.pem and "
            f"restarts the gateway; {KEY} stays here",
            soft_wrap=True,
        )

    emit(ctx, found, human)


def register(app: typer.Typer) -> None:
    """Add the command to `setu keys`."""
    app.command("ca", epilog="Example: setu keys ca ca/au --country AUS --seal")(ca)
