"""The handling block of a packet, from a file and options: options replace members of the file."""

from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from broker.cli.inputs import model_of, read_json
from broker.errors import MalformedError
from schemas.handling import Dissem, Handling, HandlingCode, Pap, PermittedActions, Purpose, Tlp
from schemas.problem import Code

PANEL = "Handling"
_DAY = ["%Y-%m-%d"]

FileOption = Annotated[
    Path | None,
    typer.Option("--handling", exists=True, dir_okay=False, help="A handling block (JSON).", rich_help_panel=PANEL),
]
ClassificationOption = Annotated[
    str | None,
    typer.Option("--classification", help="System and level, like IN:RESTRICTED or US:LES.", rich_help_panel=PANEL),
]
TlpOption = Annotated[Tlp | None, typer.Option("--tlp", help="Traffic light.", rich_help_panel=PANEL)]
PapOption = Annotated[Pap | None, typer.Option("--pap", help="Permissible actions; as TLP.", rich_help_panel=PANEL)]
CodeOption = Annotated[
    HandlingCode | None, typer.Option("--handling-code", help="Europol code; H1.", rich_help_panel=PANEL)
]
DissemOption = Annotated[
    list[Dissem] | None, typer.Option("--dissem", help="A control; may be repeated.", rich_help_panel=PANEL)
]
ReleasableOption = Annotated[
    list[str] | None,
    typer.Option(
        "--releasable-to", help="An agency or country (USA); may be repeated; as --to.", rich_help_panel=PANEL
    ),
]
PurposeOption = Annotated[
    list[Purpose] | None,
    typer.Option("--purpose", help="What it may be used for; may be repeated.", rich_help_panel=PANEL),
]
BasisOption = Annotated[str | None, typer.Option("--legal-basis", help="For example UN1988-9.", rich_help_panel=PANEL)]
ActionsOption = Annotated[
    PermittedActions | None, typer.Option("--permitted-actions", help="IEP 2.0; none.", rich_help_panel=PANEL)
]
PersonalOption = Annotated[
    bool | None,
    typer.Option("--personal-data/--no-personal-data", help="Is any in the payload?", rich_help_panel=PANEL),
]
SanitisedOption = Annotated[
    bool | None, typer.Option("--sanitised/--not-sanitised", help="Are sources removed?", rich_help_panel=PANEL)
]
ReviewOption = Annotated[
    datetime | None, typer.Option("--review-on", formats=_DAY, help="Recipient's review.", rich_help_panel=PANEL)
]
PurgeOption = Annotated[
    datetime | None, typer.Option("--purge-on", formats=_DAY, help="Recipient's purge.", rich_help_panel=PANEL)
]


def handling_of(
    file: Path | None,
    to: list[str],
    *,
    classification: str | None,
    tlp: Tlp | None,
    pap: Pap | None,
    handling_code: HandlingCode | None,
    dissem: list[Dissem] | None,
    releasable_to: list[str] | None,
    purpose: list[Purpose] | None,
    legal_basis: str | None,
    permitted_actions: PermittedActions | None,
    personal_data: bool | None,
    sanitised: bool | None,
    review_on: datetime | None,
    purge_on: datetime | None,
) -> Handling:
    """The block to seal with. What decides on release has no default: the sender says it.

    Raises:
        MalformedError: code `schema`; a member is missing or is none.
    """
    members: dict[str, Any] = read_json(file) if file is not None else _beginning(to, tlp)
    if not isinstance(members, dict):
        raise MalformedError(Code.SCHEMA, "Expected a handling block, found JSON that is no object.")
    if file is None and classification is None and tlp is None:
        raise MalformedError(
            Code.SCHEMA,
            "Expected how the packet is to be handled, found nothing said of it.",
            advice="Give --handling FILE (`setu schema sample handling` prints one to start from), or the options from "
            "--classification on that --help lists under Handling.",
        )
    given: dict[str, Any] = {
        "classification": _classification(classification),
        "tlp": tlp,
        "pap": pap,
        "handling_code": handling_code,
        "dissem": dissem or None,
        "releasable_to": releasable_to or None,
        "purpose": purpose or None,
        "legal_basis": legal_basis,
        "permitted_actions": permitted_actions,
    }
    members = members | {name: value for name, value in given.items() if value is not None}
    members = _joined(members, "flags", {"personal_data": personal_data, "sanitised": sanitised})
    days = {"review_on": review_on, "purge_on": purge_on}
    members = _joined(
        members, "retention", {name: day.date().isoformat() if day is not None else None for name, day in days.items()}
    )
    return model_of(Handling, members, "a handling block", "Mend this member, or give the option of its name.")


def _beginning(to: list[str], tlp: Tlp | None) -> dict[str, Any]:
    return {
        "pap": {Tlp.AMBER_STRICT: "RED"}.get(tlp, tlp.value) if tlp is not None else "RED",
        "handling_code": "H1",
        "releasable_to": to,
        "permitted_actions": "none",
        "attribution": "must-not",
        "retention": {},
    }


def _joined(members: dict[str, Any], name: str, given: dict[str, Any]) -> dict[str, Any]:
    before = members.get(name, {})
    over = {key: value for key, value in given.items() if value is not None}
    if not over:
        return members
    return members | {name: {**before, **over} if isinstance(before, dict) else over}


def _classification(text: str | None) -> dict[str, str] | None:
    if text is None:
        return None
    system, colon, level = text.partition(":")
    if not colon:
        raise typer.BadParameter("expected system and level, like IN:RESTRICTED", param_hint="--classification")
    return {"system": system.strip().upper(), "level": level.strip().upper()}
