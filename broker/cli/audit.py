"""`setu audit`: the exchange log for those who were not there."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any, cast

import typer
from rich.console import Console
from rich.table import Table

from broker.cli.checking import Checked, check_target, items_of
from broker.cli.doubting import SAID, WHY, Doubts, told
from broker.cli.evidence import verify_proof
from broker.cli.folders import mirror_in, place_for_mirror
from broker.cli.inputs import instant_of
from broker.cli.keyring import fingerprint_of
from broker.cli.options import AsOption, ConfigOption, MaybeAsOption, TakesDigest, write_new
from broker.cli.output import JsonOption, console, emit, note, progress, wants_json
from broker.cli.patience import PATIENCE, PatienceOption, connected
from broker.cli.trust import DirectoryOption, Trust, VkeyOption, trusting, vkey_lines
from broker.directory.disputed import Doubt
from broker.ledger.mirror import mirror
from broker.ledger.port import EntryFilter
from broker.ledger.search import search_mirror
from broker.sdk.client import Client
from broker.sdk.lookups import Search
from schemas import registry
from schemas.evidence import Entry, EntryType
from schemas.problem import Code

app = typer.Typer(no_args_is_help=True, help="Search, mirror and verify the exchange log; export a packet's proof.")

PAGE = 500


@app.command(epilog="Example: setu audit search log --agency us-dea --kind tip --since 2026-02-01")
def search(
    ctx: typer.Context,
    copy: Annotated[
        Path | None,
        typer.Argument(metavar="[MIRROR]", exists=True, file_okay=False, help="Search this mirror, offline."),
    ] = None,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    since: Annotated[str | None, typer.Option(help="From this day or time on (UTC).")] = None,
    until: Annotated[str | None, typer.Option(help="Before this day or time (UTC).")] = None,
    agency: Annotated[str | None, typer.Option(help="Actor, sender or recipient.")] = None,
    kind: Annotated[str | None, typer.Option(help="The packet's kind.")] = None,
    packet: Annotated[str | None, typer.Option(help="The packet's digest.")] = None,
    types: Annotated[list[EntryType] | None, typer.Option("--type", help="A kind of event; may be repeated.")] = None,
    code: Annotated[Code | None, typer.Option(help="The reason of a refusal.")] = None,
    exercise: Annotated[bool | None, typer.Option("--exercise/--no-exercise", help="Drill traffic, or not.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="At most so many entries.")] = 1000,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Find entries: at the gateway, where the search is itself logged, or offline in a mirror.

    A gateway's answer is not verified here; a mirror's entries are checked against their hashes as they are read. With
    a directory (--as; --config or --directory beside a mirror) entries are marked whose signer's key was in other hands
    by then: `disputed`, or, where two keys overlapped and only the log is at hand, `possible`.
    """
    if (profile is None) == (copy is None):
        raise typer.BadParameter("expected either a mirror (offline) or --as (at the gateway)")
    what = EntryFilter(
        since=instant_of(since, "--since"),
        until=instant_of(until, "--until"),
        party=agency,
        kind=kind,
        packet=packet,
        types=types or None,
        code=code.value if code is not None else None,
        exercise=exercise,
        limit=limit,
    )
    with ExitStack() as stack:
        named = any(each is not None for each in (profile, config, directory))
        trust = stack.enter_context(trusting(profile, config, directory)) if named else None
        if copy is None:
            client = stack.enter_context(connected(profile or Path(), patience))
            doubts = Doubts(trust.named(), lambda digest: verify_proof(client.proof(digest), trust)) if trust else None
            found = list(told(doubts, _live(client, what)))
        else:
            found = list(told(Doubts(trust.named()) if trust else None, _offline(copy, what)))
        if not found:
            _doubt(kind, agency, trust)
    emit(ctx, {"entries": found, "disputes": trust is not None}, lambda shown: _show(shown, found))


@app.command("mirror", epilog="Example: setu audit mirror log --as us-audit/agency.toml")
def mirror_(
    ctx: typer.Context,
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", file_okay=False, help="The copy; new, or of an earlier run.")
    ],
    profile: AsOption,
    vkeys: VkeyOption = None,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Bring a copy of the whole log up to date, checking all that is new before it counts.

    The log's keys are the directory's, or those of --vkey. A run that was interrupted is simply run again.
    """
    place = place_for_mirror(folder)
    with (
        trusting(profile, vkeys=vkeys) as trust,
        connected(profile, patience) as client,
        progress("checking entries") as moved,
    ):
        found = mirror(client.log_fetch, place, trust.log, progress=moved)
    document = {
        "ok": True,
        "origin": trust.log.origin,
        "before": found.before,
        "size": found.size,
        "root": found.root.hex(),
        "files": found.files,
    }

    def show(console: Console) -> None:
        console.print(f"{folder} holds {found.size} entries of {trust.log.origin}", style="bold green", end="")
        continues = "it continues what was there, and holds in itself" if found.before else "it holds in itself"
        console.print(f" ({found.size - found.before} new); {continues}.")
        console.print(f"  root {found.root.hex()}", style="dim")

    emit(ctx, document, show)


@app.command(
    epilog="Example: setu audit verify log --vkey vkeys   (or a receipt, a proof; or --as alone: the live log)"
)
def verify(
    ctx: typer.Context,
    target: Annotated[
        Path | None,
        typer.Argument(exists=True, help="A mirror, a receipt file or a proof file; the live log without."),
    ] = None,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    vkeys: VkeyOption = None,
    known: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="A checkpoint kept earlier: the log must continue it."),
    ] = None,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Verify with public keys alone: every tile, entry and signature of a log, or one receipt or proof.

    The keys come from --vkey, or from the directory that --as, --config or --directory names.
    """
    with trusting(profile, config, directory, vkeys) as trust, progress("checking entries") as moved:
        if target is not None:
            found = check_target(target, trust, known, moved)
        elif profile is not None:
            with connected(profile, patience) as client:
                found = check_target(client.log_fetch, trust, known, moved)
        else:
            raise typer.BadParameter("expected something to verify, or --as to verify the live log")

    emit(ctx, found.document(), lambda shown: _show_checked(shown, found))


@app.command(cls=TakesDigest, epilog="Example: setu audit proof DIGEST --as us-audit/agency.toml --out proof.json")
def proof(
    ctx: typer.Context,
    digest: Annotated[str, typer.Argument(metavar="DIGEST", help="The packet's digest.")],
    profile: AsOption,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Keep it in this new file.")] = None,
    patience: PatienceOption = PATIENCE,
    _json: JsonOption = False,
) -> None:
    """Fetch a packet's proof bundle and verify it; it can be verified again offline, by anybody."""
    with trusting(profile) as trust, connected(profile, patience) as client:
        bundle = client.proof(digest)
        proven = verify_proof(bundle, trust)
    if out is not None:
        write_new(out, bundle.canonical())
    if wants_json(ctx) or out is None:
        emit(ctx, bundle.to_object(), lambda shown: shown.print_json(data=bundle.to_object()))
        return
    shown = console()
    _show_checked(shown, Checked("proof", {"ok": True}, items_of(proven)))
    shown.print(f"Kept in {out}; verify it anywhere with `setu audit verify {out}`.")


@app.command(epilog="Example: setu audit vkey --as us-audit/agency.toml > vkeys")
def vkey(
    ctx: typer.Context,
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    _json: JsonOption = False,
) -> None:
    """Print the log's two verifier keys, as the directory names them; compare their fingerprints from paper.

    After them come the pairs that signed before, each with the size up to which it counts.
    """
    with trusting(profile, config, directory) as trust:
        log = trust.log
    pairs = [[{"vkey": key, "fingerprint": fingerprint_of(key)} for key in (p.ed25519, p.mldsa44)] for p in log.pairs]
    former = [
        {"keys": keys} | ({} if pair.size is None else {"size": pair.size})
        for keys, pair in zip(pairs[1:], log.pairs[1:], strict=True)
    ]

    def show(console: Console) -> None:
        for line in vkey_lines(log):
            console.print(line)
        for each in (each for keys in pairs for each in keys):
            note(f"fingerprint {each['fingerprint']}")

    emit(ctx, {"origin": log.origin, "keys": pairs[0]} | ({"former": former} if former else {}), show)


def _offline(copy: Path, what: EntryFilter) -> Iterator[dict[str, Any]]:
    for each in search_mirror(mirror_in(copy), what):
        yield {"index": each.index, "entry": json.loads(each.entry)}


def _live(client: Client, what: EntryFilter) -> Iterator[dict[str, Any]]:
    given = {name: getattr(what, name) for name in ("since", "until", "party", "kind", "packet", "code", "exercise")}
    asked = cast("Search", {name: value for name, value in given.items() if value is not None})
    asked["limit"] = min(what.limit, PAGE)
    if what.types is not None:
        asked["types"] = list(what.types)
    for count, each in enumerate(client.search(**asked)):
        if count == what.limit:
            return
        yield each.to_object()


def _doubt(kind: str | None, agency: str | None, trust: Trust | None) -> None:
    """Tell what nothing can have been found for: the log has what was, so that it is no fault to ask."""
    if kind is not None and kind not in registry.kinds():
        note(f"No kind of this program's registry is named so; it has {', '.join(registry.kinds())}.", "yellow")
    if agency is None or trust is None:
        return
    snapshot = trust.named().current()
    if snapshot.agency(agency) is None:
        version = snapshot.ref.version
        note(f"No agency of directory version {version} has that id; `setu directory show` lists them.", "yellow")


def _show(console: Console, found: list[dict[str, Any]]) -> None:
    table = Table(box=None, header_style="bold")
    for name in ("index", "time", "event", "actor", "packet"):
        table.add_column(name, no_wrap=True)
    table.add_column("about")
    for each in found:
        entry = each["entry"]
        packet = entry.get("packet") or {}
        about = [entry.get("recipient"), entry.get("code"), entry.get("event"), entry.get("note")]
        if "count" in entry:
            about.append(f"{entry['count']} times")
        if "disputed" in each:
            about.append(SAID[Doubt(each["disputed"])].upper())
        about.append(" ".join(entry.get("decision", {}).get("rules", ())))
        table.add_row(
            str(each["index"]),
            entry["time"][:23],
            entry["type"],
            entry["actor"],
            f"{packet['kind']} {packet['digest'][:10]}" if packet else "",
            ", ".join(str(part) for part in about if part),
        )
    console.print(table)
    console.print(f"{len(found)} entries.", style="dim")


def _show_checked(console: Console, found: Checked) -> None:
    console.print(f"This {found.what} holds.", style="bold green")
    for name, value in found.facts.items():
        if name not in ("ok", "unchecked", "doubt"):
            console.print(f"  {name:11}{value}")
    for each in found.entries:
        entry: Entry = each["entry"]
        who = entry.recipient if entry.recipient not in (None, entry.actor) else ""
        said = SAID[Doubt(each["disputed"])].upper() if "disputed" in each else ""
        console.print(f"  {each['index']:>8}  {entry.time[:23]}  {entry.type:14} {entry.actor} {who} {said}".rstrip())
    if any("disputed" in each for each in found.entries) or found.facts.get("disputed"):
        console.print(f"  disputed: {WHY}", style="bold yellow")
    if "doubt" in found.facts:
        console.print(f"  in doubt: {found.facts['doubt']}.", style="yellow")
    for unchecked in found.facts.get("unchecked", ()):
        console.print(f"  not checked: {unchecked}", style="yellow")
