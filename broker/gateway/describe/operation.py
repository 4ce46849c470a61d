"""The form in which a route is described, and what holds for all of them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broker.gateway.describe.callers import Callers
from schemas.problem import Code

Schema = dict[str, Any]

JSON = "application/json"
PLACE = "#/components/schemas/"

EVERYWHERE = (
    Code.BAD_REQUEST,
    Code.UNKNOWN_AGENCY,
    Code.AGENCY_SUSPENDED,
    Code.FORBIDDEN,
    Code.METHOD_NOT_ALLOWED,
    Code.NOT_ACCEPTABLE,
    Code.TOO_LARGE,
    Code.ENCODING,
    Code.MISDIRECTED,
    Code.RATE_LIMITED,
    Code.HEADERS_TOO_LARGE,
    Code.INTERNAL,
    Code.UNAVAILABLE,
    Code.DIRECTORY_INVALID,
    Code.CONFIG_INVALID,
)
"""What the guard refuses before any route: the head's form, the caller, the directory in force."""

BODY = (Code.MEDIA_TYPE, Code.TIMEOUT)
READS = (Code.LOG_INVALID, Code.ROLLBACK)
"""Of a route that reads the ledger."""
WRITES = (*READS, Code.BUSY)


@dataclass(frozen=True, slots=True)
class Parameter:
    """place: `path`, `query` or `header`."""

    name: str
    place: str
    about: str
    schema: Schema
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that is no refusal. example: a whole body of it, where one is small enough to show."""

    about: str
    media: str = JSON
    schema: Schema = field(default_factory=dict)
    example: Any = None


@dataclass(frozen=True, slots=True)
class Operation:
    """One method of one path, as the router spells it.

    name: for programs that are made from the document. who: what each kind of caller is answered.
    body: media type -> schema. codes: refusals beside those of `EVERYWHERE`. in_lines: refusals
    that stand in the lines of a 200.
    """

    method: str
    path: str
    name: str
    noun: str
    about: str
    who: Callers
    answers: Mapping[int, Answer]
    codes: tuple[Code, ...] = ()
    parameters: tuple[Parameter, ...] = ()
    body: Mapping[str, Schema] = field(default_factory=dict)
    body_about: str = ""
    in_lines: tuple[Code, ...] = ()


def reference(name: str) -> Schema:
    return {"$ref": PLACE + name}


def table(members: Mapping[str, Schema], optional: Mapping[str, Schema] | None = None) -> Schema:
    """An object with these members and no others."""
    return {
        "type": "object",
        "properties": {**members, **(optional or {})},
        "required": list(members),
        "additionalProperties": False,
    }


def listed(items: Schema) -> Schema:
    return {"type": "array", "items": items}
