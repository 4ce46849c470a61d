"""What went into a packet, and what its originators decided of it, as the ledger has it."""

from collections.abc import Collection, Mapping

from broker.flows.record import header_of
from broker.ledger.port import EntryFilter, LedgerReader
from broker.policy.cache import Recent
from broker.policy.lineage import Source
from schemas.act import DecidesRelease
from schemas.evidence import Entry, EntryType

PAGE = 100
AT_ONCE = 8
"""Packets whose bytes are in memory at a time: all that went into one may be 256 of the largest."""
REMEMBERED = 1024


class LedgerLineage:
    """The `broker.policy.lineage.Lineage` of a ledger: asked only for packets that name sources. From any thread.

    A source is fixed by its digest, so one that was read is not read again each time something made of it is judged;
    decisions are.
    """

    def __init__(self, reader: LedgerReader, *, remember: int = REMEMBERED) -> None:
        self._reader = reader
        self._known: Recent[str, Source] = Recent(remember)

    def sources(self, digests: Collection[str]) -> Mapping[str, Source]:
        known = {digest: self._known.get(digest) for digest in digests}
        found = {digest: source for digest, source in known.items() if source is not None}
        unknown = sorted(digest for digest, source in known.items() if source is None)
        for start in range(0, len(unknown), AT_ONCE):
            for digest, packet in self._reader.packets(unknown[start : start + AT_ONCE]).items():
                found[digest] = Source.of(digest, header_of(packet))
                self._known.put(digest, found[digest])
        return found

    def decision(self, source: Source, agency: str) -> DecidesRelease | None:
        newest, after = None, -1
        while True:
            asked = EntryFilter(packet=source.digest, types=(EntryType.RELEASE_DECIDED,), after=after, limit=PAGE)
            page = self._reader.search(asked)
            for each in page:
                entry = Entry.model_validate_json(each.entry)
                said = entry.act
                if not isinstance(said, DecidesRelease) or entry.actor != source.sender:
                    continue
                if (said.of, said.agency) == (source.digest, agency):
                    newest = said
            if len(page) < PAGE:
                return newest
            after = page[-1].index
