"""What is due to an agency and from it."""

import asyncio

from broker.flows.identify import Caller
from broker.ledger.port import LedgerReader
from schemas.directory import Role
from schemas.evidence import ClockState, OpenClock, OpenClocks, Word


class OpenClockList:
    """An agency sees what it waits for, and what it owes of what it was offered."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    async def __call__(self, caller: Caller, limit: int) -> OpenClocks:
        """At most `limit` clocks, overdue ones first.

        Raises:
            CallerError: code `forbidden`.
            UnavailableError: the ledger does not answer.
        """
        caller.require(Role.AGENCY)
        found = await asyncio.to_thread(self._reader.open_clocks, caller.agency.id, limit + 1)
        clocks = tuple(
            OpenClock(
                recipient=clock.recipient,
                word=Word(clock.what),
                due=clock.due,
                state=ClockState(clock.state),
                digest=digest,
                index=clock.idx,
                from_=sender,
                kind=kind,
            )
            for clock, digest, sender, kind in found[:limit]
        )
        return OpenClocks(clocks=clocks, more=len(found) > limit)
