"""What the policy would say about a header, without sending it: `setu policy explain`."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from broker.policy.port import Decision, Policy, Question, Via
from broker.policy.request import stranger
from schemas.directory import Directory, DirectoryRef, Role
from schemas.packet import Header

_NOBODY_KID = "A" * 43
_NO_DIGEST = "A" * 64
_NO_ID = "00000000-0000-7000-8000-000000000000"


@dataclass(frozen=True, slots=True)
class Explained:
    """One addressee's decision; `via` is `reader` for the gateway, which is judged as a reader."""

    agency: str
    via: Via
    decision: Decision


def explain(
    policy: Policy, header: Header, directory: Directory, ref: DirectoryRef, *, via: Via = "https"
) -> tuple[Explained, ...]:
    """Decide for every addressee of `header`, in order, under this directory.

    An addressee that the directory does not list is asked about too, and so denied with the rules that say so.
    """
    agencies = {agency.id: agency for agency in directory.agencies}
    sender = agencies.get(header.from_) or stranger(header.from_)
    answers = []
    for each in header.to:
        recipient = agencies.get(each.agency) or stranger(each.agency)
        by: Via = "reader" if each.agency == header.aud.gateway else via
        question = Question(header=header, sender=sender, recipient=recipient, directory=directory, ref=ref, via=by)
        answers.append(Explained(each.agency, by, policy.decide(question)))
    return tuple(answers)


def header_of(draft: Mapping[str, Any], directory: Directory) -> Header:
    """Complete what a person writes down into a header the policy can judge.

    Args:
        draft: an object of JSON types with `from`, `to` (agency ids, or objects with `agency`), `kind` and
            `handling`; any other member of a header may stand beside them. `gateway` names the gateway; without it
            the directory's first is taken. A complete header is accepted as it is.
        directory: gives the suite and the gateway.

    Raises:
        ValueError: (pydantic.ValidationError is one) the draft is not such an object.
    """
    members = dict(draft)
    gateway = members.pop("gateway", None) or _first_gateway(directory)
    to = members.get("to")
    if not isinstance(to, list):
        raise ValueError("expected `to` as a list of agency ids, found another type")  # noqa: TRY004 - one error type
    members["to"] = [{"kid": _NOBODY_KID, **each} if isinstance(each, dict) else _addressee(each) for each in to]
    complete = {
        "v": "setu1",
        "id": _NO_ID,
        "aud": {"realm": _NO_DIGEST, "gateway": gateway},
        "suite": directory.suite,
        "kind_version": 1,
        "precedence": "ROUTINE",
        "exercise": False,
        "thread": _NO_ID,
        "iat": 0,
        "exp": 1,
        "commitment": _NO_DIGEST,
        "sig": [_NOBODY_KID, _NOBODY_KID],
    }
    return Header.from_object(complete | members)


def _addressee(agency: object) -> dict[str, object]:
    return {"agency": agency, "kid": _NOBODY_KID}


def _first_gateway(directory: Directory) -> str:
    gateways = [agency.id for agency in directory.agencies if Role.GATEWAY in agency.roles]
    return gateways[0] if gateways else directory.logs[0].gateway
