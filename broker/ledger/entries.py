"""From a proposal's entry to bytes and columns; who is party to an entry."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple

from pydantic import ValidationError

from broker.errors import SetuError
from schemas.base import instant
from schemas.evidence import MAX_ENTRY, Entry, EntryType
from schemas.problem import Code

PRIVATE = (EntryType.REFUSED.value, EntryType.REFUSED_MANY.value, EntryType.CONFLICT.value)
"""What an agency sees of these is its own only."""

_PLACEHOLDER = "1970-01-01T00:00:00.000000Z"
_ENCODER = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
_HOLE = f'"time":"{_PLACEHOLDER}"'.encode()


class Draft(NamedTuple):
    """An entry's canonical bytes before and after its time, and the columns it is found by."""

    before: bytes
    after: bytes
    type: str
    actor: str
    kind: str | None
    digest: str | None
    code: str | None
    exercise: bool
    parties: tuple[tuple[str, bool], ...]

    def at(self, time: str) -> bytes:
        """The entry's bytes, with its `Instant`."""
        return self.before + time.encode() + self.after


def draft(entry: Mapping[str, Any]) -> Draft:
    """Check a proposal's entry (JSON types, no `time`) and encode all of it but its time.

    Raises:
        SetuError: INTERNAL; not an `Entry`, or too long: nothing that is not one may enter the log.
    """
    try:
        # An Entry holds text, whole numbers and ASCII names only; for these, this is RFC 8785 (a test compares).
        raw = _ENCODER.encode({**entry, "time": _PLACEHOLDER}).encode()
        Entry.model_validate_json(raw)
    except (TypeError, ValidationError, ValueError) as error:
        raise _unfit("is one of the schema") from error
    before, hole, after = raw.partition(_HOLE)
    if "time" in entry or not hole or _HOLE in after:
        raise _unfit("has no time of its own")
    if len(raw) > MAX_ENTRY:
        raise _unfit(f"has at most {MAX_ENTRY} bytes")
    packet = entry.get("packet") or {}
    return Draft(
        before=before + b'"time":"',
        after=b'"' + after,
        type=str(entry["type"]),
        actor=entry["actor"],
        kind=packet.get("kind"),
        digest=packet.get("digest"),
        code=entry.get("code"),
        exercise=packet.get("exercise", False),
        parties=tuple(parties(entry).items()),
    )


def parties(entry: Mapping[str, Any]) -> dict[str, bool]:
    """Who is party to an entry: its actor, its packet's sender, and whom it concerns (`recipient`, or where it names
    none, all of `to`). True for the first two, whose own it is.
    """
    packet = entry.get("packet") or {}
    found: dict[str, bool] = {}
    if entry.get("recipient") is not None:
        found[entry["recipient"]] = False
    else:
        found.update(dict.fromkeys(packet.get("to", ()), False))
    if packet:
        found[packet["from"]] = True
    found[entry["actor"]] = True
    return found


def text_of(now: float) -> str:
    """Unix seconds as an `Instant`."""
    return instant(datetime.fromtimestamp(now, UTC))


def _unfit(expected: str) -> SetuError:
    return SetuError(Code.INTERNAL, f"Expected a ledger entry that {expected}, found another.")
