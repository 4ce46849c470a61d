"""A rollback guard, and what each write to it cost."""

import time
from collections.abc import Callable
from typing import Protocol

from broker.ledger.guard import Guard, Proof


class Told(Protocol):
    def __call__(self, seconds: float, *, kept: bool) -> None: ...


class MeasuredGuard:
    """Does what `guard` does, and tells of each write how long it took and whether it was kept."""

    def __init__(self, guard: Guard, told: Told, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._guard = guard
        self._told = told
        self._monotonic = monotonic
        self.shared = guard.shared
        self.read = guard.read
        self.newest = guard.newest
        self.adopt = guard.adopt

    def write(self, note: bytes, proof: Proof) -> None:
        begun = self._monotonic()
        kept = False
        try:
            self._guard.write(note, proof)
            kept = True
        finally:
            self._told(self._monotonic() - begun, kept=kept)
