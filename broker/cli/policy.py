"""`setu policy`: what the release policy says, and whether a folder of rules is sound."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.assembly import connect
from broker.assembly.policy import policy_in
from broker.cli.cases import Outcome, outcomes
from broker.cli.explained import explained
from broker.cli.headers import header_of
from broker.cli.inputs import read_bytes, there
from broker.cli.options import ConfigOption, MaybeAsOption
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, Trust, trusting
from broker.config import AgencySettings, GatewaySettings, load
from broker.directory.lookup import Snapshot
from broker.envelope.verify import parse as parse_packet
from broker.errors import MalformedError
from broker.flows.inforce import View
from broker.flows.judge import Judge
from broker.ledger.port import Basis
from broker.policy.lineage import Lineage, Unknown
from broker.sdk.lineage import LookedUp
from schemas.canonical import MalformedJsonError, parse
from schemas.directory import Channel
from schemas.packet import Header
from schemas.problem import Code

app = typer.Typer(no_args_is_help=True, help="Ask what the release policy says; check a folder of rules.")

PoliciesOption = Annotated[
    Path | None,
    typer.Option("--policies", exists=True, file_okay=False, help="Rules; by default the settings', or the broker's."),
]


@app.command(epilog="Example: setu policy explain --header header.json --as in-ncb/agency.toml")
def explain(
    ctx: typer.Context,
    header: Annotated[Path, typer.Option("--header", callback=there, help="A header, or a packet; - is stdin.")],
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    policies: PoliciesOption = None,
    via: Annotated[Channel, typer.Option(help="The channel the bytes would leave by.")] = Channel.HTTPS,
    _json: JsonOption = False,
) -> None:
    """Say for each recipient whether the policy would release a packet with this header, by which rules, and what
    would change it. Nothing is sent. Exit status 1 where anybody is refused.

    A header needs only `from`, `to` (agency ids will do), `kind` and `handling`. What it names as `sources` is looked
    up at the gateway with --as; without, it counts as unknown.
    """
    with trusting(profile, config, directory) as trust:
        snapshot = trust.named().current()
        asked = _header(read_bytes(header), trust, snapshot)
    policy = policy_in(policies or configured(profile, config))
    view = View(snapshot, policy, Basis(snapshot.ref.version, policy.version))
    with _lineage(profile, asked) as lineage:
        answers = explained(asked, view, via.value, Judge(lineage, time.time))
    permitted = all(each["permit"] for each in answers)
    found = {
        "permit": permitted,
        "directory": snapshot.ref.version,
        "policy": policy.version,
        "open": asked.open,
        "recipients": answers,
    }
    emit(ctx, found, lambda console: _show(console, answers))
    if not permitted:
        raise typer.Exit(1)


@app.command(epilog="Example: setu policy check deployment/policies")
def check(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder of rules.")],
    _json: JsonOption = False,
) -> None:
    """Check rules as a gateway does when it starts: against the schema, with ids, sentences and remedies."""
    policy = policy_in(folder)
    rules = [
        {
            "id": each.id,
            "effect": "forbid" if each.forbids else "permit",
            "cached": not each.looks.passing,
            "sentence": each.sentence,
        }
        for each in policy.rules
    ]

    def show(console: Console) -> None:
        table = Table("rule", "effect", "sentence", box=None, header_style="bold")
        for each in rules:
            table.add_row(str(each["id"]), str(each["effect"]), str(each["sentence"]))
        console.print(table)
        console.print(f"{len(rules)} rules hold together; version {policy.version}", style="green")

    emit(ctx, {"ok": True, "version": policy.version, "rules": rules}, show)


@app.command("test", epilog="Example: setu policy test deployment/policies/cases")
def run_cases(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(metavar="DIR", exists=True, file_okay=False, help="A folder of cases.")],
    profile: MaybeAsOption = None,
    config: ConfigOption = None,
    directory: DirectoryOption = None,
    policies: PoliciesOption = None,
    _json: JsonOption = False,
) -> None:
    """Run cases: headers, and what the policy must say of each. Exit status 1 where it says something else.

    The rules are those of --policies, of the settings, of the folder that DIR is in, or the broker's own, whichever is
    there first. Cases are asked in the directory that their file names, in that of the settings or --directory, or in
    the small realm that comes with the broker's own cases.
    """
    if policies is None and profile is None and config is None and any(folder.absolute().parent.glob("*.cedar")):
        policies = folder.absolute().parent
    policy = policy_in(policies or configured(profile, config))
    if profile is None and config is None and directory is None:
        given = None
    else:
        with trusting(profile, config, directory) as trust:
            given = trust.named().current()
    run = outcomes(folder, policy, [rule.id for rule in policy.rules], given)
    failed = [each for each in run if not each.ok]
    unasked = sorted({rule.id for rule in policy.rules if rule.forbids}.difference(*(each.named for each in run)))
    found = {
        "ok": not failed,
        "policy": policy.version,
        "cases": [each.document() for each in run],
        "rules_without_a_case": unasked,
    }
    emit(ctx, found, lambda console: _show_cases(console, run, unasked))
    if failed:
        raise typer.Exit(1)


@contextmanager
def _lineage(profile: Path | None, asked: Header) -> Iterator[Lineage]:
    """Where the header's sources are looked up: nowhere without an agency that may ask for them."""
    if profile is None or not asked.sources:
        yield Unknown()
        return
    with connect(profile, judging=False) as client:
        yield LookedUp(client)


def _header(raw: bytes, trust: Trust, snapshot: Snapshot) -> Header:
    try:
        document = parse(raw)
    except MalformedJsonError as error:
        raise MalformedError(Code.JSON_INVALID, f"Expected a header or a packet as strict JSON: {error}.") from None
    if not isinstance(document, dict):
        raise MalformedError(Code.SCHEMA, "Expected a header or a packet, found JSON that is no object.")
    if "jwe" in document:
        return parse_packet(raw).header
    return header_of(document, snapshot, trust.gateway, int(time.time()))


def configured(profile: Path | None, config: Path | None) -> Path:
    if config is not None:
        gateway = load(GatewaySettings, config)
        return gateway.at(gateway.paths.policies)
    if profile is not None:
        agency = load(AgencySettings, profile)
        if agency.policies is not None:
            return agency.at(agency.policies)
    return Path(str(files("broker.policy").joinpath("rules")))


def _show(console: Console, answers: list[dict[str, Any]]) -> None:
    for each in answers:
        said, style = ("permitted", "bold green") if each["permit"] else ("refused", "bold red")
        console.print(f"{each['recipient']} ({each['via']}): ", end="")
        console.print(said, style=style, end="")
        console.print(f"  {', '.join(each['rules'])}", style="dim")
        for hit in each["hits"]:
            console.print(f"  {hit['rule']}: {hit['sentence']}")
            console.print(f"    what would change it: {hit['remedy']}", style="cyan")


def _show_cases(console: Console, run: list[Outcome], unasked: list[str]) -> None:
    table = Table("", "case", "expected", "found", "file", box=None, header_style="bold")
    for each in run:
        said = "" if each.ok else each.said(each.found)
        table.add_row("ok" if each.ok else "FAILED", each.name, each.said(each.expected), said, each.file)
    console.print(table)
    if unasked:
        console.print(f"rules that no case here expects: {', '.join(unasked)}", style="yellow")
    failed = sum(not each.ok for each in run)
    said = f"{failed} of {len(run)} cases failed" if failed else f"{len(run)} cases hold"
    console.print(said, style="red" if failed else "green")
