"""What every store engine must do. A new engine is one more line in `ENGINES` of conftest.py."""

from threading import Event, Thread

import pytest

from broker.errors import IntegrityError
from broker.merkle.tree import Tile, tile_root
from broker.store.port import (
    Batch,
    DataRefusedError,
    Document,
    EntryQuery,
    Move,
    NewEntry,
    Store,
)
from broker.store.sql import SqlStore
from schemas.problem import Code
from tests.contract.rows import EMPTY, append, new_entry, new_head, new_packet, new_place, time_at


def test_a_new_store_has_no_head(url: str):
    opened = SqlStore(url)
    assert opened.head() is None
    with opened.transaction() as transaction:
        assert transaction.head() is None
    opened.close()


def test_what_was_committed_is_there_after_reopening(store: Store, url: str):
    head = append(store, EMPTY, new_entry(0), new_entry(1))
    store.close()
    again = SqlStore(url)
    assert again.head() == head
    assert [row.entry for row in again.entries(0, 9)] == [b"entry 0", b"entry 1"]
    again.close()


def test_an_error_in_the_block_keeps_nothing(store: Store):
    def fails() -> None:
        with store.transaction() as transaction:
            transaction.append(Batch(EMPTY, new_head(1), [new_entry(0)]))
            raise RuntimeError("the caller's own")

    with pytest.raises(RuntimeError, match="the caller's own"):
        fails()
    assert store.head() == EMPTY
    assert store.entries(0, 9) == []


def test_a_transaction_sees_what_it_wrote_and_readers_do_not(store: Store):
    with store.transaction() as transaction:
        transaction.append(Batch(EMPTY, new_head(1), [new_entry(0, once="key")]))
        assert transaction.head() == new_head(1)
        assert transaction.used(["key"]) == {"key": 0}
        assert store.head() == EMPTY
    assert store.head() == new_head(1)


def test_heads_move_by_compare_and_swap(store: Store):
    head = append(store, EMPTY, new_entry(0))
    with pytest.raises(IntegrityError) as caught:
        append(store, EMPTY, new_entry(1), head=new_head(2))
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
        transaction.append(Batch(EMPTY, new_head(1), [new_entry(0)]))
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
        pytest.param([new_entry(1, once="key")], {}, id="once used before"),
        pytest.param([new_entry(1, once="new"), new_entry(2, once="new")], {}, id="once twice in a batch"),
        pytest.param([new_entry(0)], {}, id="index used before"),
        pytest.param([new_entry(1)], {"packets": [new_packet(1, digest="digest-0")]}, id="digest used before"),
        pytest.param([new_entry(1)], {"packets": [new_packet(1, id="id-0")]}, id="sender and id used before"),
        pytest.param(
            [new_entry(1)], {"packets": [new_packet(1)], "places": [new_place(1), new_place(1)]}, id="recipient twice"
        ),
        pytest.param([new_entry(1, once="\ud800")], {}, id="no text"),
        pytest.param([new_entry(1)], {"packets": [new_packet(1, exp=2**70)]}, id="number too large"),
        pytest.param([new_entry(1, entry=None)], {}, id="no entry"),
    ],
)
def test_data_that_is_refused_leaves_nothing(store: Store, entries: list[NewEntry], rows: dict[str, object]):
    head = append(store, EMPTY, new_entry(0, once="key"), packets=[new_packet(0)])
    with pytest.raises(DataRefusedError):
        append(store, head, *entries, **rows)
    assert store.head() == head
    assert [row.idx for row in store.entries(0, 9)] == [0]
    append(store, head, new_entry(1, once="after"))


def test_which_keys_were_used(store: Store):
    append(store, EMPTY, new_entry(0, once="a"), new_entry(1), new_entry(2, once="c"))
    with store.transaction() as transaction:
        assert transaction.used(["a", "b", "c"]) == {"a": 0, "c": 2}
        assert transaction.used([]) == {}
        many = transaction.used([f"key-{n}" for n in range(2000)] + ["c"])
    assert many == {"c": 2}


def test_packets_places_and_moves(store: Store):
    head = append(
        store,
        EMPTY,
        new_entry(0),
        new_entry(1),
        packets=[new_packet(0), new_packet(1, kind="pen")],
        places=[new_place(0), new_place(0, "us-cbp"), new_place(1, kind="pen")],
    )
    with store.transaction() as transaction:
        known = transaction.known(["digest-0", "digest-1", "digest-9"])
        assert known == {
            "digest-0": (0, {"us-dea": "pending", "us-cbp": "pending"}),
            "digest-1": (1, {"us-dea": "pending"}),
        }
        assert transaction.known([]) == {}
    append(store, head, new_entry(2), moves=[Move(0, "us-dea", "offered"), Move(0, "us-dea", "opened")])
    found = sorted(store.packets(["digest-0", "digest-1", "digest-9"]))
    assert found == [
        (new_packet(0), {"us-dea": "opened", "us-cbp": "pending"}),
        (new_packet(1, kind="pen"), {"us-dea": "pending"}),
    ]
    assert store.topic("us-dea", "tip", -1, 9) == [(0, "digest-0", "opened")]
    assert store.topic("us-dea", "tip", 0, 9) == []
    assert store.topics("us-dea", ["pending", "offered"]) == [("pen", 1, 1), ("tip", 1, 0)]
    assert store.topics("us-fincen", ["pending"]) == []
    assert store.find("in-ncb", "id-1") == (1, "digest-1")
    assert store.find("in-nia", "id-1") is None
    assert store.found("in-ncb", ["id-1", "id-none"]) == {"id-1": (1, "digest-1")}


def test_a_topic_is_in_ledger_order_and_paged(store: Store):
    entries = [new_entry(n) for n in range(5)]
    append(
        store,
        EMPTY,
        *entries,
        packets=[new_packet(n) for n in range(5)],
        places=[new_place(n) for n in (4, 2, 0, 3, 1)],
    )
    assert [row[0] for row in store.topic("us-dea", "tip", -1, 3)] == [0, 1, 2]
    assert [row[0] for row in store.topic("us-dea", "tip", 2, 3)] == [3, 4]


def test_what_is_due(store: Store):
    append(
        store,
        EMPTY,
        *(new_entry(n) for n in range(4)),
        packets=[new_packet(n) for n in range(4)],
        places=[new_place(0), new_place(1, state="opened"), new_place(2, state="offered"), new_place(3)],
    )
    states = ["pending", "offered"]
    assert store.due(102, states, 9) == [("digest-0", "us-dea"), ("digest-2", "us-dea")]
    assert store.due(99, states, 9) == []
    assert store.due(200, states, 2) == [("digest-0", "us-dea"), ("digest-2", "us-dea")]


def test_heads_of_batches(store: Store):
    first = append(store, EMPTY, new_entry(0), new_entry(1), head=new_head(2, directory=7, policy="p"))
    second = append(store, first, new_entry(2))
    assert store.heads_after([0, 1, 2, 3]) == {0: first, 1: first, 2: second}
    assert store.heads_after([]) == {}
    assert store.has_head(2, first.root)
    assert not store.has_head(2, second.root)
    assert not store.has_head(1, first.root)


def test_a_note_is_kept_once(store: Store):
    first = append(store, EMPTY, new_entry(0))
    for note in (b"signed", b"signed again"):
        with store.transaction() as transaction:
            transaction.save_note(first.size, note)
    found = store.head()
    assert found is not None
    assert found.note == b"signed"


def test_entries_leaves_and_documents(store: Store):
    append(store, EMPTY, *(new_entry(n, document=Document(b"doc", b"hash") if n == 1 else None) for n in range(4)))
    assert [row.idx for row in store.entries(1, 3)] == [1, 2]
    assert [row.document for row in store.entries(1, 3)] == [None, None]
    assert [row.idx for row in store.entries_at([3, 0, 9])] == [0, 3]
    assert store.leaves(2, 9) == [new_entry(2).leaf, new_entry(3).leaf]
    assert [row.document for row in store.search(EntryQuery())] == [None, (b"doc", b"hash"), None, None]


def test_tiles(store: Store):
    hashes = bytes(range(256)) * 32
    tiles = [Tile(0, n, hashes, tile_root(hashes)) for n in range(3)]
    append(store, EMPTY, new_entry(0), tiles=tiles)
    assert store.tile(0, 1) == tiles[1]
    assert store.tile(0, 3) is None
    assert store.tile(1, 0) is None
    assert store.tile_roots(0, 1, 9) == [tiles[1].root, tiles[2].root]


def test_entries_about_a_packet(store: Store):
    head = append(store, EMPTY, new_entry(0, stray="digest-1"), new_entry(1, about=1), packets=[new_packet(1)])
    append(store, head, new_entry(2, about=1, document=Document(b"ack", b"hash")), new_entry(3))
    assert [(row.idx, row.document) for row in store.about("digest-1")] == [
        (0, None),
        (1, None),
        (2, (b"ack", b"hash")),
    ]
    assert store.about("digest-9") == []


SEARCHED = [
    new_entry(0, type="refused", stray="digest-1", code="schema", parties=(("in-ncb", True), ("us-dea", False))),
    new_entry(1, about=1),
    new_entry(2, type="delivered", actor="in-setu", about=1, parties=(("us-dea", False), ("in-ncb", True))),
    new_entry(3, kind="pen", exercise=True, parties=(("in-nia", True), ("us-cbp", False))),
    new_entry(4, type="ledger_read", kind=None, actor="us-audit", parties=(("us-audit", True),)),
]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        pytest.param(EntryQuery(), [0, 1, 2, 3, 4], id="all"),
        pytest.param(EntryQuery(after=1, limit=2), [2, 3], id="a page"),
        pytest.param(EntryQuery(since=time_at(2)), [2, 3, 4], id="since is inclusive"),
        pytest.param(EntryQuery(until=time_at(2)), [0, 1], id="until is exclusive"),
        pytest.param(EntryQuery(since=time_at(9)), [], id="since after the end"),
        pytest.param(EntryQuery(until=time_at(9)), [0, 1, 2, 3, 4], id="until after the end"),
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
    append(store, EMPTY, *SEARCHED, packets=[new_packet(1)])
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
