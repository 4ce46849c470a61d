"""What a batch of proposals becomes under the head lock: pure, so that it can be planned again after a bisection."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from broker.ledger.clocks import Clocks
from broker.ledger.effects import (
    CHANNELS,
    Asked,
    Effect,
    Extended,
    Given,
    Missed,
    Purged,
    Withdrawn,
    offer_key,
)
from broker.ledger.entries import Draft
from broker.ledger.port import (
    ADVANCES,
    ENDED,
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
from broker.store.clocks import ClockRow, Purge
from broker.store.port import Document, Head, Known, Lease, Move, NewEntry, PacketRow, Place, Transaction
from schemas.evidence import Word


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
    clocks: list[ClockRow] = field(default_factory=list)
    purges: list[Purge] = field(default_factory=list)
    ended: list[tuple[int, int]] = field(default_factory=list)
    topics: set[tuple[str, str]] = field(default_factory=set)
    basis: Basis | None = None


Item = tuple[Proposal, tuple[Draft, ...]]
"""A proposal, and drafts of its entry and of those beside it."""

_WAITING = frozenset({State.PENDING, State.OFFERED})


def make_plan(items: Sequence[Item], head: Head, time: str, transaction: Transaction) -> Plan:
    """Decide on each proposal in order, each seeing what those before it did."""
    digests = {draft.digest for _, drafts in items for draft in drafts if draft.digest is not None}
    digests |= {each.digest for proposal, _ in items for each in proposal.transitions}
    known = transaction.known(digests | _named_by_effects(items))
    keys = {proposal.once for proposal, _ in items} | {each.once for proposal, _ in items for each in proposal.beside}
    used = transaction.used({key for key in keys | _offers(items, known) if key is not None})
    clocks = transaction.clocks({known[each].idx for each in _ticking(items) if each in known})
    leases = {proposal.lease for proposal, _ in items if proposal.lease is not None}
    lost = {lease for lease in leases if not transaction.holds(lease)}
    return _Planner(head, time, used, known, Clocks(clocks), lost).plan(items)


def _named_by_effects(items: Sequence[Item]) -> set[str]:
    return {each.digest for proposal, _ in items for each in proposal.effects if not isinstance(each, Asked)}


def _ticking(items: Sequence[Item]) -> set[str]:
    """Packets whose clocks may change."""
    ends = {each.digest for proposal, _ in items for each in proposal.transitions if each.state in ENDED}
    return ends | _named_by_effects(items)


def _offers(items: Sequence[Item], known: dict[str, Known]) -> set[str | None]:
    """The keys that say who was offered what is now withdrawn."""
    withdrawn = {
        each.digest for proposal, _ in items for each in proposal.effects if isinstance(each, Withdrawn)
    } & known.keys()
    return {
        offer_key(digest, recipient, channel)
        for digest in withdrawn
        for recipient in known[digest].states
        for channel in CHANNELS
    }


def basis_of(head: Head) -> Basis | None:
    """What a head says is in force."""
    if head.directory is None or head.policy is None:
        return None
    return Basis(head.directory, head.policy, head.denied or "")


class _Planner:
    def __init__(
        self,
        head: Head,
        time: str,
        used: dict[str, int],
        known: dict[str, Known],
        clocks: Clocks,
        lost: set[Lease],
    ) -> None:
        self._size = head.size
        self._time = time
        self._used = dict(used)
        self._known = known
        self._clocks = clocks
        self._lost = lost
        self._made = Plan(basis=basis_of(head))

    def plan(self, items: Sequence[Item]) -> Plan:
        for proposal, drafts in items:
            self._made.outcomes.append(self._decide(proposal, drafts))
        self._made.clocks = self._clocks.changed()
        return self._made

    def _decide(self, proposal: Proposal, drafts: tuple[Draft, ...]) -> Outcome:
        if proposal.lease in self._lost:
            return LeaseLost()
        if proposal.once is not None and proposal.once in self._used:
            return Repeated(self._used[proposal.once])
        if proposal.basis is not None and proposal.basis != self._made.basis:
            return StaleBasis()
        moves = self._moves(proposal)
        if moves is None or not all(map(self._possible, proposal.effects)):
            return NoTransition()
        index = self._size + len(self._made.entries)
        if proposal.packet is not None:
            self._store_packet(proposal.packet, index)
        for move in moves:
            self._move(self._known[move.digest], move.recipient, move.state)
        for effect in proposal.effects:
            self._take_effect(effect, proposal)
        if proposal.puts_in_force is not None:
            self._made.basis = proposal.puts_in_force
        self._add_entry(proposal.once, proposal.document, drafts[0])
        for beside, draft in zip(proposal.beside, drafts[1:], strict=True):
            if beside.once is None or beside.once not in self._used:
                self._add_entry(beside.once, None, draft)
        return Appended(index)

    def _move(self, known: Known, recipient: str, state: State) -> None:
        taken = state is State.EXPIRED and known.states[recipient] == State.OFFERED
        known.states[recipient] = state
        self._made.moves.append(Move(known.idx, recipient, state))
        if state in ENDED and not taken:
            self._clocks.stop(known.idx, recipient, Word.ANSWER)

    def _possible(self, effect: Effect) -> bool:
        if isinstance(effect, Asked):
            return True
        known = self._known.get(effect.digest)
        if known is None:
            return False
        match effect:
            case Missed():
                return self._clocks.runs(known.idx, effect.recipient, effect.word, effect.due)
            case Purged():
                return not any(State(state) in _WAITING for state in known.states.values())
            case _:
                return True

    def _take_effect(self, effect: Effect, proposal: Proposal) -> None:
        if isinstance(effect, Asked):
            if proposal.packet is not None:
                for recipient in proposal.packet.recipients:
                    self._clocks.start(self._known[proposal.packet.digest].idx, recipient, Word.ANSWER, effect.due)
            return
        known = self._known[effect.digest]
        match effect:
            case Extended():
                for recipient in effect.recipients:
                    self._clocks.extend(known.idx, recipient, Word.ANSWER, effect.due)
            case Given():
                self._clocks.stop(known.idx, effect.recipient, effect.word)
            case Withdrawn():
                self._withdraw(effect, known)
            case Missed():
                self._clocks.miss(known.idx, effect.recipient, effect.word)
            case Purged():
                self._made.purges.append(Purge(known.idx, effect.kept, sha256(effect.kept).digest()))

    def _withdraw(self, effect: Withdrawn, known: Known) -> None:
        for recipient, state in known.states.items():
            if any(offer_key(effect.digest, recipient, channel) in self._used for channel in CHANNELS):
                self._clocks.start(known.idx, recipient, Word.DESTRUCTION, effect.due)
            self._clocks.stop(known.idx, recipient, Word.ANSWER)
            if State.RETRACTED in ADVANCES[State(state)]:
                self._move(known, recipient, State.RETRACTED)
        self._made.ended.append((known.idx, int(datetime.fromisoformat(self._time).timestamp())))

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
                packet.purge,
            )
        )
        for recipient in packet.recipients:
            made.places.append(Place(index, recipient, packet.kind, packet.exp, State.PENDING))
            made.topics.add((recipient, packet.kind))
        self._known[packet.digest] = Known(index, dict.fromkeys(packet.recipients, State.PENDING))

    def _add_entry(self, once: str | None, document: bytes | None, draft: Draft) -> None:
        index = self._size + len(self._made.entries)
        raw = draft.at(self._time)
        leaf = leaf_hash(raw)
        known = None if draft.digest is None else self._known.get(draft.digest)
        if once is not None:
            self._used[once] = index
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
                once=once,
                parties=draft.parties,
                document=None if document is None else Document(document, sha256(document).digest()),
            )
        )
