"""Finding entries: the same filter over a store's columns and, offline, over the entries of a mirror."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from broker.ledger.entries import PRIVATE, parties
from broker.ledger.fetch import Fetch, fetch_entries, fetch_hashes
from broker.ledger.port import EntryFilter, LoggedEntry
from broker.merkle.note import parse_checkpoint
from broker.merkle.tiles import CHECKPOINT, TileId, bundles
from broker.merkle.tree import TILE_WIDTH
from broker.store.port import EntryQuery


def to_query(what: EntryFilter) -> EntryQuery:
    """The filter as the store asks it of its indexed columns."""
    return EntryQuery(
        since=what.since,
        until=what.until,
        party=what.party,
        kind=what.kind,
        digest=what.packet,
        types=None if what.types is None else [str(each) for each in what.types],
        code=what.code,
        exercise=what.exercise,
        seen_by=what.parties_view,
        private=PRIVATE,
        after=what.after,
        limit=what.limit,
    )


def matches(what: EntryFilter, index: int, entry: Mapping[str, Any]) -> bool:
    """Whether an entry (an object of JSON types) passes the filter, `limit` aside."""
    packet = entry.get("packet") or {}
    involved = parties(entry)
    private = entry["type"] in PRIVATE
    return (
        index > what.after
        and (what.since is None or entry["time"] >= what.since)
        and (what.until is None or entry["time"] < what.until)
        and (what.party is None or what.party in involved)
        and (what.kind is None or packet.get("kind") == what.kind)
        and (what.packet is None or packet.get("digest") == what.packet)
        and (what.types is None or entry["type"] in what.types)
        and (what.code is None or entry.get("code") == what.code)
        and (what.exercise is None or packet.get("exercise", False) == what.exercise)
        and (
            what.parties_view is None
            or (what.parties_view in involved and (not private or involved[what.parties_view]))
        )
    )


def search_mirror(fetch: Fetch, what: EntryFilter) -> Iterator[LoggedEntry]:
    """The entries of a copy that pass the filter, in order, each checked against its leaf hash as it is read. That the
    hashes are the log's own is `broker.ledger.fsck.check_log`'s to say.

    Raises:
        IntegrityError: LOG_INVALID.
    """
    found = 0
    for bundle in bundles(parse_checkpoint(fetch(CHECKPOINT)).size):
        if bundle.first + TILE_WIDTH <= what.after + 1:
            continue
        leaves = fetch_hashes(fetch, TileId(0, bundle.n, bundle.width))
        for place, entry in enumerate(fetch_entries(fetch, bundle, leaves)):
            if found == what.limit:
                return
            if matches(what, bundle.first + place, json.loads(entry)):
                found += 1
                yield LoggedEntry(bundle.first + place, entry)
