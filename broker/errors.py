"""The whole error tree. Every error carries a stable code and says what was expected, found and to be done.

    SetuError
    ├── RequestError            the HTTP request itself (size, media type, cursor, query)
    ├── CallerError             who is calling, and whether it may (certificate, role, rate)
    ├── PacketError             a packet or acknowledgement that is refused
    │   ├── MalformedError      not JSON, not an envelope, not the schema
    │   ├── SignatureError      a signature or key that does not hold
    │   ├── ConflictError       an id used before for another packet
    │   └── PolicyError         the release policy says no; carries the rules
    ├── NotFoundError           not there, or not for this caller: the same answer
    ├── UnavailableError        in doubt or overloaded: ask again, it is safe
    │   └── OutcomeUnknownError a packet or acknowledgement was posted and no answer came: post the same bytes again
    └── IntegrityError          a log, directory or store that is not what it must be: stop

Messages never quote input. `broker.gateway.problems` alone maps codes to HTTP.
"""

from collections.abc import Sequence

from schemas.problem import Code, RuleHit


class SetuError(Exception):
    """Base of all errors.

    Args:
        code: one of the closed list.
        message: one or two sentences: expected, found.
        advice: what to do about it.
        pointer: RFC 6901 pointer to the member at fault, where there is one.
    """

    def __init__(self, code: Code, message: str, *, advice: str = "", pointer: str | None = None) -> None:
        super().__init__(f"{message} {advice}".strip())
        self.code = code
        self.message = message
        self.advice = advice
        self.pointer = pointer


class RequestError(SetuError):
    pass


class CallerError(SetuError):
    def __init__(
        self, code: Code, message: str, *, advice: str = "", pointer: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(code, message, advice=advice, pointer=pointer)
        self.retry_after = retry_after


class PacketError(SetuError):
    pass


class MalformedError(PacketError):
    pass


class SignatureError(PacketError):
    pass


class ConflictError(PacketError):
    pass


class PolicyError(PacketError):
    """A refusal by the release policy; `rules` names each rule, for each recipient, and what would change it."""

    def __init__(self, message: str, rules: Sequence[RuleHit], *, advice: str = "") -> None:
        super().__init__(Code.POLICY_DENIED, message, advice=advice)
        self.rules = tuple(rules)


class NotFoundError(SetuError):
    def __init__(self) -> None:
        super().__init__(Code.NOT_FOUND, "There is nothing here that you may see.")


class UnavailableError(SetuError):
    def __init__(self, message: str, *, code: Code = Code.UNAVAILABLE, retry_after: int = 2, advice: str = "") -> None:
        super().__init__(code, message, advice=advice or "Ask again; asking again is always safe.")
        self.retry_after = retry_after


class OutcomeUnknownError(UnavailableError):
    """No answer came in time, so it may or may not have been accepted. `posted`: the bytes to post again."""

    def __init__(self, message: str, posted: bytes, *, code: Code = Code.UNAVAILABLE, advice: str = "") -> None:
        super().__init__(message, code=code, advice=advice or "Post the same bytes again; that is always safe.")
        self.posted = posted


class IntegrityError(SetuError):
    pass
