"""Error -> HTTP: the only place that knows a status code. RFC 9457 problem documents, nothing of the input in them.

What reads a body raises a SetuError of its own. A pydantic or parser's error that comes as far as here is therefore of
something the gateway itself keeps: its own fault, never the caller's.
"""

from dataclasses import dataclass

from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException

from broker.errors import CallerError, IntegrityError, PolicyError, SetuError, UnavailableError
from schemas.problem import Code, Problem

MEDIA_TYPE = b"application/problem+json"
STOPPED_RETRY = 30

TABLE: dict[Code, tuple[int, str]] = {
    Code.UNKNOWN_AGENCY: (403, "The certificate is no active agency's"),
    Code.AGENCY_SUSPENDED: (403, "The agency is suspended"),
    Code.FORBIDDEN: (403, "Not for callers in this role"),
    Code.RATE_LIMITED: (429, "Too many requests"),
    Code.BAD_REQUEST: (400, "Not an HTTP request this gateway reads"),
    Code.MISDIRECTED: (421, "Addressed to another host"),
    Code.HEADERS_TOO_LARGE: (431, "The request head is too large"),
    Code.TOO_LARGE: (413, "The body is too large"),
    Code.ENCODING: (415, "No content encoding is read"),
    Code.MEDIA_TYPE: (415, "Another media type is expected"),
    Code.NOT_ACCEPTABLE: (406, "The answer is of another media type"),
    Code.METHOD_NOT_ALLOWED: (405, "Another method is expected"),
    Code.TIMEOUT: (408, "The body took too long"),
    Code.NOT_FOUND: (404, "Not found"),
    Code.BAD_CURSOR: (400, "Not a cursor of this topic"),
    Code.BAD_QUERY: (400, "The query does not fit"),
    Code.JSON_INVALID: (400, "Not strict JSON"),
    Code.ENVELOPE_INVALID: (400, "Not a packet's envelope"),
    Code.SCHEMA: (422, "Not of the schema"),
    Code.KIND_UNKNOWN: (422, "No such kind or version"),
    Code.SENDER_MISMATCH: (403, "The sender is not the caller"),
    Code.WRONG_AUDIENCE: (422, "Meant for another realm or gateway"),
    Code.WRONG_SUITE: (422, "Not the realm's suite"),
    Code.SIGNATURE_INVALID: (401, "A signature does not hold"),
    Code.KEY_UNKNOWN: (401, "Not a key of the sender, valid now"),
    Code.ID_CONFLICT: (409, "The id was used for another packet"),
    Code.CLOCK_SKEW: (422, "Issued in the future"),
    Code.EXPIRED: (422, "Expired"),
    Code.LIFETIME: (422, "The lifetime is too long"),
    Code.RECIPIENT_UNKNOWN: (422, "A recipient is no active agency"),
    Code.REFERENCE_UNKNOWN: (422, "Names a packet that the sender takes no such part in"),
    Code.POLICY_DENIED: (403, "The release policy says no"),
    Code.NOT_FOR_ME: (422, "Not wrapped to this reader"),
    Code.WRAP_INVALID: (422, "The content key does not unwrap"),
    Code.COMMITMENT_MISMATCH: (422, "The payload is not the one committed to"),
    Code.RECEIPT_INVALID: (422, "The receipt does not hold"),
    Code.DENY_LIST_INVALID: (422, "Not a deny list that may come into force"),
    Code.BUSY: (503, "Busy"),
    Code.UNAVAILABLE: (503, "Not available now"),
    Code.LOG_INVALID: (503, "The ledger is being examined"),
    Code.ROLLBACK: (503, "The ledger is older than it was"),
    Code.DIRECTORY_INVALID: (503, "No directory is in force"),
    Code.CONFIG_INVALID: (503, "The gateway is not set up"),
    Code.INTERNAL: (500, "An error of the gateway's own"),
}

OWN = frozenset(
    {
        Code.RATE_LIMITED,
        Code.FORBIDDEN,
        Code.BAD_REQUEST,
        Code.MISDIRECTED,
        Code.HEADERS_TOO_LARGE,
        Code.TOO_LARGE,
        Code.ENCODING,
        Code.MEDIA_TYPE,
        Code.NOT_ACCEPTABLE,
        Code.METHOD_NOT_ALLOWED,
        Code.TIMEOUT,
        Code.BAD_QUERY,
    }
)
"""Refusals that are made before any flow is asked."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. `headers` are ASGI's."""

    status: int
    headers: list[tuple[bytes, bytes]]
    body: bytes
    code: Code


def answer(error: Exception, trace: str) -> Answer:
    """The problem document for any exception. One that nobody foresaw is `internal`, and says nothing but its trace."""
    known = _known(error)
    status, title = TABLE[known.code]
    # What an agency may not see answers exactly like what does not exist: no trace id tells two answers apart.
    shown = None if known.code is Code.NOT_FOUND else trace
    problem = Problem(
        type=f"urn:setu:problem:{known.code}",
        title=title,
        status=status,
        code=known.code,
        detail=str(known),
        pointer=known.pointer,
        rules=known.rules if isinstance(known, PolicyError) else None,
        trace=shown,
    )
    body = problem.canonical()
    headers = [
        (b"content-type", MEDIA_TYPE),
        (b"content-length", b"%d" % len(body)),
        (b"cache-control", b"no-store"),
        (b"x-content-type-options", b"nosniff"),
        *_extra(error, known),
    ]
    return Answer(status, headers, body, known.code)


def _extra(error: Exception, known: SetuError) -> list[tuple[bytes, bytes]]:
    if isinstance(known, (CallerError, UnavailableError)) and known.retry_after is not None:
        return [(b"retry-after", b"%d" % known.retry_after)]
    if isinstance(known, IntegrityError):
        return [(b"retry-after", b"%d" % STOPPED_RETRY)]
    status = TABLE[known.code][0]
    if status == 405:  # noqa: PLR2004
        allowed = (error.headers or {}).get("Allow") if isinstance(error, HTTPException) else None
        return [(b"allow", (allowed or "").encode("ascii"))]
    if status == 401:  # noqa: PLR2004
        return [(b"www-authenticate", b"setu1-signature")]  # RFC 9110, section 11.6.1: a 401 names a scheme
    return []


def _known(error: Exception) -> SetuError:
    match error:
        case SetuError():
            return error
        case HTTPException(status_code=404):
            return SetuError(Code.NOT_FOUND, "There is nothing here that you may see.")
        case HTTPException(status_code=405):
            return SetuError(
                Code.METHOD_NOT_ALLOWED,
                "Expected a method this path has, found another.",
                advice="Use one of those in the Allow header.",
            )
        case HTTPException():
            return SetuError(Code.BAD_REQUEST, "Expected a request as documented, found another.")
        case RequestValidationError():
            return SetuError(Code.BAD_QUERY, "Expected the parameters documented for this path, found others.")
        case _:
            return SetuError(
                Code.INTERNAL,
                "Something failed that nobody foresaw.",
                advice="Ask again later; give the operator this trace id.",
            )
