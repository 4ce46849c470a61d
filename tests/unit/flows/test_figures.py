"""What of the ledger is counted: over a store that answers what a test says."""

from types import SimpleNamespace

import pytest

from broker.errors import UnavailableError
from broker.flows.figures import Lags, see

PLACES = [("us-dea", "tip"), ("us-dea", "pen"), ("us-cbp", "tip")]


class Rows:
    """The reads that figures ask. `behind`: (recipient, kind) -> the topic's last index."""

    def __init__(self):
        self.size = 0
        self.waits = self.uncovered = self.to_purge = None
        self.overdue = 0
        self.last = {}
        self.stored = {}
        self.down = False

    def head(self):
        if self.down:
            raise UnavailableError("Expected a store, found none.")
        return SimpleNamespace(size=self.size) if self.size else None

    def oldest(self, state, among):
        assert (state, among) == ("pending", 1000)
        return self.waits

    def clocks_in(self, state):
        assert state == "overdue"
        return self.overdue

    def purge_due(self):
        return self.to_purge

    def unpublished(self):
        return self.uncovered

    def positions(self):
        return dict(self.stored)

    def behind(self, recipient, kind, after, limit):
        return min(limit, max(0, self.last.get((recipient, kind), -1) - after))


def test_an_empty_ledger_waits_for_nothing():
    found = see(Rows())
    assert (found.size, found.pending, found.unpublished) == (0, None, None)
    assert (found.overdue, found.purge) == (0, None)


def test_what_is_overdue_and_what_should_be_gone():
    rows = Rows()
    rows.overdue, rows.to_purge = 3, 1_790_000_000
    found = see(rows)
    assert (found.overdue, found.purge) == (3, 1_790_000_000)


def test_since_when_something_waits():
    rows = Rows()
    rows.size, rows.waits, rows.uncovered = 7, "2026-01-31T12:00:00.000000Z", "2026-01-31T12:00:01.500000Z"
    found = see(rows)
    assert (found.size, found.pending, found.unpublished) == (7, 1769860800.0, 1769860801.5)


def test_a_store_that_does_not_answer_is_not_an_empty_one():
    rows = Rows()
    rows.down = True
    with pytest.raises(UnavailableError):
        see(rows)


def test_lag_is_counted_from_where_the_relay_stands_and_success_is_a_position_that_moves():
    rows, clock = Rows(), [100.0]
    lags = Lags(rows, lambda: PLACES, now=lambda: clock[0])
    assert (lags().topics, lags().success) == ({}, 100.0)

    clock[0], rows.last = 110.0, {("us-dea", "tip"): 9}
    found = lags()
    assert (found.topics, found.success) == ({"setu.us-dea.tip": 10}, 100.0)

    clock[0], rows.stored = 120.0, {"setu.us-dea.tip": 4}
    found = lags()
    assert (found.topics, found.success) == ({"setu.us-dea.tip": 5}, 120.0)

    clock[0] = 130.0
    assert lags().success == 120.0

    clock[0], rows.stored = 140.0, {"setu.us-dea.tip": 9}
    found = lags()
    assert (found.topics, found.success) == ({"setu.us-dea.tip": 0}, 140.0)


def test_a_relay_that_is_behind_from_the_first_look_on_is_given_the_time_since():
    rows = Rows()
    rows.last, rows.stored = {("us-cbp", "tip"): 20_000}, {"setu.us-cbp.tip": 3}
    found = Lags(rows, lambda: PLACES, now=lambda: 1.0)()
    assert (found.topics, found.success) == ({"setu.us-cbp.tip": 10_000}, 1.0)
