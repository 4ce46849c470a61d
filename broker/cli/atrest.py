"""`setu keys seal|unseal|p12`: private keys at rest, and for programs that want another form of them."""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.asking import ask, said
from broker.assembly.keystore import keystore
from broker.cli.keyring import SUFFIX
from broker.cli.output import JsonOption, emit
from broker.crypto.bundle import pkcs12
from broker.crypto.keyfile import about_key, in_hsm, parse_key, read_secret, sync, write_secret
from broker.crypto.sealing import SALT_SIZE, SHORTEST, Passphrase, is_sealed, seal, unseal
from broker.errors import IntegrityError, MalformedError
from schemas.problem import Code

_PEM = b"-----BEGIN"

PathsArgument = Annotated[
    list[Path], typer.Argument(metavar="PATH...", exists=True, help="Key files, or folders of them (*.key).")
]
DescriptorOption = Annotated[
    int | None,
    typer.Option("--passphrase-fd", min=0, help="Read the passphrase from this file descriptor; else it is asked for."),
]


def register(app: typer.Typer) -> None:
    """Add the commands to `setu keys`."""
    app.command("seal", epilog="Example: setu keys seal us-dea/keys us-dea/tls.key")(seal_)
    app.command("unseal", epilog="Example: setu keys unseal us-dea/keys us-dea/tls.key")(unseal_)
    app.command("p12", epilog="Example: setu keys p12 us-dea/tls.pem us-dea/tls.key --out us-dea.p12")(p12)


def seal_(
    ctx: typer.Context, paths: PathsArgument, descriptor: DescriptorOption = None, _json: JsonOption = False
) -> None:
    """Seal private keys with a passphrase: scrypt and AES-256-GCM. Programs then ask for it when they start.

    Without a terminal they read it from systemd's credential setu-passphrase, or from the file descriptor whose number
    is in SETU_PASSPHRASE_FD. What a disk kept of the plain files is not wiped: seal keys where they are made.
    """
    files = [path for path in _files(paths) if _has_secret(path)]
    _tell(ctx, "sealed", seal_files(files, chosen(descriptor)) if files else [])


def unseal_(
    ctx: typer.Context, paths: PathsArgument, descriptor: DescriptorOption = None, _json: JsonOption = False
) -> None:
    """Write sealed private keys in clear again, mode 0600."""
    passphrase = Passphrase(lambda: ask("Passphrase", descriptor))
    opened = [
        (path, unseal(raw, passphrase, str(path))) for path in _files(paths) if is_sealed(raw := read_secret(path))
    ]
    for path, plain in opened:
        replace(path, plain)
    _tell(ctx, "unsealed", [path for path, _ in opened])


def p12(
    ctx: typer.Context,
    certificate: Annotated[Path, typer.Argument(metavar="CERTIFICATE", exists=True, dir_okay=False, help="PEM.")],
    key: Annotated[Path, typer.Argument(metavar="KEY", help="Its private key, PEM, sealed or not.")],
    out: Annotated[Path, typer.Option(help="The new file.", dir_okay=False)],
    password_file: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A file (0600) with the new file's password; else asked for."),
    ] = None,
    name: Annotated[str, typer.Option(help="What the entry is called; Java's alias.")] = "setu",
    _json: JsonOption = False,
) -> None:
    """Write certificate and key as one PKCS #12 file, for Java and browsers."""
    pem, plain = certificate.read_bytes(), keystore().read(key)
    password = (
        said(read_secret(password_file)) if password_file is not None else _twice("Password of the new file", None)
    )
    made = pkcs12(pem, plain, _long_enough(password), name)
    write_secret(out, made)
    emit(ctx, {"ok": True, "file": str(out), "name": name}, lambda console: console.print(f"Written: {out}"))


def chosen(descriptor: int | None) -> Passphrase:
    """A passphrase, asked for now, twice, and long enough: before any key that it is to seal is written in clear.

    Raises:
        IntegrityError: code `config-invalid`; there is none. MalformedError: code `bad-request`.
    """
    words = _long_enough(_twice("New passphrase", descriptor))
    return Passphrase(lambda: words)


def seal_files(files: list[Path], passphrase: Passphrase, random: Callable[[int], bytes] = os.urandom) -> list[Path]:
    """Seal plain key files in place, each replaced at once; returns them. Raises IntegrityError (`config-invalid`).

    Those of keys in an HSM are left as they are.
    """
    salt = random(SALT_SIZE)
    made = []
    for path in filter(_has_secret, files):
        plain = read_secret(path)
        made.append((path, seal(plain, about(plain, path), passphrase, salt, random=random)))
    for path, sealed in made:
        replace(path, sealed)
    return [path for path, _ in made]


def about(plain: bytes, path: Path) -> dict[str, str]:
    """What may stand in clear beside a sealed key; raises IntegrityError where it is none."""
    if plain.startswith(_PEM):
        return {"form": "pem"}
    use, key = parse_key(plain, path)
    return about_key(key, use)


def replace(path: Path, content: bytes) -> None:
    """Put new content in the place of a key file; whoever reads finds the old or the new one."""
    beside = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    write_secret(beside, content)
    beside.replace(path)
    sync(path.parent)


def _has_secret(path: Path) -> bool:
    """Whether there is something to seal: not so where it was done, or where the key is in an HSM."""
    raw = read_secret(path)
    return not is_sealed(raw) and (raw.startswith(_PEM) or not in_hsm(raw, path))


def _files(paths: list[Path]) -> list[Path]:
    found = [each for path in paths for each in (sorted(path.glob("*" + SUFFIX)) if path.is_dir() else [path])]
    if not found:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected key files, found none.",
            advice="Name files, or a folder with files *.key.",
        )
    return list(dict.fromkeys(found))


def _twice(prompt: str, descriptor: int | None) -> bytes:
    first = ask(prompt, descriptor)
    if descriptor is None and ask("The same again") != first:
        raise MalformedError(Code.BAD_REQUEST, "Expected the same twice, found two that differ.")
    return first


def _long_enough(passphrase: bytes) -> bytes:
    if len(passphrase) < SHORTEST:
        raise MalformedError(
            Code.BAD_REQUEST,
            f"Expected at least {SHORTEST} characters, found fewer.",
            advice="Six words drawn by dice are a good passphrase.",
        )
    return passphrase


def _tell(ctx: typer.Context, what: str, files: list[Path]) -> None:
    found: dict[str, Any] = {"ok": True, what: [str(path) for path in files]}

    def human(console: Console) -> None:
        for path in files:
            console.print(f"{what}: {path}")
        if not files:
            console.print("It is so already; nothing was changed.")

    emit(ctx, found, human)
