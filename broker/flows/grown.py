"""Hears of what other processes committed to the same store: by looking, for that needs nothing but the store."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from typing import Protocol

from broker.errors import SetuError

LOOK = 0.05
"""Seconds between two looks: what a subscriber at another gateway waits at most."""

TROUBLE = 1.0
MOST = 1000
_log = logging.getLogger(__name__)


class Growth(Protocol):
    """What of a store is asked."""

    def grown(self, after: int, limit: int) -> Sequence[tuple[int, str, str]]:
        """(index, recipient, kind) of the places after an index, in ledger order."""
        ...


class Grown:
    """`run` it as a task. What this process committed rings by itself and, harmlessly, here once more.

    Args:
        ring: called with the (recipient, kind) topics that grew, on the event loop.
        after: the ledger index beyond which is news.
    """

    def __init__(self, store: Growth, ring: Callable[[frozenset[tuple[str, str]]], None], *, after: int) -> None:
        self._store = store
        self._ring = ring
        self._after = after

    async def run(self) -> None:
        """For ever; whoever waits looks again by himself each second, so that a failure only delays."""
        while True:
            try:
                more = await self.look()
                await asyncio.sleep(0 if more else LOOK)
            except SetuError as error:
                _log.warning("growth not seen", extra={"code": error.code, "found": error.message})
                await asyncio.sleep(TROUBLE)
            except Exception:  # noqa: BLE001 - it outlives whatever one look meets
                _log.exception("growth not seen")
                await asyncio.sleep(TROUBLE)

    async def look(self) -> bool:
        """One look; True where there is more at hand."""
        found = await asyncio.to_thread(self._store.grown, self._after, MOST)
        if found:
            self._after = found[-1][0]
            self._ring(frozenset((recipient, kind) for _, recipient, kind in found))
        return len(found) == MOST
