"""`setu directory rotate|retire`: an agency's next keys and certificate, and the end of the old."""

import re
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from broker.assembly.realm import put_in_force
from broker.cli.inputs import FileArgument, instant_of, read_bytes
from broker.cli.issuing import Asked, certificate_for, check_free, keep_issued
from broker.cli.keyring import spoken
from broker.cli.options import ConfigOption, write_new
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, trusting
from broker.config import GatewaySettings, load
from broker.crypto.certificates import directory_row, pem_to_der
from broker.directory.lookup import Snapshot
from broker.directory.retire import Ending, overlapping, replaced, retired, uses
from broker.directory.rotate import SHORTEST, Overlap, check_rotation, rotated
from broker.envelope.rotation import ParsedRotation, parse_rotation
from broker.errors import MalformedError
from schemas.canonical import unb64u
from schemas.directory import Agency, Directory, KeyUse
from schemas.problem import Code

StageOption = Annotated[
    Path | None,
    typer.Option(
        "--stage", dir_okay=False, help="Write the new version here, for the ceremony, and put nothing in force."
    ),
]
UNITS = {"m": 60, "h": 3600, "d": 86_400}


def register(app: typer.Typer) -> None:
    """Add the commands to `setu directory`."""
    app.command("rotate", epilog="Example: setu directory rotate rotation.json --ca ca/us --config setu.toml")(rotate)
    app.command("retire", epilog="Example: setu directory retire us-dea --replaced --config setu.toml")(retire)


def rotate(
    ctx: typer.Context,
    file: FileArgument,
    ca: Annotated[
        Path | None,
        typer.Option(metavar="DIR", exists=True, file_okay=False, help="The country's CA, for a new certificate."),
    ] = None,
    overlap: Annotated[str, typer.Option(help="For how long what is replaced stays good: 7d, 36h, 30m.")] = "7d",
    days: Annotated[int, typer.Option(min=1, max=3660, help="For which the new keys are good.")] = 731,
    certificate: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="One that the CA issued elsewhere; then ca.key is not needed."),
    ] = None,
    certificate_out: Annotated[
        Path | None, typer.Option("--certificate-out", help="Where its certificate goes; AGENCY.gN.pem without.")
    ] = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    stage: StageOption = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only check it, and say what would change.")] = False,
    _json: JsonOption = False,
) -> None:
    """Check an agency's request to rotate, issue its certificate, and put new beside old into the next version.

    Who asks is known by its present keys: nothing is compared by voice. New and old are good together for --overlap;
    then the old ones are out of their dates, and `setu directory retire --replaced` says so in the directory. With
    --stage the version is a file for the countries to sign; without, it is put in force at once (a demonstration).
    """
    _where(config, stage, dry_run=dry_run)
    terms, now = Overlap(_overlap(overlap), days), time.time()
    parsed = parse_rotation(read_bytes(file))
    with trusting(None, config, directory) as trust:
        snapshot = trust.named().current()
    if not snapshot.realm:
        raise typer.BadParameter("expected a realm's repository, found a document alone: its realm is not known")
    check_rotation(parsed, snapshot, now)
    found = {"ok": True, **_document(parsed, snapshot, terms, now), "published": stage is None and not dry_run}
    if dry_run:
        emit(ctx, found, lambda console: _show(console, found))
        return
    out, pem = None, None
    body = parsed.body.certificate
    if body is not None and parsed.csr is not None:
        if ca is None:
            raise typer.BadParameter("expected --ca: the request asks for a certificate")
        out = certificate_out or Path(f"{parsed.body.agency}.g{body.generation}.pem")
        check_free(out, stage)
        asked = Asked(parsed.body.agency, body.generation, parsed.csr)
        pem = certificate_for(asked, ca, certificate, now)
    check_free(stage)
    row = None if pem is None else directory_row(pem_to_der(pem))
    document = rotated(snapshot.signed, parsed, row, terms, now)
    if out is not None and pem is not None and ca is not None:
        keep_issued(ca, asked, pem)
        write_new(out, pem)
    _take(document, config, stage)
    found |= {"certificate_file": None if out is None else str(out), "staged": None if stage is None else str(stage)}
    emit(ctx, found, lambda console: _show(console, found))


def retire(
    ctx: typer.Context,
    agency: Annotated[str, typer.Argument(metavar="AGENCY", help="Whose keys and certificates.")],
    kid: Annotated[list[str] | None, typer.Option(help="A key, by its kid; may be repeated.")] = None,
    certificate: Annotated[
        list[str] | None, typer.Option(help="A certificate, by the SHA-256 of its DER, in hexadecimal; repeat it.")
    ] = None,
    by_dates: Annotated[bool, typer.Option("--replaced", help="All whose overlap with newer ones is over.")] = False,
    early: Annotated[
        bool, typer.Option("--early", help="With --replaced: keys, too, whose overlap with newer ones is not over.")
    ] = False,
    since: Annotated[
        str | None,
        typer.Option("--compromised-since", help="From when on they were in other hands, UTC: revoked, not retired."),
    ] = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    stage: StageOption = None,
    _json: JsonOption = False,
) -> None:
    """End keys and certificates of an agency: retired where they were replaced, revoked where they were compromised.

    What a retired key signed stays good, and older packets open. With --compromised-since the keys are revoked, and
    entries that they signed from then on are shown as disputed, whoever looks. Nothing but a compromise ends the last
    key of its use; who must be out at once is put on a deny list (`setu deny add`).
    """
    _where(config, stage)
    now = time.time()
    if early and not by_dates:
        raise typer.BadParameter("expected --early only with --replaced")
    with trusting(None, config, directory) as trust:
        snapshot = trust.named().current()
    before = snapshot.signed
    row = next((each for each in before.agencies if each.id == agency), None)
    ended = replaced(row, now, early=early) if by_dates and row is not None else Ending()
    ending = Ending(
        ended.kids | frozenset(kid or ()),
        ended.certificates | frozenset(each.lower() for each in certificate or ()),
        _since(since),
    )
    left = [] if row is None else [each for each in overlapping(row, now) if each.kid not in ending.kids]
    found: dict[str, Any] = {
        "ok": True,
        "agency": agency,
        "kids": sorted(ending.kids),
        "certificates": sorted(ending.certificates),
        "compromised_since": ending.since,
        "overlapping": [{"kid": each.kid, "use": each.use, "until": _day(each.not_after)} for each in left],
    }
    if by_dates and not ending.something and row is not None:
        found |= {"published": False, "version": before.version, "left": sorted(uses(row, now))}
    else:
        check_free(stage)
        document = retired(before, agency, ending, now)
        _take(document, config, stage)
        after = next(each for each in document.agencies if each.id == agency)
        found |= {"published": stage is None, "version": document.version, "left": sorted(uses(after, now))}
    found["staged"] = None if stage is None else str(stage)
    emit(ctx, found, lambda console: _show_ended(console, found))


def _where(config: Path | None, stage: Path | None, *, dry_run: bool = False) -> None:
    if stage is None and config is None and not dry_run:
        raise typer.BadParameter("expected --stage, or --config of a realm whose keys are all in one place")


def _take(document: Directory, config: Path | None, stage: Path | None) -> None:
    if stage is not None:
        write_new(stage, document.canonical())
    elif config is not None:
        put_in_force(load(GatewaySettings, config), document)


def _overlap(text: str) -> int:
    found = re.fullmatch(r"([1-9][0-9]{0,5})([mhd])", text)
    seconds = int(found[1]) * UNITS[found[2]] if found is not None else 0
    if seconds < SHORTEST:
        raise typer.BadParameter(f"expected a time of at least {SHORTEST // 60} minutes, like 7d, 36h or 30m")
    return seconds


def _since(text: str | None) -> int | None:
    said = instant_of(text, "--compromised-since")
    if said is None:
        return None
    seconds = int(datetime.fromisoformat(said).timestamp())
    if seconds > time.time():
        raise MalformedError(
            Code.BAD_REQUEST,
            "Expected a time before now from which keys were in other hands, found a later one.",
            advice="Write it in UTC, like 2026-02-10T13:40:00Z.",
        )
    return seconds


def _document(parsed: ParsedRotation, snapshot: Snapshot, terms: Overlap, now: float) -> dict[str, Any]:
    body = parsed.body
    row = snapshot.agency(body.agency)
    return {
        "agency": body.agency,
        "version": snapshot.signed.version + 1,
        "keys": [
            {"use": key.use.value, "alg": key.alg, "kid": key.kid, "fingerprint": spoken(unb64u(key.kid))}
            for key in body.keys
        ],
        "certificate": None
        if body.certificate is None
        else {"generation": body.certificate.generation, "replaces": body.certificate.replaces},
        "replaces": _replaced_kids(row, parsed),
        "overlap_until": _day(int(now) + terms.seconds),
        "asked_by": list(body.sig),
    }


def _replaced_kids(row: Agency | None, parsed: ParsedRotation) -> list[str]:
    uses_ = {key.use for key in parsed.body.keys}
    asked = parsed.body.sig if KeyUse.SIGN in uses_ else ()
    keys = row.keys if row is not None and KeyUse.WRAP in uses_ else ()
    return [*asked, *(key.kid for key in keys if key.use is KeyUse.WRAP and key.state == "active")]


def _day(seconds: int) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _show(console: Console, found: dict[str, Any]) -> None:
    console.print(f"{found['agency']} asks for this itself: both its present signing keys signed it.", style="green")
    for key in found["keys"]:
        console.print(f"  {key['use']:6} {key['fingerprint']}  {key['alg']}")
    if found["certificate"] is not None:
        console.print(f"  certificate of generation {found['certificate']['generation']}")
    console.print(f"What is replaced stays good until {found['overlap_until']}.")
    if "staged" not in found:
        console.print("Every check passes; nothing was changed.")
    elif found["staged"] is None:
        console.print(f"Version {found['version']} is in force.", style="bold green")
    else:
        console.print(f"Version {found['version']} is in {found['staged']}: have the countries sign it.", style="bold")
    if found.get("certificate_file"):
        said = "once the version is in force, it runs `setu rotate finish`"
        console.print(f"Send {found['certificate_file']} to it; {said}.")


def _show_ended(console: Console, found: dict[str, Any]) -> None:
    for each in (*found["kids"], *found["certificates"]):
        console.print(f"{'revoked' if found['compromised_since'] is not None else 'retired'}: {each}")
    for each in found["overlapping"]:
        console.print(f"good until {each['until']}, then replaced: {each['kid']}", style="dim")
    if not found["kids"] and not found["certificates"]:
        console.print("Nothing that was replaced is out of its dates; nothing was changed.")
    elif found["staged"] is None:
        console.print(f"Version {found['version']} is in force.", style="bold green")
    else:
        console.print(f"Version {found['version']} is in {found['staged']}: have the countries sign it.", style="bold")
    if not found["left"]:
        console.print(f"{found['agency']} has no key and no certificate left.", style="bold yellow")
