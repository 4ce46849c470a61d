"""Search of the exchange log by those who may, and an entry that says it was searched."""

import asyncio
import json
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from broker.errors import RequestError
from broker.flows.identify import Caller
from broker.flows.inforce import InForce
from broker.flows.offer import was_offered
from broker.flows.record import entry
from broker.ledger.outcomes import Counting
from broker.ledger.port import EntryFilter, Ledger, LedgerReader, LoggedEntry, Proposal
from schemas.directory import Role
from schemas.evidence import EntryType
from schemas.outcomes import Outcomes
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Found:
    """`more`: the index to go on after, where there may be more."""

    entries: tuple[LoggedEntry, ...]
    more: int | None = None


class Audit:
    """Auditors search everything, an agency what it is party to: what it sent, what names it alone, and of what was
    addressed to it the acceptance, once it was offered the packet.

    Args:
        at_once, rounds: an agency's search reads so many entries at a time, so many times at most.
        most: accepted packets that one question about outcomes reads.
    """

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        *,
        at_once: int = 500,
        rounds: int = 8,
        most: int = 200_000,
    ) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader
        self._at_once = at_once
        self._rounds = rounds
        self._most = most

    async def search(self, caller: Caller, what: EntryFilter, trace: str | None = None) -> Found:
        """The entries found, by index. The entry that records the search is committed first.

        Raises:
            CallerError: code `forbidden`.
            UnavailableError: the log cannot be written, so it cannot be searched here; mirrors still can.
        """
        await self.recorded(caller, "search", what, trace)
        return await asyncio.to_thread(self.found, caller, what)

    async def outcomes(
        self,
        caller: Caller,
        since: str | None,
        counting: Counting,
        trace: str | None = None,
    ) -> Outcomes:
        """What packets accepted from `since` on led to: for an auditor all, for an agency what `search` shows it. The
        entry that records the question is committed first.

        Raises:
            CallerError: code `forbidden`.
            RequestError: code `bad-query`; the period holds more than one question may read.
            UnavailableError: as `search`.
        """
        what = EntryFilter(since=since, types=[EntryType.ACCEPTED], limit=self._at_once)
        await self.recorded(caller, "outcomes", what, trace)
        return await asyncio.to_thread(self._counted, caller, what, counting)

    def _counted(self, caller: Caller, what: EntryFilter, counting: Counting) -> Outcomes:
        after: int | None = what.after
        for _ in range(self._most // self._at_once + 1):
            found = self.found(caller, replace(what, after=after if after is not None else -1))
            for each in found.entries:
                counting.entry(json.loads(each.entry))
            after = found.more
            if after is None:
                return counting.report()
        raise RequestError(
            Code.BAD_QUERY,
            f"Expected a period of at most {self._most} accepted packets, found more.",
            advice="Ask from a later `since`, or count a mirror with `setu outcomes`.",
        )

    def found(self, caller: Caller, what: EntryFilter) -> Found:
        """The search itself, which is not recorded here. Blocks."""
        if caller.has(Role.AUDITOR):
            return self._everything(replace(what, parties_view=None))
        return self._own_part(replace(what, parties_view=caller.agency.id), caller.agency.id)

    async def recorded(self, caller: Caller, event: str, what: EntryFilter, trace: str | None) -> None:
        """Commit the entry that says who looked for what; raises CallerError for who may not, UnavailableError."""
        caller.require(Role.AUDITOR, Role.AGENCY)
        found = entry(
            EntryType.LEDGER_READ,
            actor=caller.agency.id,
            audience=self._in_force.audience,
            view=self._in_force.view(),
            event=event,
            note=_described(what),
            trace=trace,
        )
        await asyncio.wrap_future(self._ledger.propose(Proposal(found)))

    def _everything(self, what: EntryFilter) -> Found:
        return _cut(self._reader.search(what), what.limit)

    def _own_part(self, what: EntryFilter, agency: str) -> Found:
        offered = cache(lambda digest: was_offered(self._reader, digest, agency))
        found: list[LoggedEntry] = []
        after = what.after
        for _ in range(self._rounds):
            read = self._reader.search(replace(what, after=after, limit=self._at_once))
            for each in read:
                logged = json.loads(each.entry)
                if _named(logged, agency) or offered(logged["packet"]["digest"]):
                    found.append(each)
            if len(found) >= what.limit or len(read) < self._at_once:
                return _cut(found, what.limit)
            after = read[-1].index
        return Found(tuple(found), after)


def _named(logged: dict[str, Any], agency: str) -> bool:
    """Is the entry the agency's own, or does it concern the agency alone? (Else it is only among those addressed.)"""
    return agency in (logged["actor"], logged.get("recipient"), (logged.get("packet") or {}).get("from"))


def _cut(found: list[LoggedEntry], limit: int) -> Found:
    return Found(tuple(found[:limit]), found[limit - 1].index if len(found) >= limit else None)


def _described(what: EntryFilter) -> str:
    asked = [
        f"{name}={value if isinstance(value, str | bool) else ','.join(value)}"
        for name in ("since", "until", "party", "kind", "packet", "types", "code", "exercise")
        if (value := getattr(what, name)) is not None
    ]
    return " ".join(asked)[:200] or "all"
