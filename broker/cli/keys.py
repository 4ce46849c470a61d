"""`setu keys`: key files and the fingerprints people compare by voice."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.assembly.hsm import maker
from broker.assembly.keystore import keystore
from broker.cli import atrest, authorities
from broker.cli.keyring import (
    SUFFIX,
    spoken,
    write_agency_keys,
    write_country_keys,
    write_log_keys,
    write_operator_keys,
)
from broker.cli.options import TokenOption
from broker.cli.output import JsonOption, emit, note
from broker.crypto.keys import PrivateKey
from schemas.canonical import b64u, unb64u
from schemas.packet import SuiteName

app = typer.Typer(no_args_is_help=True, help="Make key files, seal them, show their fingerprints.")
atrest.register(app)
authorities.register(app)


class Form(StrEnum):
    """What `keys generate` makes."""

    AGENCY = "agency"
    LOG = "log"
    COUNTRY = "country"
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Shown:
    """What may be shown of a key file: never its seed. `place`: its PKCS #11 URI, where it is in an HSM."""

    path: Path
    alg: str
    use: str
    kid: str
    public: str
    place: str | None

    def document(self) -> dict[str, Any]:
        found = {
            "file": str(self.path),
            "use": self.use,
            "alg": self.alg,
            "kid": self.kid,
            "fingerprint": spoken(unb64u(self.kid)),
            "public": self.public,
        }
        return found if self.place is None else {**found, "pkcs11": self.place}


FolderArgument = Annotated[Path, typer.Argument(metavar="DIR", file_okay=False, help="A folder of key files.")]


@app.command("generate", epilog="Example: setu keys generate keys --for agency --suite hybrid-768")
def generate_(
    ctx: typer.Context,
    folder: FolderArgument,
    form: Annotated[
        Form,
        typer.Option(
            "--for",
            help="An agency's signing and wrap keys; a gateway's two log keys; a country's four root and two targets "
            "keys; an operator's for snapshot and timestamp.",
        ),
    ] = Form.AGENCY,
    country: Annotated[
        str | None, typer.Option(metavar="IND", help="Whose, for --for country: ISO 3166-1 alpha-3.")
    ] = None,
    only_missing: Annotated[
        bool, typer.Option("--missing", help="With --for country: make only those that are not there (one was lost).")
    ] = False,
    suite: Annotated[SuiteName, typer.Option(help="The realm's suite.")] = SuiteName.HYBRID_768,
    pkcs11: TokenOption = None,
    _json: JsonOption = False,
) -> None:
    """Make new private keys, one file each, mode 0600; an existing file is never overwritten."""
    token = maker(pkcs11) if pkcs11 is not None else None
    if (form is Form.COUNTRY) != (country is not None) or (only_missing and country is None):
        raise typer.BadParameter("expected --country with --for country, and with nothing else")
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if form in (Form.AGENCY, Form.LOG):
        agency = form is Form.AGENCY
        made = write_agency_keys(folder, suite, token=token) if agency else write_log_keys(folder, token=token)
        _print(ctx, [_shown(folder / name, key, use) for name, use, key in made])
        return
    if country is not None:
        write_country_keys(folder, country_of(country).lower(), only_missing=only_missing, token=token)
    else:
        write_operator_keys(folder, token=token)
    _print(ctx, [read(path) for path in sorted(folder.glob("*" + SUFFIX))])


def country_of(text: str) -> str:
    """ISO 3166-1 alpha-3 in capitals; raises typer.BadParameter."""
    if not re.fullmatch(r"[A-Z]{3}", text):
        raise typer.BadParameter("expected a country as three capitals, like IND (ISO 3166-1 alpha-3)")
    return text


@app.command(epilog="Example: setu keys show keys/wrap.key")
def show(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", exists=True, dir_okay=False, help="A key file.")],
    _json: JsonOption = False,
) -> None:
    """Show a key file's public half: use, algorithm, kid, fingerprint."""
    found = read(file).document()

    def human(console: Console) -> None:
        for name in ("file", "use", "alg", "kid", "fingerprint", "pkcs11"):
            if name in found:
                console.print(f"{name:12}", style="bold", end="")
                console.print(found[name])

    emit(ctx, found, human)


@app.command("list", epilog="Example: setu keys list keys")
def list_(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder.")],
    _json: JsonOption = False,
) -> None:
    """List the key files of a folder with their fingerprints."""
    found = [read(path) for path in sorted(folder.glob("*" + SUFFIX))]
    if not found:
        note(f"{folder} itself holds no key file (*{SUFFIX}); the folders in it were not looked into", "yellow")
    _print(ctx, found)


def read(path: Path) -> Shown:
    """A key file's public half; raises IntegrityError (code `config-invalid`)."""
    use, key = keystore().key_with_use(path)
    return _shown(path, key, use)


def _shown(path: Path, key: PrivateKey, use: str) -> Shown:
    return Shown(path, key.alg, use, key.public.kid, b64u(key.public.raw), key.stored().get("pkcs11"))


def _print(ctx: typer.Context, keys: list[Shown]) -> None:
    def human(console: Console) -> None:
        table = Table("file", "use", "algorithm", "fingerprint (SHA-256)", box=None, header_style="bold")
        for each in keys:
            table.add_row(str(each.path), each.use, each.alg, spoken(unb64u(each.kid)))
            if each.place is not None:
                table.add_row("  in an HSM", "", "", each.place)
        console.print(table)

    emit(ctx, {"keys": [each.document() for each in keys]}, human)
