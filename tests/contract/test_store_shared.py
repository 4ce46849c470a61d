"""What every store engine must do for processes that share it: leases, notes kept beside the log, what has grown."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from threading import Thread
from time import sleep, time

import pytest

from broker.errors import IntegrityError
from broker.store.port import (
    Lease,
    LeaseLostError,
    Store,
)
from broker.store.sql import SqlStore
from schemas.problem import Code
from tests.contract.rows import EMPTY, append, new_entry, new_packet, new_place, time_at


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
    first = append(store, EMPTY, new_entry(0))
    second = append(store, first, new_entry(1))
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
    rows = [
        new_place(0),
        new_place(2, "us-cbp", kind="pen"),
        new_place(2, "in-nia", kind="pen"),
        new_place(3),
        new_place(5),
    ]
    append(store, EMPTY, *(new_entry(n) for n in range(6)), packets=[new_packet(n) for n in (0, 2, 3, 5)], places=rows)
    pen = [(2, "in-nia", "pen"), (2, "us-cbp", "pen")]
    assert store.grown(-1, 9) == [(0, "us-dea", "tip"), *pen, (3, "us-dea", "tip"), (5, "us-dea", "tip")]
    assert store.grown(-1, 2) == [(0, "us-dea", "tip"), *pen]
    assert store.grown(2, 1) == [(3, "us-dea", "tip")]
    assert store.grown(5, 9) == []


def test_how_long_a_place_has_waited_a_checkpoint_stood_and_a_topic_been_behind(store: Store):
    assert (store.oldest("pending", 9), store.unpublished()) == (None, None)
    append(
        store,
        EMPTY,
        *(new_entry(n) for n in range(6)),
        packets=[new_packet(n) for n in range(6)],
        places=[new_place(0, state="opened"), new_place(1, "us-cbp"), *(new_place(n) for n in range(2, 6))],
    )
    assert store.oldest("pending", 9) == time_at(1)
    assert store.oldest("opened", 9) == time_at(0)
    assert store.oldest("withheld", 9) is None
    assert store.unpublished() == time_at(0)
    store.publish(5, b"five")
    assert store.unpublished() == time_at(5)
    store.publish(6, b"six")
    assert store.unpublished() is None
    assert [store.behind("us-dea", "tip", after, 9) for after in (-1, 0, 3, 5)] == [5, 4, 2, 0]
    assert store.behind("us-dea", "tip", -1, 3) == 3
    assert store.behind("us-dea", "pen", -1, 9) == 0


def test_among_few_the_oldest_place_is_looked_for_where_the_end_is_near(store: Store):
    late = new_place(0)._replace(exp=900)
    append(
        store,
        EMPTY,
        *(new_entry(n) for n in range(3)),
        packets=[new_packet(n) for n in range(3)],
        places=[late, new_place(1), new_place(2)],
    )
    assert store.oldest("pending", 2) == time_at(1)
    assert store.oldest("pending", 3) == time_at(0)
