"""What of the ledger is counted for an operator: how much waits, and since when. Blocking, and cheap however long the
log is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from broker.ledger.port import State
from broker.store.port import Reads
from broker.transport.topics import topic
from schemas.evidence import ClockState

AMONG = 1000
"""Of so many waiting packets, those that expire first, the oldest is looked for."""

MOST = 10_000
"""A topic's lag is counted up to here."""


@dataclass(frozen=True, slots=True)
class Seen:
    """size: entries of the newest head. Unix seconds: `pending` since when the oldest packet waits to be offered,
    `unpublished` since when there is an entry beyond the published checkpoint, `purge` since when (or from when on) the
    first packet is to be purged; None where there is none. overdue: words that were not given in time.
    """

    size: int
    pending: float | None
    unpublished: float | None
    overdue: int
    purge: float | None


def see(store: Reads) -> Seen:
    """Raises UnavailableError where the store does not answer."""
    head = store.head()
    return Seen(
        size=0 if head is None else head.size,
        pending=_seconds(store.oldest(State.PENDING, AMONG)),
        unpublished=_seconds(store.unpublished()),
        overdue=store.clocks_in(ClockState.OVERDUE),
        purge=store.purge_due(),
    )


@dataclass(frozen=True, slots=True)
class Lag:
    """topics: what Kafka has not, by topic. success: unix seconds, when Kafka last took a record or had them all, or
    when this process began to look.
    """

    topics: dict[str, float]
    success: float


class Lags:
    """Follows the relay's positions in the store, from whatever process.

    Args:
        places: the (recipient, kind) topics that are relayed now.
        now: unix seconds.
    """

    def __init__(
        self, store: Reads, places: Callable[[], Sequence[tuple[str, str]]], *, now: Callable[[], float]
    ) -> None:
        self._store = store
        self._places = places
        self._now = now
        self._positions: dict[str, int] | None = None
        self._success = now()

    def __call__(self) -> Lag:
        """Raises UnavailableError where the store does not answer."""
        positions = self._store.positions()
        topics: dict[str, float] = {}
        for recipient, kind in self._places():
            name = topic(recipient, kind)
            behind = self._store.behind(recipient, kind, positions.get(name, -1), MOST)
            if behind or name in positions:
                topics[name] = behind
        if not any(topics.values()) or (self._positions is not None and positions != self._positions):
            self._success = self._now()
        self._positions = positions
        return Lag(topics, self._success)


def _seconds(instant: str | None) -> float | None:
    return None if instant is None else datetime.fromisoformat(instant).timestamp()
