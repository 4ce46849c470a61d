"""What went into a packet, and what its originators decided of it, as the ledger has it."""

from collections.abc import Collection, Mapping

from broker.flows.record import header_of
from broker.ledger.port import EntryFilter, LedgerReader
from broker.policy.lineage import Source
from schemas.act import DecidesRelease
from schemas.evidence import Entry, EntryType

PAGE = 100


class LedgerLineage:
    """The `broker.policy.lineage.Lineage` of a ledger: asked only for packets that name sources."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    def sources(self, digests: Collection[str]) -> Mapping[str, Source]:
        found = self._reader.packets(sorted(digests))
        return {digest: Source.of(digest, header_of(each)) for digest, each in found.items()}

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
