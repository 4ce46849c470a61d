"""JSON Patch (RFC 6902) as an amendment carries it, and how it is applied to the payload that is amended.

Of the RFC's operations there are add, remove, replace and test; move and copy say nothing that these cannot, and are
harder to read for whoever has to judge an amendment.
"""

import copy
import re
from collections.abc import Sequence
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, WithJsonSchema

from schemas.base import Model, plain_text
from schemas.canonical import MAX_SAFE_INTEGER
from schemas.payloads.shape import Shape, wrong

MAX_TEXT = 20_000
MAX_NAME = 100

_INDEX = re.compile(r"0|[1-9][0-9]{0,6}")


def _as_payloads_hold(value: Any) -> Any:
    """What stands in payloads: no null, no fraction, no name outside ASCII, free text as everywhere."""
    _check(value, ())
    return value


def _check(value: Any, path: tuple[str, ...]) -> None:
    match value:
        case bool():
            pass
        case int() if abs(value) <= MAX_SAFE_INTEGER:
            pass
        case str():
            try:
                plain_text(value)
            except ValueError as error:
                wrong("/".join(path), str(error))
            if len(value) > MAX_TEXT:
                wrong("/".join(path), f"expected text of at most {MAX_TEXT} characters, found more; shorten it")
        case list():
            for position, each in enumerate(value):
                _check(each, (*path, str(position)))
        case dict():
            for name, each in value.items():
                if not name.isascii() or not name.isprintable() or len(name) > MAX_NAME:
                    wrong("/".join(path), "expected member names in printable ASCII, found another; rename it")
                _check(each, (*path, name.replace("~", "~0").replace("/", "~1")))
        case _:
            wrong("/".join(path), "expected no null, no fraction and no integer of 2^53 or more, found one")


Value = Annotated[
    Any,
    AfterValidator(_as_payloads_hold),
    WithJsonSchema(
        {
            "type": ["array", "boolean", "integer", "object", "string"],
            "description": "any JSON value a payload may hold: no null, no fraction, names in ASCII",
        }
    ),
]
"""A JSON value of a payload."""

Pointer = Annotated[
    str,
    Shape(
        r"(/([!-.0-}]|~[01])+){1,32}",
        "a JSON pointer (RFC 6901) below the whole, like /narrative or /places/0/country",
        lambda text: len(text) <= MAX_NAME * 4,
    ),
]
"""RFC 6901, in printable ASCII without spaces, at least one step: what replaces the whole is another packet."""


class PatchAdd(Model):
    """RFC 6902, section 4.1: a new member, a member's new value, or an element put before the one at that place (`-`:
    after the last).
    """

    op: Literal["add"]
    path: Pointer
    value: Value


class PatchRemove(Model):
    """RFC 6902, section 4.2: the member or element goes; it must be there."""

    op: Literal["remove"]
    path: Pointer


class PatchReplace(Model):
    """RFC 6902, section 4.3: the member or element gets another value; it must be there."""

    op: Literal["replace"]
    path: Pointer
    value: Value


class PatchTest(Model):
    """RFC 6902, section 4.6: the member or element has this value, else nothing of the patch is done."""

    op: Literal["test"]
    path: Pointer
    value: Value


Operation = Annotated[
    PatchAdd | PatchRemove | PatchReplace | PatchTest,
    Field(discriminator="op"),
]


class PatchError(ValueError):
    """The patch does not fit the document. position: of the operation at fault, from 0. Quotes neither of the two."""

    def __init__(self, position: int, message: str) -> None:
        super().__init__(f"operation {position}: {message}")
        self.position = position


def applied(patch: Sequence[Operation], document: dict[str, Any]) -> dict[str, Any]:
    """The document with the patch applied, whole or not at all (RFC 6902, section 5); the given one stays as it was.

    Whether the result is still a payload of its kind is for the registry to say.

    Args:
        patch: operations, done in order.
        document: an object of JSON types.

    Raises:
        PatchError: a place is not there, or a test fails.
    """
    made = copy.deepcopy(document)
    for position, operation in enumerate(patch):
        try:
            _apply(operation, made)
        except LookupError as error:
            raise PatchError(position, str(error.args[0])) from None
    return made


def _apply(operation: Operation, document: dict[str, Any]) -> None:
    *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in operation.path.split("/")[1:])
    here: Any = document
    for step in steps:
        here = here[_place(here, step)]
    if isinstance(operation, PatchAdd):
        value = copy.deepcopy(operation.value)
        if isinstance(here, list):
            here.insert(len(here) if last == "-" else _index(last, len(here) + 1), value)
        elif isinstance(here, dict):
            here[last] = value
        else:
            raise _nowhere()
        return
    place = _place(here, last)
    if isinstance(operation, PatchRemove):
        del here[place]
    elif isinstance(operation, PatchReplace):
        here[place] = copy.deepcopy(operation.value)
    elif not _same(here[place], operation.value):
        raise LookupError("expected the value that test names, found another; nothing was changed")


def _place(here: Any, step: str) -> Any:
    if isinstance(here, dict) and step in here:
        return step
    if isinstance(here, list):
        return _index(step, len(here))
    raise _nowhere()


def _index(step: str, size: int) -> int:
    if not _INDEX.fullmatch(step) or int(step) >= size:
        raise _nowhere()
    return int(step)


def _nowhere() -> LookupError:
    return LookupError("expected a path that leads somewhere, found one that leads nowhere; nothing was changed")


def _same(one: Any, other: Any) -> bool:
    """RFC 6902, section 4.6. Python alone would take 1 and true for the same."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(_same(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)
