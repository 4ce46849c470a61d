"""`setu rotate request|finish`: an agency's next keys and certificate, made and put in place on its own machine."""

import os
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.keystore import keystore
from broker.assembly.own import FolderKeys
from broker.cli.atrest import about
from broker.cli.inplace import in_place, put, renamed
from broker.cli.keyring import SUFFIX, key_name, spoken
from broker.cli.options import AsOption, write_new
from broker.cli.output import JsonOption, emit
from broker.cli.proving import await_kafka, await_taken, listed_certificate
from broker.cli.trust import trusting
from broker.config import AgencySettings, load
from broker.crypto.certificates import fingerprint, pem_to_der, uri_of
from broker.crypto.keys import PrivateKey
from broker.crypto.requests import check_issued, new_tls_key, request_certificate
from broker.crypto.suites import SUITES, Suite
from broker.crypto.wrap import unwrap, wrap
from broker.directory.lookup import Snapshot
from broker.envelope.jws import Signer
from broker.envelope.rotation import Wish, parse_rotation, request_rotation, row_digest
from broker.errors import IntegrityError, SignatureError
from schemas.canonical import unb64u
from schemas.directory import Agency, KeyUse
from schemas.problem import Code

_ROUND_TRIP = b"setu1.rotation\0"


def register(app: typer.Typer) -> None:
    """Add the commands to `setu rotate`."""
    app.command("request", epilog="Example: setu rotate request --as us-dea/agency.toml --out rotation.json")(request)
    app.command("finish", epilog="Example: setu rotate finish us-dea.g2.pem --as us-dea/agency.toml")(finish)


def request(
    ctx: typer.Context,
    profile: AsOption,
    out: Annotated[Path, typer.Option("--out", "-o", dir_okay=False, help="The new file, for the registrar.")],
    sign: Annotated[bool, typer.Option("--sign", help="New signing keys.")] = False,
    wrap_: Annotated[bool, typer.Option("--wrap", help="A new wrap key.")] = False,
    certificate: Annotated[bool, typer.Option("--certificate", help="A new client certificate.")] = False,
    _json: JsonOption = False,
) -> None:
    """Make the next keys beside the present ones, and a request for the registrar; all three kinds where none is named.

    The present signing keys sign the request, so nothing is compared by voice; the new ones prove themselves in it. It
    holds no secret. New keys are sealed where the present ones are. Programs that run take up new signing and wrap keys
    by themselves, once the directory lists them; a certificate is put in its place by `setu rotate finish`.
    """
    every = not (sign or wrap_ or certificate)
    write_free(out)
    settings = load(AgencySettings, profile)
    with trusting(profile) as trust:
        snapshot = trust.named().current()
    row = next((each for each in snapshot.signed.agencies if each.id == settings.agency), None)
    if row is None:
        raise SignatureError(
            Code.KEY_UNKNOWN,
            f"Expected {settings.agency} in the directory, found no row.",
            advice="An agency that is not in the directory enrols: `setu enrol request`.",
        )
    now = int(time.time())
    own = FolderKeys(settings.at(settings.keys), settings.agency)
    if certificate or every:
        keystore().read(settings.at(settings.certificate_key))  # before anything is made that is to be sealed like it
    present, made = own.signer(snapshot, now), _Making(settings, snapshot, row)
    wish = Wish(
        snapshot.realm,
        snapshot.suite,
        settings.agency,
        snapshot.ref,
        row_digest(row),
        now,
        signer=made.signer() if sign or every else None,
        wrap=made.wrap() if wrap_ or every else None,
        certificate=made.certificate() if certificate or every else None,
    )
    raw = request_rotation(wish, present)
    parsed = parse_rotation(raw)
    write_new(out, raw + b"\n")
    found: dict[str, Any] = {
        "ok": True,
        "file": str(out),
        "agency": settings.agency,
        "version": snapshot.ref.version,
        "made": [str(path) for path in made.files],
        "keys": [
            {"use": key.use.value, "alg": key.alg, "kid": key.kid, "fingerprint": spoken(unb64u(key.kid))}
            for key in parsed.body.keys
        ],
        "generation": None if parsed.body.certificate is None else parsed.body.certificate.generation,
    }
    emit(ctx, found, lambda console: _show(console, found))


def finish(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="CERT.PEM", exists=True, dir_okay=False, help="The certificate that was issued.")
    ],
    profile: AsOption,
    patience: Annotated[int, typer.Option(min=1, help="Seconds for the gateway to take it.")] = 30,
    _json: JsonOption = False,
) -> None:
    """Put the new certificate in its place, once the directory lists it and the gateway takes it.

    Certificate and key lie under names of their own beside the present ones, and `agency.toml` is replaced at once by
    one that names them: whoever reads finds a pair that fits. Programs that run go on with it by themselves, from their
    next request on; the certificate before goes on working until it is retired.
    """
    settings = load(AgencySettings, profile)
    pem = file.read_bytes()
    key = _key_of(settings, pem)
    certificate = key.with_suffix(".pem")
    with trusting(profile) as trust:
        snapshot = trust.named().current()
    der = pem_to_der(pem)
    listed_certificate(snapshot, settings.agency, fingerprint(der), time.time())
    put(settings.at(certificate), pem)
    names = {"certificate": certificate.as_posix(), "certificate_key": key.as_posix()}
    text = renamed(profile.read_text("utf-8"), names)
    proposed = settings.model_copy(update={"certificate": certificate, "certificate_key": key, "file": None})
    await_taken(proposed, patience)
    await_kafka(proposed)
    in_place(profile, text.encode())
    found = {"ok": True, "profile": str(profile), **names, "uri": uri_of(der)}

    def human(console: Console) -> None:
        console.print(f"{profile} names {certificate} and {key} now.", style="bold green")
        console.print("Programs that run take it up with their next request; the one before works until it is retired.")

    emit(ctx, found, human)


class _Making:
    """New keys, each written beside the present one of its kind, and read back."""

    def __init__(self, settings: AgencySettings, snapshot: Snapshot, row: Agency) -> None:
        self._settings = settings
        self._suite: Suite = SUITES[snapshot.suite]
        self._row = row
        self._folder = settings.at(settings.keys)
        self._number = self._free()
        self.files: list[Path] = []

    def signer(self) -> Signer:
        classical, quantum = (
            self._key(key_name("sign", alg, self._number), KeyUse.SIGN, alg) for alg in self._suite.signatures
        )
        return Signer(classical, quantum)

    def wrap(self) -> Any:
        """The new wrap key's public half, once the file opens what is wrapped to it."""
        key = self._key(key_name("wrap", self._number), KeyUse.WRAP, self._suite.wrap)
        secret = os.urandom(32)
        ek, encrypted = wrap(key.public, secret, _ROUND_TRIP)
        if unwrap(key, ek, encrypted, _ROUND_TRIP) != secret:
            raise IntegrityError(Code.CONFIG_INVALID, "Expected the new wrap key to open what is wrapped to it.")
        return key.public

    def certificate(self) -> tuple[int, str, Any]:
        settings = self._settings
        present = fingerprint(pem_to_der(settings.at(settings.certificate).read_bytes()))
        generation = 1 + max((int(each.uri.rpartition(":g")[2]) for each in self._row.certificates), default=0)
        like = settings.at(settings.certificate_key)
        number = generation
        while (path := like.with_name(f"{_stem(like)}-{number}{SUFFIX}")).exists():
            number += 1
        plain = new_tls_key()
        self._write(path, plain, like)
        return generation, present, lambda binding: request_certificate(plain, self._row.id, generation, binding)

    def _key(self, name: str, use: KeyUse, alg: str) -> PrivateKey:
        path, like = self._folder / name, self._like(use, alg)
        keystore().write_beside(like, path, keystore().successor(like, alg, path.stem, os.urandom), use)
        self.files.append(path)
        return keystore().key(path, use)

    def _write(self, path: Path, plain: bytes, like: Path) -> None:
        put(path, keystore().like(like, plain, about(plain, path), os.urandom), secret=True)
        self.files.append(path)

    def _like(self, use: KeyUse, alg: str) -> Path:
        """The present key that a new one follows, which says how it is kept: the newest of its kind that is listed."""
        begins = {key.kid: key.not_before for key in self._row.keys}
        files = list(keystore().files_in(self._folder))
        found = [(begins.get(key.public.kid, 0), path) for path, of, key in files if (of, key.alg) == (use, alg)]
        return max(found, default=(0, files[0][0]))[1]

    def _free(self) -> str:
        """The first number from 2 on that no key file here has."""
        taken = {path.stem.rpartition("-")[2] for path in keystore().paths(self._folder)}
        return next(str(number) for number in range(2, 10_000) if str(number) not in taken)


def write_free(out: Path) -> None:
    """Before anything is made; raises IntegrityError (`config-invalid`) where there is a file, or no folder for it."""
    if not out.parent.is_dir():
        raise IntegrityError(
            Code.CONFIG_INVALID, f"Expected the folder {out.parent}, found none.", advice="Make it, or name another."
        )
    if out.exists():
        raise IntegrityError(Code.CONFIG_INVALID, f"Expected no file at {out}, found one.", advice="Name another file.")


def _stem(path: Path) -> str:
    """`tls` of `tls.key` and of `tls-2.key`."""
    head, _, tail = path.stem.rpartition("-")
    return head if head and tail.isdigit() else path.stem


def _key_of(settings: AgencySettings, pem: bytes) -> Path:
    """The private key beside the present one that this certificate is for; raises SignatureError, `sender-mismatch`."""
    like = settings.at(settings.certificate_key)
    folder = settings.certificate_key.parent
    wrong: SignatureError | None = None
    for path in sorted(like.parent.glob(f"{_stem(like)}*{SUFFIX}")):
        try:
            check_issued(pem, keystore().read(path), settings.agency)
        except SignatureError as error:
            wrong = wrong or error
        else:
            return folder / path.name
    raise wrong or SignatureError(
        Code.SENDER_MISMATCH,
        f"Expected the key of this certificate beside {like}, found none.",
        advice="Run this where `setu rotate request` made the key.",
    )


def _show(console: Console, found: dict[str, Any]) -> None:
    for each in found["made"]:
        console.print(f"made {each}")
    console.print(f"Send {found['file']} to your country's registrar; it holds no secret.", style="bold green")
    console.print("Signing and wrap keys are taken up by themselves, once the directory lists them.")
    if found["generation"] is not None:
        console.print("The certificate comes back: put it in its place with `setu rotate finish`.")
