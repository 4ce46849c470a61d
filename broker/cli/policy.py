"""`setu policy`: what the release policy says, and whether a folder of rules is sound."""

import hashlib
import time
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from broker.assembly.policy import policy_in
from broker.cli.inputs import model_of, read_bytes, there
from broker.cli.options import ConfigOption, MaybeAsOption
from broker.cli.output import JsonOption, emit
from broker.cli.trust import DirectoryOption, Trust, trusting
from broker.config import AgencySettings, GatewaySettings, load
from broker.directory.lookup import Snapshot
from broker.envelope.verify import parse as parse_packet
from broker.errors import MalformedError, PolicyError
from broker.flows.inforce import View
from broker.flows.judge import Judge
from broker.ledger.port import Basis
from broker.policy.lineage import Unknown
from broker.policy.port import Via
from schemas import registry
from schemas.canonical import MalformedJsonError, b64u, parse
from schemas.directory import Channel
from schemas.packet import VERSION, Header
from schemas.problem import Code, RuleHit

app = typer.Typer(no_args_is_help=True, help="Ask what the release policy says; check a folder of rules.")

PLACE_HOLDER = "00000000-0000-7000-8000-000000000000"
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

    A header needs only `from`, `to` (agency ids will do), `kind` and `handling`.
    """
    with trusting(profile, config, directory) as trust:
        snapshot = trust.named().current()
        asked = _header(read_bytes(header), trust, snapshot)
    policy = policy_in(policies or _configured(profile, config))
    view = View(snapshot, policy, Basis(snapshot.ref.version, policy.version))
    answers = explained(asked, view, via.value, Judge(Unknown(), time.time))
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
        {"id": each.id, "effect": "forbid" if each.forbids else "permit", "sentence": each.sentence}
        for each in policy.rules
    ]

    def show(console: Console) -> None:
        table = Table("rule", "effect", "sentence", box=None, header_style="bold")
        for each in rules:
            table.add_row(each["id"], each["effect"], each["sentence"])
        console.print(table)
        console.print(f"{len(rules)} rules hold together; version {policy.version}", style="green")

    emit(ctx, {"ok": True, "version": policy.version, "rules": rules}, show)


def explained(header: Header, view: View, via: Via, judge: Judge) -> list[dict[str, Any]]:
    """The policy's answer for each of `to`: recipients by `via`, the gateway as a reader."""
    answers = []
    sealed = _sealed_hits(header, view, judge)
    for each in header.to:
        agency = view.snapshot.agency(each.agency)
        reader = each.agency == header.aud.gateway
        if agency is None:
            hits: tuple[RuleHit, ...] = (_unknown(each.agency),)
            answers.append(_answer(each.agency, "reader" if reader else via, hits, (), permit=False))
            continue
        decision = judge.release(view, header, agency, via="reader" if reader else via)
        answers.append(
            _answer(
                each.agency,
                "reader" if reader else via,
                decision.hits,
                decision.rules,
                permit=decision.permit,
            )
        )
    if sealed:
        answers.append(_answer(header.aud.gateway, "sealed", sealed, (), permit=False))
    return answers


def _sealed_hits(header: Header, view: View, judge: Judge) -> tuple[RuleHit, ...]:
    """What stands against leaving the gateway out as a reader: asked of the flow that will judge it."""
    try:
        judge.require(view, header, [])
    except PolicyError as error:
        return error.rules
    return ()


def _answer(
    agency: str, via: str, hits: tuple[RuleHit, ...], rules: tuple[str, ...], *, permit: bool
) -> dict[str, Any]:
    return {
        "recipient": agency,
        "via": via,
        "permit": permit,
        "rules": list(rules) or [hit.rule for hit in hits],
        "hits": [hit.to_object() for hit in hits],
    }


def _unknown(agency: str) -> RuleHit:
    return RuleHit(
        rule="recipient-unknown",
        recipient=agency,
        sentence="This agency is not in the directory.",
        remedy="Address agencies that the directory lists: `setu directory show`.",
    )


def _header(raw: bytes, trust: Trust, snapshot: Snapshot) -> Header:
    try:
        document = parse(raw)
    except MalformedJsonError as error:
        raise MalformedError(Code.JSON_INVALID, f"Expected a header or a packet as strict JSON: {error}.") from None
    if not isinstance(document, dict):
        raise MalformedError(Code.SCHEMA, "Expected a header or a packet, found JSON that is no object.")
    if "jwe" in document:
        return parse_packet(raw).header
    to = document.get("to")
    if isinstance(to, list):
        document = document | {"to": [_addressee(each) for each in to]}
    return model_of(Header, _defaults(document.get("kind"), trust, snapshot) | document, "a header")


def _addressee(each: Any) -> Any:
    if isinstance(each, str):
        each = {"agency": each}
    if isinstance(each, dict) and isinstance(each.get("agency"), str):
        # The policy does not look at keys: any will do where none is named.
        return {"kid": b64u(hashlib.sha256(each["agency"].encode()).digest())} | each
    return each


def _defaults(kind: Any, trust: Trust, snapshot: Snapshot) -> dict[str, Any]:
    """What the policy does not look at, and when it is sent: now."""
    known = isinstance(kind, str) and kind in registry.kinds()
    return {
        "v": VERSION,
        "id": PLACE_HOLDER,
        "aud": {"realm": snapshot.realm or b64u(bytes(48)), "gateway": trust.gateway},
        "suite": snapshot.suite.value,
        "kind_version": registry.versions(kind)[-1] if known else 1,
        "precedence": "ROUTINE",
        "exercise": False,
        "thread": PLACE_HOLDER,
        "iat": int(time.time()),
        "exp": int(time.time()),
        "commitment": b64u(bytes(48)),
        "sig": [b64u(bytes(32)), b64u(bytes(32))],
    }


def _configured(profile: Path | None, config: Path | None) -> Path:
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
