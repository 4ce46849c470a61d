"""Bytes that may not be kept any longer are removed: after the day that the header names, and once what was sent is
withdrawn. Header, manifest and signatures stay, and every entry.
"""

import asyncio
from collections.abc import Callable

from broker.flows.expire import Expire
from broker.flows.inforce import InForce, View, under_view
from broker.flows.record import entry, packet_ref, stored_header, what_stays
from broker.flows.routine import each_of
from broker.ledger.effects import Purged
from broker.ledger.port import Ledger, LedgerReader, NoTransition, Proposal, State, StoredPacket
from schemas.evidence import EntryType

_WAITING = (State.PENDING, State.OFFERED)


class Purge:
    """Run from time to time; each run handles at most `most` packets.

    Args:
        expire: ends a packet for who did not answer it before its bytes are gone.
    """

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        expire: Expire,
        *,
        now: Callable[[], float],
        most: int = 500,
    ) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader
        self._expire = expire
        self._now = now
        self._most = most
        self._scrubbed = False  # what an earlier process left to be done

    async def __call__(self) -> int:
        """How many were found that are to be purged."""
        found = await asyncio.to_thread(self._reader.purgeable, int(self._now()), self._most)
        try:
            await each_of(found, self._one)
        finally:
            if found or not self._scrubbed:
                self._scrubbed = False
                self._scrubbed = await asyncio.to_thread(self._reader.scrub)
        return len(found)

    async def _one(self, digest: str) -> None:
        packet = await asyncio.to_thread(self._reader.packet, digest)
        if packet is not None and packet.raw is not None:
            await self._end(packet)
            await self._purge(packet, packet.raw)

    async def _end(self, packet: StoredPacket) -> None:
        """Every recipient reaches a state that the log knows before there is nothing left to reach it by (G1)."""
        for recipient, state in packet.states.items():
            if state in _WAITING:
                await self._expire.one(packet.digest, recipient)

    async def _purge(self, packet: StoredPacket, raw: bytes) -> None:
        async def attempt(view: View) -> None:
            kind = EntryType.PURGED
            found = entry(
                kind,
                actor=self._in_force.gateway,
                audience=self._in_force.audience,
                view=view,
                packet=packet_ref(stored_header(raw), packet.digest),
            )
            proposal = Proposal(
                found,
                once=f"{kind}/{packet.digest}",
                basis=view.basis,
                effects=(Purged(packet.digest, what_stays(raw)),),
            )
            await asyncio.wrap_future(self._ledger.propose(proposal))

        try:
            await under_view(self._in_force, attempt)
        except NoTransition:
            return  # it is offered at this very moment: the next run finds it ended
