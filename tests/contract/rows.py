"""Rows of a store, for tests: made with few words."""

from hashlib import sha256

from broker.merkle.tree import EMPTY_ROOT
from broker.store.clocks import ClockRow
from broker.store.port import Batch, Head, NewEntry, PacketRow, Place, Store


def time_at(number: int) -> str:
    return f"2026-01-31T12:00:{number:02d}.000000Z"


EMPTY = Head(0, EMPTY_ROOT, time_at(0))


def new_entry(idx: int, **over: object) -> NewEntry:
    raw = b"entry %d" % idx
    return NewEntry(
        idx=idx,
        entry=raw,
        leaf=sha256(b"\0" + raw).digest(),
        time=time_at(idx),
        type="accepted",
        actor="in-ncb",
        kind="tip",
        about=None,
        stray=None,
        code=None,
        exercise=False,
        once=None,
        parties=(("in-ncb", True), ("us-dea", False)),
        document=None,
    )._replace(**over)


def new_head(size: int, **over: object) -> Head:
    return Head(size, sha256(b"%d" % size).digest(), time_at(size), **over)  # type: ignore[arg-type]


def append(store: Store, previous: Head, *entries: NewEntry, head: Head | None = None, **rows: object) -> Head:
    head = head or new_head(previous.size + len(entries))
    with store.transaction() as transaction:
        transaction.append(Batch(previous, head, entries, **rows))  # type: ignore[arg-type]
    return head


def new_packet(idx: int, sender: str = "in-ncb", **over: object) -> PacketRow:
    return PacketRow(idx, sender, f"id-{idx}", f"digest-{idx}", "tip", 100 + idx, b"packet %d" % idx, b"hash")._replace(
        **over
    )


def new_place(idx: int, recipient: str = "us-dea", **over: object) -> Place:
    return Place(idx, recipient, "tip", 100 + idx, "pending")._replace(**over)


def new_clock(idx: int, recipient: str = "us-dea", **over: object) -> ClockRow:
    return ClockRow(idx, recipient, "answer", 100 + idx, "running")._replace(**over)
