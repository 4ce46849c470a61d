"""What a question that takes time was last answered: for figures that a store must be asked for."""

import asyncio
import time
from collections.abc import Callable
from typing import Generic, TypeVar

from broker.errors import SetuError

T = TypeVar("T")
FRESH = 5.0


class Asked(Generic[T]):
    """Asks in a thread, one question at a time, and keeps the answer for `fresh` seconds.

    Args:
        ask: may block; raises SetuError where there is no answer now, which leaves the last one as it is.
        monotonic: seconds of a clock that never jumps.
    """

    def __init__(
        self, ask: Callable[[], T], *, fresh: float = FRESH, monotonic: Callable[[], float] = time.monotonic
    ) -> None:
        self._ask = ask
        self._fresh = fresh
        self._monotonic = monotonic
        self._until = float("-inf")
        self._asking: asyncio.Task[None] | None = None
        self.last: T | None = None
        self.trouble = False

    async def refresh(self, patience: float) -> None:
        """Ask again where the answer is no longer fresh, and wait for it, but at most `patience` seconds."""
        if self._asking is None and self._monotonic() >= self._until:
            self._asking = asyncio.create_task(self._once())
        if self._asking is not None:
            await asyncio.wait((self._asking,), timeout=patience)

    async def _once(self) -> None:
        try:
            self.last = await asyncio.to_thread(self._ask)
            self.trouble = False
        except SetuError:
            self.trouble = True
        finally:
            self._until = self._monotonic() + self._fresh
            self._asking = None
