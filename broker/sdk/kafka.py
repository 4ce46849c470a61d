"""The engine of a subscriber that reads its topics from Kafka: nothing a record says counts but by its receipt."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

from broker.envelope.verify import parse
from broker.errors import IntegrityError, PacketError, UnavailableError
from broker.sdk.cursors import Cursors, MemoryCursors, Position
from broker.sdk.source import Item, Source
from broker.transport import records
from broker.transport.port import Kept, RecordLog
from broker.transport.topics import split
from schemas.evidence import Entry, EntryType, Receipt
from schemas.problem import Code

MOST = 64
"""Items handed on at a time, and so held: a gap may be as long as the topic."""

REMEMBERED = 10_000
"""Places of a topic that are known to have been given out; what is further back counts as given."""

Check = Callable[[Any], tuple[Receipt, Entry]]
"""Verifies a receipt, given as an object of JSON types; raises PacketError."""


class KafkaSource:
    """The `broker.sdk.source.Source` of Kafka.

    A repeat is dropped. Where a record says that a place before it was not seen, because Kafka lost or outlived it or
    policy keeps that packet from Kafka, the missing places are fetched from the gateway and come in their order. A
    record that is not what it says is handed on, so that whoever judges items rejects it; it moves no place. So is a
    packet that a record before it hid by saying that nothing was missing: late, which is what whoever writes to Kafka
    can bring about, and not never.

    Args:
        agency: one's own id.
        check: `broker.sdk.verify.Verifier.receipt`.
        gateway: makes the source that fills gaps, over positions it is given.
    """

    def __init__(
        self, agency: str, log: RecordLog, cursors: Cursors, check: Check, gateway: Callable[[Cursors], Source]
    ) -> None:
        self._agency = agency
        self._log = log
        self._cursors = cursors
        self._check = check
        self._gateway = gateway
        self._topics: dict[str, _Topic] = {}

    def topics(self) -> Sequence[str]:
        return tuple(name for name in self._log.topics() if (split(name) or ("", ""))[0] == self._agency)

    def read(self, topic: str, wait: float) -> Sequence[Item]:
        reader = self._topics.get(topic)
        if reader is None:
            done = self._cursors.read(topic)
            reader = self._topics[topic] = _Topic(self._agency, topic, done, self._log, self._check, self._gateway)
        return reader.read(wait)

    def commit(self, topic: str, position: Position) -> None:
        reader = self._topics.get(topic)
        settled = position if reader is None else reader.settled(position)
        self._cursors.write(topic, settled)
        self._log.mark(topic, _offset(settled))

    def close(self) -> None:
        self._log.close()
        for reader in self._topics.values():
            reader.close()


class _Topic:
    def __init__(
        self,
        agency: str,
        name: str,
        done: Position,
        log: RecordLog,
        check: Check,
        gateway: Callable[[Cursors], Source],
    ) -> None:
        self._agency = agency
        self._name = name
        self._kind = (split(name) or ("", ""))[1]
        self._offset = _offset(done)
        self._last = done
        self._log = log
        self._check = check
        self._gateway = gateway
        self._filler: Source | None = None
        self._ahead: deque[Item] = deque()
        self._given: dict[int, None] = {}
        self._all_given = done.index
        self._unplaced: dict[tuple[str | None, int, str | None], Position] = {}

    def read(self, wait: float) -> Sequence[Item]:
        while True:
            found = self._log.read(self._name, self._offset, wait)
            items: list[Item] = []
            for kept in found:
                try:
                    for item in self._items(kept):
                        items.append(item)
                        if len(items) >= MOST and item.token == str(kept.offset):
                            return items  # more may be missing before this record: it is looked at again
                except UnavailableError:
                    if items:
                        return items  # the rest is read again from here
                    raise
                self._offset = kept.offset + 1
                if len(items) >= MOST:
                    break
            if items or not found:
                return items

    def settled(self, position: Position) -> Position:
        """What to keep for an item that is done: one that moved no place leaves the index where it was."""
        return self._unplaced.pop((position.token, position.index, position.digest), position)

    def close(self) -> None:
        if self._filler is not None:
            self._filler.close()

    def _items(self, kept: Kept) -> Iterator[Item]:
        index, digest, receipt = records.index_of(kept), records.digest_of(kept), records.receipt_of(kept)
        token = str(kept.offset + 1)
        item = Item(
            topic=self._name,
            index=max(self._last.index, 0) if index is None else index,
            digest=digest or records.name_of(kept),
            raw=kept.value,
            receipt=receipt,
            gone=None,
            token=token,
        )
        if proven(kept, self._check, agency=self._agency, kind=self._kind) is None:
            yield self._placeless(item)
            return
        if item.index == self._last.index and self._last.digest not in (None, item.digest):
            raise IntegrityError(
                Code.LOG_INVALID,
                "Expected the packet that was read before at this ledger index, found another with a receipt.",
                advice="Keep both receipts, stop reading, and speak with the operator and an auditor.",
            )
        if item.index <= self._last.index:
            if item.index > self._all_given and item.index not in self._given:
                self._give(item.index)
                yield self._placeless(item)
            return
        if records.previous_of(kept) != self._last.index:
            for missing in self._missing(item.index):
                yield self._placed(replace(missing, token=str(kept.offset)))
        yield self._placed(item)

    def _placed(self, item: Item) -> Item:
        self._last = Position(token=item.token, index=item.index, digest=item.digest)
        self._give(item.index)
        return item

    def _placeless(self, item: Item) -> Item:
        self._unplaced[item.token, item.index, item.digest] = _resumed_at(self._last, item.token)
        return item

    def _give(self, index: int) -> None:
        self._given[index] = None
        if len(self._given) > REMEMBERED:
            oldest = next(iter(self._given))
            self._all_given = max(self._all_given, oldest)
            del self._given[oldest]

    def _missing(self, before: int) -> Iterator[Item]:
        """What the gateway holds of this topic between the last place and `before`, as it is asked for."""
        if self._filler is None:
            cursors = MemoryCursors()
            cursors.write(self._name, _resumed_at(self._last, None))
            self._filler = self._gateway(cursors)
        while True:
            if not self._ahead:
                self._ahead.extend(self._filler.read(self._name, 0.0))
            if not self._ahead or self._ahead[0].index >= before:
                return
            missing = self._ahead.popleft()
            if missing.index > self._last.index:
                yield missing


def proven(kept: Kept, check: Check, *, agency: str, kind: str) -> Receipt | None:
    """The receipt of a record that is a packet of an agency's topic, at the place it says; None where it is none."""
    try:
        receipt, entry = check(records.receipt_of(kept))
        named = entry.packet
        if (
            entry.type is EntryType.ACCEPTED
            and named is not None
            and receipt.index == records.index_of(kept)
            and named.digest == records.digest_of(kept) == parse(kept.value).digest
            and named.kind == kind
            and agency in named.to
        ):
            return receipt
    except PacketError:
        return None
    return None


def _offset(position: Position) -> int:
    """Where to go on. Another engine's token says nothing here: from the start, and what is done is passed over."""
    token = position.token or ""
    return int(token) if token.isdecimal() else 0


def _resumed_at(place: Position, token: str | None) -> Position:
    """The same place, with another mark to resume from."""
    return Position(token=token, index=place.index, digest=place.digest)
