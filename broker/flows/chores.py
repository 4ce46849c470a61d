"""What falls due by itself: packets expire, words are overdue, bytes are purged. One of several processes sees to it.

Each of these entries stands once, whoever writes it, so a lease that ran out does no harm: it spares the others work.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from broker.errors import SetuError
from broker.ledger.port import LedgerReader

LEASE = "chores"


class Chores:
    """Run from time to time.

    Args:
        holder: a name no other process has; None where there is none beside this one.
        seconds: for which the lease is taken; a few times that between two runs. lease: its name.
    """

    def __init__(
        self,
        works: Sequence[Callable[[], Awaitable[int]]],
        reader: LedgerReader,
        *,
        holder: str | None = None,
        seconds: float = 30.0,
        lease: str = LEASE,
    ) -> None:
        self._works = works
        self._reader = reader
        self._holder = holder
        self._seconds = seconds
        self._lease = lease

    async def __call__(self) -> int:
        """How much was found to do; 0 where another process does it. One that fails does not keep the others from being
        done; what failed first is raised when all were tried.
        """
        if self._holder is not None:
            lease = await asyncio.to_thread(self._reader.lease, self._lease, self._holder, self._seconds)
            if lease is None:
                return 0
        found, failed = 0, None
        for work in self._works:
            try:
                found += await work()
            except SetuError as error:
                failed = failed or error
        if failed is not None:
            raise failed
        return found
