"""What a recipient is given: its topics in ledger order, paged or streamed, each packet judged again as it leaves."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from typing import NamedTuple, TypeVar
from weakref import WeakValueDictionary

from broker.errors import NotFoundError
from broker.flows.bell import Bell
from broker.flows.cursor import Cursors
from broker.flows.identify import Caller
from broker.flows.inforce import InForce, View, under_view
from broker.flows.offer import Judged, Offer, within
from broker.ledger.port import (
    SERVED,
    Ledger,
    LedgerReader,
    StaleBasis,
    State,
    StoredPacket,
    TopicRow,
)
from broker.transport.topics import split, topic
from schemas import registry
from schemas.directory import Agency, Role
from schemas.evidence import Delivery, Page, Receipt, Tombstone, TopicInfo
from schemas.packet import Packet

T = TypeVar("T")

LOOK_AGAIN = 1.0
READ_AT_ONCE = 8
AT_ONCE, TURNS = 64, 4
"""Entries one page has in the ledger's queue at a time, and pages of one agency that are made at a time: however many
it asks for at once, it fills neither the queue nor the threads.
"""

GONE = {State.WITHHELD: "withheld", State.EXPIRED: "expired", State.RETRACTED: "retracted"}


class _Weighed(NamedTuple):
    row: TopicRow
    packet: StoredPacket
    judged: Judged | None


class Subscribe:
    """Pages and streams.

    Args:
        page_bytes: a page stops growing past this many bytes of packets.
        at_once, turns: see `AT_ONCE` and `TURNS`.
        probe: called with "delivered" once the `delivered` entries are committed and before bytes leave, and with
            "cursor-advanced" when a subscriber comes back with a cursor.
    """

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        cursors: Cursors,
        bell: Bell,
        *,
        now: Callable[[], float],
        page_bytes: int,
        probe: Callable[[str], None],
        at_once: int = AT_ONCE,
        turns: int = TURNS,
    ) -> None:
        self._in_force = in_force
        self._offered = Offer(in_force, ledger, reader, "https", now=now)
        self._reader = reader
        self._cursors = cursors
        self._bell = bell
        self._now = now
        self._page_bytes = page_bytes
        self._probe = probe
        self._at_once = at_once
        self._turns = turns
        self._queues: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()

    async def topics(self, caller: Caller) -> list[TopicInfo]:
        """The caller's topics, one for each kind, with how many packets they hold and how many wait for an answer.
        Raises CallerError (code `forbidden`) for whoever receives nothing.
        """
        caller.require(Role.AGENCY)
        agency = caller.agency.id
        counted = {kind: (n, open_) for kind, n, open_ in await asyncio.to_thread(self._reader.topics, agency)}
        overdue = await asyncio.to_thread(self._reader.overdue, agency)
        kinds = sorted({*registry.kinds(), *counted})
        return [
            TopicInfo(topic=topic(agency, kind), packets=n, unacknowledged=waiting, overdue=overdue.get(kind, 0))
            for kind in kinds
            for n, waiting in [counted.get(kind, (0, 0))]
        ]

    async def page(
        self, caller_of: Callable[[], Caller], name: str, cursor: str | None, limit: int, wait: float
    ) -> Page:
        """The next items after `cursor`; waits up to `wait` seconds for the first. Standing is asked for again each
        second, and before anything is offered.

        Raises:
            CallerError: the caller is no agency, or its standing ended while it waited.
            NotFoundError: no topic of this caller's.
            RequestError: code `bad-cursor`.
            UnavailableError: the ledger cannot be written, so nothing may leave.
        """
        place = self._own(caller_of(), name)
        after = self._cursors.read(name, cursor)
        if cursor is not None:
            self._probe("cursor-advanced")
        deadline = self._now() + wait
        with self._bell.listen(place) as listener:
            while True:
                rows = await asyncio.to_thread(self._reader.topic, *place, after=after, limit=limit)
                if rows:
                    items = await self._offer(caller_of, rows)
                    return Page(topic=name, items=items, cursor=self._cursors.write(name, items[-1].index))
                remaining = deadline - self._now()
                if remaining <= 0 or self._bell.closed:
                    return Page(topic=name, items=(), cursor=self._cursors.write(name, after))
                await listener.wait(min(LOOK_AGAIN, remaining))
                caller_of()

    async def stream(
        self, caller_of: Callable[[], Caller], name: str, last_event_id: str | None
    ) -> AsyncIterator[tuple[str, Delivery | Tombstone] | None]:
        """(cursor, item) for ever; None about each second in which there is none. Standing is asked for again before
        each item and each second; CallerError ends the stream.
        """
        place = self._own(caller_of(), name)
        after = self._cursors.read(name, last_event_id)
        return self._items(caller_of, name, place, after)

    async def _items(
        self, caller_of: Callable[[], Caller], name: str, place: tuple[str, str], after: int
    ) -> AsyncIterator[tuple[str, Delivery | Tombstone] | None]:
        with self._bell.listen(place) as listener:
            while not self._bell.closed:
                rows = await asyncio.to_thread(self._reader.topic, *place, after=after, limit=1)
                if not rows:
                    caller_of()
                    yield None
                    await listener.wait(LOOK_AGAIN)
                    continue
                for item in await self._offer(caller_of, rows):
                    caller_of()
                    after = item.index
                    yield self._cursors.write(name, after), item

    def _own(self, caller: Caller, name: str) -> tuple[str, str]:
        caller.require(Role.AGENCY)
        place = split(name)
        if place is None or place[0] != caller.agency.id:
            raise NotFoundError
        return place

    def _load(self, rows: list[TopicRow]) -> tuple[list[TopicRow], dict[str, StoredPacket]]:
        """As many rows as fit into a page, and their packets; reads little more than that."""
        packets: dict[str, StoredPacket] = {}
        taken: list[TopicRow] = []
        for part in _parts(rows, READ_AT_ONCE):
            packets.update(self._reader.packets([row.digest for row in part]))
            taken += part
            fitting = within(taken, packets, self._page_bytes)
            if len(fitting) < len(taken):
                return fitting, packets
        return taken, packets

    async def _offer(self, caller_of: Callable[[], Caller], rows: list[TopicRow]) -> tuple[Delivery | Tombstone, ...]:
        turns = self._queues.setdefault(caller_of().agency.id, asyncio.Semaphore(self._turns))

        async def attempt(view: View) -> tuple[list[_Weighed], list[State]]:
            agency = caller_of().agency
            weighed = await asyncio.to_thread(self._weigh, agency, rows, view)
            states: list[State] = []
            for part in _parts(weighed, self._at_once):
                # Waits for all of a part even where one fails, so that none is settled behind an answer given already.
                found = await asyncio.gather(
                    *(self._offered.settle(agency, row, packet, view, judged) for row, packet, judged in part),
                    return_exceptions=True,
                )
                for each in found:
                    if isinstance(each, BaseException):
                        raise each
                    states.append(each)
            return weighed, states

        async with turns:
            weighed, states = await under_view(self._in_force, attempt)
            self._probe("delivered")
            return await asyncio.to_thread(self._items_of, weighed, states)

    def _weigh(self, agency: Agency, rows: list[TopicRow], view: View) -> list["_Weighed"]:
        """As many rows as fit into a page, each judged.

        Raises:
            StaleBasis: another gateway put a newer directory or policy in force. What was offered before leaves without
                an entry, so no committer would notice.
        """
        if self._reader.in_force() != view.basis:
            raise StaleBasis
        taken, packets = self._load(rows)
        # As it stands now: a page may have waited for its turn since its rows were read.
        taken = [replace(row, state=packets[row.digest].states[agency.id]) for row in taken]
        return [
            _Weighed(row, packets[row.digest], self._offered.judge(agency, row, packets[row.digest], view))
            for row in taken
        ]

    def _items_of(self, weighed: list["_Weighed"], states: list[State]) -> tuple[Delivery | Tombstone, ...]:
        rows = [each.row for each in weighed]
        served = [row.index for row, state in zip(rows, states, strict=True) if state in SERVED]
        receipts = dict(zip(served, self._reader.receipts(served), strict=True))
        return tuple(
            _item(row, packet, state, receipts.get(row.index))
            for (row, packet, _), state in zip(weighed, states, strict=True)
        )


def _parts(whole: list[T], size: int) -> Iterator[list[T]]:
    for first in range(0, len(whole), size):
        yield whole[first : first + size]


def _item(row: TopicRow, packet: StoredPacket, state: State, receipt: Receipt | None) -> Delivery | Tombstone:
    if state not in SERVED or packet.raw is None or receipt is None:
        return Tombstone.from_object({"index": row.index, "digest": row.digest, "gone": GONE.get(state, "purged")})
    return Delivery(index=row.index, digest=row.digest, packet=Packet.model_validate_json(packet.raw), receipt=receipt)
