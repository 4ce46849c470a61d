"""Reads of clocks, and of what is to be removed when."""

from collections.abc import Collection, Sequence

from sqlalchemy import and_, bindparam, func, or_, select

from broker.store.clocks import ClockRow, OpenClock
from broker.store.snapshots import Snapshots
from broker.store.tables import clocks, packets, places
from broker.store.writes import CLOCKS

_OF_PACKETS = clocks.join(packets, packets.c.idx == clocks.c.idx)
_OPEN = (
    select(clocks, packets.c.digest, packets.c.sender, packets.c.kind)
    .select_from(
        _OF_PACKETS.outerjoin(places, and_(places.c.idx == clocks.c.idx, places.c.recipient == clocks.c.recipient))
    )
    .where(
        clocks.c.state.in_(bindparam("open", expanding=True)),
        or_(
            packets.c.sender == bindparam("agency"),
            and_(clocks.c.recipient == bindparam("agency"), places.c.state != bindparam("hidden")),
        ),
    )
    .order_by(
        (clocks.c.state == bindparam("first")).desc(), clocks.c.due, clocks.c.idx, clocks.c.recipient, clocks.c.what
    )
    .limit(bindparam("most"))
)
_DUE = (
    select(packets.c.digest, clocks)
    .select_from(_OF_PACKETS)
    .where(clocks.c.state == bindparam("state"), clocks.c.due <= bindparam("now"))
    .order_by(clocks.c.due, clocks.c.idx, clocks.c.recipient, clocks.c.what)
    .limit(bindparam("most"))
)
_COUNTS = (
    select(packets.c.kind, func.count())
    .select_from(_OF_PACKETS)
    .where(clocks.c.recipient == bindparam("recipient"), clocks.c.state == bindparam("state"))
    .group_by(packets.c.kind)
)
_IN_STATE = select(func.count()).select_from(clocks).where(clocks.c.state == bindparam("state"))
_PURGEABLE = (
    select(packets.c.digest)
    .where(packets.c.purge <= bindparam("now"))
    .order_by(packets.c.purge, packets.c.idx)
    .limit(bindparam("most"))
)
_PURGE_DUE = select(func.min(packets.c.purge)).where(packets.c.purge.is_not(None))


class ClockReads(Snapshots):
    def clocks(self, indices: Collection[int]) -> list[ClockRow]:
        return [ClockRow(*row) for row in self._in_chunks(CLOCKS, "indices", sorted(indices))]

    def open_clocks(self, agency: str, open_: Sequence[str], hidden: str, limit: int) -> list[OpenClock]:
        asked = {"agency": agency, "open": list(open_), "first": open_[-1], "hidden": hidden, "most": limit}
        with self._connected() as connection:
            return [OpenClock(ClockRow(*row[:5]), *row[5:]) for row in connection.execute(_OPEN, asked)]

    def clocks_due(self, now: int, state: str, limit: int) -> list[tuple[str, ClockRow]]:
        with self._connected() as connection:
            rows = connection.execute(_DUE, {"now": now, "state": state, "most": limit})
            return [(row[0], ClockRow(*row[1:])) for row in rows]

    def clock_counts(self, recipient: str, state: str) -> dict[str, int]:
        with self._connected() as connection:
            rows = connection.execute(_COUNTS, {"recipient": recipient, "state": state})
            return {kind: count for kind, count in rows}  # noqa: C416 - a row is no pair of its types

    def clocks_in(self, state: str) -> int:
        with self._connected() as connection:
            return connection.execute(_IN_STATE, {"state": state}).scalar_one()

    def purgeable(self, now: int, limit: int) -> list[str]:
        with self._connected() as connection:
            return [row[0] for row in connection.execute(_PURGEABLE, {"now": now, "most": limit})]

    def purge_due(self) -> int | None:
        with self._connected() as connection:
            return connection.execute(_PURGE_DUE).scalar()
