"""Reads what was committed, and checks it against its hashes before handing it on."""

from collections.abc import Mapping, Sequence
from hashlib import sha256

from broker.errors import IntegrityError, UnavailableError
from broker.ledger.guard import Guard
from broker.ledger.nodes import StoredNodes
from broker.ledger.notes import Notes
from broker.ledger.plan import basis_of
from broker.ledger.port import Basis, EntryFilter, LeaseLost, LoggedEntry, State, StoredPacket, TopicRow
from broker.ledger.receipts import Receipts, check_row
from broker.ledger.search import to_query
from broker.merkle.note import HeadSigner, parse_checkpoint
from broker.merkle.tiles import TileId, exists, write_bundle
from broker.merkle.tree import TILE_WIDTH
from broker.store.clocks import ClockRow, OpenClock
from broker.store.port import EntryRow, Head, Lease, LeaseLostError, PacketRow, Store
from schemas.evidence import Clock, ClockState, Receipt, Word
from schemas.problem import Code

WAITING = tuple(state.value for state in (State.PENDING, State.OFFERED, State.RECEIVED))
OPEN = (ClockState.RUNNING.value, ClockState.OVERDUE.value)
DUE = tuple(state.value for state in (State.PENDING, State.OFFERED))


class Reader:
    """The `broker.ledger.port.LedgerReader` of a store, from any thread.

    Args:
        signer: where several processes write: signs a head that its own writer left unsigned, once it is asked for.
    """

    def __init__(self, store: Store, guard: Guard, signer: HeadSigner | None = None) -> None:
        self._store = store
        self._nodes = StoredNodes(store)
        self._receipts = Receipts(store, Notes(store, guard, self._nodes, signer), self._nodes)

    def find(self, sender: str, packet_id: str) -> tuple[int, str] | None:
        return self.found(sender, (packet_id,)).get(packet_id)

    def found(self, sender: str, packet_ids: Sequence[str]) -> dict[str, tuple[int, str]]:
        return self._store.found(sender, packet_ids)

    def receipt(self, index: int) -> Receipt:
        return self._receipts.original([index])[index][1]

    def receipts(self, indices: Sequence[int]) -> list[Receipt]:
        """`receipt` of each, for a page's worth at the cost of a few."""
        found = self._receipts.original(set(indices))
        return [found[index][1] for index in indices]

    def packet(self, digest: str) -> StoredPacket | None:
        return self.packets([digest]).get(digest)

    def packets(self, digests: Sequence[str]) -> dict[str, StoredPacket]:
        return {row.digest: _packet(row, states) for row, states in self._store.packets(set(digests))}

    def topic(self, recipient: str, kind: str, *, after: int, limit: int) -> list[TopicRow]:
        rows = self._store.topic(recipient, kind, after, limit)
        return [TopicRow(index, digest, State(state)) for index, digest, state in rows]

    def topics(self, recipient: str) -> list[tuple[str, int, int]]:
        return self._store.topics(recipient, WAITING)

    def timeline(self, digest: str) -> list[LoggedEntry]:
        return [_logged(row) for row in self._store.about(digest)]

    def search(self, what: EntryFilter) -> list[LoggedEntry]:
        return [_logged(row) for row in self._store.search(to_query(what))]

    def due(self, now: int, limit: int) -> list[tuple[str, str]]:
        return self._store.due(now, DUE, limit)

    def clocks(self, digest: str) -> list[Clock]:
        indices = [row.idx for row, _ in self._store.packets((digest,))]
        return [_clock(row) for row in self._store.clocks(indices)]

    def open_clocks(self, agency: str, limit: int) -> list[OpenClock]:
        return self._store.open_clocks(agency, OPEN, State.PENDING.value, limit)

    def overdue(self, recipient: str) -> dict[str, int]:
        return self._store.clock_counts(recipient, ClockState.OVERDUE.value)

    def missed(self, now: int, limit: int) -> list[tuple[str, Clock]]:
        due = self._store.clocks_due(now, ClockState.RUNNING.value, limit)
        return [(digest, _clock(row)) for digest, row in due]

    def purgeable(self, now: int, limit: int) -> list[str]:
        return self._store.purgeable(now, limit)

    def scrub(self) -> bool:
        return self._store.scrub()

    def in_force(self) -> Basis | None:
        return basis_of(self._head())

    def head(self) -> tuple[int, bytes]:
        head = self._head()
        return head.size, head.root

    def checkpoint(self) -> bytes:
        note = self._store.published()
        if note is None:
            raise UnavailableError("Expected a published checkpoint, found that none is published yet.")
        return note

    def tile(self, level: int, n: int, width: int) -> bytes | None:
        if not exists(TileId(level, n, width), self._published_size()):
            return None
        if width < TILE_WIDTH:
            return b"".join(self._nodes.partial(level, n, width))
        return b"".join(self._nodes.full(level, n)[0])

    def entry_bundle(self, n: int, width: int) -> bytes | None:
        if not exists(TileId(None, n, width), self._published_size()):
            return None
        start = n * TILE_WIDTH
        rows = self._store.entries(start, start + width)
        if [row.idx for row in rows] != list(range(start, start + width)):
            raise IntegrityError(Code.LOG_INVALID, f"Expected entries {start} to {start + width - 1}, found fewer.")
        for row in rows:
            check_row(row)
        return write_bundle([row.entry for row in rows])

    def receipts_at_checkpoint(self, indices: Sequence[int]) -> list[Receipt]:
        return self._receipts.at(indices, self.checkpoint())

    def positions(self) -> dict[str, int]:
        return self._store.positions()

    def set_positions(self, positions: Mapping[str, int], lease: Lease | None = None) -> None:
        try:
            self._store.set_positions(positions, lease)
        except LeaseLostError as error:
            raise LeaseLost from error

    def grown(self, after: int, limit: int) -> list[tuple[int, str, str]]:
        return self._store.grown(after, limit)

    def lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        return self._store.lease(name, holder, seconds)

    def release(self, lease: Lease) -> None:
        self._store.release(lease)

    def probe(self) -> None:
        self._store.probe()

    def _published_size(self) -> int:
        note = self._store.published()
        return 0 if note is None else parse_checkpoint(note).size

    def _head(self) -> Head:
        head = self._store.head()
        if head is None:
            raise UnavailableError("Expected a ledger that was started, found an empty store.")
        return head


def _logged(row: EntryRow) -> LoggedEntry:
    check_row(row)
    if row.document is None:
        return LoggedEntry(row.idx, row.entry)
    _check_bytes(row.idx, row.document.raw, row.document.hash)
    return LoggedEntry(row.idx, row.entry, row.document.raw)


def _packet(row: PacketRow, states: dict[str, str]) -> StoredPacket:
    if row.raw is not None:
        _check_bytes(row.idx, row.raw, row.raw_hash)
    if row.kept is not None:
        _check_bytes(row.idx, row.kept, row.kept_hash or b"")
    return StoredPacket(
        index=row.idx,
        sender=row.sender,
        id=row.id,
        digest=row.digest,
        kind=row.kind,
        exp=row.exp,
        raw=row.raw,
        states={recipient: State(state) for recipient, state in states.items()},
        kept=row.kept,
    )


def _clock(row: ClockRow) -> Clock:
    return Clock(recipient=row.recipient, word=Word(row.what), due=row.due, state=ClockState(row.state))


def _check_bytes(index: int, raw: bytes, expected: bytes) -> None:
    if sha256(raw).digest() != expected:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected the bytes kept with entry {index} as they came, found others.",
            advice="The store was damaged or altered: keep it, and restore the bytes from a backup.",
        )
