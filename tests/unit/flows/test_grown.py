"""What other processes commit is heard of: each topic once, in parts, and a store that fails only delays."""

import asyncio

from broker.errors import UnavailableError
from broker.flows.grown import MOST, Grown


class Rows:
    def __init__(self, rows):
        self.rows, self.failures = rows, 0

    def grown(self, after, limit):
        if self.failures:
            self.failures -= 1
            raise UnavailableError("Expected the store, found none.")
        return [row for row in self.rows if row[0] > after][:limit]


async def test_what_was_there_at_first_does_not_ring_and_what_comes_does_once():
    rows, heard = Rows([(0, "us-dea", "tip")]), []
    grown = Grown(rows, heard.append, after=0)
    assert not await grown.look()
    rows.rows += [(3, "us-dea", "pen"), (3, "us-cbp", "pen"), (4, "us-dea", "pen")]
    assert not await grown.look()
    assert not await grown.look()
    assert heard == [frozenset({("us-dea", "pen"), ("us-cbp", "pen")})]


async def test_more_than_fits_one_look_is_taken_in_parts():
    rows, heard = Rows([]), []
    grown = Grown(rows, heard.append, after=-1)
    rows.rows = [(index, f"us-{index}", "tip") for index in range(MOST + 1)]
    assert await grown.look()
    assert not await grown.look()
    assert sum(map(len, heard)) == MOST + 1


async def test_a_store_that_fails_delays_and_no_more():
    rows, heard, told = Rows([]), [], asyncio.Event()
    task = asyncio.create_task(Grown(rows, lambda topics: (heard.append(topics), told.set()), after=-1).run())
    rows.failures = 1
    rows.rows = [(7, "us-dea", "tip")]
    await asyncio.wait_for(told.wait(), 10)
    task.cancel()
    assert heard == [frozenset({("us-dea", "tip")})]
    assert rows.failures == 0
