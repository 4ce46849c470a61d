"""What went into a packet, and what its originators decided of it, as far as a sender may ask its gateway."""

from collections.abc import Collection, Mapping

from broker.envelope.bundle import broken, proven_header
from broker.errors import NotFoundError
from broker.policy.cache import Recent
from broker.policy.lineage import Source
from broker.sdk.lookups import Lookups
from schemas.act import DecidesRelease
from schemas.evidence import EntryType
from schemas.packet import Header

REMEMBERED = 256


class LookedUp:
    """A `broker.policy.lineage.Lineage`. Safe to call from several threads.

    A header is fixed by its packet's digest, so one that was seen is not asked for again; decisions are. What this
    agency may not see, and what came before, is left to the gateway, which has it and judges again.
    """

    def __init__(self, lookups: Lookups) -> None:
        self._lookups = lookups
        self._headers: Recent[str, Header] = Recent(REMEMBERED)

    def know(self, digest: str, header: Header) -> None:
        """A packet that this program has verified, or sent, itself."""
        self._headers.put(digest, header)

    def sources(self, digests: Collection[str]) -> Mapping[str, Source]:
        """Raises IntegrityError (code `receipt-invalid`) where the gateway shows another header than the digest's."""
        found = {digest: self._header(digest) for digest in sorted(digests)}
        return {digest: Source.of(digest, header) for digest, header in found.items() if header is not None}

    def decision(self, source: Source, agency: str) -> DecidesRelease | None:
        try:
            items = self._lookups.timeline(source.digest).items
        except NotFoundError:
            return None
        said = [
            item.entry.act
            for item in sorted(items, key=lambda item: item.index)
            if item.entry.type is EntryType.RELEASE_DECIDED and item.entry.actor == source.sender
        ]
        ours = [each for each in said if isinstance(each, DecidesRelease) and each.agency == agency]
        return ours[-1] if ours else None

    def _header(self, digest: str) -> Header | None:
        known = self._headers.get(digest)
        if known is not None:
            return known
        try:
            proof = self._lookups.proof(digest)
        except NotFoundError:
            return None
        if proof.digest != digest:
            raise broken("the proof of the packet that was asked for", "another's")
        header = proven_header(proof)
        self.know(digest, header)
        return header
