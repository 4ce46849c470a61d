"""What a refusal by a model says to the one who wrote the document: where, what was expected, what to do.

pydantic's own texts may quote the input (a member nobody named, a tag nobody knows); these never do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

MAX_FAULTS = 16

_PLAIN = {
    "missing": "expected this member, found none; add it",
    "extra_forbidden": "expected only the members the schema names, found one or more others; remove them",
    "bool_type": "expected true or false, found another type",
    "string_type": "expected a string, found another type",
    "int_type": "expected an integer, found another type",
    "tuple_type": "expected an array, found another type",
    "model_type": "expected an object, found another type",
    "model_attributes_type": "expected an object, found another type",
    "dataclass_type": "expected an object, found another type",
    "union_tag_not_found": "expected the member that names the form, found none; add it",
}


@dataclass(frozen=True, slots=True)
class Fault:
    """pointer: RFC 6901, of the member at fault, empty for the whole; sentence: expected, found, what to do."""

    pointer: str
    sentence: str


def pointer_to(path: Sequence[str | int]) -> str:
    """RFC 6901, section 3."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in path)


def explain(error: ValidationError, document: Any) -> tuple[Fault, ...]:
    """The faults pydantic found in `document` (an object of JSON types), at most 16, in its order; what would be said
    twice of one place, as of members nobody knows, is said once.
    """
    details = error.errors(include_url=False, include_input=False)
    return tuple(dict.fromkeys(_fault(each, document) for each in details[:MAX_FAULTS]))


def _fault(detail: ErrorDetails, document: Any) -> Fault:
    kind = detail["type"]
    loc = detail["loc"][:-1] if kind == "extra_forbidden" else detail["loc"]
    path = _path(loc, document, absent=kind == "missing")
    context = detail.get("ctx", {})
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        path = [*path, str(context["discriminator"]).strip("'")]
    if context.get("member"):
        path += [step.replace("~1", "/").replace("~0", "~") for step in str(context["member"]).split("/")]
    return Fault(pointer_to(path), _sentence(kind, detail["msg"], context))


def _path(loc: Sequence[str | int], document: Any, *, absent: bool) -> list[str | int]:
    """Only steps that lead somewhere: pydantic also names the members of unions, and members nobody knows."""
    path: list[str | int] = []
    here = document
    for position, step in enumerate(loc):
        last = position == len(loc) - 1
        if _leads_on(here, step):
            here = here[step]
        elif not (absent and last):
            continue
        path.append(step)
    return path


def _leads_on(here: Any, step: str | int) -> bool:
    return step in here if isinstance(here, dict) else isinstance(here, list) and step in range(len(here))


def _sentence(kind: str, message: str, context: dict[str, Any]) -> str:
    if kind == "value_error":
        return str(context["error"])
    if kind == "union_tag_invalid":
        return f"expected one of {context['expected_tags']}, found another; see the schema"
    if kind == "string_pattern_mismatch":
        return f"expected text that matches {context['pattern']}, found another form; write it that way"
    if kind in _PLAIN:
        return _PLAIN[kind]
    for opening in ("Input should be ", "String should ", "Tuple should ", "Value should "):
        if message.startswith(opening):
            return (
                "expected " + message.removeprefix(opening).removeprefix("be ").replace("have ", "", 1) + "; correct it"
            )
    return message
