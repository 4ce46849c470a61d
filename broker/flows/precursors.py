"""The precursor watch at the gateway: what the caller may read, opened where the gateway is a reader too.

A recipient's packets are judged again, as when their bytes leave; what is sealed, purged or withdrawn, and everything
where the caller is no party to it (an auditor), is shown as the log alone shows it.
"""

import asyncio
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from broker.crypto.keys import PrivateKey
from broker.envelope.open import open_packet
from broker.envelope.verify import parse
from broker.errors import PacketError, RequestError
from broker.flows.audit import Audit
from broker.flows.identify import Caller
from broker.flows.inforce import InForce, View, under_view
from broker.flows.judge import Judge
from broker.flows.lineage import LedgerLineage
from broker.flows.record import stored_header
from broker.ledger.port import SERVED, EntryFilter, LedgerReader, StaleBasis, State, StoredPacket
from schemas import registry
from schemas.evidence import EntryType
from schemas.packet import Header
from schemas.precursors import KINDS, Fact, Source, facts_of
from schemas.problem import Code
from schemas.watch import UnreadRow, Watch, moment, watch

MOST = 5000
"""Packets that one question opens or lists: about five seconds of one thread."""

AT_ONCE = 64


class _DestroyedError(Exception):
    """The gateway's wrap key that would open a packet is not held any more."""


class Precursors:
    """Args:
    audit: what says which entries a caller may see, and records that it asked.
    keys: the gateway's own wrap keys by kid.
    """

    def __init__(
        self,
        in_force: InForce,
        reader: LedgerReader,
        audit: Audit,
        *,
        keys: Mapping[str, PrivateKey],
        now: Callable[[], float],
        most: int = MOST,
    ) -> None:
        self._in_force = in_force
        self._reader = reader
        self._audit = audit
        self._judge = Judge(LedgerLineage(reader), now)
        self._keys = keys
        self._now = now
        self._most = most

    async def __call__(
        self, caller: Caller, since: str | None, until: str | None, trace: str | None = None, *, show: bool = False
    ) -> Watch:
        """Everything that was accepted from `since` on and before `until`; `show`: with the facts themselves.

        Raises:
            CallerError: code `forbidden`.
            RequestError: code `bad-query`; the period holds more than one question may read.
            UnavailableError: the log cannot be written, or the release policy cannot be asked.
        """
        await self._audit.recorded(caller, "watch precursors", EntryFilter(since=since, until=until), trace)

        async def attempt(view: View) -> Watch:
            return await asyncio.to_thread(self._look, caller, view, since, until, show)

        return await under_view(self._in_force, attempt)

    def _look(self, caller: Caller, view: View, since: str | None, until: str | None, show: bool) -> Watch:
        if self._reader.in_force() != view.basis:
            raise StaleBasis  # content leaves without an entry of its own, so no committer would notice
        now = int(self._now())
        facts: list[Fact] = []
        unread: list[dict[str, Any]] = []
        answered: set[str] = set()
        for entry, index, packet in self._accepted(caller, since, until):
            act = entry.get("act") or {}
            if act.get("does") == "answers":
                answered.add(act["of"])
            destroyed = False
            try:
                opened = None if packet is None else self._opened(caller, view, entry, index, packet)
            except _DestroyedError:
                opened, destroyed = None, True
            if opened is None:
                unread.append({"index": index, "entry": entry, "destroyed": destroyed})
            else:
                facts.extend(opened)
        rows = [_unread(each, answered, now) for each in unread]
        return watch(facts, now, unread=rows, show=show)

    def _accepted(
        self, caller: Caller, since: str | None, until: str | None
    ) -> Iterator[tuple[dict[str, Any], int, StoredPacket | None]]:
        count = 0
        for kind in KINDS:
            what = EntryFilter(since=since, until=until, kind=kind, types=[EntryType.ACCEPTED], limit=AT_ONCE)
            after: int | None = what.after
            while after is not None:
                found = self._audit.found(caller, replace(what, after=after))
                after = found.more
                count += len(found.entries)
                if count > self._most:
                    raise RequestError(
                        Code.BAD_QUERY,
                        f"Expected a period of at most {self._most} packets of these kinds, found more.",
                        advice="Ask from a later `since`.",
                    )
                entries = [(json.loads(each.entry), each.index) for each in found.entries]
                packets = self._reader.packets([entry["packet"]["digest"] for entry, _ in entries])
                for entry, index in entries:
                    yield entry, index, packets.get(entry["packet"]["digest"])

    def _opened(
        self, caller: Caller, view: View, entry: dict[str, Any], index: int, packet: StoredPacket
    ) -> Sequence[Fact] | None:
        """The facts in it; None where it is not opened for this caller. Raises _DestroyedError: its wrap key is."""
        if packet.raw is None:
            return None
        header = stored_header(packet.raw)
        if not header.open or not self._may_read(caller, view, header, packet):
            return None
        own = self._keys.get(next(each.kid for each in header.to if each.agency == header.aud.gateway))
        if own is None:
            raise _DestroyedError
        try:
            raw = open_packet(parse(packet.raw), header.aud.gateway, {own.public.kid: own})
            payload = registry.load(header.kind, header.kind_version, raw)
        except (PacketError, registry.PayloadError):
            return None  # of a kind that this gateway no longer knows
        return facts_of(payload, Source.of_packet(header, packet.digest, index, _seconds(entry["time"])))

    def _may_read(self, caller: Caller, view: View, header: Header, packet: StoredPacket) -> bool:
        """Raises UnavailableError where the policy cannot be asked."""
        agency = caller.agency.id
        if header.from_ == agency:
            return True
        state = packet.states.get(agency)
        if state not in SERVED or state is State.PENDING:
            return False  # what was not offered yet leaves after its `delivered` entry, by its topic (G4)
        reader = view.snapshot.agency(agency)
        return reader is not None and self._judge.release(view, header, reader).permit


def _unread(row: dict[str, Any], answered: set[str], now: int) -> UnreadRow:
    entry = row["entry"]
    packet, act = entry["packet"], entry.get("act") or {}
    due = act["due"] if act.get("does") == "asks" else None
    told = packet["digest"] in answered
    return UnreadRow(
        digest=packet["digest"],
        index=row["index"],
        kind=packet["kind"],
        sender=packet["from"],
        recipients=tuple(each for each in packet["to"] if each != entry["aud"]["gateway"]),
        at=entry["time"],
        due=None if due is None else moment(due),
        answered=told,
        overdue=due is not None and not told and now >= due,
        destroyed=row["destroyed"],
    )


def _seconds(time: str) -> int:
    return int(datetime.fromisoformat(time).timestamp())
