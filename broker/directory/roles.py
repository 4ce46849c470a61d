"""Roles beside those of TUF, to which the targets metadata may give keys: each signs one target of its name. Pure."""

from dataclasses import dataclass

from schemas.deny import OPERATOR

DENY, WRAP = "deny-", "wrap-"
"""`deny-IND`, `deny-operator`: who is suspended. `wrap-in-setu`: the wrap keys of a gateway."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a role signed, as a repository has it. `raw`: bytes that all its keys signed as `version`, good until
    `expires` (unix seconds); None where there are none, and `trouble` says why.
    """

    role: str
    version: int = 0
    expires: float = 0.0
    raw: bytes | None = None
    trouble: str | None = None


def target_of(role: str) -> str:
    """The one target that a role signs."""
    return f"{role}.json"


def country_of_role(role: str) -> str | None:
    """Whose role it is (ISO 3166-1 alpha-3); None for the operator's."""
    named = role.removeprefix(DENY)
    return None if named in (role, OPERATOR) else named
