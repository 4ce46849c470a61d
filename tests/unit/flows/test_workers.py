"""Many items go to few threads in groups: each is done once, in its order, and what fails is told to who waits.

How much of it waits can be told while it waits.
"""

import asyncio
import threading
from concurrent.futures import Future

import pytest

from broker.flows.workers import Lane, Workers, settled


@pytest.fixture
def workers():
    made = Workers(1)
    yield made
    made.close()


class Gate:
    """Work that notes what it was given, and stands still while the gate is shut."""

    def __init__(self):
        self.taken = []
        self.open = threading.Event()
        self.begun = threading.Event()
        self.open.set()

    def __call__(self, items):
        self.begun.set()
        assert self.open.wait(10)
        self.taken.append(list(items))
        if "bad" in items:
            raise ValueError("bad")


async def test_one_item_goes_at_once(workers):
    gate = Gate()
    await Lane(workers, gate, most=4).through(["a"])
    assert gate.taken == [["a"]]


async def test_what_comes_while_the_thread_is_busy_goes_together_in_order_and_no_more_than_that(workers):
    gate = Gate()
    lane = Lane(workers, gate, most=4)
    gate.open.clear()
    first = asyncio.create_task(lane.through(["first"]))
    await asyncio.to_thread(gate.begun.wait, 10)
    rest = [asyncio.create_task(lane.through([each])) for each in "abcdef"]
    await asyncio.sleep(0)
    gate.open.set()
    await asyncio.gather(first, *rest)
    assert gate.taken == [["first"], ["a", "b", "c", "d"], ["e", "f"]]


async def test_requests_of_one_turn_of_the_loop_go_together(workers):
    gate = Gate()
    lane = Lane(workers, gate, most=4)
    await asyncio.gather(*(lane.through([each]) for each in "abc"))
    assert gate.taken == [["a", "b", "c"]]


async def test_items_are_shared_out_among_free_threads():
    workers = Workers(2)
    gate = Gate()
    await Lane(workers, gate, most=16).through(list("abcdef"))
    workers.close()
    assert sorted(gate.taken) == [["a", "b", "c"], ["d", "e", "f"]]


async def test_a_group_is_done_when_its_last_item_is(workers):
    gate = Gate()
    await Lane(workers, gate, most=2).through(list("abcde"))
    assert gate.taken == [["a", "b"], ["c", "d"], ["e"]]


async def test_an_error_is_told_to_those_it_concerns_and_the_lane_goes_on(workers):
    gate = Gate()
    lane = Lane(workers, gate, most=1)
    good, bad, other = await asyncio.gather(
        lane.through(["good"]), lane.through(["bad"]), lane.through(["other"]), return_exceptions=True
    )
    assert (good, type(bad), other) == (None, ValueError, None)
    await lane.through(["later"])
    assert gate.taken[-1] == ["later"]


async def test_who_stops_waiting_stops_nobody_else(workers):
    gate = Gate()
    lane = Lane(workers, gate, most=1)
    gate.open.clear()
    gone, stays = asyncio.create_task(lane.through(["gone"])), asyncio.create_task(lane.through(["stays"]))
    await asyncio.to_thread(gate.begun.wait, 10)
    gone.cancel()
    gate.open.set()
    await stays
    assert gate.taken == [["gone"], ["stays"]]
    assert gone.cancelled()


async def test_settled_waits_for_the_last_whatever_became_of_each():
    futures = [Future() for _ in range(3)]
    waiting = asyncio.create_task(settled(futures))
    futures[0].set_result(1)
    futures[2].set_exception(ValueError("x"))
    await asyncio.sleep(0.01)
    assert not waiting.done()
    threading.Timer(0.01, futures[1].set_result, (2,)).start()
    await asyncio.wait_for(waiting, 10)


async def test_settled_has_nothing_to_wait_for():
    done = Future()
    done.set_result(None)
    await settled([])
    await asyncio.wait_for(settled([done]), 10)


async def test_what_waits_for_a_thread_is_counted():
    go, done = threading.Event(), []

    def work(items):
        go.wait(10)
        done.extend(items)

    workers = Workers(1)
    lane = Lane(workers, work, most=2)
    try:
        assert workers.waiting() == 0
        tasks = [asyncio.create_task(lane.through([number])) for number in range(5)]
        while workers.waiting() != 3:  # noqa: ASYNC110 - nobody tells of it
            await asyncio.sleep(0.01)
        go.set()
        await asyncio.gather(*tasks)
        assert (workers.waiting(), done) == (0, [0, 1, 2, 3, 4])
    finally:
        go.set()
        workers.close()
