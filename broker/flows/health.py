"""Whether this gateway could accept a packet now: it signs, and writes and reads a row, never the log."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from broker.errors import UnavailableError
from broker.flows.inforce import InForce
from broker.flows.standing import warnings
from broker.ledger.port import LedgerReader


class Health:
    """Args:
    sign: signs and verifies something with the log's keys, and returns the names of the pairs that sign; raises where
        it cannot. now: unix seconds.
    """

    def __init__(
        self,
        in_force: InForce,
        reader: LedgerReader,
        sign: Callable[[], list[str]],
        now: Callable[[], float] = time.time,
    ) -> None:
        self._in_force = in_force
        self._reader = reader
        self._sign = sign
        self._now = now

    async def ready(self) -> dict[str, Any]:
        """What was found; raises UnavailableError or IntegrityError where a packet could not be accepted."""
        if self._in_force.lacking is not None:
            raise UnavailableError(
                "Expected to go by the directory in force, found that this gateway lacks keys for it.",
                advice=self._in_force.lacking,
            )
        log_keys = await asyncio.to_thread(self._sign)
        await asyncio.to_thread(self._reader.probe)
        size, _ = await asyncio.to_thread(self._reader.head)
        view = self._in_force.view()
        if await asyncio.to_thread(self._reader.in_force) != view.basis:
            raise UnavailableError(
                "Expected this gateway's directory and policy in force, found those of another gateway.",
                advice=self._in_force.trouble or "It follows within a second, or says here why not.",
            )
        found: dict[str, Any] = {
            "ready": True,
            "directory": view.snapshot.ref.version,
            "policy": view.policy.version,
            "ledger_size": size,
            "log_keys": log_keys,
        }
        doubts = warnings(view.snapshot, self._now())
        if self._in_force.trouble is not None:
            doubts.insert(0, self._in_force.trouble)
        if doubts:
            found["warning"] = " ".join(doubts)
        return found
