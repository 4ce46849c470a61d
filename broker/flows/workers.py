"""Where processor work runs: inline while one request is under way, in threads beyond.

Signature checks, hashing and AEAD of more than 2 kB release the interpreter lock, so threads use a second core; alone,
a hop to a thread and back costs more than it gains.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


class Workers:
    """A small pool of threads, passed by while nothing else is under way."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="setu-work")
        self._under_way = 0

    async def run(self, work: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        self._under_way += 1
        try:
            # Yields once: a second request that is ready to run is then counted, and both go to threads.
            await asyncio.sleep(0)
            if self._under_way == 1:
                return work(*args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._pool, lambda: work(*args, **kwargs))
        finally:
            self._under_way -= 1

    def close(self) -> None:
        self._pool.shutdown(wait=True)
