"""Which entries are disputed: signed with a key that was in other hands by then, as the directory in force has it.

What was signed before `compromised_since` stays good, and so does all that a key signed which was only replaced. The
time that counts is the entry's: what a packet says of itself, whoever has its key writes.

An entry does not say which keys signed. Where the signatures are at hand (a packet, a proof), it is certain. By the log
alone it is, where the directory that the entry names had one key of that algorithm for that agency; while keys overlap,
it may have been the other one.
"""

from collections.abc import Collection
from datetime import datetime
from enum import StrEnum

from broker.directory.lookup import Snapshot
from schemas.directory import Key, KeyState, KeyUse
from schemas.evidence import Entry, EntryType

SIGNED = frozenset({EntryType.ACCEPTED, EntryType.ACKNOWLEDGED, EntryType.REJECTED_BY_RECIPIENT})
"""Entries of what an agency signed: its packet or its acknowledgement; `actor` is who."""


LATE = 60
"""Seconds by which an entry may be later than the moment at which its signatures were judged: it waits to be written,
and with several gateways its time is the store's.
"""


class Doubt(StrEnum):
    """`disputed`: a key signed it that was in other hands by then. `possible`: that key, or one beside it."""

    DISPUTED = "disputed"
    POSSIBLE = "possible"


def compromised(current: Snapshot, agency: str, at: int) -> list[Key]:
    """The agency's signing keys that were in other hands at `at` (seconds UTC), by the directory in force."""
    row = current.agency(agency)
    return [
        key
        for key in (() if row is None else row.keys)
        if key.use is KeyUse.SIGN
        and key.state is KeyState.REVOKED
        and key.compromised_since is not None
        and key.compromised_since <= at
    ]


def is_disputed(current: Snapshot, agency: str, kids: Collection[str], at: int) -> bool:
    """One of the keys that signed, `kids`, was in other hands at `at`, the entry's time."""
    return any(key.kid in kids for key in compromised(current, agency, at))


def doubt_of(entry: Entry, current: Snapshot, then: Snapshot | None) -> Doubt | None:
    """What can be known by the log alone. `then`: the directory that the entry names; None where it is not at hand."""
    at = seconds_of(entry)
    suspects = compromised(current, entry.actor, at) if entry.type in SIGNED else []
    if not suspects:
        return None
    if then is None:
        return Doubt.POSSIBLE
    row = then.agency(entry.actor)
    good = [key for key in (() if row is None else row.keys) if _could_sign(key, at)]
    signed = [key for key in good if any(key.kid == each.kid for each in suspects)]
    if not signed:
        return None
    alone = any(all(each.kid == key.kid or each.alg != key.alg for each in good) for key in signed)
    return Doubt.DISPUTED if alone else Doubt.POSSIBLE


def seconds_of(entry: Entry) -> int:
    """The entry's time, whole seconds UTC."""
    return int(datetime.fromisoformat(entry.time).timestamp())


def _could_sign(key: Key, at: int) -> bool:
    return key.use is KeyUse.SIGN and key.state is KeyState.ACTIVE and key.not_before <= at < key.not_after + LATE
