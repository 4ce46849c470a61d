"""What `send` and `packet seal` have in common."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from broker.cli.inputs import read_json
from broker.config import AgencySettings, load
from broker.envelope.seal import Sealed
from broker.errors import MalformedError
from broker.sdk.client import Client
from broker.sdk.posting import Sent
from broker.sdk.sealing import Options
from schemas.handling import Handling
from schemas.packet import Precedence
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Request:
    """What a person asked to have sealed. `file`: the payload's, `-` for stdin."""

    kind: str
    file: Path
    to: list[str]
    handling: Handling
    precedence: Precedence
    exercise: bool
    thread: str | None
    in_reply_to: str | None
    lifetime: int | None
    kind_version: int | None
    sealed: bool | None


def seal(client: Client, profile: Path, request: Request) -> Sealed:
    """Judge and seal; raises as `Client.seal`."""
    payload = read_json(request.file)
    if not isinstance(payload, dict):
        raise MalformedError(Code.SCHEMA, "Expected a JSON object as the payload, found another type.")
    options: Options = {
        "precedence": request.precedence,
        "exercise": request.exercise,
        "thread": request.thread,
        "in_reply_to": request.in_reply_to,
        "lifetime": request.lifetime or load(AgencySettings, profile).lifetime,
        "kind_version": request.kind_version,
    }
    if request.sealed is not None:
        options["sealed"] = request.sealed
    return client.seal(request.kind, to=request.to, payload=payload, handling=request.handling, **options)


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
