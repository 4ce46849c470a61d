"""What became of a packet: the entries a reader may see, and an offline proof of them."""

import asyncio
import json
from typing import Any

from broker.directory.disputed import SIGNED, compromised, is_disputed, seconds_of
from broker.errors import NotFoundError, UnavailableError
from broker.flows.identify import Caller
from broker.flows.inforce import InForce
from broker.flows.offer import was_offered
from broker.flows.record import evidence_of, header_of
from broker.ledger.port import LedgerReader, LoggedEntry, StoredPacket
from schemas.canonical import unb64u
from schemas.directory import Role
from schemas.evidence import AckBody, Acknowledgement, Entry, EntryType, Proof, Timeline, TimelineItem
from schemas.packet import Signature

PRIVATE = frozenset({EntryType.REFUSED, EntryType.CONFLICT})
OF_ALL = frozenset({EntryType.ACCEPTED, EntryType.RETRACTED, EntryType.PURGED})
"""What concerns every recipient that was offered the packet."""


class Timelines:
    """Auditors and the packet's sender see all of it; a recipient its own part, once it was offered the packet.

    Everything that grows with a packet or its entries is done in threads, so that no reader holds up another caller.

    Args:
        patience: how long a proof waits for the published checkpoint to cover its entries, seconds.
    """

    def __init__(self, reader: LedgerReader, in_force: InForce, *, patience: float) -> None:
        self._reader = reader
        self._in_force = in_force
        self._patience = patience

    async def timeline(self, caller: Caller, digest: str) -> Timeline:
        """Raises NotFoundError where there is nothing that the caller may see."""
        return await asyncio.to_thread(self._timeline, caller, digest)

    async def proof(self, caller: Caller, digest: str) -> Proof:
        """Raises NotFoundError; UnavailableError where the published checkpoint does not cover the packet yet."""
        evidence, seen = await asyncio.to_thread(self._provable, caller, digest)
        indices = [each.index for each, _ in seen]
        waited = 0.0
        receipts = await asyncio.to_thread(self._reader.receipts_at_checkpoint, indices)
        while len(receipts) < len(indices) and waited < self._patience:
            await asyncio.sleep(0.1)
            waited += 0.1
            receipts = await asyncio.to_thread(self._reader.receipts_at_checkpoint, indices)
        if not receipts:
            raise UnavailableError("Expected a published checkpoint that covers the packet, found none yet.")
        covered = {receipt.index for receipt in receipts}
        return Proof(
            digest=digest,
            aad=evidence["jwe"]["aad"],
            manifest=evidence["jws"]["payload"],
            signatures=_signatures(evidence),
            acknowledgements=tuple(
                Acknowledgement.model_validate_json(each.document)
                for each, _ in seen
                if each.document is not None and each.index in covered
            ),
            receipts=tuple(receipts),
        )

    def _timeline(self, caller: Caller, digest: str) -> Timeline:
        packet, seen = self._visible(caller, digest)
        states = {} if packet is None else {agency: state.value for agency, state in packet.states.items()}
        if not self._sees_all(caller, packet):
            states = {agency: state for agency, state in states.items() if agency == caller.agency.id}
        return Timeline(
            digest=digest,
            states=states,
            clocks=tuple(each for each in self._reader.clocks(digest) if each.recipient in states),
            items=tuple(
                TimelineItem(index=each.index, entry=entry, disputed=self._disputed(packet, each, entry) or None)
                for each, entry in seen
            ),
        )

    def _disputed(self, packet: StoredPacket | None, logged: LoggedEntry, entry: Entry) -> bool:
        """A key that signed was in other hands by then. Signatures are looked at only where a key of theirs was."""
        current, at = self._in_force.view().snapshot, seconds_of(entry)
        if entry.type not in SIGNED or not compromised(current, entry.actor, at):
            return False
        if entry.type is EntryType.ACCEPTED:
            return packet is not None and is_disputed(current, entry.actor, header_of(packet).sig, at)
        if logged.document is None:
            return False
        said = AckBody.from_json(unb64u(Acknowledgement.model_validate_json(logged.document).payload))
        return is_disputed(current, entry.actor, said.sig, at)

    def _provable(self, caller: Caller, digest: str) -> tuple[dict[str, Any], list[tuple[LoggedEntry, Entry]]]:
        packet, seen = self._visible(caller, digest)
        if packet is None:
            raise NotFoundError
        return json.loads(evidence_of(packet)), seen

    def _visible(self, caller: Caller, digest: str) -> tuple[StoredPacket | None, list[tuple[LoggedEntry, Entry]]]:
        packet, agency = self._reader.packet(digest), caller.agency.id
        entries = [(each, Entry.model_validate_json(each.entry)) for each in self._reader.timeline(digest)]
        if not caller.has(Role.AUDITOR):
            offered = packet is not None and agency in packet.states and was_offered(self._reader, digest, agency)
            entries = [(each, entry) for each, entry in entries if _may_see(entry, agency, offered=offered)]
        if not entries:
            raise NotFoundError
        return packet, entries

    def _sees_all(self, caller: Caller, packet: StoredPacket | None) -> bool:
        return caller.has(Role.AUDITOR) or (packet is not None and packet.sender == caller.agency.id)


def _may_see(entry: Entry, agency: str, *, offered: bool) -> bool:
    if entry.packet is not None and entry.packet.from_ == agency:
        return True
    if entry.type in PRIVATE or not offered:
        return False
    return entry.type in OF_ALL or agency in (entry.recipient, entry.actor)


def _signatures(evidence: dict[str, Any]) -> tuple[Signature, Signature]:
    first, second = (Signature.from_object(each) for each in evidence["jws"]["signatures"])
    return first, second
