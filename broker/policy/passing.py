"""Which rules look at what passes: the clock, or a release decision. No answer that rests on one of them is kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from broker.policy.request import BY_CLOCK, BY_RELEASE


@dataclass(frozen=True, slots=True)
class Looks:
    """What a rule looks at of that which changes while packet, directory and policy stay."""

    clock: bool
    release: bool

    @property
    def passing(self) -> bool:
        return self.clock or self.release


def looks_at(policy: Any) -> Looks:
    """What a policy looks at, by its parsed form (Cedar's JSON policy format).

    A rule that takes the context as a whole, and not a member of it by name, looks at everything.
    """
    names = set(_names(policy))
    return Looks(clock=bool(names & (BY_CLOCK | {""})), release=bool(names & (BY_RELEASE | {""})))


def _names(node: Any) -> Iterator[str]:
    """Members of the context that are named, `""` where it is taken as a whole."""
    if isinstance(node, list):
        for each in node:
            yield from _names(each)
        return
    if not isinstance(node, dict):
        return
    for operator, operand in node.items():
        if operator in (".", "has") and isinstance(operand, dict) and operand.get("left") == _CONTEXT:
            yield from [operand["attr"]] if isinstance(operand.get("attr"), str) else [""]
        elif {operator: operand} == _CONTEXT:
            yield ""
        else:
            yield from _names(operand)


_CONTEXT = {"Var": "context"}
