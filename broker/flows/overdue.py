"""What a recipient owed and did not give in time becomes an entry, whoever writes it: one each time a clock ran out."""

import asyncio
from collections.abc import Callable

from broker.flows.inforce import InForce, View, under_view
from broker.flows.record import entry, header_of, packet_ref
from broker.flows.routine import each_of
from broker.ledger.effects import Missed
from broker.ledger.port import Ledger, LedgerReader, NoTransition, Proposal
from schemas.evidence import Clock, EntryType


class Overdue:
    """Run from time to time; each run handles at most `most` clocks."""

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        *,
        now: Callable[[], float],
        most: int = 500,
    ) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader
        self._now = now
        self._most = most

    async def __call__(self) -> int:
        """How many were found missed."""
        missed = await asyncio.to_thread(self._reader.missed, int(self._now()), self._most)
        await each_of(missed, self._one)
        return len(missed)

    async def _one(self, missed: tuple[str, Clock]) -> None:
        digest, clock = missed

        async def attempt(view: View) -> None:
            await self._record(digest, clock, view)

        await under_view(self._in_force, attempt)

    async def _record(self, digest: str, clock: Clock, view: View) -> None:
        packet = await asyncio.to_thread(self._reader.packet, digest)
        if packet is None:
            return
        found = entry(
            EntryType.OVERDUE,
            actor=self._in_force.gateway,
            audience=self._in_force.audience,
            view=view,
            packet=packet_ref(header_of(packet), digest),
            recipient=clock.recipient,
            word=clock.word.value,
            due=clock.due,
        )
        # No key beside it: the effect is possible once, until an act lets the clock run again, maybe to the same time.
        proposal = Proposal(
            found,
            basis=view.basis,
            effects=(Missed(digest, clock.recipient, clock.word, clock.due),),
        )
        try:
            await asyncio.wrap_future(self._ledger.propose(proposal))
        except NoTransition:
            return  # the word came first, or there is another time for it now
