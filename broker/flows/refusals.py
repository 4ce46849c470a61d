"""Refusals of which nothing may enter the ledger, counted: one entry per agency, code and minute."""

import asyncio
from collections import Counter
from collections.abc import Callable

from broker.flows.inforce import InForce
from broker.flows.record import entry
from broker.ledger.port import Ledger, Proposal
from schemas.evidence import EntryType
from schemas.problem import Code


class Refusals:
    """Counts in memory; `flush` writes what belongs to minutes that are over, or all of it at the end.

    A crash loses at most the counts of the running minute: they are a measure of noise, not evidence.
    """

    def __init__(self, ledger: Ledger, in_force: InForce, now: Callable[[], float]) -> None:
        self._ledger = ledger
        self._in_force = in_force
        self._now = now
        self._counts: Counter[tuple[int, str, Code]] = Counter()

    def count(self, agency: str, code: Code) -> None:
        self._counts[int(self._now()) // 60, agency, code] += 1

    async def flush(self, *, everything: bool = False) -> None:
        """Raises UnavailableError where the ledger cannot be written; the counts are then kept."""
        minute = int(self._now()) // 60
        for key in [key for key in self._counts if everything or key[0] < minute]:
            counted = self._counts.pop(key)
            _, agency, code = key
            found = entry(
                EntryType.REFUSED_MANY,
                actor=agency,
                audience=self._in_force.audience,
                view=self._in_force.view(),
                code=code.value,
                count=counted,
            )
            try:
                await asyncio.wrap_future(self._ledger.propose(Proposal(found)))
            except BaseException:
                self._counts[key] += counted
                raise
