"""The checker: what clients saw, held against the whole log. It names each way in which a guarantee was broken.

1. Every answered post has its entry, at the index and under the head its receipt showed (unlogged accept, split view).
2. One `accepted` entry for one (sender, id), and one `delivered` for one packet, recipient and channel (duplicate).
3. Every entry and receipt goes back to a packet that somebody sealed (phantom), to a recipient it names (misrouted),
   and none to a submission that was refused (aborted read).
4. Every consumer was given all that is its agency's, or the log says why not (lost; skipped where later ones came);
   and what a consumer answered is in the log as acknowledged (lost). Kafka's topics, read afresh in the end, are held
   to the same.
5. First receipts in a topic come in ledger order, and what was answered before another was begun stands before it in
   the ledger (reordered). A repeat has the same index (split view).
6. Nothing was received that the log does not say was delivered (unlogged delivery).
7. Indices are dense (gap), and every head that anybody was shown is a prefix of the log (fork).

Memory: some hundred bytes for each packet, nothing of its content.
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from broker.cli.drills.heads import Heads
from broker.cli.drills.history import TOPIC, Event, Fault, Head, Joined, Posted, Received, Sealed
from schemas.evidence import EntryType

LOST, SKIPPED, DUPLICATE, REORDERED = "lost", "skipped", "duplicate", "reordered"
MISROUTED, PHANTOM, ABORTED = "misrouted", "phantom", "aborted read"
UNLOGGED_ACCEPT, UNLOGGED_DELIVERY = "unlogged accept", "unlogged delivery"
GAP, FORK, SPLIT = "ledger gap", "fork", "split view"
VIOLATIONS = (
    *(LOST, SKIPPED, DUPLICATE, REORDERED, MISROUTED, PHANTOM, ABORTED),
    *(UNLOGGED_ACCEPT, UNLOGGED_DELIVERY, GAP, FORK, SPLIT),
)
EXAMPLES = 5

_CLOSED = frozenset({EntryType.WITHHELD, EntryType.EXPIRED, EntryType.RETRACTED})


@dataclass(slots=True)
class _Packet:
    by: str | None = None
    id: str | None = None
    kind: str | None = None
    to: tuple[str, ...] = ()
    began: float = float("inf")
    answered: float = float("inf")
    index: int | None = None
    head: tuple[int, str] | None = None
    refused: str | None = None
    logged: int | None = None
    delivered: tuple[tuple[str, str | None], ...] = ()
    closed: tuple[str, ...] = ()
    acknowledged: tuple[str, ...] = ()
    received: tuple[int, ...] = ()


@dataclass(slots=True)
class _Place:
    """Where one consumer stands in one topic."""

    last: int = -1
    firsts: int = 0


@dataclass(slots=True)
class Findings:
    """What was broken: for each name how often, with some examples in words."""

    count: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)

    def add(self, name: str, sentence: str) -> None:
        self.count[name] += 1
        if self.count[name] <= EXAMPLES:
            self.examples.setdefault(name, []).append(sentence)


class Checker:
    """First `event` for each line of the histories, file by file; then `entry` for each of the log's; then `close`."""

    def __init__(self) -> None:
        self.found = Findings()
        self.counts: Counter[str] = Counter()
        self._packets: dict[str, _Packet] = {}
        self._by_id: dict[tuple[str, str], str] = {}
        self._consumers: dict[tuple[str, str], int] = {}
        self._places: dict[tuple[int, str], _Place] = {}
        self._answering: set[str] = set()
        self._heads = Heads()
        self._size = 0

    @property
    def largest(self) -> int:
        """The size of the largest head that anybody was shown."""
        return self._heads.largest

    def events(self, events: Iterable[Event]) -> None:
        for each in events:
            self.event(each)

    def event(self, event: Event) -> None:
        match event:
            case Sealed():
                self._sealed(event)
            case Posted():
                self._posted(event)
            case Received():
                self._received(event)
            case Joined(by, via, answers):
                self._consumer(by, via)
                self._answering |= {by} if answers else set()
            case Head(by, at, size, root):
                self._shown(size, root, f"{by} by gateway {at}")
            case Fault():
                self.counts["faults"] += event.phase == "begins"

    def entry(self, index: int, raw: bytes, entry: dict[str, Any]) -> None:
        """One entry of the final log, as it was verified, in order."""
        if index != self._size:
            self.found.add(GAP, f"entry {index} follows entry {self._size - 1}")
        self._size = index + 1
        self._heads.extend(raw)
        self.counts["entries"] += 1
        named = entry.get("packet")
        if named is None:
            return
        kind, digest = EntryType(entry["type"]), named["digest"]
        if kind is EntryType.ACCEPTED:
            self._accepted(index, named)
        elif kind is EntryType.DELIVERED:
            packet, recipient = self._packet(digest), entry["recipient"]
            offered = (recipient, entry.get("channel"))
            if offered in packet.delivered:
                self.found.add(DUPLICATE, f"packet {digest[:12]} was delivered to {recipient} by two entries")
            packet.delivered = (*packet.delivered, offered)
        elif kind is EntryType.ACKNOWLEDGED:
            packet = self._packet(digest)
            packet.acknowledged = (*packet.acknowledged, entry["actor"])
        elif kind in _CLOSED:
            packet = self._packet(digest)
            packet.closed = (*packet.closed, entry["recipient"]) if "recipient" in entry else packet.to

    def close(self) -> Findings:
        """What only the end shows."""
        for digest, packet in self._packets.items():
            self._settle(digest, packet)
        self._order()
        for size, root, who in self._heads.forked():
            self.found.add(FORK, f"the head of size {size} ({root[:12]}) that {who} was shown is no prefix of the log")
        return self.found

    def _sealed(self, event: Sealed) -> None:
        packet = self._packet(event.digest)
        packet.by, packet.id, packet.kind, packet.to = event.by, event.id, event.kind, event.to
        self.counts["sealed"] += 1

    def _posted(self, event: Posted) -> None:
        packet = self._packet(event.digest)
        packet.began = min(packet.began, event.began)
        self.counts[event.outcome] += 1
        if event.outcome == "refused":
            packet.refused = event.code
        if event.outcome != "ok" or event.index is None:
            return
        packet.answered = min(packet.answered, event.ended)
        self._same(event.digest, packet, event.index, event.size, event.root, event.by)

    def _received(self, event: Received) -> None:
        consumer = self._consumer(event.by, event.via)
        packet = self._packet(event.digest)
        self.counts["records" if event.via == TOPIC else "received"] += 1
        if event.topic.split(".")[1] != event.by:
            self.found.add(MISROUTED, f"{event.by} was given packet {event.digest[:12]} in topic {event.topic}")
        elif packet.by is not None and (event.by not in packet.to or event.topic != f"setu.{event.by}.{packet.kind}"):
            self.found.add(
                MISROUTED, f"{event.by} was given packet {event.digest[:12]} of {packet.by}, not for it there"
            )
        self._same(event.digest, packet, event.index, event.size, event.root, event.by)
        if consumer in packet.received:
            self.counts["record repeats" if event.via == TOPIC else "repeats"] += 1
            return
        packet.received = (*packet.received, consumer)
        place = self._places.setdefault((consumer, event.topic), _Place())
        place.firsts += 1
        if event.index < place.last:
            self.found.add(REORDERED, f"{event.topic}: {event.by} was given {event.index} after {place.last}")
        place.last = max(place.last, event.index)

    def _same(self, digest: str, packet: _Packet, index: int, size: int | None, root: str | None, who: str) -> None:
        """Whoever is shown a packet's receipt is shown the same one."""
        if packet.index not in (None, index):
            self.found.add(SPLIT, f"packet {digest[:12]} was shown at index {packet.index} and at {index} (to {who})")
        packet.index = index
        if size is None or root is None:
            return
        if packet.head not in (None, (size, root)):
            self.found.add(SPLIT, f"packet {digest[:12]}: two receipts, under heads of other sizes or roots")
        packet.head = (size, root)
        self._shown(size, root, who)

    def _shown(self, size: int, root: str, who: str) -> None:
        if self._heads.shown(size, root, who):
            self.found.add(SPLIT, f"two heads of size {size} were shown, the second to {who}")

    def _accepted(self, index: int, named: dict[str, Any]) -> None:
        digest, key = named["digest"], (named["from"], named["id"])
        self.counts["accepted"] += 1
        packet = self._packet(digest)
        if key in self._by_id:
            self.found.add(DUPLICATE, f"packet id {named['id']} of {named['from']} has two accepted entries")
        self._by_id[key] = digest
        if packet.logged is None:
            packet.logged = index
        if packet.by is None:
            self.found.add(PHANTOM, f"entry {index} accepts a packet that nobody sealed")
        elif packet.by != named["from"] or packet.to != tuple(named["to"]) or packet.kind != named["kind"]:
            self.found.add(
                MISROUTED, f"entry {index} names another sender, kind or recipients than packet {digest[:12]}"
            )

    def _settle(self, digest: str, packet: _Packet) -> None:
        if packet.logged is None:
            self._settle_unlogged(digest, packet)
            return
        if packet.index not in (None, packet.logged):
            self.found.add(SPLIT, f"packet {digest[:12]} was shown at {packet.index}, and stands at {packet.logged}")
        for (agency, via), consumer in self._consumers.items():
            if consumer in packet.received:
                if all(recipient != agency for recipient, _ in packet.delivered):
                    self.found.add(UNLOGGED_DELIVERY, f"{agency} was given packet {digest[:12]}, no entry says so")
                if agency in self._answering and agency not in packet.acknowledged:
                    self.found.add(LOST, f"{agency} answered packet {digest[:12]}, no entry says so")
            elif agency in packet.to and agency not in packet.closed:
                place = self._places.get((consumer, f"setu.{agency}.{packet.kind}"), _Place())
                name = SKIPPED if place.last > packet.logged else LOST
                self.found.add(name, f"accepted packet {packet.logged} never came to {agency} by {via}")

    def _settle_unlogged(self, digest: str, packet: _Packet) -> None:
        if packet.answered != float("inf"):
            self.found.add(UNLOGGED_ACCEPT, f"{packet.by} has a receipt for {packet.index}; the log has no such entry")
        if packet.received or packet.delivered:
            if packet.by is None:
                self.found.add(PHANTOM, f"a packet {digest[:12]} was delivered that nobody sealed")
            elif packet.refused is not None and packet.answered == float("inf"):
                self.found.add(ABORTED, f"packet {digest[:12]} was delivered though it was refused ({packet.refused})")
            else:
                self.found.add(UNLOGGED_DELIVERY, f"packet {digest[:12]} was delivered and is not in the log")

    def _order(self) -> None:
        """What was answered before another was begun has the lower index."""
        logged = sorted(
            (each for each in self._packets.values() if each.logged is not None), key=lambda p: p.logged or 0
        )
        soonest: float = float("inf")
        first: _Packet | None = None
        for packet in reversed(logged):
            if first is not None and packet.began > soonest and packet.began != float("inf"):
                self.found.add(REORDERED, f"entry {first.logged} was answered before entry {packet.logged} was posted")
            if packet.answered < soonest:
                soonest, first = packet.answered, packet

    def _packet(self, digest: str) -> _Packet:
        packet = self._packets.get(digest)
        if packet is None:
            packet = self._packets[digest] = _Packet()
        return packet

    def _consumer(self, by: str, via: str) -> int:
        return self._consumers.setdefault((by, via), len(self._consumers))
