"""Entries that are disputed, for who reads the log: by the directory that is trusted, and by signatures at hand."""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime

from broker.cli.evidence import Proven
from broker.directory.disputed import SIGNED, Doubt, doubt_of
from broker.directory.lookup import Snapshot
from broker.directory.port import DirectorySource
from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.ledger.fetch import Fetch
from broker.ledger.port import EntryFilter
from broker.ledger.search import search_mirror
from schemas.base import instant
from schemas.directory import KeyState
from schemas.evidence import Entry

SAID = {Doubt.DISPUTED: "disputed", Doubt.POSSIBLE: "perhaps disputed"}
"""For people."""

WHY = "a key that signed was in other hands by then: do not rely on these alone"
ALL = 2**62


class Doubts:
    """Args:
    source: the directory that is trusted.
    prove: a packet's proof, verified; None where there is only the log. Asked where the log alone does not say.
    """

    def __init__(self, source: DirectorySource, prove: Callable[[str], Proven] | None = None) -> None:
        self._source = source
        self._prove = prove
        self._proven: dict[str, Proven | None] = {}

    def of(self, index: int, entry: Entry) -> Doubt | None:
        """Raises IntegrityError, UnavailableError where the directory in force cannot be had."""
        current = self._source.current()
        found = doubt_of(entry, current, None)
        if found is None:
            return None
        found = doubt_of(entry, current, self._then(entry))
        return self._certain(index, entry) if found is Doubt.POSSIBLE else found

    def in_log(self, fetch: Fetch) -> dict[str, int]:
        """How many entries of a log are disputed, and perhaps; nothing where no key was ever in other hands."""
        since = self._earliest()
        if since is None:
            return {}
        begin = instant(datetime.fromtimestamp(since, UTC))
        found = {Doubt.DISPUTED: 0, Doubt.POSSIBLE: 0}
        for each in search_mirror(fetch, EntryFilter(since=begin, types=sorted(SIGNED), limit=ALL)):
            doubt = self.of(each.index, Entry.model_validate_json(each.entry))
            if doubt is not None:
                found[doubt] += 1
        return {"disputed": found[Doubt.DISPUTED], "perhaps_disputed": found[Doubt.POSSIBLE]}

    def _earliest(self) -> int | None:
        times = [
            key.compromised_since
            for agency in self._source.current().document.agencies
            for key in agency.keys
            if key.state is KeyState.REVOKED and key.compromised_since is not None
        ]
        return min(times, default=None)

    def _then(self, entry: Entry) -> Snapshot | None:
        try:
            found = self._source.at(entry.directory.version)
        except (IntegrityError, UnavailableError):
            return None
        return found if found.ref == entry.directory else None

    def _certain(self, index: int, entry: Entry) -> Doubt | None:
        if self._prove is None or entry.packet is None:
            return Doubt.POSSIBLE
        digest = entry.packet.digest
        if digest not in self._proven:
            try:
                self._proven[digest] = self._prove(digest)
            except SetuError:
                self._proven[digest] = None
        proven = self._proven[digest]
        if proven is None or index in proven.unsigned:
            return Doubt.POSSIBLE
        return Doubt.DISPUTED if index in proven.disputed else None


def told(doubts: Doubts | None, items: Iterator[dict[str, object]]) -> Iterator[dict[str, object]]:
    """Items `{index, entry}` of JSON types, with `disputed` where something is known to be, or may be."""
    for each in items:
        entry, index = Entry.from_object(each["entry"]), each["index"]
        doubt = doubts.of(index, entry) if doubts is not None and isinstance(index, int) else None
        yield each if doubt is None else {**each, "disputed": doubt.value}
