"""Packets nobody fetched or answered in time come to their end: one `expired` entry for each recipient."""

import asyncio
from collections.abc import Callable

from broker.flows.inforce import InForce, View, under_view
from broker.flows.record import entry, header_of, packet_ref
from broker.flows.routine import each_of
from broker.ledger.port import Ledger, LedgerReader, NoTransition, Proposal, State, Transition
from schemas.evidence import EntryType


class Expire:
    """Run from time to time; each run handles at most `most` (packet, recipient) pairs."""

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
        """How many were found due."""
        due = await asyncio.to_thread(self._reader.due, int(self._now()), self._most)
        await each_of(due, lambda each: self.one(*each))
        return len(due)

    async def one(self, digest: str, recipient: str) -> None:
        """End it for this recipient, unless its evidence came first."""

        async def attempt(view: View) -> None:
            await self._expire(digest, recipient, view)

        await under_view(self._in_force, attempt)

    async def _expire(self, digest: str, recipient: str, view: View) -> None:
        packet = await asyncio.to_thread(self._reader.packet, digest)
        if packet is None:
            return
        found = entry(
            EntryType.EXPIRED,
            actor=self._in_force.gateway,
            audience=self._in_force.audience,
            view=view,
            packet=packet_ref(header_of(packet), digest),
            recipient=recipient,
        )
        proposal = Proposal(
            found,
            once=f"{EntryType.EXPIRED}/{digest}/{recipient}",
            transitions=(Transition(digest, recipient, State.EXPIRED),),
            basis=view.basis,
        )
        try:
            await asyncio.wrap_future(self._ledger.propose(proposal))
        except NoTransition:
            return  # the recipient's own evidence came first, and stands
