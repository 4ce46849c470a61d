"""What `send` and `packet seal` have in common: their options, and how a payload is sealed by them."""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from broker.cli import markings
from broker.cli.inputs import read_json
from broker.cli.options import (
    ExerciseOption,
    KindVersionOption,
    LifetimeOption,
    PrecedenceOption,
    ReplyOption,
    SealedOption,
    SourcesOption,
    ThreadOption,
    ToOption,
)
from broker.cli.output import note
from broker.config import AgencySettings, load
from broker.envelope.seal import Sealed
from broker.errors import MalformedError
from broker.sdk.client import Client
from broker.sdk.posting import Sent
from broker.sdk.sealing import Options
from schemas import registry
from schemas.act import Asks, Extends
from schemas.handling import Handling
from schemas.packet import Precedence
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked to have sealed."""

    kind: str
    to: list[str]
    handling: Handling
    precedence: Precedence
    exercise: bool
    thread: str | None
    in_reply_to: str | None
    sources: list[str]
    lifetime: int | None
    kind_version: int | None
    sealed: bool | None


def _asked(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="A kind, for example tip; see `setu schema list`.")],
    to: ToOption,
    handling: markings.FileOption = None,
    classification: markings.ClassificationOption = None,
    tlp: markings.TlpOption = None,
    pap: markings.PapOption = None,
    handling_code: markings.CodeOption = None,
    dissem: markings.DissemOption = None,
    releasable_to: markings.ReleasableOption = None,
    purpose: markings.PurposeOption = None,
    legal_basis: markings.BasisOption = None,
    permitted_actions: markings.ActionsOption = None,
    personal_data: markings.PersonalOption = None,
    sanitised: markings.SanitisedOption = None,
    review_on: markings.ReviewOption = None,
    purge_on: markings.PurgeOption = None,
    precedence: PrecedenceOption = Precedence.ROUTINE,
    exercise: ExerciseOption = False,
    thread: ThreadOption = None,
    in_reply_to: ReplyOption = None,
    source: SourcesOption = None,
    lifetime: LifetimeOption = None,
    kind_version: KindVersionOption = None,
    sealed: SealedOption = None,
) -> Request:
    block = markings.handling_of(
        handling,
        to,
        classification=classification,
        tlp=tlp,
        pap=pap,
        handling_code=handling_code,
        dissem=dissem,
        releasable_to=releasable_to,
        purpose=purpose,
        legal_basis=legal_basis,
        permitted_actions=permitted_actions,
        personal_data=personal_data,
        sanitised=sanitised,
        review_on=review_on,
        purge_on=purge_on,
    )
    return Request(
        kind, to, block, precedence, exercise, thread, in_reply_to, source or [], lifetime, kind_version, sealed
    )


def takes_a_request(command: Callable[..., None]) -> Callable[..., None]:
    """Gives a command, in place of its parameter `request`, the arguments and options that make one."""
    shared = inspect.signature(_asked).parameters
    parameters: list[inspect.Parameter] = []
    for name, each in inspect.signature(command).parameters.items():
        parameters += shared.values() if name == "request" else [each]
    parameters.sort(key=lambda each: each.default is not inspect.Parameter.empty)

    @wraps(command)
    def called(**given: Any) -> None:
        command(request=_asked(**{name: given.pop(name) for name in shared}), **given)

    called.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    called.__annotations__ = {each.name: each.annotation for each in parameters}
    return called


def seal(client: Client, profile: Path, request: Request, file: Path) -> Sealed:
    """Judge and seal the payload of a file, `-` for stdin; raises as `Client.seal`.

    What is doubtful in it and refused by nobody is told on stderr.
    """
    payload = read_json(file)
    if not isinstance(payload, dict):
        raise MalformedError(Code.SCHEMA, "Expected a JSON object as the payload, found another type.")
    options: Options = {
        "precedence": request.precedence,
        "exercise": request.exercise,
        "thread": request.thread,
        "in_reply_to": request.in_reply_to,
        "sources": request.sources,
        "lifetime": request.lifetime or load(AgencySettings, profile).lifetime,
        "kind_version": request.kind_version,
    }
    if request.sealed is not None:
        options["sealed"] = request.sealed
    made = client.seal(request.kind, to=request.to, payload=payload, handling=request.handling, **options)
    for each in registry.warnings(registry.check(request.kind, made.header.kind_version, payload)):
        note(f"{file}: look again at {each.pointer}: {each.sentence}", "yellow")
    act = made.header.act
    if isinstance(act, Asks | Extends) and act.due <= made.header.iat:
        note(f"{file}: look again at when its answer is due: that is over, so it is overdue at once", "yellow")
    return made


def sent_document(sent: Sent) -> dict[str, Any]:
    """An accepted packet as JSON: how to name it, and the verified receipt."""
    return {
        "ok": True,
        "id": sent.id,
        "digest": sent.digest,
        "index": sent.index,
        "thread": sent.header.thread,
        "receipt": sent.receipt.to_object(),
    }
