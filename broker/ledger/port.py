"""What the flows ask of the ledger: propose entries, read what was committed."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol

from broker.ledger.effects import Effect
from broker.store.clocks import OpenClock
from broker.store.port import Lease
from schemas.evidence import Clock, EntryType, Receipt


class State(StrEnum):
    """Where a packet stands with one recipient. Evidence moves it forward only; see `ADVANCES`."""

    PENDING = "pending"
    OFFERED = "offered"
    RECEIVED = "received"
    OPENED = "opened"
    REJECTED = "rejected"
    WITHHELD = "withheld"
    EXPIRED = "expired"
    RETRACTED = "retracted"


ADVANCES: dict[State, frozenset[State]] = {
    State.PENDING: frozenset(State) - {State.PENDING},
    State.OFFERED: frozenset(State) - {State.PENDING, State.OFFERED},
    State.RECEIVED: frozenset({State.OPENED, State.REJECTED, State.RETRACTED}),
    State.OPENED: frozenset({State.RETRACTED}),
    State.REJECTED: frozenset({State.RETRACTED}),
    State.WITHHELD: frozenset(),
    State.EXPIRED: frozenset(),
    State.RETRACTED: frozenset(),
}
"""What may follow a state. All but pending, offered and received are terminal for delivery (G1)."""

ENDED = frozenset({State.WITHHELD, State.EXPIRED, State.RETRACTED})
"""States in which nothing is due of a recipient any more, but that it destroys what it was offered before, and that it
answers what it was offered and let expire.
"""

SERVED = frozenset({State.PENDING, State.OFFERED, State.RECEIVED, State.OPENED, State.REJECTED})
"""States in which a recipient may still fetch the bytes; in all others a topic shows a tombstone."""


@dataclass(frozen=True, slots=True)
class Basis:
    """What a decision was made under. `denied`: the places of the deny lists, as one line
    (`broker.directory.deny.words_of`); empty where none says anything.
    """

    directory: int
    policy: str
    denied: str = ""


@dataclass(frozen=True, slots=True)
class NewPacket:
    """Bytes to store with an `accepted` entry; each recipient gets a place in its topic (recipient, kind).

    purge: unix seconds from which `raw` is to be purged; None for never.
    """

    sender: str
    id: str
    digest: str
    kind: str
    exp: int
    recipients: tuple[str, ...]
    raw: bytes
    purge: int | None = None


@dataclass(frozen=True, slots=True)
class Transition:
    """Moves (digest, recipient) to `state`. Where `ADVANCES` forbids it: with `required`, the whole proposal is
    dropped (`NoTransition`); else the entry is written and the state stays.
    """

    digest: str
    recipient: str
    state: State
    required: bool = True


@dataclass(frozen=True, slots=True)
class Beside:
    """A further entry of the same transaction, behind the proposal's own; left out where its `once` was used before."""

    entry: dict[str, Any]
    once: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """One entry to be, and all that must happen in the same transaction.

    entry: an `Entry` object of JSON types without `time`; the committer adds it under the head lock.
    once: a key only one entry may ever have, for example `accepted/<sender>/<id>`.
    basis: if set and no longer in force under the head lock, nothing is written (`StaleBasis`).
    puts_in_force: the basis from this entry on.
    document: signed bytes to keep beside the entry (an acknowledgement), at most 64 KiB.
    lease: if set and its epoch is over under the head lock, nothing is written (`LeaseLost`).
    effects: what happens to clocks and bytes. beside: what else is an entry then.
    """

    entry: dict[str, Any]
    once: str | None = None
    packet: NewPacket | None = None
    transitions: tuple[Transition, ...] = ()
    basis: Basis | None = None
    puts_in_force: Basis | None = None
    document: bytes | None = None
    lease: Lease | None = None
    effects: tuple[Effect, ...] = ()
    beside: tuple[Beside, ...] = ()


@dataclass(frozen=True, slots=True)
class Committed:
    """`fresh` is False where `once` had been used: then `index`, `entry` and `receipt` are that earlier entry's."""

    index: int
    entry: bytes
    receipt: Receipt
    fresh: bool


class StaleBasis(Exception):  # noqa: N818 - an outcome, not an error
    """The directory or policy changed between decision and commit: decide again."""


class NoTransition(Exception):  # noqa: N818 - an outcome, not an error
    """A required transition is not possible any more: somebody else's evidence came first."""


class LeaseLost(Exception):  # noqa: N818 - an outcome, not an error
    """Another process holds the lease now: stop doing what it was for."""


class Ledger(Protocol):
    """Durable before it answers: a resolved future means that the entry survives power loss and that its head is in
    the rollback guard. Safe to call from any thread.
    """

    def propose(self, proposal: Proposal) -> Future[Committed]:
        """Queue a proposal. The future raises `StaleBasis`, `NoTransition`, `LeaseLost`, or UnavailableError (code
        `busy` where the queue is full, at once; code `unavailable` where store or shared guard do not answer: it may
        have been committed, and the same proposal, if it has a `once`, then gets that entry's receipt).
        """
        ...


@dataclass(frozen=True, slots=True)
class StoredPacket:
    """`raw` is None once purged; `kept` is what stayed then, as `broker.flows.record.what_stays` made it.
    `states`: each recipient's.
    """

    index: int
    sender: str
    id: str
    digest: str
    kind: str
    exp: int
    raw: bytes | None
    states: dict[str, State]
    kept: bytes | None = None


@dataclass(frozen=True, slots=True)
class TopicRow:
    index: int
    digest: str
    state: State


@dataclass(frozen=True, slots=True)
class LoggedEntry:
    index: int
    entry: bytes
    document: bytes | None = None


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Members that are None do not filter. Times are `Instant` texts, `since` inclusive, `until` exclusive.

    `party`: agencies that are actor, sender or recipient of the entry. `parties_view`: if set, only what this agency
    may see: entries it is party to, but never another agency's refusals or conflicts.
    """

    since: str | None = None
    until: str | None = None
    party: str | None = None
    kind: str | None = None
    packet: str | None = None
    types: Sequence[EntryType] | None = None
    code: str | None = None
    exercise: bool | None = None
    parties_view: str | None = None
    after: int = -1
    limit: int = 100


class LedgerReader(Protocol):
    """Reads what was committed. Blocking; call from a worker thread. Raises UnavailableError where the store does not
    answer and IntegrityError (code `log-invalid`) where a record is not what its hash says.
    """

    def find(self, sender: str, packet_id: str) -> tuple[int, str] | None:
        """(index, digest) of the `accepted` entry for this pair, or None."""
        ...

    def found(self, sender: str, packet_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        """`find` for many ids of one sender, at the cost of one; those that were never accepted are left out."""
        ...

    def receipt(self, index: int) -> Receipt:
        """The receipt of an entry: the same bytes each time, against the head of the batch that committed it."""
        ...

    def receipts(self, indices: Sequence[int]) -> list[Receipt]:
        """`receipt` of each, for a page's worth at the cost of a few."""
        ...

    def packet(self, digest: str) -> StoredPacket | None: ...

    def packets(self, digests: Sequence[str]) -> dict[str, StoredPacket]: ...

    def topic(self, recipient: str, kind: str, *, after: int, limit: int) -> list[TopicRow]:
        """Rows with an index greater than `after`, in ledger order."""
        ...

    def topics(self, recipient: str) -> list[tuple[str, int, int]]:
        """(kind, packets, packets in a state that is not terminal), by kind."""
        ...

    def timeline(self, digest: str) -> list[LoggedEntry]: ...

    def search(self, what: EntryFilter) -> list[LoggedEntry]: ...

    def due(self, now: int, limit: int) -> list[tuple[str, str]]:
        """(digest, recipient) of packets whose `exp` is at or before `now`, still pending or offered."""
        ...

    def clocks(self, digest: str) -> list[Clock]:
        """What is or was due of a packet, by recipient."""
        ...

    def open_clocks(self, agency: str, limit: int) -> list[OpenClock]:
        """What is due to an agency and from it, overdue ones first, then by time. Of what it received, only what it was
        offered.
        """
        ...

    def overdue(self, recipient: str) -> dict[str, int]:
        """How much of what a recipient owes is overdue, by the packet's kind."""
        ...

    def missed(self, now: int, limit: int) -> list[tuple[str, Clock]]:
        """(digest, clock) of clocks that run though their time passed."""
        ...

    def purgeable(self, now: int, limit: int) -> list[str]:
        """Digests of packets whose bytes are to be purged."""
        ...

    def scrub(self) -> bool:
        """Overwrite on the disk what was purged, as far as the store's engine can; False where a read held it up."""
        ...

    def in_force(self) -> Basis | None: ...

    def head(self) -> tuple[int, bytes]:
        """Size and root of the newest committed head."""
        ...

    def checkpoint(self) -> bytes:
        """The published checkpoint, as served."""
        ...

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        """Hashes of a tile within the published size; None where there is no such tile."""
        ...

    def entry_bundle(self, n: int, width: int) -> bytes | None: ...

    def receipts_at_checkpoint(self, indices: Sequence[int]) -> list[Receipt]:
        """Receipts for these entries, all against the published checkpoint (entries beyond it are left out)."""
        ...

    def positions(self) -> dict[str, int]:
        """How far a relay brought each topic, by name: the ledger index of the last place it dealt with."""
        ...

    def set_positions(self, positions: Mapping[str, int], lease: Lease | None = None) -> None:
        """Keep these topics' positions, durably; others stay. Raises UnavailableError, or `LeaseLost` where the epoch
        of `lease` is over.
        """
        ...

    def grown(self, after: int, limit: int) -> list[tuple[int, str, str]]:
        """(index, recipient, kind) of the places after an index, in ledger order, of every topic. A packet's places
        stay together, so that a few more than `limit` may come.
        """
        ...

    def lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        """Take a lease or renew it, for `seconds` of the database's clock; None while another holds it."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back at once; no error where it is no longer held."""
        ...

    def probe(self) -> None:
        """Write and read a row of the health table, never the log; raises UnavailableError."""
        ...
