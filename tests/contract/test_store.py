"""What every store engine must do. A new engine is one more line in `ENGINES`."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from threading import Event, Thread
from time import sleep, time

import pytest

from broker.errors import IntegrityError
from broker.merkle.tree import EMPTY_ROOT, Tile, tile_root
from broker.store.port import (
    Batch,
    DataRefusedError,
    Document,
    EntryQuery,
    Head,
    Lease,
    LeaseLostError,
    Move,
    NewEntry,
    PacketRow,
    Place,
    Store,
)
from broker.store.sql import SqlStore, upgrade
from schemas.problem import Code
from tests.system.postgres import database

ENGINES: dict[str, Callable[[Path], str]] = {
    "sqlite": lambda directory: f"sqlite:///{directory / 'setu.db'}",
    "postgresql": lambda _: _upgraded(database()),
}


def _upgraded(url: str) -> str:
    upgrade(url)
    return url


@pytest.fixture(params=ENGINES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return ENGINES[request.param](tmp_path)


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = SqlStore(url)
    with opened.transaction() as transaction:
        transaction.begin_log(EMPTY)
    yield opened
    opened.close()


def _time(number: int) -> str:
    return f"2026-01-31T12:00:{number:02d}.000000Z"


EMPTY = Head(0, EMPTY_ROOT, _time(0))


def _entry(idx: int, **over: object) -> NewEntry:
    raw = b"entry %d" % idx
    return NewEntry(
        idx=idx,
        entry=raw,
        leaf=sha256(b"\0" + raw).digest(),
        time=_time(idx),
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


def _head(size: int, **over: object) -> Head:
    return Head(size, sha256(b"%d" % size).digest(), _time(size), **over)  # type: ignore[arg-type]


def _append(store: Store, previous: Head, *entries: NewEntry, head: Head | None = None, **rows: object) -> Head:
    head = head or _head(previous.size + len(entries))
    with store.transaction() as transaction:
        transaction.append(Batch(previous, head, entries, **rows))  # type: ignore[arg-type]
    return head


def _packet(idx: int, sender: str = "in-ncb", **over: object) -> PacketRow:
    return PacketRow(idx, sender, f"id-{idx}", f"digest-{idx}", "tip", 100 + idx, b"packet %d" % idx, b"hash")._replace(
        **over
    )


def _place(idx: int, recipient: str = "us-dea", **over: object) -> Place:
    return Place(idx, recipient, "tip", 100 + idx, "pending")._replace(**over)


def test_a_new_store_has_no_head(url: str):
    opened = SqlStore(url)
    assert opened.head() is None
    with opened.transaction() as transaction:
        assert transaction.head() is None
    opened.close()


def test_what_was_committed_is_there_after_reopening(store: Store, url: str):
    head = _append(store, EMPTY, _entry(0), _entry(1))
    store.close()
    again = SqlStore(url)
    assert again.head() == head
    assert [row.entry for row in again.entries(0, 9)] == [b"entry 0", b"entry 1"]
    again.close()


def test_an_error_in_the_block_keeps_nothing(store: Store):
    def fails() -> None:
        with store.transaction() as transaction:
            transaction.append(Batch(EMPTY, _head(1), [_entry(0)]))
            raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        fails()
    assert store.head() == EMPTY
    assert store.entries(0, 9) == []


def test_a_transaction_sees_what_it_wrote_and_readers_do_not(store: Store):
    with store.transaction() as transaction:
        transaction.append(Batch(EMPTY, _head(1), [_entry(0, once="key")]))
        assert transaction.head() == _head(1)
        assert transaction.used(["key"]) == {"key": 0}
        assert store.head() == EMPTY
    assert store.head() == _head(1)


def test_heads_move_by_compare_and_swap(store: Store):
    head = _append(store, EMPTY, _entry(0))
    with pytest.raises(IntegrityError) as caught:
        _append(store, EMPTY, _entry(1), head=_head(2))
    assert caught.value.code is Code.ROLLBACK
    assert store.head() == head
    assert [row.idx for row in store.entries(0, 9)] == [0]


def test_the_head_lock_is_exclusive_between_stores(store: Store, url: str):
    other = SqlStore(url)
    inside, waiting, order = Event(), Event(), []

    def second() -> None:
        inside.wait(5)
        waiting.set()
        with other.transaction() as transaction:
            found = transaction.head()
            order.append(("second", None if found is None else found.size))

    thread = Thread(target=second)
    thread.start()
    with store.transaction() as transaction:
        transaction.append(Batch(EMPTY, _head(1), [_entry(0)]))
        inside.set()
        waiting.wait(5)
        thread.join(0.2)
        assert thread.is_alive()
        order.append(("first", 1))
    thread.join(5)
    other.close()
    assert order == [("first", 1), ("second", 1)]


@pytest.mark.parametrize(
    ("entries", "rows"),
    [
        pytest.param([_entry(1, once="key")], {}, id="once used before"),
        pytest.param([_entry(1, once="new"), _entry(2, once="new")], {}, id="once twice in a batch"),
        pytest.param([_entry(0)], {}, id="index used before"),
        pytest.param([_entry(1)], {"packets": [_packet(1, digest="digest-0")]}, id="digest used before"),
        pytest.param([_entry(1)], {"packets": [_packet(1, id="id-0")]}, id="sender and id used before"),
        pytest.param([_entry(1)], {"packets": [_packet(1)], "places": [_place(1), _place(1)]}, id="recipient twice"),
        pytest.param([_entry(1, once="\ud800")], {}, id="no text"),
        pytest.param([_entry(1)], {"packets": [_packet(1, exp=2**70)]}, id="number too large"),
        pytest.param([_entry(1, entry=None)], {}, id="no entry"),
    ],
)
def test_data_that_is_refused_leaves_nothing(store: Store, entries: list[NewEntry], rows: dict[str, object]):
    head = _append(store, EMPTY, _entry(0, once="key"), packets=[_packet(0)])
    with pytest.raises(DataRefusedError):
        _append(store, head, *entries, **rows)
    assert store.head() == head
    assert [row.idx for row in store.entries(0, 9)] == [0]
    _append(store, head, _entry(1, once="after"))


def test_which_keys_were_used(store: Store):
    _append(store, EMPTY, _entry(0, once="a"), _entry(1), _entry(2, once="c"))
    with store.transaction() as transaction:
        assert transaction.used(["a", "b", "c"]) == {"a": 0, "c": 2}
        assert transaction.used([]) == {}
        many = transaction.used([f"key-{n}" for n in range(2000)] + ["c"])
    assert many == {"c": 2}


def test_packets_places_and_moves(store: Store):
    head = _append(
        store,
        EMPTY,
        _entry(0),
        _entry(1),
        packets=[_packet(0), _packet(1, kind="pen")],
        places=[_place(0), _place(0, "us-cbp"), _place(1, kind="pen")],
    )
    with store.transaction() as transaction:
        known = transaction.known(["digest-0", "digest-1", "digest-9"])
        assert known == {
            "digest-0": (0, {"us-dea": "pending", "us-cbp": "pending"}),
            "digest-1": (1, {"us-dea": "pending"}),
        }
        assert transaction.known([]) == {}
    _append(store, head, _entry(2), moves=[Move(0, "us-dea", "offered"), Move(0, "us-dea", "opened")])
    found = sorted(store.packets(["digest-0", "digest-1", "digest-9"]))
    assert found == [
        (_packet(0), {"us-dea": "opened", "us-cbp": "pending"}),
        (_packet(1, kind="pen"), {"us-dea": "pending"}),
    ]
    assert store.topic("us-dea", "tip", -1, 9) == [(0, "digest-0", "opened")]
    assert store.topic("us-dea", "tip", 0, 9) == []
    assert store.topics("us-dea", ["pending", "offered"]) == [("pen", 1, 1), ("tip", 1, 0)]
    assert store.topics("us-fincen", ["pending"]) == []
    assert store.find("in-ncb", "id-1") == (1, "digest-1")
    assert store.find("in-nia", "id-1") is None
    assert store.found("in-ncb", ["id-1", "id-none"]) == {"id-1": (1, "digest-1")}


def test_a_topic_is_in_ledger_order_and_paged(store: Store):
    entries = [_entry(n) for n in range(5)]
    _append(store, EMPTY, *entries, packets=[_packet(n) for n in range(5)], places=[_place(n) for n in (4, 2, 0, 3, 1)])
    assert [row[0] for row in store.topic("us-dea", "tip", -1, 3)] == [0, 1, 2]
    assert [row[0] for row in store.topic("us-dea", "tip", 2, 3)] == [3, 4]


def test_what_is_due(store: Store):
    _append(
        store,
        EMPTY,
        *(_entry(n) for n in range(4)),
        packets=[_packet(n) for n in range(4)],
        places=[_place(0), _place(1, state="opened"), _place(2, state="offered"), _place(3)],
    )
    states = ["pending", "offered"]
    assert store.due(102, states, 9) == [("digest-0", "us-dea"), ("digest-2", "us-dea")]
    assert store.due(99, states, 9) == []
    assert store.due(200, states, 2) == [("digest-0", "us-dea"), ("digest-2", "us-dea")]


def test_heads_of_batches(store: Store):
    first = _append(store, EMPTY, _entry(0), _entry(1), head=_head(2, directory=7, policy="p"))
    second = _append(store, first, _entry(2))
    assert store.heads_after([0, 1, 2, 3]) == {0: first, 1: first, 2: second}
    assert store.heads_after([]) == {}
    assert store.has_head(2, first.root)
    assert not store.has_head(2, second.root)
    assert not store.has_head(1, first.root)


def test_a_note_is_kept_once(store: Store):
    first = _append(store, EMPTY, _entry(0))
    for note in (b"signed", b"signed again"):
        with store.transaction() as transaction:
            transaction.save_note(first.size, note)
    found = store.head()
    assert found is not None
    assert found.note == b"signed"


def test_entries_leaves_and_documents(store: Store):
    _append(store, EMPTY, *(_entry(n, document=Document(b"doc", b"hash") if n == 1 else None) for n in range(4)))
    assert [row.idx for row in store.entries(1, 3)] == [1, 2]
    assert [row.document for row in store.entries(1, 3)] == [None, None]
    assert [row.idx for row in store.entries_at([3, 0, 9])] == [0, 3]
    assert store.leaves(2, 9) == [_entry(2).leaf, _entry(3).leaf]
    assert [row.document for row in store.search(EntryQuery())] == [None, (b"doc", b"hash"), None, None]


def test_tiles(store: Store):
    hashes = bytes(range(256)) * 32
    tiles = [Tile(0, n, hashes, tile_root(hashes)) for n in range(3)]
    _append(store, EMPTY, _entry(0), tiles=tiles)
    assert store.tile(0, 1) == tiles[1]
    assert store.tile(0, 3) is None
    assert store.tile(1, 0) is None
    assert store.tile_roots(0, 1, 9) == [tiles[1].root, tiles[2].root]


def test_entries_about_a_packet(store: Store):
    head = _append(store, EMPTY, _entry(0, stray="digest-1"), _entry(1, about=1), packets=[_packet(1)])
    _append(store, head, _entry(2, about=1, document=Document(b"ack", b"hash")), _entry(3))
    assert [(row.idx, row.document) for row in store.about("digest-1")] == [
        (0, None),
        (1, None),
        (2, (b"ack", b"hash")),
    ]
    assert store.about("digest-9") == []


SEARCHED = [
    _entry(0, type="refused", stray="digest-1", code="schema", parties=(("in-ncb", True), ("us-dea", False))),
    _entry(1, about=1),
    _entry(2, type="delivered", actor="in-setu", about=1, parties=(("us-dea", False), ("in-ncb", True))),
    _entry(3, kind="pen", exercise=True, parties=(("in-nia", True), ("us-cbp", False))),
    _entry(4, type="ledger_read", kind=None, actor="us-audit", parties=(("us-audit", True),)),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param(EntryQuery(), [0, 1, 2, 3, 4], id="all"),
        pytest.param(EntryQuery(after=1, limit=2), [2, 3], id="a page"),
        pytest.param(EntryQuery(since=_time(2)), [2, 3, 4], id="since is inclusive"),
        pytest.param(EntryQuery(until=_time(2)), [0, 1], id="until is exclusive"),
        pytest.param(EntryQuery(since=_time(9)), [], id="since after the end"),
        pytest.param(EntryQuery(until=_time(9)), [0, 1, 2, 3, 4], id="until after the end"),
        pytest.param(EntryQuery(kind="pen"), [3], id="kind"),
        pytest.param(EntryQuery(types=["delivered", "refused"]), [0, 2], id="types"),
        pytest.param(EntryQuery(types=[]), [], id="no types"),
        pytest.param(EntryQuery(code="schema"), [0], id="code"),
        pytest.param(EntryQuery(exercise=True), [3], id="exercise"),
        pytest.param(EntryQuery(digest="digest-1"), [0, 1, 2], id="packet, refused at first"),
        pytest.param(EntryQuery(digest="digest-9"), [], id="unknown packet"),
        pytest.param(EntryQuery(party="us-dea"), [0, 1, 2], id="party"),
        pytest.param(EntryQuery(seen_by="us-dea", private=["refused"]), [1, 2], id="not another's refusal"),
        pytest.param(EntryQuery(seen_by="in-ncb", private=["refused"]), [0, 1, 2], id="one's own refusal"),
        pytest.param(EntryQuery(seen_by="us-dea", party="us-cbp", private=["refused"]), [], id="both parties"),
    ],
)
def test_search(store: Store, query: EntryQuery, found: list[int]):
    _append(store, EMPTY, *SEARCHED, packets=[_packet(1)])
    assert [row.idx for row in store.search(query)] == found


def test_the_published_checkpoint_only_moves_forward(store: Store):
    assert store.published() is None
    assert store.publish(0, b"empty")
    assert store.publish(5, b"five")
    assert not store.publish(5, b"another five")
    assert not store.publish(4, b"four")
    assert store.published() == b"five"


def test_probe_touches_no_table_of_the_log(store: Store):
    head = store.head()
    store.probe()
    store.probe()
    assert store.head() == head
    assert store.published() is None


def test_positions_of_topics_stay_and_move(url: str):
    opened = SqlStore(url)
    assert opened.positions() == {}
    opened.set_positions({"setu.us-dea.tip": 3, "setu.us-dea.pen": 5})
    opened.set_positions({"setu.us-dea.tip": 2, "setu.us-cbp.tip": -1})
    opened.close()
    again = SqlStore(url)
    assert again.positions() == {"setu.us-dea.tip": 2, "setu.us-dea.pen": 5, "setu.us-cbp.tip": -1}
    again.close()


def test_a_lease_is_held_by_one_and_its_epoch_grows_with_each_change(url: str):
    opened, other = SqlStore(url), SqlStore(url)
    first = opened.lease("relay", "a", 60)
    assert first == Lease("relay", "a", 1)
    assert other.lease("relay", "b", 60) is None
    assert opened.lease("relay", "a", 0) == first
    assert other.lease("relay", "b", 60) == Lease("relay", "b", 2)
    assert opened.lease("relay", "a", 60) is None
    assert opened.lease("publisher", "a", 60) == Lease("publisher", "a", 1)
    opened.close()
    other.close()


def test_a_lease_ends_by_the_databases_clock(url: str):
    opened = SqlStore(url)
    assert opened.lease("relay", "a", 0.3) is not None
    assert opened.lease("relay", "b", 60) is None
    sleep(0.35)
    assert opened.lease("relay", "b", 60) == Lease("relay", "b", 2)
    opened.close()


def test_a_lease_given_back_is_free_at_once(url: str):
    opened = SqlStore(url)
    first = opened.lease("relay", "a", 60)
    opened.release(first)
    second = opened.lease("relay", "b", 60)
    assert second == Lease("relay", "b", 2)
    opened.release(first)
    assert opened.lease("relay", "a", 60) is None
    opened.release(second)
    assert opened.lease("relay", "b", 60) == Lease("relay", "b", 3)
    opened.close()


def test_of_many_who_ask_at_once_one_gets_the_lease(url: str):
    SqlStore(url).close()
    stores = [SqlStore(url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for epoch in range(1, 6):
            asked = list(pool.map(lambda n: stores[n].lease("relay", f"holder-{n}", 60), range(4)))
            (got,) = [each for each in asked if each is not None]
            assert got.epoch == epoch
            stores[0].release(got)
    for each in stores:
        each.close()


def test_a_position_is_not_moved_under_a_lease_that_is_over(url: str):
    opened = SqlStore(url)
    first = opened.lease("relay", "a", 0)
    opened.set_positions({"setu.us-dea.tip": 1}, first)
    second = opened.lease("relay", "b", 60)
    with pytest.raises(LeaseLostError):
        opened.set_positions({"setu.us-dea.tip": 2}, first)
    assert opened.positions() == {"setu.us-dea.tip": 1}
    opened.set_positions({"setu.us-dea.tip": 3}, second)
    assert opened.positions() == {"setu.us-dea.tip": 3}
    opened.close()


def test_a_transaction_knows_whether_a_lease_goes_on(store: Store):
    first = store.lease("relay", "a", 0)
    with store.transaction() as transaction:
        assert transaction.holds(first)
        assert not transaction.holds(first._replace(epoch=2))
        assert not transaction.holds(first._replace(name="publisher"))
    second = store.lease("relay", "b", 60)
    with store.transaction() as transaction:
        assert not transaction.holds(first)
        assert transaction.holds(second)


def test_a_transaction_that_holds_a_lease_keeps_others_from_it(store: Store, url: str):
    other = SqlStore(url)
    first = store.lease("relay", "a", 0)
    taken: list[Lease | None] = []
    thread = Thread(target=lambda: taken.append(other.lease("relay", "b", 60)))
    with store.transaction() as transaction:
        assert transaction.holds(first)
        thread.start()
        thread.join(0.2)
        assert taken == []
    thread.join(5)
    assert taken == [Lease("relay", "b", 2)]
    other.close()


def test_the_databases_clock_is_now_or_none(store: Store):
    with store.transaction() as transaction:
        clock = transaction.clock()
    assert clock is None or abs(clock - time()) < 60


def test_a_note_saved_beside_the_log_is_kept_once(store: Store):
    first = _append(store, EMPTY, _entry(0))
    second = _append(store, first, _entry(1))
    assert store.noted() is None
    assert store.save_note(1, b"signed") == b"signed"
    assert store.save_note(1, b"signed again") == b"signed"
    assert store.noted() == (1, b"signed")
    with store.transaction() as transaction:
        transaction.save_note(1, b"signed once more")
        transaction.save_note(2, b"signed too")
    assert store.save_note(2, b"late") == b"signed too"
    assert store.noted() == (2, b"signed too")
    assert store.head() == replace(second, note=b"signed too")


def test_a_note_of_no_head_is_refused(store: Store):
    with pytest.raises(IntegrityError) as caught:
        store.save_note(7, b"signed")
    assert caught.value.code is Code.ROLLBACK
    assert store.noted() is None


def test_what_has_grown(store: Store):
    assert store.grown(-1, 9) == []
    rows = [_place(0), _place(2, "us-cbp", kind="pen"), _place(2, "in-nia", kind="pen"), _place(3), _place(5)]
    _append(store, EMPTY, *(_entry(n) for n in range(6)), packets=[_packet(n) for n in (0, 2, 3, 5)], places=rows)
    pen = [(2, "in-nia", "pen"), (2, "us-cbp", "pen")]
    assert store.grown(-1, 9) == [(0, "us-dea", "tip"), *pen, (3, "us-dea", "tip"), (5, "us-dea", "tip")]
    assert store.grown(-1, 2) == [(0, "us-dea", "tip"), *pen]
    assert store.grown(2, 1) == [(3, "us-dea", "tip")]
    assert store.grown(5, 9) == []


def test_how_long_a_place_has_waited_a_checkpoint_stood_and_a_topic_been_behind(store: Store):
    assert (store.oldest("pending", 9), store.unpublished()) == (None, None)
    _append(
        store,
        EMPTY,
        *(_entry(n) for n in range(6)),
        packets=[_packet(n) for n in range(6)],
        places=[_place(0, state="opened"), _place(1, "us-cbp"), *(_place(n) for n in range(2, 6))],
    )
    assert store.oldest("pending", 9) == _time(1)
    assert store.oldest("opened", 9) == _time(0)
    assert store.oldest("withheld", 9) is None
    assert store.unpublished() == _time(0)
    store.publish(5, b"five")
    assert store.unpublished() == _time(5)
    store.publish(6, b"six")
    assert store.unpublished() is None
    assert [store.behind("us-dea", "tip", after, 9) for after in (-1, 0, 3, 5)] == [5, 4, 2, 0]
    assert store.behind("us-dea", "tip", -1, 3) == 3
    assert store.behind("us-dea", "pen", -1, 9) == 0


def test_among_few_the_oldest_place_is_looked_for_where_the_end_is_near(store: Store):
    late = _place(0)._replace(exp=900)
    _append(
        store,
        EMPTY,
        *(_entry(n) for n in range(3)),
        packets=[_packet(n) for n in range(3)],
        places=[late, _place(1), _place(2)],
    )
    assert store.oldest("pending", 2) == _time(1)
    assert store.oldest("pending", 3) == _time(0)
