"""The write transaction."""

from collections.abc import Collection, Sequence
from typing import Any

from sqlalchemy import Connection, Table, bindparam, func, insert, select, update

from broker.errors import IntegrityError
from broker.store import hot, leases
from broker.store.clocks import ClockRow
from broker.store.engine import Engines, damaged
from broker.store.port import Batch, Head, Known, Lease
from broker.store.tables import clocks, documents, entries, heads, onces, packets, parties, places, tiles
from schemas.problem import Code

HEAD_COLUMNS = (
    heads.c.size,
    heads.c.root,
    heads.c.time,
    heads.c.directory,
    heads.c.policy,
    heads.c.note,
    heads.c.denied,
)

_NEWEST_HEAD = select(*HEAD_COLUMNS).order_by(heads.c.size.desc()).limit(1)
_HAS_HEAD = select(heads.c.size).where(heads.c.size == bindparam("size"), heads.c.root == bindparam("root"))
_USED = select(onces.c.key, onces.c.idx).where(onces.c.key.in_(bindparam("keys", expanding=True)))
_KNOWN = (
    select(packets.c.digest, packets.c.idx, places.c.recipient, places.c.state)
    .select_from(packets.outerjoin(places, places.c.idx == packets.c.idx))
    .where(packets.c.digest.in_(bindparam("digests", expanding=True)))
)
_MOVE = (
    update(places)
    .where(places.c.idx == bindparam("at_idx"), places.c.recipient == bindparam("at_recipient"))
    .values(state=bindparam("to_state"))
)
CLOCKS = (
    select(clocks)
    .where(clocks.c.idx.in_(bindparam("indices", expanding=True)))
    .order_by(clocks.c.idx, clocks.c.recipient, clocks.c.what)
)
_PURGE = (
    update(packets)
    .where(packets.c.idx == bindparam("at_idx"), packets.c.raw.is_not(None))
    .values(raw=None, purge=None, kept=bindparam("to_keep"), kept_hash=bindparam("to_hash"))
)
_END = (
    update(packets)
    .where(packets.c.idx == bindparam("at_idx"), packets.c.raw.is_not(None))
    .values(purge=bindparam("to_purge"))
)
_SAVE_NOTE = (
    update(heads).where(heads.c.size == bindparam("at_size"), heads.c.note.is_(None)).values(note=bindparam("signed"))
)
_NOTE = select(heads.c.note).where(heads.c.size == bindparam("size"))
_APPEND_HEAD = insert(heads).from_select(
    heads.columns.keys(),
    select(*(bindparam(column.name, type_=column.type) for column in heads.columns)).where(
        select(func.max(heads.c.size)).scalar_subquery() == bindparam("previous")
    ),
)


def newest_head(connection: Connection) -> Head | None:
    found = hot.rows(connection, _NEWEST_HEAD, {})
    return to_head(*found[0]) if found else None


def has_head(connection: Connection, size: int, root: bytes) -> bool:
    return bool(hot.rows(connection, _HAS_HEAD, {"size": size, "root": root}))


def keep_note(connection: Connection, size: int, note: bytes) -> bytes:
    if hot.changed(connection, _SAVE_NOTE, {"at_size": size, "signed": note}) == 1:
        return note
    found = hot.rows(connection, _NOTE, {"size": size})
    if not found:
        raise IntegrityError(
            Code.ROLLBACK,
            f"Expected a head of size {size} to keep its note with, found none.",
            advice="The store was replaced under a running ledger: stop, and restore its newest state.",
        )
    return stored_bytes(found[0][0])


def to_head(
    size: int, root: Any, time: str, directory: int | None, policy: str | None, note: Any, denied: str | None
) -> Head:
    """From the values of `HEAD_COLUMNS`."""
    signed = None if note is None else stored_bytes(note)
    return Head(size, stored_bytes(root), time, directory, policy, signed, denied)


def stored_bytes(value: Any) -> bytes:
    """A flipped bit in SQLite's record header changes a value's type."""
    if not isinstance(value, bytes):
        raise damaged()
    return value


class SqlTransaction:
    """A `Transaction` on a connection that holds the head lock."""

    def __init__(self, connection: Connection, engines: Engines) -> None:
        self._connection = connection
        self._engines = engines
        self._wrote = False

    def head(self) -> Head | None:
        with self._engines.writing():
            return newest_head(self._connection)

    def has_head(self, size: int, root: bytes) -> bool:
        with self._engines.writing():
            return has_head(self._connection, size, root)

    def used(self, keys: Collection[str]) -> dict[str, int]:
        if not keys:
            return {}
        with self._engines.writing():
            return dict(hot.rows(self._connection, _USED, {"keys": list(keys)}))

    def known(self, digests: Collection[str]) -> dict[str, Known]:
        if not digests:
            return {}
        found: dict[str, Known] = {}
        with self._engines.writing():
            for digest, index, recipient, state in hot.rows(self._connection, _KNOWN, {"digests": list(digests)}):
                states = found.setdefault(digest, Known(index, {})).states
                if recipient is not None:
                    states[recipient] = state
        return found

    def clocks(self, indices: Collection[int]) -> list[ClockRow]:
        if not indices:
            return []
        with self._engines.writing():
            return [ClockRow(*row) for row in hot.rows(self._connection, CLOCKS, {"indices": list(indices)})]

    def begin_log(self, head: Head) -> None:
        with self._engines.writing():
            self._connection.execute(insert(heads), _head_row(head))
            self._wrote = True

    def append(self, batch: Batch) -> None:
        with self._engines.writing():
            self._wrote = True
            self._append_head(batch)
            self._append_entries(batch)
            self._append_packets(batch)
            self._change_packets(batch)

    def save_note(self, size: int, note: bytes) -> None:
        with self._engines.writing():
            hot.changed(self._connection, _SAVE_NOTE, {"at_size": size, "signed": note})

    def holds(self, lease: Lease) -> bool:
        with self._engines.writing():
            return leases.holds(self._connection, lease)

    def clock(self) -> float | None:
        if self._engines.embedded:
            return None
        with self._engines.writing():
            return self._connection.execute(select(self._engines.now)).scalar()

    def settle(self) -> None:
        """Before COMMIT: what this transaction only found is to be as durable as what it writes."""
        if not self._wrote:
            with self._engines.writing():
                self._engines.settle(self._connection)

    def _append_head(self, batch: Batch) -> None:
        swap = _head_row(batch.head) | {"previous": batch.previous.size}
        if hot.changed(self._connection, _APPEND_HEAD, swap) != 1:
            raise IntegrityError(
                Code.ROLLBACK,
                f"Expected the head of size {batch.previous.size} to be the newest, found another.",
                advice="Two writers without a common lock: stop all but one.",
            )

    def _append_entries(self, batch: Batch) -> None:
        new = batch.entries
        self._many(entries, [each[:11] for each in new])
        self._many(onces, [(each.once, each.idx) for each in new if each.once is not None])
        self._many(parties, [(agency, each.idx, own) for each in new for agency, own in each.parties])
        self._many(documents, [(each.idx, *each.document) for each in new if each.document is not None])
        self._many(tiles, [(each.level, each.n, each.root, each.hashes) for each in batch.tiles])

    def _append_packets(self, batch: Batch) -> None:
        self._many(packets, batch.packets)
        self._many(places, batch.places)
        if batch.moves:
            hot.each(
                self._connection,
                _MOVE,
                [{"at_idx": each.idx, "at_recipient": each.recipient, "to_state": each.state} for each in batch.moves],
            )

    def _change_packets(self, batch: Batch) -> None:
        if batch.clocks:
            new = self._engines.insert(clocks)
            moved = {"due": new.excluded.due, "state": new.excluded.state}
            self._connection.execute(
                new.on_conflict_do_update(index_elements=[clocks.c.idx, clocks.c.recipient, clocks.c.what], set_=moved),
                [each._asdict() for each in batch.clocks],
            )
        if batch.purges:
            self._connection.execute(
                _PURGE,
                [{"at_idx": each.idx, "to_keep": each.kept, "to_hash": each.kept_hash} for each in batch.purges],
            )
        if batch.ended:
            self._connection.execute(_END, [{"at_idx": index, "to_purge": at} for index, at in batch.ended])

    def _many(self, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._engines.many(self._connection, table, rows)


def _head_row(head: Head) -> dict[str, Any]:
    return {
        "size": head.size,
        "root": head.root,
        "time": head.time,
        "directory": head.directory,
        "policy": head.policy,
        "note": head.note,
        "denied": head.denied,
    }
