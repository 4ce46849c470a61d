"""An HTTP answer that is no success -> the error it stands for. The mirror image of `broker.gateway.problems`."""

import unicodedata
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import ValidationError

from broker.errors import (
    CallerError,
    ConflictError,
    IntegrityError,
    MalformedError,
    NotFoundError,
    PacketError,
    PolicyError,
    RequestError,
    SetuError,
    SignatureError,
    UnavailableError,
)
from schemas.canonical import MalformedJsonError
from schemas.problem import Code, Problem, RuleHit

MAX_TEXT = 2000
TOO_MANY = 429
REQUEST_TIMEOUT = 408
SERVER_ERROR = 500

_CALLER = frozenset({Code.UNKNOWN_AGENCY, Code.AGENCY_SUSPENDED, Code.FORBIDDEN, Code.RATE_LIMITED})
_REQUEST = frozenset(
    {
        Code.BAD_REQUEST,
        Code.MISDIRECTED,
        Code.HEADERS_TOO_LARGE,
        Code.TOO_LARGE,
        Code.ENCODING,
        Code.MEDIA_TYPE,
        Code.NOT_ACCEPTABLE,
        Code.METHOD_NOT_ALLOWED,
        Code.BAD_CURSOR,
        Code.BAD_QUERY,
    }
)
_MALFORMED = frozenset({Code.JSON_INVALID, Code.ENVELOPE_INVALID, Code.SCHEMA, Code.KIND_UNKNOWN})
_SIGNATURE = frozenset({Code.SIGNATURE_INVALID, Code.KEY_UNKNOWN})
_INTEGRITY = frozenset({Code.LOG_INVALID, Code.ROLLBACK, Code.DIRECTORY_INVALID, Code.CONFIG_INVALID})


_AGAIN = UnavailableError("").advice  # the error adds it anew


def error_of(status: int, body: bytes, retry_after: str | None, now: float) -> SetuError:
    """The error that an answer stands for.

    `retry_after`: the `Retry-After` header (RFC 9110, section 10.2.3), seconds or a date, which is read against `now`.

    A server's error, a 408 and whatever is not a problem document of a server's error become UnavailableError, for
    nothing is known then; a 429 becomes CallerError (code `rate-limited`).
    """
    wait = seconds_of(retry_after, now)
    try:
        problem = Problem.from_json(body)
    except (MalformedJsonError, ValidationError, ValueError):
        return _without_document(status, wait)
    message = plain(problem.detail)
    if status == TOO_MANY or problem.code is Code.RATE_LIMITED:
        return CallerError(Code.RATE_LIMITED, message, retry_after=wait)
    if status >= SERVER_ERROR or status == REQUEST_TIMEOUT:
        return UnavailableError(message.removesuffix(_AGAIN).rstrip(), code=problem.code, retry_after=wait or 0)
    return _refusal(problem, message)


def seconds_of(retry_after: str | None, now: float) -> int | None:
    """Whole seconds that a `Retry-After` header asks for; None where it says nothing that can be read."""
    if retry_after is None:
        return None
    text = retry_after.strip()
    if text.isascii() and text.isdigit() and len(text) <= 9:  # noqa: PLR2004 - more digits than any wait has
        return int(text)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0, round((moment - datetime.fromtimestamp(now, UTC)).total_seconds()))


def plain(text: str) -> str:
    """Text from the other side, safe to print: no control, format or surrogate characters, of bounded length."""
    return "".join(
        character if character == "\n" or unicodedata.category(character)[0] != "C" else "\N{REPLACEMENT CHARACTER}"
        for character in text[:MAX_TEXT]
    )


def _without_document(status: int, wait: int | None) -> SetuError:
    if status == TOO_MANY:
        return CallerError(
            Code.RATE_LIMITED, "Expected to be within the rate limit, found HTTP status 429.", retry_after=wait
        )
    found = f"Expected an answer of a Setu gateway, found HTTP status {status} without a problem document."
    if status >= SERVER_ERROR or status == REQUEST_TIMEOUT:
        return UnavailableError(found, retry_after=wait or 0)
    return RequestError(Code.BAD_REQUEST, found, advice="Check the gateway's address and any proxy before it.")


def _refusal(problem: Problem, message: str) -> SetuError:
    code, pointer = problem.code, plain(problem.pointer) if problem.pointer is not None else None
    if code is Code.NOT_FOUND:
        return NotFoundError()
    if code is Code.POLICY_DENIED:
        return PolicyError(message, [_printable(hit) for hit in problem.rules or ()])
    if code in _CALLER:
        return CallerError(code, message, pointer=pointer)
    if code in _REQUEST:
        return RequestError(code, message, pointer=pointer)
    if code in _MALFORMED:
        return MalformedError(code, message, pointer=pointer)
    if code in _SIGNATURE:
        return SignatureError(code, message, pointer=pointer)
    if code is Code.ID_CONFLICT:
        return ConflictError(code, message, pointer=pointer)
    if code in _INTEGRITY:
        return IntegrityError(code, message, pointer=pointer)
    return PacketError(code, message, pointer=pointer)


def _printable(hit: RuleHit) -> RuleHit:
    return RuleHit(
        rule=hit.rule, recipient=plain(hit.recipient), sentence=plain(hit.sentence), remedy=plain(hit.remedy)
    )
