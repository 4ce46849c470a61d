"""Brings accepted packets from the store's topics to Kafka's, in ledger order, for the agencies that read Kafka."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from broker.errors import CallerError, IntegrityError, SetuError, UnavailableError
from broker.flows.inforce import InForce, View, under_view
from broker.flows.offer import Judged, Offer, within
from broker.flows.record import stored_header
from broker.ledger.port import SERVED, Basis, LeaseLost, Ledger, LedgerReader, StaleBasis, StoredPacket, TopicRow
from broker.store.port import Lease
from broker.transport import records
from broker.transport.port import Kept, Publisher, Record
from broker.transport.topics import topic
from schemas import registry
from schemas.directory import Agency, AgencyState, Channel, Role

LOOK_AGAIN = 1.0
"""Seconds after which every topic is looked at, whether or not its growth was heard of."""

TROUBLE = 5.0
"""Seconds for which a topic that cannot be written is left alone; the others go on."""

SAY_AGAIN = 30.0
"""Seconds between two times that the same failure is told of."""

ROWS = 200
BATCH_BYTES = 4 * 2**20
PART_BYTES = 224 * 2**10
"""What is sent under one look at the lease, about: a batch on the wire, so that a relay that was stopped in the middle
of much does not go on with the rest when it wakes up.
"""

LAST = 50
"""Records read of a topic's end: the newest of them that the ledger knows says how far Kafka holds it."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class _Batch:
    """Rows that are dealt with once `records` are kept. `upto`: the last one's index; `basis`: what was in force when
    it was decided that they may leave.
    """

    name: str
    place: tuple[str, str]
    upto: int
    records: Sequence[Record]
    basis: Basis


class Relay:
    """`run` it as a task. There is one at a time for a ledger.

    Args:
        now: unix seconds.
        lease: the lease by which alone this relay may write; raises `LeaseLost` where it is over.
        probe: called with "relayed" once records are kept and before their position is.
        pause: seconds after a failure before Kafka is tried again.
    """

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        publisher: Publisher,
        *,
        now: Callable[[], float],
        lease: Callable[[], Lease | None] = lambda: None,
        probe: Callable[[str], None] = lambda _: None,
        pause: float = 1.0,
    ) -> None:
        self._in_force = in_force
        self._offered = Offer(in_force, ledger, reader, "kafka", now=now, lease=lease)
        self._reader = reader
        self._publisher = publisher
        self._lease = lease
        self._probe = probe
        self._pause = pause
        self._loop = asyncio.get_running_loop()
        self._grew = asyncio.Event()
        self._due: set[tuple[str, str]] = set()
        self._all_due = 0.0
        self._stored: dict[str, int] = {}
        self._places: dict[str, int] = {}
        self._ends: dict[str, int] = {}
        self._whole_below: dict[str, int] = {}
        self._left_alone: dict[str, tuple[float, str]] = {}
        self._failure: str | None = None
        self._said = 0.0

    @property
    def trouble(self) -> str | None:
        """Why nothing is relayed now, or what of it is not."""
        return self._failure or next((why for _, why in self._left_alone.values()), None)

    def ring(self, topics: frozenset[tuple[str, str]]) -> None:
        """Some topic grew; from any thread."""
        if topics and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._heard, topics)

    def _heard(self, topics: frozenset[tuple[str, str]]) -> None:
        self._due |= topics
        self._grew.set()

    async def run(self, *, give_up: float | None = None) -> None:
        """For ever. Whatever fails, everything is thrown away, and it goes on from what Kafka then holds.

        `give_up`: seconds of failing after which it returns, so that another process may try.

        Raises:
            LeaseLost: another process relays now.
        """
        failing: float | None = None
        try:
            while True:
                try:
                    await self.connect()
                    while True:
                        busy = await self.step()
                        failing = None
                        if not busy:
                            await self._rest()
                except LeaseLost:
                    raise
                except SetuError as error:
                    self._failed(str(error))
                except Exception:  # noqa: BLE001 - it outlives whatever it meets
                    self._failed("Expected the relay to go on, found an error that its log tells of.")
                    _log.exception("relay begins again")
                failing = failing or self._loop.time()
                if give_up is not None and self._loop.time() - failing > give_up:
                    return
                await asyncio.sleep(self._pause)
        finally:
            await self._publisher.close()

    async def connect(self) -> None:
        """Connect anew; where each topic stands is asked again when it is next looked at.

        Raises:
            UnavailableError: Kafka or the store does not answer.
            IntegrityError: code `config-invalid`.
        """
        self._places.clear()
        self._ends.clear()
        self._left_alone.clear()
        self._all_due = 0.0
        await self._publisher.renew()
        self._stored = await asyncio.to_thread(self._reader.positions)

    async def step(self) -> int:
        """One batch of each topic; how many places were dealt with.

        Raises:
            UnavailableError: nothing is known of what was under way: `connect` before the next step.
            LeaseLost: another process relays now.
        """
        self._grew.clear()
        readers = {each.id: each for each in self._in_force.view().snapshot.document.agencies if reads_kafka(each)}
        if self._loop.time() >= self._all_due:
            self._all_due = self._loop.time() + LOOK_AGAIN
            self._due.update((agency, kind) for agency in readers for kind in registry.kinds())
            await self._find_losses()
        wanted = [(readers[agency], kind) for agency, kind in self._due if agency in readers]
        self._due.clear()
        found = await _all([self._batch(agency, kind) for agency, kind in wanted])
        batches = [each for each in found if each is not None]
        self._due.update(each.place for each in batches)
        sent = await _all([self._send(batch) for batch in batches])
        kept = {batch.name: batch.upto for batch, done in zip(batches, sent, strict=True) if done}
        if kept:
            self._probe("relayed")
            await asyncio.to_thread(self._reader.set_positions, kept, self._lease())
            self._stored.update(kept)
            self._places.update(kept)
        self._failure = None
        return len(kept)

    async def _rest(self) -> None:
        try:
            await asyncio.wait_for(self._grew.wait(), LOOK_AGAIN)
        except TimeoutError:
            return

    async def _find_losses(self) -> None:
        """Kafka may have come back shorter while nothing was to be sent."""
        if self._ends:
            found = await self._publisher.ends(tuple(self._ends))
            for name, end in self._ends.items():
                if found[name] < end:
                    raise _shorter(name)

    async def _batch(self, agency: Agency, kind: str) -> _Batch | None:
        name = topic(agency.id, kind)
        if self._left_alone.get(name, (0.0, ""))[0] > self._loop.time():
            return None
        try:
            place = self._places.get(name)
            if place is None:
                place = self._places[name] = await self._place(name, agency.id, kind)
            rows = await asyncio.to_thread(self._reader.topic, agency.id, kind, after=place, limit=ROWS)
            if not rows:
                self._left_alone.pop(name, None)
                return None
            packets = await asyncio.to_thread(self._reader.packets, [row.digest for row in rows])
            rows = within(rows, packets, BATCH_BYTES)
            made, basis = await self._records(agency, place, rows, packets)
            return _Batch(name, (agency.id, kind), rows[-1].index, made, basis)
        except (CallerError, IntegrityError) as error:
            self._leave_alone(name, error)
            return None

    async def _records(
        self, agency: Agency, place: int, rows: Sequence[TopicRow], packets: dict[str, StoredPacket]
    ) -> tuple[Sequence[Record], Basis]:
        """What may leave of these rows, each with its entry committed; and under what."""

        async def attempt(view: View) -> tuple[list[Any], Basis]:
            judged = await asyncio.to_thread(self._judge, agency, rows, packets, view)
            settled = await _all(
                [
                    self._offered.settle(agency, row, packets[row.digest], view, each)
                    for row, each in zip(rows, judged, strict=True)
                ]
            )
            return settled, view.basis

        states, basis = await under_view(self._in_force, attempt)
        # What became of them while their entries were written: a retraction that came first still counts.
        known = await asyncio.to_thread(self._reader.packets, [row.digest for row in rows])
        previous = [place, *(row.index for row in rows)]
        leaving = [
            (row, before)
            for row, state, before in zip(rows, states, previous, strict=False)
            if state in SERVED and known[row.digest].states[agency.id] in SERVED
        ]
        receipts = await asyncio.to_thread(self._reader.receipts, [row.index for row, _ in leaving])
        made = [
            records.record(stored_header(raw), row.digest, raw, receipt, previous=before)
            for (row, before), receipt in zip(leaving, receipts, strict=True)
            if (raw := known[row.digest].raw) is not None
        ]
        return made, basis

    def _judge(
        self, agency: Agency, rows: Sequence[TopicRow], packets: dict[str, StoredPacket], view: View
    ) -> list[Judged | None]:
        """Each row, under what is in force for all gateways. Raises StaleBasis: what was published before is published
        again without an entry, so no committer would notice.
        """
        if self._reader.in_force() != view.basis:
            raise StaleBasis
        return [self._offered.judge(agency, row, packets[row.digest], view) for row in rows]

    async def _send(self, batch: _Batch) -> bool:
        name = batch.name
        if not batch.records:
            return True
        # Another topic may have kept this one waiting since it was decided on.
        if await asyncio.to_thread(self._reader.in_force) != batch.basis:
            return False
        try:
            for part in _parts(batch.records):
                self._lease()
                first = await self._publisher.send(name, part)
                if first < self._ends.get(name, 0):
                    self._whole_below[name] = min(first, self._whole_below.get(name, first))
                    raise _shorter(name)
                self._ends[name] = first + len(part)
        except (CallerError, IntegrityError) as error:
            self._leave_alone(name, error)
            return False
        self._whole_below.pop(name, None)
        self._left_alone.pop(name, None)
        return True

    async def _place(self, name: str, recipient: str, kind: str) -> int:
        """The last place that Kafka holds, which may be before the stored one, for it may have lost its tail."""
        whole_below = self._whole_below.get(name)
        tail = await self._publisher.tail(name, LAST, whole_below)
        self._ends[name] = tail.ever
        digests = [records.digest_of(record) for record in tail.newest]
        known = await asyncio.to_thread(self._reader.packets, [each for each in digests if each is not None])
        for record, digest in zip(tail.newest, digests, strict=True):
            packet = known.get(digest or "")
            if packet is not None and packet.kind == kind and recipient in packet.states and _is(record, packet):
                return packet.index
        if not (tail.ever if whole_below is None else whole_below):
            return -1
        return self._stored.get(name, -1)

    def _leave_alone(self, name: str, error: SetuError) -> None:
        # Without its end nobody would see that it lost something meanwhile, so where it stands is asked again, too.
        self._ends.pop(name, None)
        self._places.pop(name, None)
        said = self._left_alone.get(name, (0.0, ""))[1] == str(error)
        self._left_alone[name] = (self._loop.time() + TROUBLE, str(error))
        if not said:
            _log.warning("%s is not relayed: %s", name, error)

    def _failed(self, why: str) -> None:
        if why != self._failure or self._loop.time() > self._said + SAY_AGAIN:
            _log.warning("relay begins again: %s", why)
            self._said = self._loop.time()
        self._failure = why


def reads_kafka(agency: Agency) -> bool:
    """Is this an active agency that reads its topics from Kafka?"""
    return agency.state is AgencyState.ACTIVE and Role.AGENCY in agency.roles and Channel.KAFKA in agency.channels


def _parts(made: Sequence[Record]) -> Iterator[Sequence[Record]]:
    """About `PART_BYTES` at a time, at least one."""
    start = size = 0
    for end, each in enumerate(made):
        more = len(each.value) + sum(len(value) for _, value in each.headers)
        if end > start and size + more > PART_BYTES:
            yield made[start:end]
            start, size = end, 0
        size += more
    yield made[start:]


def _shorter(name: str) -> UnavailableError:
    return UnavailableError(f"Expected Kafka to keep what it took for {name}, found that it lost records.")


def _is(record: Kept, packet: StoredPacket) -> bool:
    return records.index_of(record) == packet.index and (packet.raw is None or packet.raw == record.value)


async def _all(work: Sequence[Any]) -> list[Any]:
    """Wait for every one of them, then raise the first error: none goes on behind the back of what follows."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for first in (LeaseLost, UnavailableError):
        for each in results:
            if isinstance(each, first):
                raise each
    for each in results:
        if isinstance(each, BaseException):
            raise each
    return results
