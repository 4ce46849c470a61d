"""Search of the exchange log by those who may, and an entry that says it was searched."""

import asyncio
from dataclasses import replace

from broker.flows.identify import Caller
from broker.flows.inforce import InForce
from broker.flows.record import entry
from broker.ledger.port import EntryFilter, Ledger, LedgerReader, LoggedEntry, Proposal
from schemas.directory import Role
from schemas.evidence import EntryType


class Audit:
    """Auditors search everything, an agency what it is party to."""

    def __init__(self, in_force: InForce, ledger: Ledger, reader: LedgerReader) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader

    async def search(self, caller: Caller, what: EntryFilter, trace: str | None = None) -> list[LoggedEntry]:
        """The entries found, by index. The entry that records the search is committed first.

        Raises:
            CallerError: code `forbidden`.
            UnavailableError: the log cannot be written, so it cannot be searched here; mirrors still can.
        """
        caller.require(Role.AUDITOR, Role.AGENCY)
        view = None if caller.has(Role.AUDITOR) else caller.agency.id
        found = entry(
            EntryType.LEDGER_READ,
            actor=caller.agency.id,
            audience=self._in_force.audience,
            view=self._in_force.view(),
            event="search",
            note=_described(what),
            trace=trace,
        )
        await asyncio.wrap_future(self._ledger.propose(Proposal(found)))
        return await asyncio.to_thread(self._reader.search, replace(what, parties_view=view))


def _described(what: EntryFilter) -> str:
    asked = [
        f"{name}={value if isinstance(value, str | bool) else ','.join(value)}"
        for name in ("since", "until", "party", "kind", "packet", "types", "code", "exercise")
        if (value := getattr(what, name)) is not None
    ]
    return " ".join(asked)[:200] or "all"
