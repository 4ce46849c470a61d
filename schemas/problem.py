"""The problem document (RFC 9457) and the closed list of its codes.

A code is stable: programs may switch on it. The sentence beside it is for people and may change.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from schemas.base import Line, Model


class Code(StrEnum):
    """Every reason Setu gives for refusing something. Nothing else is ever sent as `code`."""

    # who is calling
    UNKNOWN_AGENCY = "unknown-agency"
    AGENCY_SUSPENDED = "agency-suspended"
    FORBIDDEN = "forbidden"
    RATE_LIMITED = "rate-limited"
    # HTTP
    BAD_REQUEST = "bad-request"
    MISDIRECTED = "misdirected"
    HEADERS_TOO_LARGE = "headers-too-large"
    TOO_LARGE = "too-large"
    ENCODING = "encoding"
    MEDIA_TYPE = "media-type"
    NOT_ACCEPTABLE = "not-acceptable"
    METHOD_NOT_ALLOWED = "method-not-allowed"
    TIMEOUT = "timeout"
    NOT_FOUND = "not-found"
    BAD_CURSOR = "bad-cursor"
    BAD_QUERY = "bad-query"
    # the packet
    JSON_INVALID = "json-invalid"
    ENVELOPE_INVALID = "envelope-invalid"
    SCHEMA = "schema"
    KIND_UNKNOWN = "kind-unknown"
    SENDER_MISMATCH = "sender-mismatch"
    WRONG_AUDIENCE = "wrong-audience"
    WRONG_SUITE = "wrong-suite"
    SIGNATURE_INVALID = "signature-invalid"
    KEY_UNKNOWN = "key-unknown"
    ID_CONFLICT = "id-conflict"
    CLOCK_SKEW = "clock-skew"
    EXPIRED = "expired"
    LIFETIME = "lifetime"
    REFERENCE_UNKNOWN = "reference-unknown"
    RECIPIENT_UNKNOWN = "recipient-unknown"
    POLICY_DENIED = "policy-denied"
    NOT_FOR_ME = "not-for-me"
    WRAP_INVALID = "wrap-invalid"
    COMMITMENT_MISMATCH = "commitment-mismatch"
    RECEIPT_INVALID = "receipt-invalid"
    # a deny list
    DENY_LIST_INVALID = "deny-list-invalid"
    # the broker
    BUSY = "busy"
    UNAVAILABLE = "unavailable"
    LOG_INVALID = "log-invalid"
    ROLLBACK = "rollback"
    DIRECTORY_INVALID = "directory-invalid"
    CONFIG_INVALID = "config-invalid"
    INTERNAL = "internal"


class RuleHit(Model):
    """One policy rule that stood against a release: its id, why in one sentence, what would change the outcome."""

    rule: Annotated[str, Field(pattern=r"^[a-z0-9.-]{1,64}$")]
    recipient: str
    sentence: str
    remedy: str


class Problem(Model):
    """RFC 9457 problem document, media type `application/problem+json`.

    `detail` says what was expected, what was found and what to do, and never quotes the input.
    """

    type: str
    title: Line
    status: Annotated[int, Field(ge=400, le=599)]
    code: Code
    detail: str
    pointer: str | None = None
    rules: tuple[RuleHit, ...] | None = None
    trace: str | None = None
