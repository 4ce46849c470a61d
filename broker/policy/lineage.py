"""What went into a packet, and what its originators say of that: rules 3 (third party), 6 and 7. No I/O but the port's.

A packet's sources are those its header names, and theirs in turn: control does not end where somebody hands it on. The
originator of a source is its sender.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from broker.policy.port import ENGINE, Decision, Policy, Question
from schemas.act import DecidesRelease
from schemas.directory import Agency, Agreement
from schemas.handling import Dissem, Handling, HandlingCode
from schemas.packet import Header
from schemas.problem import RuleHit
from schemas.remarking import lowered

EGMONT: Final = "EGMONT"
MOST: Final = 256
"""Packets that may have gone into one, all told; what has more is refused rather than searched for ever."""


@dataclass(frozen=True, slots=True)
class Source:
    """A packet that went into another.

    readers: who has it: its sender and all it was addressed to.
    handling: None where its header is no longer kept: then it counts as controlled.
    sources: digests of those that went into it.
    """

    digest: str
    sender: str
    readers: frozenset[str]
    handling: Handling | None
    sources: tuple[str, ...] = ()

    @classmethod
    def of(cls, digest: str, header: Header) -> "Source":
        readers = frozenset((header.from_, *(each.agency for each in header.to)))
        return cls(digest, header.from_, readers, header.handling, header.sources or ())

    @property
    def controlled(self) -> bool:
        """Rule 3: OC, H2 or an EGMONT basis."""
        block = self.handling
        return (
            block is None
            or Dissem.OC in block.dissem
            or block.handling_code is HandlingCode.H2
            or block.legal_basis == EGMONT
        )


class Lineage(Protocol):
    """Where sources and release decisions are looked up: the ledger, or what a sender may ask of it. Blocking; from any
    thread. Raises UnavailableError where it cannot be asked now.
    """

    def sources(self, digests: Collection[str], /) -> Mapping[str, Source]:
        """Those of these packets that are to be had here, by digest."""
        ...

    def decision(self, source: Source, agency: str, /) -> DecidesRelease | None:
        """The newest decision by the source's sender about this agency; None where there is none."""
        ...


class Unknown:
    """A `Lineage` where nothing can be looked up."""

    def sources(self, _digests: Collection[str], /) -> Mapping[str, Source]:
        return {}

    def decision(self, _source: Source, _agency: str, /) -> DecidesRelease | None:
        return None


class Descent:
    """What went into one packet. Looks a decision up when a rule first asks for it, and once.

    Args:
        parts: the packets that the header names and all that went into those, as far as they are known, by digest.
        whole: False where there are more than `MOST`.
    """

    def __init__(self, header: Header, parts: Mapping[str, Source], lineage: Lineage, *, whole: bool = True) -> None:
        self._header = header
        self._parts = parts
        self._lineage = lineage
        self._whole = whole
        self._decisions: dict[str, DecidesRelease | None] = {}

    def unreleased(self, recipient: Agency, at: int) -> frozenset[tuple[str, str]]:
        """Rule 3: the originators whose release to this recipient is missing, each with whom to name to the sender."""
        return frozenset(
            (part.sender, self._named(part))
            for part in self._others()
            if part.controlled
            and recipient.id not in part.readers
            and not {recipient.id, recipient.country} & set(self._released(part, at))
        )

    def against(self, recipient: str, agreement: Agreement, at: int) -> tuple[RuleHit, ...]:
        """Rules 6 and 7: what of the packet's own markings is lower than it may be."""
        if not self._whole:
            return (_too_many(recipient),)
        if not self._others():
            return ()
        direct = [self._parts[each] for each in self._header.sources or () if each in self._parts]
        strictest = {name for part in direct for name in self._lowered(part, agreement, at)}
        hits = [_derivative(recipient, strictest)] if strictest else []
        by_originator: dict[str, set[str]] = {}
        for part in self._others():
            by_originator.setdefault(self._named(part), set()).update(self._lowered(part, agreement, at))
        hits += [_lowered_by_another(recipient, who, names) for who, names in sorted(by_originator.items()) if names]
        return tuple(hits)

    def _others(self) -> list[Source]:
        """What another agency originated."""
        return [part for part in self._parts.values() if part.sender != self._header.from_]

    def _named(self, part: Source) -> str:
        """Its originator, if the packet's sender was let in on it; else who handed it on, for nobody is to learn from a
        refusal where somebody else has his information from.
        """
        sender = self._header.from_
        if sender in part.readers:
            return part.sender
        told = (each for each in self._others() if sender in each.readers and part.digest in self._below(each.digest))
        return next((each.sender for each in told), "another agency")

    def _below(self, digest: str) -> set[str]:
        """All that went into a packet, and itself."""
        found: set[str] = set()
        front = {digest} & self._parts.keys()
        while front:
            found |= front
            front = {each for one in front for each in self._parts[one].sources} & self._parts.keys() - found
        return found

    def _lowered(self, part: Source, agreement: Agreement, at: int) -> tuple[str, ...]:
        if part.handling is None:
            return ()
        ours = self._header.handling
        found = lowered(part.handling, ours, agreement.rank, also=(part.sender,))
        if "releasable_to" in found and part.sender != self._header.from_:
            return lowered(part.handling, ours, agreement.rank, also=(part.sender, *self._released(part, at)))
        return found

    def _released(self, part: Source, at: int) -> tuple[str, ...]:
        """To whom its originator lets this packet's sender hand it on, now."""
        if part.digest not in self._decisions:
            self._decisions[part.digest] = self._lineage.decision(part, self._header.from_)
        said = self._decisions[part.digest]
        if said is None or not said.permit or (said.until is not None and said.until <= at):
            return ()
        return said.release_to


def trace(header: Header, lineage: Lineage) -> Descent:
    """What went into the packet with this header; asks nothing where it names no sources.

    Raises:
        UnavailableError: it cannot be looked up now.
    """
    parts: dict[str, Source] = {}
    asked: set[str] = set()
    front = set(header.sources or ())
    while front:
        asked |= front
        if len(asked) > MOST:
            return Descent(header, parts, lineage, whole=False)
        found = lineage.sources(front)
        parts.update(found)
        front = {each for part in found.values() for each in part.sources} - asked
    return Descent(header, parts, lineage)


def decide(policy: Policy, question: Question, descent: Descent) -> Decision:
    """What the policy says, with what rules 3, 6 and 7 say of the packet's sources.

    Raises:
        UnavailableError: a release decision cannot be looked up now.
    """
    if not question.header.sources:
        return policy.decide(question)
    recipient, at = question.recipient, question.at
    missing = descent.unreleased(recipient, at)
    asked = replace(
        question, unreleased=frozenset(who for who, _ in missing), controlling=frozenset(name for _, name in missing)
    )
    decision = policy.decide(asked)
    hits = descent.against(recipient.id, question.directory.agreement, at)
    if not hits or ENGINE in decision.rules:
        return decision
    before = () if decision.permit else decision.rules
    named = tuple(sorted({*before, *(hit.rule for hit in hits)}))
    return Decision(permit=False, rules=named, hits=(*decision.hits, *hits))


def _derivative(recipient: str, members: Collection[str]) -> RuleHit:
    return RuleHit(
        rule="6.derivative",
        recipient=recipient,
        sentence=f"The packet is marked less strictly than what went into it: {_listed(members)}.",
        remedy="Mark it at least as strictly as the strictest of its sources, or leave out what came from that one.",
    )


def _lowered_by_another(recipient: str, originator: str, members: Collection[str]) -> RuleHit:
    return RuleHit(
        rule="7.originator",
        recipient=recipient,
        sentence=f"Only {originator} lowers the markings of what it originated, and here these are lower: "
        f"{_listed(members)}.",
        remedy=f"Keep them as {originator} set them, or ask it for a version with lower markings or for a release.",
    )


def _too_many(recipient: str) -> RuleHit:
    return RuleHit(
        rule="6.sources",
        recipient=recipient,
        sentence=f"More than {MOST} packets went into this one, by way of others, which is more than is traced.",
        remedy="Name the packets whose content is really in it, from as few as can be.",
    )


def _listed(members: Collection[str]) -> str:
    return ", ".join(sorted(members))
