"""What of the store's port is about clocks, and about bytes that are removed in their time."""

from collections.abc import Collection, Sequence
from typing import NamedTuple, Protocol


class ClockRow(NamedTuple):
    """When a recipient's word on a packet is due. `what`: which word; `due`: unix seconds."""

    idx: int
    recipient: str
    what: str
    due: int
    state: str


class OpenClock(NamedTuple):
    """A clock that somebody waits for, and the packet it is of."""

    clock: ClockRow
    digest: str
    sender: str
    kind: str


class Purge(NamedTuple):
    """Remove a packet's `raw`; `kept` stays."""

    idx: int
    kept: bytes
    kept_hash: bytes


class ClockReads(Protocol):
    """Reads of committed rows; see `broker.store.port`."""

    def clocks(self, indices: Collection[int]) -> list[ClockRow]:
        """All clocks of these packets, by packet, recipient and what is due."""
        ...

    def open_clocks(self, agency: str, open_: Sequence[str], hidden: str, limit: int) -> list[OpenClock]:
        """Clocks in the states `open_` of packets that an agency sent or received: first those in the last of these
        states, then by when they are due. What it received and has in the state `hidden` is left out.
        """
        ...

    def clocks_due(self, now: int, state: str, limit: int) -> list[tuple[str, ClockRow]]:
        """(digest, clock) of the clocks in this state that are due at or before `now`."""
        ...

    def clock_counts(self, recipient: str, state: str) -> dict[str, int]:
        """How many of a recipient's clocks are in this state, by the packet's kind."""
        ...

    def clocks_in(self, state: str) -> int:
        """How many clocks are in this state."""
        ...

    def purgeable(self, now: int, limit: int) -> list[str]:
        """Digests of packets whose bytes are to be removed at or before `now`, the oldest first."""
        ...

    def purge_due(self) -> int | None:
        """Since when, or from when on, the first packet's bytes are to be removed."""
        ...
