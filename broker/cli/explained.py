"""What the release policy says of a header, for each of its readers: for commands that show it."""

from typing import Any

from broker.errors import PolicyError
from broker.flows.inforce import View
from broker.flows.judge import Judge
from broker.policy.port import Via
from schemas.packet import Header
from schemas.problem import RuleHit

NOT_CEDARS = frozenset(
    {"6.derivative", "6.sources", "7.originator", "no-permit", "recipient-unknown", "sealed-allowed", "sender-known"}
)
"""Ids of what is judged beside the rules' files."""


def explained(header: Header, view: View, via: Via, judge: Judge) -> list[dict[str, Any]]:
    """The policy's answer for each of `to`: recipients by `via`, the gateway as a reader."""
    answers = []
    sealed = _sealed_hits(header, view, judge)
    for each in header.to:
        agency = view.snapshot.agency(each.agency)
        reader = each.agency == header.aud.gateway
        if agency is None:
            hits: tuple[RuleHit, ...] = (_unknown(each.agency),)
            answers.append(_answer(each.agency, "reader" if reader else via, hits, (), permit=False))
            continue
        decision = judge.release(view, header, agency, via="reader" if reader else via)
        answers.append(
            _answer(
                each.agency,
                "reader" if reader else via,
                decision.hits,
                decision.rules,
                permit=decision.permit,
            )
        )
    if sealed:
        answers.append(_answer(header.aud.gateway, "sealed", sealed, (), permit=False))
    return answers


def _sealed_hits(header: Header, view: View, judge: Judge) -> tuple[RuleHit, ...]:
    """What stands against leaving the gateway out as a reader: asked of the flow that will judge it."""
    try:
        judge.require(view, header, [])
    except PolicyError as error:
        return error.rules
    return ()


def _answer(
    agency: str, via: str, hits: tuple[RuleHit, ...], rules: tuple[str, ...], *, permit: bool
) -> dict[str, Any]:
    return {
        "recipient": agency,
        "via": via,
        "permit": permit,
        "rules": list(rules) or [hit.rule for hit in hits],
        "hits": [hit.to_object() for hit in hits],
    }


def _unknown(agency: str) -> RuleHit:
    return RuleHit(
        rule="recipient-unknown",
        recipient=agency,
        sentence="This agency is not in the directory.",
        remedy="Address agencies that the directory lists: `setu directory show`.",
    )
