"""`setu rotate server|guard`: TLS certificates of a gateway, and of the rollback guard that several share."""

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.keystore import keystore
from broker.assembly.tls import (
    Place,
    check_issuer,
    gateway_places,
    guard_place,
    install_next,
    issue_next,
    named,
    request_next,
)
from broker.cli.directory import GatewayOption
from broker.cli.options import write_new
from broker.cli.output import JsonOption, emit
from broker.config import GatewaySettings, GuardSettings, load
from broker.crypto.certificates import Authority, dates, fingerprint, hosts_of, pem_to_der

DAYS = 397


class Which(StrEnum):
    """Which of a gateway's certificates."""

    SERVER = "server"
    GUARD_CLIENT = "guard-client"


CaOption = Annotated[
    Path | None,
    typer.Option("--ca", metavar="DIR", exists=True, file_okay=False, help="The CA that issues: ca.pem, ca.key."),
]
RequestOption = Annotated[
    Path | None,
    typer.Option("--request", dir_okay=False, help="Write a request (PKCS #10) for a CA elsewhere, a new file."),
]
CertificateOption = Annotated[
    Path | None,
    typer.Option("--certificate", exists=True, dir_okay=False, help="Install what was issued for that request, PEM."),
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option(
        "--authority", exists=True, dir_okay=False, help="With --certificate: the CA that those who connect trust, PEM."
    ),
]
DaysOption = Annotated[int, typer.Option(min=1, max=3650, help="How long it is good.")]
OtherOption = Annotated[
    bool, typer.Option("--other-authority", help="Take also a CA that did not issue the one in use.")
]


def register(app: typer.Typer) -> None:
    """Add the commands to `setu rotate`."""
    app.command("server", epilog="Example: setu rotate server --config deployment/setu.toml --ca ca/in")(server)
    app.command("guard", epilog="Example: setu rotate guard --config guard.toml --ca ca/in")(guard)


def server(
    ctx: typer.Context,
    config: GatewayOption,
    ca: CaOption = None,
    request: RequestOption = None,
    certificate: CertificateOption = None,
    authority: AuthorityOption = None,
    which: Annotated[
        Which | None, typer.Option(help="Only this one; with --request and --certificate the server's by default.")
    ] = None,
    days: DaysOption = DAYS,
    other: OtherOption = False,
    _json: JsonOption = False,
) -> None:
    """Put a new key and certificate for the same names in place: the gateway's, and of its way to the shared guard.

    A running gateway takes them up within seconds, in all its processes; connections that are open go on.
    """
    places = gateway_places(load(GatewaySettings, config))
    alone = which or (Which.SERVER if ca is None else None)
    chosen = [named(places, alone)] if alone is not None else places
    _replace(ctx, chosen, ca, request, certificate, authority, days, other=other)


def guard(
    ctx: typer.Context,
    config: Annotated[
        Path, typer.Option("--config", metavar="GUARD.TOML", exists=True, dir_okay=False, help="The guard's settings.")
    ],
    ca: CaOption = None,
    request: RequestOption = None,
    certificate: CertificateOption = None,
    authority: AuthorityOption = None,
    days: DaysOption = DAYS,
    other: OtherOption = False,
    _json: JsonOption = False,
) -> None:
    """Put a new key and certificate of the shared rollback guard in place. A running guard takes them up."""
    place = guard_place(load(GuardSettings, config))
    _replace(ctx, [place], ca, request, certificate, authority, days, other=other)


def _replace(
    ctx: typer.Context,
    places: Sequence[Place],
    ca: Path | None,
    request: Path | None,
    certificate: Path | None,
    authority: Path | None,
    days: int,
    *,
    other: bool,
) -> None:
    if [ca, request, certificate].count(None) != 2 or (certificate is None) != (authority is None):  # noqa: PLR2004
        raise typer.BadParameter("expected one of --ca, --request, and --certificate with --authority")
    now = time.time()
    if request is not None:
        write_new(request, request_next(places[0]))
        emit(ctx, {"ok": True, "request": str(request)}, lambda console: console.print(f"To be issued: {request}"))
        return
    if certificate is not None and authority is not None:
        install_next(places[0], certificate.read_bytes(), authority.read_bytes(), now=now)
    if ca is not None:
        issuer = Authority.load(ca / "ca.pem", ca / "ca.key", keystore().read)
        for each in () if other else places:
            check_issuer(each, issuer.issued.certificate, now)
        for each in places:
            issue_next(each, issuer, now=now, days=days)
    _tell(ctx, places)


def _tell(ctx: typer.Context, places: Sequence[Place]) -> None:
    found: list[dict[str, Any]] = []
    for each in places:
        der = pem_to_der(each.certificate.read_bytes())
        until = datetime.fromtimestamp(dates(der)[1], UTC).isoformat()
        found.append({"for": each.what, "sha256": fingerprint(der), "hosts": list(hosts_of(der)), "until": until})

    def human(console: Console) -> None:
        for each in found:
            console.print(f"In place: {each['for']}, good until {each['until']}.", style="bold green")
            console.print(f"  SHA-256  {each['sha256']}")
        console.print("What is running takes it up within seconds.")

    emit(ctx, {"ok": True, "certificates": found}, human)
