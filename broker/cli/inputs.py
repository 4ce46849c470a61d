"""Reads what a person hands to a command: bytes from a file or stdin, models, markings. Never from argv."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from pydantic import ValidationError

from broker.errors import MalformedError
from schemas.base import MICROSECONDS, Model, instant
from schemas.canonical import MalformedJsonError, parse
from schemas.explain import explain
from schemas.problem import Code
from schemas.registry import PayloadError

MAX_INPUT = 64 * 2**20
STDIN = "-"

M = TypeVar("M", bound=Model)


def there(path: Path | None) -> Path | None:
    """A callback for options: the file exists, or is stdin."""
    if path is not None and str(path) != STDIN and not path.is_file():
        raise typer.BadParameter(f"expected a file, or - for stdin, found none at {path}")
    return path


def all_there(paths: list[Path]) -> list[Path]:
    """As `there`, for an argument of several."""
    for each in paths:
        there(each)
    return paths


FileArgument = Annotated[Path, typer.Argument(metavar="FILE", callback=there, help="A file; - is stdin.")]


def read_bytes(path: Path) -> bytes:
    """The bytes of a file, or of stdin where the path is `-`.

    Raises:
        MalformedError: code `too-large`.
    """
    if str(path) == STDIN:
        found = sys.stdin.buffer.read(MAX_INPUT + 1)
    else:
        with path.open("rb") as file:
            found = file.read(MAX_INPUT + 1)
    if len(found) > MAX_INPUT:
        raise MalformedError(Code.TOO_LARGE, f"Expected at most {MAX_INPUT} bytes of input, found more.")
    return found


def read_json(path: Path) -> Any:
    """Strict JSON; raises MalformedError (code `json-invalid`)."""
    try:
        return parse(read_bytes(path))
    except MalformedJsonError as error:
        raise MalformedError(Code.JSON_INVALID, f"Expected strict JSON: {error}.", advice=f"Mend {path}.") from None


def model_of(kind: type[M], document: Any, what: str, advice: str = "Mend this member.") -> M:
    """An object of JSON types as a model; raises MalformedError (code `schema`, with a pointer)."""
    try:
        return kind.from_object(document)
    except ValidationError as error:
        fault = explain(error, document)[0]
        raise MalformedError(
            Code.SCHEMA,
            f"Expected {what}, found one that does not fit: {fault.sentence}.",
            pointer=fault.pointer,
            advice=advice,
        ) from None
    except ValueError:
        raise MalformedError(Code.SCHEMA, f"Expected {what}, found a value JSON has no form for.") from None


def payload_error(error: PayloadError) -> MalformedError:
    """The registry's refusal as an error of the command line."""
    said = f"{error.message[:1].upper()}{error.message[1:]}."
    return MalformedError(
        error.code,
        said if error.code is Code.KIND_UNKNOWN else f"In the payload: {error.message}.",
        pointer=error.pointer or None,
        advice=error.advice,
    )


def instant_of(text: str | None, option: str) -> str | None:
    """A day, or an RFC 3339 time, as an `Instant`."""
    if text is None or MICROSECONDS.match(text):
        return text
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise typer.BadParameter(
            "expected a day or time (UTC), like 2026-02-10 or 2026-02-10T13:40:00Z", param_hint=option
        ) from None
    return instant(moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC))
