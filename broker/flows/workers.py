"""Where processor work runs: inline while one request is under way, in threads beyond.

Signature checks, hashing and AEAD of more than 2 kB release the interpreter lock, so threads use a second core; alone,
a hop to a thread and back costs more than it gains.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Lock
from typing import Any, Generic, ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")


class Workers:
    """A small pool of threads, passed by while nothing else is under way."""

    def __init__(self, threads: int) -> None:
        self.threads = threads
        self.pool = ThreadPoolExecutor(threads, thread_name_prefix="setu-work")
        self.queues: list[Sized] = []
        self._under_way = 0

    def waiting(self) -> int:
        """How much waits for a thread."""
        return sum(len(each) for each in self.queues)

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self._under_way += 1
        try:
            # Yields once: a second request that is ready to run is then counted, and both go to threads.
            await asyncio.sleep(0)
            if self._under_way == 1:
                return work(*args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self.pool, lambda: work(*args, **kwargs))
        finally:
            self._under_way -= 1

    async def beside(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """In a thread, also where nothing else is under way: for work that waits for the store."""
        return await asyncio.get_running_loop().run_in_executor(self.pool, lambda: work(*args, **kwargs))

    def close(self) -> None:
        self.pool.shutdown(wait=True)


class Lane(Generic[T]):
    """Brings items to `work` in worker threads, several at a time: what comes while the threads are busy goes
    together, in the order it came, so that the price of a hop and of a look-up is shared just when it matters.

    Args:
        work: called with 1 to `most` items; leaves what it finds in them.
    """

    def __init__(self, workers: Workers, work: Callable[[Sequence[T]], None], *, most: int) -> None:
        self._pool = workers.pool
        self._free = workers.threads
        self._work = work
        self._most = most
        self._waiting: deque[tuple[T, _Group]] = deque()
        workers.queues.append(self._waiting)

    async def through(self, items: Sequence[T]) -> None:
        """Returns when `work` was done on all of them; raises what it raised."""
        loop = asyncio.get_running_loop()
        group = _Group(len(items), loop.create_future())
        if not self._waiting:
            # At the end of this turn of the loop: requests that came in the same one go along.
            loop.call_soon(self._start, loop)
        self._waiting.extend((each, group) for each in items)
        await group.done

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        while self._waiting and self._free:
            count = min(self._most, -(-len(self._waiting) // self._free))
            taken = [self._waiting.popleft() for _ in range(count)]
            self._free -= 1
            self._pool.submit(self._do, loop, taken)

    def _do(self, loop: asyncio.AbstractEventLoop, taken: Sequence[tuple[T, "_Group"]]) -> None:
        error: Exception | None = None
        try:
            self._work([item for item, _ in taken])
        except Exception as raised:  # noqa: BLE001 - goes to those who wait
            error = raised
        loop.call_soon_threadsafe(self._done, loop, taken, error)

    def _done(
        self, loop: asyncio.AbstractEventLoop, taken: Sequence[tuple[T, "_Group"]], error: Exception | None
    ) -> None:
        self._free += 1
        self._start(loop)
        for _, group in taken:
            group.one_done(error)


class _Group:
    """Items that somebody waits for together."""

    __slots__ = ("_left", "done")

    def __init__(self, count: int, done: "asyncio.Future[None]") -> None:
        self._left = count
        self.done = done

    def one_done(self, error: Exception | None) -> None:
        self._left -= 1
        if self.done.done():
            return
        if error is not None:
            self.done.set_exception(error)
        elif not self._left:
            self.done.set_result(None)


async def settled(futures: Sequence[Future[Any]]) -> None:
    """Wait until all these futures of other threads have their result or error: one call into the loop for all."""
    if not futures:
        return
    loop = asyncio.get_running_loop()
    done = loop.create_future()
    lock, left = Lock(), len(futures)

    def end() -> None:
        if not done.done():
            done.set_result(None)

    def one_done(_: Future[Any]) -> None:
        nonlocal left
        with lock:
            left -= 1
            last = not left
        if last:
            loop.call_soon_threadsafe(end)

    for each in futures:
        each.add_done_callback(one_done)
    await done
