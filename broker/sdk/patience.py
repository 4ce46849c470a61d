"""How long to wait before asking again, and when to stop: capped exponential back-off with jitter."""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from broker.errors import CallerError, SetuError, UnavailableError
from schemas.problem import Code

T = TypeVar("T")

Wall = Callable[[], float]
"""Unix seconds."""

Told = Callable[[SetuError, float, float], None]
"""Is told of each failure after which a call is repeated: the error, the seconds since the first time it was asked, and
those for which it will go on.
"""

Random = Callable[[int], bytes]
Sleep = Callable[[float], None]


@dataclass(frozen=True, slots=True)
class Backoff:
    """Waits that double from `first` to `cap` seconds; half of each is random, so that many senders spread out.

    `Retry-After` is a floor: the wait is never shorter than the gateway asked for.
    """

    first: float = 0.25
    cap: float = 30.0
    random: Random = os.urandom

    def wait(self, attempt: int, retry_after: float | None = None) -> float:
        """Seconds to wait after failure number `attempt` (from 0)."""
        spread = min(self.cap, self.first * 2.0 ** min(attempt, 32))
        part = int.from_bytes(self.random(4), "big") / 2**32
        return (retry_after or 0.0) + spread * (0.5 + part / 2)


@dataclass(frozen=True, slots=True)
class Persistence:
    """Repeats a call that is safe to repeat until it is answered or `total` seconds have gone.

    monotonic: seconds of a clock that never jumps. told: None to be silent.
    """

    backoff: Backoff
    total: float
    sleep: Sleep = time.sleep
    monotonic: Callable[[], float] = time.monotonic
    told: Told | None = None

    def ask(self, call: Callable[[float], T]) -> T:
        """`call(remaining)` is given the seconds left.

        Raises:
            SetuError: what `call` raised, where asking again cannot help or no time is left for it.
        """
        begun = self.monotonic()
        deadline = begun + self.total
        attempt = 0
        while True:
            try:
                return call(max(deadline - self.monotonic(), 0.001))
            except (UnavailableError, CallerError) as error:
                if not may_ask_again(error):
                    raise
                wait = self.backoff.wait(attempt, retry_after(error))
                now = self.monotonic()
                if now + wait >= deadline:
                    raise
                if self.told is not None:
                    self.told(error, now - begun, deadline - now)
            attempt += 1
            self.sleep(wait)


def may_ask_again(error: SetuError) -> bool:
    """Is this an answer that may be another later, without anybody doing anything?"""
    return isinstance(error, UnavailableError) or error.code is Code.RATE_LIMITED


def retry_after(error: SetuError) -> float | None:
    """Seconds the other side asked to wait, where it did."""
    return error.retry_after if isinstance(error, UnavailableError | CallerError) else None
