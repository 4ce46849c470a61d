"""Letting a packet go to one recipient by one channel: judged again, and the entry that says so committed first."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from broker.errors import CallerError
from broker.flows.inforce import InForce, View
from broker.flows.judge import Judge
from broker.flows.lineage import LedgerLineage
from broker.flows.record import decided, entry, packet_ref, stored_header
from broker.ledger.effects import offer_key
from broker.ledger.port import (
    SERVED,
    EntryFilter,
    Ledger,
    LedgerReader,
    NoTransition,
    Proposal,
    State,
    StoredPacket,
    TopicRow,
    Transition,
)
from broker.policy.port import Decision
from broker.store.port import Lease
from schemas.directory import Agency, AgencyState, Channel
from schemas.evidence import EntryType
from schemas.packet import Header
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Judged:
    """What policy says of one packet and one recipient under one view."""

    reader: Agency
    header: Header
    decision: Decision


class Offer:
    """For one channel; its name stands in the entries.

    Args:
        lease: the lease by which alone this channel may write; raises `LeaseLost` where it is over.
    """

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        channel: Literal["https", "kafka"],
        *,
        now: Callable[[], float],
        lease: Callable[[], Lease | None] = lambda: None,
    ) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader
        self._judge = Judge(LedgerLineage(reader), now)
        self._lease = lease
        self._channel: Literal["https", "kafka"] = channel
        self._now = now

    def judge(self, recipient: Agency, row: TopicRow, packet: StoredPacket, view: View) -> Judged | None:
        """The part of `settle` that is processor work; None where there is nothing to judge. From any thread.

        Raises:
            CallerError: the recipient is suspended, or gone: nothing leaves, and what waits for it goes on waiting.
            UnavailableError: as `broker.flows.judge.Judge.release`.
        """
        if row.state not in SERVED or packet.raw is None:
            return None
        header = stored_header(packet.raw)
        reader = view.snapshot.agency(recipient.id)
        if reader is None or reader.state is not AgencyState.ACTIVE:
            # A suspension may end; a packet that was withheld for its sake would be withheld for good.
            raise CallerError(
                Code.AGENCY_SUSPENDED,
                "Expected an active agency, found one that the directory suspends.",
                advice="Speak with your country's operator of the directory.",
            )
        return Judged(reader, header, self._judge.release(view, header, reader, via=self._channel))

    async def settle(
        self, recipient: Agency, row: TopicRow, packet: StoredPacket, view: View, judged: Judged | None = None
    ) -> State:
        """Decide what may leave, and commit the entry that says so before it does (G2, G4).

        Returns the state that this channel goes by: one of `SERVED` where the bytes may leave.

        `judged`: what `judge` said of the same packet, recipient and view, where it was asked already.

        Raises:
            StaleBasis: decide again.
            CallerError: as `judge`.
            UnavailableError: the ledger cannot be written, so nothing may leave.
            LeaseLost: another process does this now.
        """
        if row.state not in SERVED or packet.raw is None:
            return row.state
        judged = judged or self.judge(recipient, row, packet, view)
        if judged is None:
            return row.state
        reader, header, decision = judged.reader, judged.header, judged.decision
        if not decision.permit:
            await self._withhold(reader, row, header, view, decision.rules or ("no-permit",))
            return State.WITHHELD
        try:
            if row.state is State.PENDING and header.exp <= self._now():
                await self._write(EntryType.EXPIRED, State.EXPIRED, reader, row, header, view, None)
                return State.EXPIRED
            if row.state is State.PENDING:
                await self._write(EntryType.DELIVERED, State.OFFERED, reader, row, header, view, decision.rules)
                return State.OFFERED
            if Channel.KAFKA in reader.channels:
                # With two channels, an offer by the other says nothing of this one.
                await self._write(EntryType.DELIVERED, None, reader, row, header, view, decision.rules)
        except NoTransition:
            known = await asyncio.to_thread(self._reader.packet, row.digest)
            state = known.states[recipient.id] if known is not None else State.RETRACTED
            return await self.settle(recipient, replace(row, state=state), packet, view, judged)
        return row.state

    async def _withhold(
        self, recipient: Agency, row: TopicRow, header: Header, view: View, rules: tuple[str, ...]
    ) -> None:
        # What policy keeps from this channel alone may still be fetched by the other: no end, so no transition.
        here_only = (
            self._channel == "kafka" and (await asyncio.to_thread(self._judge.release, view, header, recipient)).permit
        )
        try:
            await self._write(
                EntryType.WITHHELD, None if here_only else State.WITHHELD, recipient, row, header, view, rules
            )
        except NoTransition:
            return  # the recipient's own evidence came first, and stands; the bytes stay here all the same

    async def _write(
        self,
        kind: EntryType,
        state: State | None,
        recipient: Agency,
        row: TopicRow,
        header: Header,
        view: View,
        rules: tuple[str, ...] | None,
    ) -> None:
        """Raises NoTransition; `state` None: the entry moves nothing."""
        delivered = kind is EntryType.DELIVERED
        by_channel = delivered or (kind is EntryType.WITHHELD and state is None)
        members: dict[str, Any] = {"channel": self._channel} if by_channel else {}
        if rules is not None:
            members["decision"] = decided("permit" if delivered else "deny", rules)
        found = entry(
            kind,
            actor=self._in_force.gateway,
            audience=self._in_force.audience,
            view=view,
            packet=packet_ref(header, row.digest),
            recipient=recipient.id,
            **members,
        )
        once = f"{kind}/{row.digest}/{recipient.id}" + (f"/{self._channel}" if by_channel else "")
        if delivered:
            once = offer_key(row.digest, recipient.id, self._channel)
        transitions = () if state is None else (Transition(row.digest, recipient.id, state),)
        proposal = Proposal(found, once=once, transitions=transitions, basis=view.basis, lease=self._lease())
        await asyncio.wrap_future(self._ledger.propose(proposal))


def was_offered(reader: LedgerReader, digest: str, agency: str) -> bool:
    """Has this recipient been offered this packet, by any channel? What never was is not there for it: it may read
    nothing of its evidence, as it may not acknowledge it.
    """
    asked = EntryFilter(packet=digest, party=agency, types=(EntryType.DELIVERED,), limit=1)
    return bool(reader.search(asked))


def within(rows: list[TopicRow], packets: Mapping[str, StoredPacket], most: int) -> list[TopicRow]:
    """As many rows as fit into so many bytes of packets, at least one."""
    size = 0
    for number, row in enumerate(rows):
        size += len(packets[row.digest].raw or b"")
        if number and size > most:
            return rows[:number]
    return rows
