"""Work that only one of several processes does at a time, by a lease on the store's clock.

What makes it safe is that every write of the work carries the lease, whose epoch the next holder ends. The times here
only make it quick: who cannot renew stops before another may begin, by a clock that goes on while a process is stopped.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import NamedTuple, Protocol

from broker.errors import SetuError, UnavailableError
from broker.flows.routine import ended, over
from broker.ledger.port import LeaseLost
from broker.store.port import Lease


class Times(NamedTuple):
    """Seconds. With these, and a new connection, a take-over takes less than ten.

    lease: for which it is taken. renew: between two renewals. retry: between two tries of one that stands by.
    rest: for which one that gave up leaves it to the others.
    """

    lease: float = 6.0
    renew: float = 2.0
    retry: float = 0.5
    rest: float = 5.0


USUAL = Times()

END_SECONDS = 10.0
"""In which the work ends once it is told to."""

_log = logging.getLogger(__name__)


class Leases(Protocol):
    """What of a `LedgerReader` is asked."""

    def lease(self, name: str, holder: str, seconds: float) -> Lease | None: ...

    def release(self, lease: Lease) -> None: ...


class Leased:
    """`run` it as a task; cancelled, it ends the work and gives the lease back at once.

    Args:
        holder: a name no other process has.
        monotonic: seconds, also those for which this process was stopped.
    """

    def __init__(
        self,
        leases: Leases,
        name: str,
        holder: str,
        *,
        times: Times = USUAL,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._leases = leases
        self._name = name
        self._holder = holder
        self._times = times
        self._monotonic = monotonic
        self._lease: Lease | None = None
        self._until = 0.0
        self._asking: tuple[float, asyncio.Task[Lease | None]] | None = None
        self.trouble: str | None = None
        """Why it is not known who holds the lease."""

    @property
    def active(self) -> bool:
        return self._lease is not None and self._monotonic() < self._until

    def current(self) -> Lease:
        """The lease, for a write; raises `LeaseLost` where it is over."""
        lease = self._lease
        if lease is None or self._monotonic() >= self._until:
            raise LeaseLost
        return lease

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        """For ever. `work` is done while the lease is held; it may give up by itself, or raise `LeaseLost`."""
        while True:
            rest = self._times.retry
            try:
                if await self._ask(self._times.lease) and await self._hold(work):
                    rest = self._times.rest
            except SetuError as error:
                self._said(error)
            await asyncio.sleep(rest)

    async def _hold(self, begin: Callable[[], Awaitable[None]]) -> bool:
        """The work, for as long as the lease lasts; whether it gave up by itself."""
        held = self._lease
        _log.warning("%s: taken over, epoch %d", self._name, held.epoch if held else 0)
        work = asyncio.ensure_future(begin())
        try:
            while (left := self._until - self._monotonic()) > 0:
                await asyncio.wait({work}, timeout=min(self._times.renew, left))
                if work.done():
                    return _gave_up(work)
                try:
                    if not await self._ask(self._until - self._monotonic()) or self._lease != held:
                        break
                except SetuError as error:
                    self._said(error)
            _log.warning("%s: lost to another, or not renewed in time", self._name)
            return False
        finally:
            self._lease = None
            await ended(work, END_SECONDS)
            if held is not None:
                await over(asyncio.ensure_future(asyncio.to_thread(self._leases.release, held)), END_SECONDS)

    async def _ask(self, seconds: float) -> bool:
        """Take or renew it; raises UnavailableError where no answer comes. Never two questions at a time."""
        if self._asking is None:
            question = asyncio.to_thread(self._leases.lease, self._name, self._holder, self._times.lease)
            self._asking = (self._monotonic(), asyncio.ensure_future(question))
        began, asked = self._asking
        await asyncio.wait({asked}, timeout=max(seconds, 0.0))
        if not asked.done():
            raise UnavailableError("Expected the store to say who holds the lease, found no answer.")
        self._asking = None
        self._lease = asked.result()
        self._until = began + self._times.lease
        self.trouble = None
        return self.active

    def _said(self, error: SetuError) -> None:
        if self.trouble != str(error):
            _log.warning("%s: lease not renewed: %s", self._name, error)
        self.trouble = str(error)


def _gave_up(work: "asyncio.Future[None]") -> bool:
    if work.cancelled():  # by something within it: whoever ends us is heard by our own waiting
        return True
    try:
        work.result()
    except LeaseLost:
        return False
    return True
