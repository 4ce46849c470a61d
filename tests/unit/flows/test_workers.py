"""Where processor work runs: how much of it waits can be told while it waits."""

import asyncio
import threading

from broker.flows.workers import Lane, Workers


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
