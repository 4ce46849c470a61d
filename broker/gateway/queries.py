"""Reading a query string: each parameter known, given once (but where it may repeat), and of its form."""

import re
from collections.abc import Collection, Mapping
from urllib.parse import parse_qsl

from starlette.requests import Request

from broker.errors import NotFoundError, RequestError
from schemas.problem import Code

MAX_PARAMETERS = 32
DIGEST = re.compile(r"[A-Za-z0-9_-]{64}")
CURSOR = re.compile(r"[A-Za-z0-9_-]{1,200}")

_NUMBER = re.compile(r"(0|[1-9][0-9]{0,15})\Z")
_SECONDS = re.compile(r"[0-9]{1,4}(\.[0-9]{1,3})?\Z")


class Query:
    """The parameters of a request.

    Raises:
        RequestError: code `bad-query`, from the constructor and each reader.
    """

    def __init__(self, request: Request, names: Collection[str], *, repeated: Collection[str] = ()) -> None:
        try:
            pairs = parse_qsl(
                request.scope["query_string"].decode("ascii"),
                keep_blank_values=True,
                strict_parsing=bool(request.scope["query_string"]),
                errors="strict",
                max_num_fields=MAX_PARAMETERS,
            )
        except ValueError:
            raise _bad("Expected name=value pairs of UTF-8, found something else.") from None
        self._values: dict[str, list[str]] = {}
        for name, value in pairs:
            if name not in names and name not in repeated:
                raise _bad(f"Expected only {', '.join(sorted({*names, *repeated}))}, found another parameter.")
            self._values.setdefault(name, []).append(value)
        for name, values in self._values.items():
            if len(values) > 1 and name not in repeated:
                raise _bad(f"Expected {name} once, found it {len(values)} times.")

    def text(self, name: str, pattern: re.Pattern[str], form: str) -> str | None:
        """A parameter that `pattern` matches whole; `form` says in words what is expected."""
        for value in self._values.get(name, ()):
            if not pattern.fullmatch(value):
                raise _bad(f"Expected {name} to be {form}, found something else.")
            return value
        return None

    def texts(self, name: str) -> list[str]:
        return self._values.get(name, [])

    def choice(self, name: str, among: Mapping[str, bool]) -> bool | None:
        for value in self._values.get(name, ()):
            if value not in among:
                raise _bad(f"Expected {name} to be {' or '.join(among)}, found something else.")
            return among[value]
        return None

    def number(self, name: str, default: int, least: int, most: int) -> int:
        for value in self._values.get(name, ()):
            if not _NUMBER.match(value) or not least <= int(value) <= most:
                raise _bad(f"Expected {name} to be a whole number from {least} to {most}, found something else.")
            return int(value)
        return default

    def seconds(self, name: str, most: float) -> float:
        for value in self._values.get(name, ()):
            if not _SECONDS.match(value) or float(value) > most:
                raise _bad(f"Expected {name} to be seconds from 0 to {most:g}, found something else.")
            return float(value)
        return 0.0


def digest_of(digest: str) -> str:
    """A path's digest. One that cannot be a digest names nothing: 404 as for any other that is not there."""
    if not DIGEST.fullmatch(digest):
        raise NotFoundError
    return digest


def bad_query(name: str, form: str) -> RequestError:
    return _bad(f"Expected {name} to be {form}, found something else.")


def _bad(message: str) -> RequestError:
    return RequestError(Code.BAD_QUERY, message, advice="Correct the query; see the route's documentation.")
