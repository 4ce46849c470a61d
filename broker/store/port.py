"""What the ledger asks of a store: one write transaction at a time under the head lock, and reads of what it committed.

Durability: when `Store.transaction` returns without an error, what was written survives power loss.
Concurrency: a transaction holds the head lock from its first statement to its end, against every thread and process.
Reads may come from any thread; each sees a committed state. Leases: a task that one process at a time does; its `epoch`
is checked in each write that must not come late. All raise UnavailableError where the store does not answer,
IntegrityError (code `log-invalid`) where its file is damaged.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from broker.merkle.tree import Tile
from broker.store.clocks import ClockReads, ClockRow, Purge


class DataRefusedError(Exception):
    """The store refuses a value or a repeated key. Nothing of the transaction was kept; others may do better."""


class StoreBrokenError(Exception):
    """An fsync or I/O error. What the store holds is unknown until a new process reopens it: end this one."""


class LeaseLostError(Exception):
    """The lease's epoch is over: another took the task. Nothing of the write was kept."""


@dataclass(frozen=True, slots=True)
class Head:
    """A tree head as committed. `note` is None until the batch after it brings it, or the ledger closes.

    time: `Instant` of the newest entry. directory, policy, denied: the basis in force from here on, None before the
    first.
    """

    size: int
    root: bytes
    time: str
    directory: int | None = None
    policy: str | None = None
    note: bytes | None = None
    denied: str | None = None


class Document(NamedTuple):
    """Bytes kept beside an entry, and their SHA-256."""

    raw: bytes
    hash: bytes


class NewEntry(NamedTuple):
    """An entry and the columns it is found by.

    about: index of the `accepted` entry of the packet it speaks of; None where there is none.
    stray: that packet's digest where `about` is None. parties: (agency, whether the entry is its own).
    """

    idx: int
    entry: bytes
    leaf: bytes
    time: str
    type: str
    actor: str
    kind: str | None
    about: int | None
    stray: str | None
    code: str | None
    exercise: bool
    once: str | None
    parties: tuple[tuple[str, bool], ...]
    document: Document | None


class PacketRow(NamedTuple):
    """A stored packet; `idx` is its `accepted` entry's. `raw` is None once purged, `raw_hash` stays: its SHA-256.

    purge: unix seconds from which `raw` is to be removed; None where it never is, or was. kept: what stays of `raw`
    then, and its SHA-256.
    """

    idx: int
    sender: str
    id: str
    digest: str
    kind: str
    exp: int
    raw: bytes | None
    raw_hash: bytes
    purge: int | None = None
    kept: bytes | None = None
    kept_hash: bytes | None = None


class Place(NamedTuple):
    """A packet's place in a recipient's topic."""

    idx: int
    recipient: str
    kind: str
    exp: int
    state: str


class Move(NamedTuple):
    """A new state for one place."""

    idx: int
    recipient: str
    state: str


@dataclass(frozen=True, slots=True)
class Batch:
    """What one transaction adds: `head` after `previous`, with everything that led there.

    clocks: new, or in place of those that were. ended: (index, unix seconds) of packets whose `raw` is
    to be removed from then on.
    """

    previous: Head
    head: Head
    entries: Sequence[NewEntry]
    packets: Sequence[PacketRow] = ()
    places: Sequence[Place] = ()
    moves: Sequence[Move] = ()
    clocks: Sequence[ClockRow] = ()
    purges: Sequence[Purge] = ()
    ended: Sequence[tuple[int, int]] = ()
    tiles: Sequence[Tile] = ()


class EntryRow(NamedTuple):
    idx: int
    entry: bytes
    leaf: bytes
    document: Document | None = None


@dataclass(frozen=True, slots=True)
class EntryQuery:
    """A search over entries; members that are None do not filter. Times: `since` inclusive, `until` exclusive.

    seen_by: only entries this agency is party to, and of the types in `private` only its own.
    """

    since: str | None = None
    until: str | None = None
    party: str | None = None
    kind: str | None = None
    digest: str | None = None
    types: Sequence[str] | None = None
    code: str | None = None
    exercise: bool | None = None
    seen_by: str | None = None
    private: Sequence[str] = ()
    after: int = -1
    limit: int = 100


class Known(NamedTuple):
    """A packet's `accepted` index and its recipients' states."""

    idx: int
    states: dict[str, str]


class Lease(NamedTuple):
    """A task held by one of several processes. `epoch` grows with each change of holder."""

    name: str
    holder: str
    epoch: int


class Transaction(Protocol):
    """A write transaction; holds the head lock."""

    def head(self) -> Head | None: ...

    def has_head(self, size: int, root: bytes) -> bool: ...

    def used(self, keys: Collection[str]) -> dict[str, int]:
        """The index of the entry that used each of these `once` keys."""
        ...

    def known(self, digests: Collection[str]) -> dict[str, Known]: ...

    def clocks(self, indices: Collection[int]) -> list[ClockRow]:
        """All clocks of these packets."""
        ...

    def begin_log(self, head: Head) -> None:
        """Write the head of the empty tree."""
        ...

    def append(self, batch: Batch) -> None:
        """Write a batch; raises DataRefusedError, or IntegrityError (ROLLBACK) if `previous` is not the last head."""
        ...

    def save_note(self, size: int, note: bytes) -> None:
        """Keep the signed note of a head, where it has none."""
        ...

    def holds(self, lease: Lease) -> bool:
        """Whether the lease's epoch goes on. Where it does, it goes on until this transaction is over."""
        ...

    def clock(self) -> float | None:
        """The database's unix seconds; None where the engine has no clock but the caller's."""
        ...


class Reads(ClockReads, Protocol):
    """Reads of committed rows."""

    def head(self) -> Head | None: ...

    def has_head(self, size: int, root: bytes) -> bool: ...

    def noted(self) -> tuple[int, bytes] | None:
        """(size, note) of the newest head that has a note."""
        ...

    def heads_after(self, indices: Collection[int]) -> dict[int, Head]:
        """For each entry's index the head of the batch that committed it; indices beyond the last are left out."""
        ...

    def entries(self, start: int, end: int) -> list[EntryRow]:
        """Entries [start, end), without documents."""
        ...

    def entries_at(self, indices: Collection[int]) -> list[EntryRow]:
        """These entries, by index, without documents."""
        ...

    def leaves(self, start: int, end: int) -> list[bytes]:
        """Leaf hashes [start, end) as stored beside the entries."""
        ...

    def tile(self, level: int, n: int) -> Tile | None:
        """A full tile."""
        ...

    def tile_roots(self, level: int, start: int, end: int) -> list[bytes]:
        """Roots of the full tiles [start, end) of a level."""
        ...

    def find(self, sender: str, packet_id: str) -> tuple[int, str] | None: ...

    def found(self, sender: str, packet_ids: Collection[str]) -> dict[str, tuple[int, str]]:
        """`find` for many ids of one sender; those that are not there are left out."""
        ...

    def packets(self, digests: Collection[str]) -> list[tuple[PacketRow, dict[str, str]]]:
        """Packets and their recipients' states."""
        ...

    def topic(self, recipient: str, kind: str, after: int, limit: int) -> list[tuple[int, str, str]]:
        """(index, digest, state) of the places after an index, in ledger order."""
        ...

    def grown(self, after: int, limit: int) -> list[tuple[int, str, str]]:
        """(index, recipient, kind) of the places after an index, in ledger order, of every topic.

        A packet's places stay together, so that a few more than `limit` may come.
        """
        ...

    def topics(self, recipient: str, waiting: Collection[str]) -> list[tuple[str, int, int]]:
        """(kind, places, places in one of the states `waiting`), by kind."""
        ...

    def about(self, digest: str) -> list[EntryRow]:
        """All entries that speak of a packet, by index, with documents."""
        ...

    def search(self, query: EntryQuery) -> list[EntryRow]: ...

    def due(self, now: int, states: Collection[str], limit: int) -> list[tuple[str, str]]:
        """(digest, recipient) of the places in `states` whose packet's `exp` is at or before `now`."""
        ...

    def oldest(self, state: str, among: int) -> str | None:
        """The time of the earliest packet with a place in this state, looked for among so many that expire first."""
        ...

    def published(self) -> bytes | None:
        """The published checkpoint."""
        ...

    def unpublished(self) -> str | None:
        """The time of the first entry that the published checkpoint does not cover."""
        ...

    def behind(self, recipient: str, kind: str, after: int, limit: int) -> int:
        """How many places of a topic come after an index, counted up to `limit`."""
        ...

    def positions(self) -> dict[str, int]:
        """How far a relay brought each topic: the ledger index of the last place it dealt with."""
        ...


class Store(Reads, Protocol):
    """A store, open."""

    def transaction(self) -> AbstractContextManager[Transaction]:
        """Commits at the end of the block; rolls back when it raises. An UnavailableError out of it leaves the outcome
        unknown: look it up (`has_head`). Raises StoreBrokenError.
        """
        ...

    def publish(self, size: int, note: bytes) -> bool:
        """Move the published checkpoint forward; False where it is at this size or beyond."""
        ...

    def save_note(self, size: int, note: bytes) -> bytes:
        """Keep the signed note of a head where it has none, without the head lock where the engine can; returns the one
        that is kept. Raises IntegrityError (ROLLBACK) where there is no head of this size.
        """
        ...

    def lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        """Take a lease or renew it, for `seconds` of the database's clock; None while another holds it."""
        ...

    def release(self, lease: Lease) -> None:
        """Give a lease back at once; no error where it is no longer held."""
        ...

    def set_positions(self, positions: Mapping[str, int], lease: Lease | None = None) -> None:
        """Keep these topics' positions; others stay. Durable when it returns.

        Raises LeaseLostError where the epoch of `lease` is over.
        """
        ...

    def scrub(self) -> bool:
        """Overwrite on the disk what was removed, where the engine can; False where a read held it up: ask again."""
        ...

    def probe(self) -> None:
        """Write and read a row of the health table."""
        ...

    def close(self) -> None: ...
