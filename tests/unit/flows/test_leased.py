"""One of several does the work: who renews goes on, who cannot stops before another may begin."""

import asyncio
import contextlib
import threading
from itertools import count

import pytest

from broker.errors import UnavailableError
from broker.flows.leased import Leased, Times
from broker.ledger.port import LeaseLost
from broker.store.port import Lease

NAME = "relay"


class Leases:
    """A store's leases by a clock that the test moves."""

    def __init__(self):
        self.now = 0.0
        self.held = None
        self.until = 0.0
        self.down = False
        self.hangs = None
        self._epochs = count(1)

    def lease(self, name, holder, seconds):
        if self.hangs is not None:
            self.hangs.wait(10)
        if self.down:
            raise UnavailableError("Expected the store to answer, found no answer.")
        if self.held is None or (self.held.holder != holder and self.until <= self.now):
            self.held = Lease(name, holder, next(self._epochs))
        if self.held.holder != holder:
            return None
        self.until = self.now + seconds
        return self.held

    def release(self, lease):
        if self.held == lease:
            self.held = None


class Work:
    def __init__(self, made):
        self.leased = made
        self.runs = 0
        self.going = asyncio.Event()
        self.ends = asyncio.Event()
        self.error = None

    async def __call__(self):
        self.runs += 1
        self.going.set()
        try:
            await self.ends.wait()
            if self.error:
                raise self.error
        finally:
            self.going.clear()
            self.ends.clear()


QUICK = Times(renew=0.02, retry=0.01, rest=0.05)


@contextlib.asynccontextmanager
async def running(leases, holder):
    made = Leased(leases, NAME, holder, times=QUICK, monotonic=lambda: leases.now)
    work = Work(made)
    task = asyncio.create_task(made.run(work))
    try:
        yield work
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds):
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 - what is waited for is no event
            await asyncio.sleep(0.005)


async def test_one_works_and_the_other_stands_by():
    leases = Leases()
    async with running(leases, "one") as one:
        await one.going.wait()
        async with running(leases, "two") as two:
            await asyncio.sleep(0.1)
            assert (one.leased.active, two.leased.active, two.runs) == (True, False, 0)
            assert one.leased.current() == leases.held
            with pytest.raises(LeaseLost):
                two.leased.current()


async def test_an_orderly_end_gives_the_lease_back_at_once():
    leases = Leases()
    async with running(leases, "two") as two:
        await two.going.wait()
    assert leases.held is None
    async with running(leases, "one") as one:
        await one.going.wait()
        assert one.leased.current().epoch == 2


async def test_who_was_stopped_writes_nothing_once_its_time_is_over():
    leases = Leases()
    async with running(leases, "one") as one:
        await one.going.wait()
        leases.down = True  # it cannot renew
        leases.now += QUICK.lease
        with pytest.raises(LeaseLost):
            one.leased.current()
        assert not one.leased.active
        await until(lambda: not one.going.is_set())


async def test_who_was_overtaken_stops_and_stands_by():
    leases = Leases()
    async with running(leases, "one") as one:
        await one.going.wait()
        leases.held, leases.until = Lease(NAME, "two", 99), 1000.0
        await until(lambda: not one.going.is_set())
        assert leases.held.holder == "two"
        leases.now = 2000.0
        await until(one.going.is_set)
        assert one.runs == 2


async def test_a_store_that_fails_for_a_moment_changes_nothing():
    leases = Leases()
    async with running(leases, "one") as one:
        await one.going.wait()
        leases.down = True
        await until(lambda: one.leased.trouble is not None)
        leases.down = False
        await until(lambda: one.leased.trouble is None)
        assert (one.runs, one.leased.current().epoch) == (1, 1)


async def test_a_store_that_never_answers_ends_the_work_in_time():
    leases = Leases()
    async with running(leases, "one") as one:
        await one.going.wait()
        leases.hangs = threading.Event()
        try:
            leases.now += QUICK.lease
            await until(lambda: not one.going.is_set())
        finally:
            leases.hangs.set()


async def test_who_gives_up_lets_others_try():
    leases = Leases()
    async with running(leases, "one") as one, running(leases, "two") as two:
        await until(lambda: one.going.is_set() or two.going.is_set())
        first, second = (one, two) if one.going.is_set() else (two, one)
        first.ends.set()
        await until(second.going.is_set)
        assert not first.going.is_set()


async def test_work_that_finds_its_lease_lost_is_begun_anew_only_with_another():
    leases = Leases()
    async with running(leases, "one") as one:
        await one.going.wait()
        one.error = LeaseLost()
        one.ends.set()
        await until(lambda: one.runs == 2)
        assert one.leased.current().epoch == 2


async def test_work_that_ends_cancelled_by_a_library_gives_up_and_is_begun_again():
    leases = Leases()
    async with running(leases, "one") as one:
        await one.going.wait()
        one.error = asyncio.CancelledError()
        one.ends.set()
        await until(lambda: one.runs == 2)
        one.error = None
        await until(one.going.is_set)
        assert one.leased.active
