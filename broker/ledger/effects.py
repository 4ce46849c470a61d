"""What a proposal does to clocks and to bytes, beside its entry and its transitions; under the head lock, like those.

An act stands in an accepted packet's header (`schemas.act`). `digest` names the packet it is about, which must be known
to the ledger by then. What an effect does is decided by what is committed when it is its turn, so that no evidence is
overlooked that came between the decision and the commit.
"""

from dataclasses import dataclass
from typing import Literal

from schemas.evidence import EntryType, Word


@dataclass(frozen=True, slots=True)
class Asked:
    """The proposal's own packet asks: an answer of each of its recipients is due."""

    due: int


@dataclass(frozen=True, slots=True)
class Extended:
    """The answers of these recipients are due at another time, where they are still owed; overdue ones run again."""

    digest: str
    recipients: tuple[str, ...]
    due: int


@dataclass(frozen=True, slots=True)
class Given:
    """The recipient gave its word, in time or late: that clock stops."""

    digest: str
    recipient: str
    word: Word


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """Every recipient's place moves to retracted where it can, and its answer is no longer due; each that had been
    offered the packet, by any channel, owes its destruction at `due`, unless it attested that before. The packet's
    bytes are to be purged from now on.
    """

    digest: str
    due: int


@dataclass(frozen=True, slots=True)
class Missed:
    """The time passed: the clock is overdue. Where it is not running with this time any more, the whole proposal is
    dropped (`NoTransition`).
    """

    digest: str
    recipient: str
    word: Word
    due: int


@dataclass(frozen=True, slots=True)
class Purged:
    """The packet's bytes are removed, and `kept` stays of them. Where a recipient could still be offered it or has not
    answered it (pending, offered), the whole proposal is dropped (`NoTransition`).
    """

    digest: str
    kept: bytes


Effect = Asked | Extended | Given | Withdrawn | Missed | Purged

CHANNELS: tuple[Literal["https", "kafka"], ...] = ("https", "kafka")


def offer_key(digest: str, recipient: str, channel: str) -> str:
    """The `once` of the `delivered` entry for a packet, recipient and channel."""
    return f"{EntryType.DELIVERED}/{digest}/{recipient}/{channel}"
