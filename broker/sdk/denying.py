"""Handing a signed deny list to a gateway."""

from pydantic import ValidationError

from broker.errors import UnavailableError
from broker.sdk.http import Http
from schemas.canonical import MalformedJsonError
from schemas.deny import DenyStanding, SignedDenyList

PATH = "/v1/directory/deny"


def hand_in(http: Http, made: SignedDenyList) -> DenyStanding:
    """Where the list stands, now that the gateway goes by it; the same for a repeat.

    Raises:
        UnavailableError: no answer, or the gateway cannot put it in force now; asking again is safe.
        SetuError: the gateway refused it; the code says why.
    """
    answer = http.request("POST", PATH, content=made.canonical(), media_type="application/json")
    last = made.document.places()[-1]
    try:
        standing = DenyStanding.from_json(answer.body)
    except (MalformedJsonError, ValidationError):
        raise _other() from None
    if (standing.list, standing.serial, standing.hash) != (made.document.list, last.serial, last.hash):
        raise _other()
    return standing


def _other() -> UnavailableError:
    return UnavailableError("Expected the gateway to say that this deny list is in force, found another answer.")
