"""Reads of committed rows: the log, its packets and places."""

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, and_, bindparam, case, false, func, or_, select

from broker.merkle.tree import Tile
from broker.store.port import Document, EntryQuery, EntryRow, Head, PacketRow
from broker.store.reads_clocks import ClockReads
from broker.store.tables import documents, entries, heads, packets, parties, places, positions, published, tiles
from broker.store.writes import HEAD_COLUMNS, has_head, newest_head, stored_bytes, to_head

_ENTRY = (entries.c.idx, entries.c.entry, entries.c.leaf)

_SIZE_AFTER = select(
    entries.c.idx, select(func.min(heads.c.size)).where(heads.c.size > entries.c.idx).scalar_subquery()
).where(entries.c.idx.in_(bindparam("indices", expanding=True)))
_HEADS = select(*HEAD_COLUMNS).where(heads.c.size.in_(bindparam("sizes", expanding=True)))
_RANGE = (
    select(*_ENTRY).where(entries.c.idx >= bindparam("start"), entries.c.idx < bindparam("end")).order_by(entries.c.idx)
)
_AT = select(*_ENTRY).where(entries.c.idx.in_(bindparam("indices", expanding=True))).order_by(entries.c.idx)
_LEAVES = (
    select(entries.c.leaf)
    .where(entries.c.idx >= bindparam("start"), entries.c.idx < bindparam("end"))
    .order_by(entries.c.idx)
)
_TILE = select(tiles.c.hashes, tiles.c.root).where(tiles.c.level == bindparam("level"), tiles.c.n == bindparam("n"))
_ROOTS = (
    select(tiles.c.root)
    .where(tiles.c.level == bindparam("level"), tiles.c.n >= bindparam("start"), tiles.c.n < bindparam("end"))
    .order_by(tiles.c.n)
)
_FOUND = select(packets.c.id, packets.c.idx, packets.c.digest).where(
    packets.c.sender == bindparam("sender"), packets.c.id.in_(bindparam("ids", expanding=True))
)
_PACKETS = select(packets).where(packets.c.digest.in_(bindparam("digests", expanding=True)))
_STATES = select(places.c.idx, places.c.recipient, places.c.state).where(
    places.c.idx.in_(bindparam("indices", expanding=True))
)
_TOPIC = (
    select(places.c.idx, packets.c.digest, places.c.state)
    .select_from(places.join(packets, packets.c.idx == places.c.idx))
    .where(
        places.c.recipient == bindparam("recipient"),
        places.c.kind == bindparam("kind"),
        places.c.idx > bindparam("after"),
    )
    .order_by(places.c.idx)
    .limit(bindparam("most"))
)
_LAST_GROWN = (
    select(places.c.idx)
    .where(places.c.idx > bindparam("after"))
    .order_by(places.c.idx, places.c.recipient)
    .limit(bindparam("most"))
    .subquery()
)
_GROWN = (
    select(places.c.idx, places.c.recipient, places.c.kind)
    .where(places.c.idx > bindparam("after"), places.c.idx <= select(func.max(_LAST_GROWN.c.idx)).scalar_subquery())
    .order_by(places.c.idx, places.c.recipient)
)
_TOPICS = (
    select(
        places.c.kind,
        func.count(),
        func.sum(case((places.c.state.in_(bindparam("waiting", expanding=True)), 1), else_=0)),
    )
    .where(places.c.recipient == bindparam("recipient"))
    .group_by(places.c.kind)
    .order_by(places.c.kind)
)
_DUE = (
    select(packets.c.digest, places.c.recipient)
    .select_from(places.join(packets, packets.c.idx == places.c.idx))
    .where(places.c.state.in_(bindparam("states", expanding=True)), places.c.exp <= bindparam("now"))
    .order_by(places.c.exp, places.c.idx, places.c.recipient)
    .limit(bindparam("most"))
)
_FIRST_TO_EXPIRE = (
    select(places.c.idx)
    .where(places.c.state == bindparam("state"))
    .order_by(places.c.exp)
    .limit(bindparam("most"))
    .subquery()
)
_OLDEST = select(entries.c.time).where(entries.c.idx == select(func.min(_FIRST_TO_EXPIRE.c.idx)).scalar_subquery())
_UNPUBLISHED = select(entries.c.time).where(
    entries.c.idx == func.coalesce(select(published.c.size).scalar_subquery(), 0)
)
_BEHIND = select(func.count()).select_from(
    select(places.c.idx)
    .where(
        places.c.recipient == bindparam("recipient"),
        places.c.kind == bindparam("kind"),
        places.c.idx > bindparam("after"),
    )
    .limit(bindparam("most"))
    .subquery()
)
_ACCEPTED_AS = select(packets.c.idx).where(packets.c.digest == bindparam("digest")).scalar_subquery()
_WITH_DOCUMENT = select(*_ENTRY, documents.c.raw, documents.c.hash).select_from(
    entries.outerjoin(documents, documents.c.idx == entries.c.idx)
)
_ABOUT = _WITH_DOCUMENT.where(or_(entries.c.about == _ACCEPTED_AS, entries.c.stray == bindparam("digest"))).order_by(
    entries.c.idx
)
_NOTED = select(heads.c.size, heads.c.note).where(heads.c.note.is_not(None)).order_by(heads.c.size.desc()).limit(1)
_PUBLISHED = select(published.c.note)
_FIRST_FROM = (
    select(entries.c.idx).where(entries.c.time >= bindparam("time")).order_by(entries.c.time, entries.c.idx).limit(1)
)


class SqlReads(ClockReads):
    """The `Reads` of either engine."""

    def head(self) -> Head | None:
        with self._connected() as connection:
            return newest_head(connection)

    def has_head(self, size: int, root: bytes) -> bool:
        with self._connected() as connection:
            return has_head(connection, size, root)

    def noted(self) -> tuple[int, bytes] | None:
        with self._connected() as connection:
            row = connection.execute(_NOTED).first()
        return None if row is None else (row.size, stored_bytes(row.note))

    def heads_after(self, indices: Collection[int]) -> dict[int, Head]:
        found = self._in_chunks(_SIZE_AFTER, "indices", sorted(indices))
        sizes = {index: size for index, size in found if size is not None}
        heads_by_size = {
            head.size: head
            for head in (to_head(*row) for row in self._in_chunks(_HEADS, "sizes", sorted(set(sizes.values()))))
        }
        return {index: heads_by_size[size] for index, size in sizes.items()}

    def entries(self, start: int, end: int) -> list[EntryRow]:
        return [_entry_row(*row) for row in self._rows(_RANGE, {"start": start, "end": end})]

    def entries_at(self, indices: Collection[int]) -> list[EntryRow]:
        return [_entry_row(*row) for row in self._in_chunks(_AT, "indices", sorted(indices))]

    def leaves(self, start: int, end: int) -> list[bytes]:
        return [stored_bytes(row[0]) for row in self._rows(_LEAVES, {"start": start, "end": end})]

    def tile(self, level: int, n: int) -> Tile | None:
        with self._connected() as connection:
            row = connection.execute(_TILE, {"level": level, "n": n}).first()
        return None if row is None else Tile(level, n, stored_bytes(row.hashes), stored_bytes(row.root))

    def tile_roots(self, level: int, start: int, end: int) -> list[bytes]:
        return [stored_bytes(row[0]) for row in self._rows(_ROOTS, {"level": level, "start": start, "end": end})]

    def find(self, sender: str, packet_id: str) -> tuple[int, str] | None:
        return self.found(sender, (packet_id,)).get(packet_id)

    def found(self, sender: str, packet_ids: Collection[str]) -> dict[str, tuple[int, str]]:
        if not packet_ids:
            return {}
        rows = self._rows(_FOUND, {"sender": sender, "ids": list(packet_ids)})
        return {packet_id: (index, digest) for packet_id, index, digest in rows}

    def packets(self, digests: Collection[str]) -> list[tuple[PacketRow, dict[str, str]]]:
        found = [PacketRow(*row) for row in self._in_chunks(_PACKETS, "digests", list(digests))]
        states: dict[int, dict[str, str]] = {row.idx: {} for row in found}
        for index, recipient, state in self._in_chunks(_STATES, "indices", list(states)):
            states[index][recipient] = state
        return [(row, states[row.idx]) for row in found]

    def topic(self, recipient: str, kind: str, after: int, limit: int) -> list[tuple[int, str, str]]:
        asked = {"recipient": recipient, "kind": kind, "after": after, "most": limit}
        return [(index, digest, state) for index, digest, state in self._rows(_TOPIC, asked)]

    def grown(self, after: int, limit: int) -> list[tuple[int, str, str]]:
        rows = self._rows(_GROWN, {"after": after, "most": limit})
        return [(index, recipient, kind) for index, recipient, kind in rows]

    def topics(self, recipient: str, waiting: Collection[str]) -> list[tuple[str, int, int]]:
        asked = {"recipient": recipient, "waiting": list(waiting)}
        with self._connected() as connection:
            return [(kind, count, open_) for kind, count, open_ in connection.execute(_TOPICS, asked)]

    def about(self, digest: str) -> list[EntryRow]:
        with self._connected() as connection:
            return [_entry_row(*row) for row in connection.execute(_ABOUT, {"digest": digest})]

    def search(self, query: EntryQuery) -> list[EntryRow]:
        with self._connected() as connection:
            return [_entry_row(*row) for row in connection.execute(_search(connection, query))]

    def due(self, now: int, states: Collection[str], limit: int) -> list[tuple[str, str]]:
        with self._connected() as connection:
            rows = connection.execute(_DUE, {"now": now, "states": list(states), "most": limit})
            return [(digest, recipient) for digest, recipient in rows]

    def oldest(self, state: str, among: int) -> str | None:
        with self._connected() as connection:
            return connection.execute(_OLDEST, {"state": state, "most": among}).scalar()

    def unpublished(self) -> str | None:
        with self._connected() as connection:
            return connection.execute(_UNPUBLISHED).scalar()

    def behind(self, recipient: str, kind: str, after: int, limit: int) -> int:
        asked = {"recipient": recipient, "kind": kind, "after": after, "most": limit}
        with self._connected() as connection:
            return connection.execute(_BEHIND, asked).scalar_one()

    def positions(self) -> dict[str, int]:
        with self._connected() as connection:
            return {row.topic: row.idx for row in connection.execute(select(positions))}

    def published(self) -> bytes | None:
        with self._connected() as connection:
            return connection.execute(_PUBLISHED).scalar()


def _entry_row(index: int, entry: Any, leaf: Any, raw: Any = None, raw_hash: Any = None) -> EntryRow:
    document = None if raw is None else Document(stored_bytes(raw), stored_bytes(raw_hash))
    return EntryRow(index, stored_bytes(entry), stored_bytes(leaf), document)


def _search(connection: Connection, query: EntryQuery) -> Select[Any]:
    narrow = (query.kind, query.types, query.code, query.digest, query.exercise or None)
    agency = query.party if query.party is not None else query.seen_by
    place, found = entries.c.idx, _WITH_DOCUMENT
    if agency is not None and all(each is None for each in narrow):
        # Nothing else narrows the search: walk along the agency's own entries, not along all of them.
        walked = parties.alias("walked")
        place, found = walked.c.idx, found.join(walked, walked.c.idx == entries.c.idx).where(walked.c.agency == agency)
    found = found.where(place > query.after).order_by(place).limit(query.limit)
    # Time never goes backwards along the log, so that a span of time is a span of indices.
    if query.since is not None:
        first = connection.execute(_FIRST_FROM, {"time": query.since}).scalar()
        found = found.where(place >= first) if first is not None else found.where(false())
    if query.until is not None:
        end = connection.execute(_FIRST_FROM, {"time": query.until}).scalar()
        found = found.where(place < end) if end is not None else found
    if query.kind is not None:
        found = found.where(entries.c.kind == query.kind)
    if query.types is not None:
        found = found.where(entries.c.type.in_(list(query.types)))
    if query.code is not None:
        found = found.where(entries.c.code == query.code)
    if query.exercise is not None:
        found = found.where(entries.c.exercise.is_(query.exercise))
    if query.digest is not None:
        accepted = select(packets.c.idx).where(packets.c.digest == query.digest).scalar_subquery()
        found = found.where(or_(entries.c.about == accepted, entries.c.stray == query.digest))
    if query.party is not None:
        found = found.where(_party(query.party))
    if query.seen_by is not None:
        found = found.where(_party(query.seen_by, or_(parties.c.own, entries.c.type.not_in(list(query.private)))))
    return found


def _party(agency: str, *more: Any) -> Any:
    return (
        select(parties.c.idx)
        .where(and_(parties.c.agency == agency, parties.c.idx == entries.c.idx, *more))
        .correlate(entries)
        .exists()
    )
