"""Who may call a route, in words and as a table that programs read: what each kind of caller is answered.

A kind of caller is its place in the realm (what the directory says of its certificate) and, for an agency, its part in
the packet that the request is about.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from schemas.problem import Code


class Stand(StrEnum):
    """Where a caller stands towards the packet that a request is about. A closed list; every route answers each."""

    NONE = "none"
    UNKNOWN = "unknown"
    SUSPENDED = "suspended"
    OTHER = "other"
    RECIPIENT = "recipient"
    SENDER = "sender"
    AUDITOR = "auditor"
    WITNESS = "witness"
    OPERATOR = "operator"
    GATEWAY = "gateway"


STANDS: Mapping[Stand, str] = {
    Stand.NONE: "shows no certificate of the countries' CAs",
    Stand.UNKNOWN: "has a certificate of a country's CA that the directory does not list",
    Stand.SUSPENDED: "is an agency, or has a certificate, that the directory suspends; even where it was a recipient",
    Stand.OTHER: "is an active agency that neither sent the packet nor was offered it",
    Stand.RECIPIENT: "is an active agency that the packet is addressed to and was offered to",
    Stand.SENDER: "is the active agency that sent the packet",
    Stand.AUDITOR: "has the role auditor",
    Stand.WITNESS: "has the role witness, and no other",
    Stand.OPERATOR: "has the role operator, and no other",
    Stand.GATEWAY: "has the role gateway, and no other",
}
"""Each kind of caller, in words that follow "a caller that"."""


class Access(StrEnum):
    """An answer that is no problem document."""

    ANSWERED = "answered"
    OWN = "own"
    CLOSED = "closed"


ACCESS: Mapping[Access, str] = {
    Access.ANSWERED: "one of the route's answers",
    Access.OWN: "one of the route's answers, with nothing in it but what the caller has part in",
    Access.CLOSED: "no answer: the TLS handshake fails, and not a byte of HTTP is read",
}

Verdict = Access | Code
"""Else the code of the problem document."""


@dataclass(frozen=True, slots=True)
class Callers:
    """words: for people. verdicts: what each kind of caller is answered, each named once."""

    words: str
    verdicts: Mapping[Stand, Verdict]


AGENCIES = (Stand.OTHER, Stand.RECIPIENT, Stand.SENDER)
READERS = (Stand.AUDITOR, Stand.WITNESS, Stand.OPERATOR, Stand.GATEWAY)
"""Callers in a role that sends and receives nothing."""


def _callers(words: str, else_: Verdict, *among: Mapping[Stand, Verdict]) -> Callers:
    """`else_`: for every active caller that none of `among` names."""
    found: dict[Stand, Verdict] = dict.fromkeys(Stand, else_)
    for each in among:
        found |= each
    # Before any route: the guard asks for them, whatever the route.
    found |= {
        Stand.NONE: Access.CLOSED,
        Stand.UNKNOWN: Code.UNKNOWN_AGENCY,
        Stand.SUSPENDED: Code.AGENCY_SUSPENDED,
    }
    return Callers(words, found)


EVERYONE = _callers("all", Access.ANSWERED)
SENDERS = _callers("agency", Access.ANSWERED, dict.fromkeys(READERS, Code.SENDER_MISMATCH))
PARTIES = _callers(
    "sender, recipient, auditor",
    Code.NOT_FOUND,
    {Stand.SENDER: Access.ANSWERED, Stand.RECIPIENT: Access.OWN, Stand.AUDITOR: Access.ANSWERED},
)
OWNERS = _callers("agency", Code.FORBIDDEN, dict.fromkeys(AGENCIES, Access.OWN))
RECIPIENTS = _callers(
    "the topic's recipient",
    Code.FORBIDDEN,
    {Stand.RECIPIENT: Access.OWN, Stand.OTHER: Code.NOT_FOUND, Stand.SENDER: Code.NOT_FOUND},
)
ANSWERERS = _callers("the packet's recipient", Code.NOT_FOUND, {Stand.RECIPIENT: Access.ANSWERED})
DENIERS = _callers(
    "agency or auditor of the list's country; operator for the operator's list",
    Code.FORBIDDEN,
    dict.fromkeys((*AGENCIES, Stand.AUDITOR, Stand.OPERATOR), Access.ANSWERED),
)
SEARCHERS = _callers(
    "auditor; an agency for its own",
    Code.FORBIDDEN,
    dict.fromkeys(AGENCIES, Access.OWN),
    {Stand.AUDITOR: Access.ANSWERED},
)
WATCHERS = Callers("agency for its own; auditor, as the log shows it", SEARCHERS.verdicts)
HEAD_READERS = _callers(
    "auditor, witness", Code.FORBIDDEN, dict.fromkeys((Stand.AUDITOR, Stand.WITNESS), Access.ANSWERED)
)
LOG_READERS = _callers("auditor", Code.FORBIDDEN, {Stand.AUDITOR: Access.ANSWERED})
MACHINE = _callers("the operator", Code.NOT_FOUND)
"""Of the second listener, which asks nobody who it is; here is what the first one answers for its paths."""
