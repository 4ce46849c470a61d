"""The question a release policy answers and the decision it gives."""

from dataclasses import dataclass
from typing import Literal, Protocol

from schemas.directory import Agency, Directory, DirectoryRef
from schemas.packet import Header
from schemas.problem import RuleHit

Via = Literal["https", "kafka", "reader"]

ENGINE = "engine"
"""The rule of a decision that is none: the engine failed, so nothing is permitted and nothing is settled."""


@dataclass(frozen=True, slots=True)
class Question:
    """May `recipient` obtain the packet with this header, now, by this channel?

    via: `reader` where a sender's own program judges the gateway as a reader before sealing; else the channel the bytes
        leave by.
    directory, ref: the version in force, and its identity (for caching).
    at: now, seconds UTC.
    unreleased: originators under whose control something stands that went into this packet, and who have not released
        it to this recipient; see `broker.policy.lineage`, which fills it in.
    controlling: whom a refusal for their sake names; not all of them are for the sender to know.
    """

    header: Header
    sender: Agency
    recipient: Agency
    directory: Directory
    ref: DirectoryRef
    at: int
    via: Via = "https"
    unreleased: frozenset[str] = frozenset()
    controlling: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Decision:
    """`rules`: the ids of the rules that decided. `hits`: for a denial, one for each rule that stood against it."""

    permit: bool
    rules: tuple[str, ...]
    hits: tuple[RuleHit, ...] = ()


class Policy(Protocol):
    """A release policy in force.

    Implementations are safe to call from several threads and never raise for a question of the right shape: a
    question that cannot be judged is denied, with a hit that says so.
    """

    @property
    def version(self) -> str:
        """Lower-case hex SHA-256 over the rules' texts and the schema, 64 characters."""
        ...

    def decide(self, question: Question) -> Decision: ...
