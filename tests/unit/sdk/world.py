"""What stands around the SDK in its tests: time, randomness, a directory."""

import itertools
from collections.abc import Callable

from broker.directory.lookup import Snapshot
from broker.errors import IntegrityError, UnavailableError
from schemas.problem import Code
from tests.builders import NOW


class Clock:
    """Wall clock and monotonic clock in one; sleeping moves it."""

    def __init__(self, at: float = NOW) -> None:
        self.at = at
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds


def steady(size: int) -> bytes:
    """Randomness that is none: the same jitter each time."""
    return bytes([0x80]) * size


def counted() -> Callable[[int], bytes]:
    """Bytes that differ each time and are the same in each run."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size, "big")


class SimulatedDirectory:
    """A directory source over snapshots in memory. `published`: what a refresh finds."""

    def __init__(self, *held: Snapshot) -> None:
        self._held = {each.ref.version: each for each in held}
        self.published: list[Snapshot] = list(held)
        self.refreshed = 0
        self.unreachable = False

    @property
    def realm(self) -> str:
        return self.published[0].realm

    def current(self) -> Snapshot:
        return self._held[max(self._held)]

    def at(self, version: int) -> Snapshot:
        if version not in self._held:
            raise IntegrityError(Code.DIRECTORY_INVALID, "Expected a version that is held, found none.")
        return self._held[version]

    def refresh(self) -> Snapshot:
        self.refreshed += 1
        if self.unreachable:
            raise UnavailableError("Expected the repository to answer, found that it does not.")
        for each in self.published:
            self._held.setdefault(each.ref.version, each)
        return self.current()
