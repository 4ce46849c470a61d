"""How much of the gateway one caller may take: sizes, times, rates and places. Clocks are given, never read here."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import ClassVar

from pydantic import ConfigDict

from broker.errors import CallerError
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Limits:
    """Sizes in bytes, times in seconds.

    head_seconds: from the first moment a request head is awaited to its end (also the TLS handshake).
    body_seconds: from the end of the head to the end of the body. send_seconds: without one byte taken by the reader.
    linger_seconds: how long the rest of a refused body is read and thrown away, so that the answer arrives.
    rate, burst: requests per second and agency; a batch counts as many as it has lines. seats: long polls, streams and
    batches open at once per agency. questions: outcomes and watches at once per agency, each of which reads thousands
    of entries. lists: deny lists that an agency hands in at once.
    batch_lines, batch_bytes: of one batch. batch_seconds: how long the gateway waits for a batch's bytes, all in all.
    batch_share: packets of one batch in the gateway's hands at once.
    connections: open at once. share: those of one client certificate, so that no agency takes them all.
    """

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    body_bytes: int = 1 << 20
    head_bytes: int = 16 << 10
    headers: int = 64
    head_seconds: float = 5.0
    body_seconds: float = 20.0
    send_seconds: float = 30.0
    idle_seconds: float = 60.0
    linger_seconds: float = 1.0
    stop_seconds: float = 30.0
    page: int = 500
    wait: float = 30.0
    rate: float = 200.0
    burst: float = 400.0
    seats: int = 64
    questions: int = 2
    lists: int = 4
    connections: int = 4096
    share: int = 512
    batch_lines: int = 1000
    batch_bytes: int = 32 << 20
    batch_seconds: float = 120.0
    batch_share: int = 64


class Buckets:
    """One token bucket for each agency. Only known agencies get one, so that strangers cannot fill the memory."""

    def __init__(self, rate: float, burst: float, monotonic: Callable[[], float]) -> None:
        self._rate = rate
        self._burst = burst
        self._monotonic = monotonic
        self._held: dict[str, tuple[float, float]] = {}

    def take(self, agency: str) -> None:
        """Take one token.

        Raises:
            CallerError: code `rate-limited`, with the whole seconds until there is a token again.
        """
        now, tokens = self._tokens(agency)
        if tokens < 1:
            self._held[agency] = (tokens, now)
            raise CallerError(
                Code.RATE_LIMITED,
                f"Expected at most {self._rate:g} requests a second, found more.",
                advice="Wait as long as Retry-After says, then ask again.",
                retry_after=max(1, math.ceil((1 - tokens) / self._rate)),
            )
        self._held[agency] = (tokens - 1, now)

    def take_many(self, agency: str, count: int) -> float:
        """Take `count` tokens if they are there; returns 0.0, or the seconds after which to ask again."""
        now, tokens = self._tokens(agency)
        count = min(count, max(1, int(self._burst)))
        if tokens < count:
            return max(0.001, (count - tokens) / self._rate)
        self._held[agency] = (tokens - count, now)
        return 0.0

    def _tokens(self, agency: str) -> tuple[float, float]:
        now = self._monotonic()
        tokens, since = self._held.get(agency, (self._burst, now))
        return now, min(self._burst, tokens + max(0.0, now - since) * self._rate)


class Seats:
    """How many of something an agency holds open at once.

    Args:
        what, advice: for the refusal.
    """

    def __init__(
        self,
        seats: int,
        what: str = "open polls, streams and batches",
        advice: str = "Close some; one stream for each topic is enough.",
    ) -> None:
        self._seats = seats
        self._what = what
        self._advice = advice
        self._taken: dict[str, int] = {}

    @contextmanager
    def taken(self, agency: str) -> Iterator[None]:
        """Hold one seat.

        Raises:
            CallerError: code `rate-limited`.
        """
        taken = self._taken.get(agency, 0)
        if taken >= self._seats:
            raise CallerError(
                Code.RATE_LIMITED,
                f"Expected at most {self._seats} {self._what}, found more.",
                advice=self._advice,
                retry_after=1,
            )
        self._taken[agency] = taken + 1
        try:
            yield
        finally:
            self._taken[agency] -= 1
            if not self._taken[agency]:
                del self._taken[agency]
