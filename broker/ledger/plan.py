"""What a batch of proposals becomes under the head lock: pure, so that it can be planned again after a bisection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256

from broker.ledger.entries import Draft
from broker.ledger.port import (
    ADVANCES,
    Basis,
    LeaseLost,
    NewPacket,
    NoTransition,
    Proposal,
    StaleBasis,
    State,
    Transition,
)
from broker.merkle.tree import leaf_hash
from broker.store.port import Document, Head, Known, Lease, Move, NewEntry, PacketRow, Place, Transaction


@dataclass(frozen=True, slots=True)
class Appended:
    """The proposal's entry is at this index of this batch."""

    index: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """`once` had been used, by the entry at this index."""

    index: int


Outcome = Appended | Repeated | StaleBasis | NoTransition | LeaseLost


@dataclass(slots=True)
class Plan:
    """Rows to write, and what to tell each proposal, in order."""

    outcomes: list[Outcome] = field(default_factory=list)
    entries: list[NewEntry] = field(default_factory=list)
    leaves: list[bytes] = field(default_factory=list)
    packets: list[PacketRow] = field(default_factory=list)
    places: list[Place] = field(default_factory=list)
    moves: list[Move] = field(default_factory=list)
    topics: set[tuple[str, str]] = field(default_factory=set)
    basis: Basis | None = None


def make_plan(items: Sequence[tuple[Proposal, Draft]], head: Head, time: str, transaction: Transaction) -> Plan:
    """Decide on each proposal in order, each seeing what those before it did."""
    used = transaction.used({proposal.once for proposal, _ in items if proposal.once is not None})
    digests = {draft.digest for _, draft in items if draft.digest is not None}
    digests |= {each.digest for proposal, _ in items for each in proposal.transitions}
    leases = {proposal.lease for proposal, _ in items if proposal.lease is not None}
    lost = {lease for lease in leases if not transaction.holds(lease)}
    return _Planner(head, time, used, transaction.known(digests), lost).plan(items)


class _Planner:
    def __init__(self, head: Head, time: str, used: dict[str, int], known: dict[str, Known], lost: set[Lease]) -> None:
        self._size = head.size
        self._time = time
        self._used = dict(used)
        self._known = known
        self._lost = lost
        basis = None if head.directory is None or head.policy is None else Basis(head.directory, head.policy)
        self._made = Plan(basis=basis)

    def plan(self, items: Sequence[tuple[Proposal, Draft]]) -> Plan:
        for proposal, draft in items:
            self._made.outcomes.append(self._decide(proposal, draft))
        return self._made

    def _decide(self, proposal: Proposal, draft: Draft) -> Outcome:
        if proposal.lease in self._lost:
            return LeaseLost()
        if proposal.once is not None and proposal.once in self._used:
            return Repeated(self._used[proposal.once])
        if proposal.basis is not None and proposal.basis != self._made.basis:
            return StaleBasis()
        moves = self._moves(proposal)
        if moves is None:
            return NoTransition()
        index = self._size + len(self._made.entries)
        if proposal.packet is not None:
            self._store_packet(proposal.packet, index)
        for move in moves:
            known = self._known[move.digest]
            known.states[move.recipient] = move.state
            self._made.moves.append(Move(known.idx, move.recipient, move.state))
        if proposal.once is not None:
            self._used[proposal.once] = index
        if proposal.puts_in_force is not None:
            self._made.basis = proposal.puts_in_force
        self._add_entry(proposal, draft, index)
        return Appended(index)

    def _moves(self, proposal: Proposal) -> list[Transition] | None:
        """The moves that are possible; None where a required one is not."""
        made: dict[tuple[str, str], State] = {}
        moves = []
        for each in proposal.transitions:
            key = (each.digest, each.recipient)
            now = made.get(key) or self._state(each)
            if now is not None and each.state in ADVANCES[now]:
                made[key] = each.state
                moves.append(each)
            elif each.required:
                return None
        return moves

    def _state(self, transition: Transition) -> State | None:
        known = self._known.get(transition.digest)
        state = None if known is None else known.states.get(transition.recipient)
        return None if state is None else State(state)

    def _store_packet(self, packet: NewPacket, index: int) -> None:
        made = self._made
        made.packets.append(
            PacketRow(
                index,
                packet.sender,
                packet.id,
                packet.digest,
                packet.kind,
                packet.exp,
                packet.raw,
                sha256(packet.raw).digest(),
            )
        )
        for recipient in packet.recipients:
            made.places.append(Place(index, recipient, packet.kind, packet.exp, State.PENDING))
            made.topics.add((recipient, packet.kind))
        self._known[packet.digest] = Known(index, dict.fromkeys(packet.recipients, State.PENDING))

    def _add_entry(self, proposal: Proposal, draft: Draft, index: int) -> None:
        raw = draft.at(self._time)
        leaf = leaf_hash(raw)
        known = None if draft.digest is None else self._known.get(draft.digest)
        self._made.leaves.append(leaf)
        self._made.entries.append(
            NewEntry(
                idx=index,
                entry=raw,
                leaf=leaf,
                time=self._time,
                type=draft.type,
                actor=draft.actor,
                kind=draft.kind,
                about=None if known is None else known.idx,
                stray=draft.digest if known is None else None,
                code=draft.code,
                exercise=draft.exercise,
                once=proposal.once,
                parties=draft.parties,
                document=None
                if proposal.document is None
                else Document(proposal.document, sha256(proposal.document).digest()),
            )
        )
