"""A packet as a subscriber's program meets it: verified, opened, and able to answer for itself."""

from collections.abc import Callable
from typing import Any

from broker.sdk.content import Payload
from broker.sdk.verify import Verified
from schemas.base import Model
from schemas.evidence import AckEvent, AckPacket, Entry, Receipt
from schemas.packet import Header
from schemas.problem import Code

Answering = Callable[[AckPacket, AckEvent, Code | None], Receipt]


class Received:
    """One packet of a topic. Every step of the recipe has passed before a program sees it.

    header: what the sender signed and everybody may read.
    payload: the registry's model for the kind; a dictionary where this program's registry does not know the kind yet.
    index, digest: its place in the ledger and its name.
    raw: the packet's bytes.
    receipt, entry: the proof of its place in the ledger, verified, and the entry itself.
    disputed: the sender's key was revoked later as compromised from before this packet on: do not rely on it alone.
    """

    def __init__(self, verified: Verified, answering: Answering, done: Callable[[], None]) -> None:
        self.header: Header = verified.header
        self.payload: Payload = verified.payload
        self.index: int = verified.receipt.index
        self.digest: str = verified.parsed.digest
        self.raw: bytes = verified.parsed.raw
        self.receipt: Receipt = verified.receipt
        self.entry: Entry = verified.entry
        self.disputed: bool = verified.disputed
        self.topic: str = verified.item.topic
        self._named = verified.named
        self._answering = answering
        self._done = done

    def as_object(self) -> dict[str, Any]:
        """The payload as an object of JSON types."""
        return self.payload.to_object() if isinstance(self.payload, Model) else dict(self.payload)

    def acknowledge(self, event: AckEvent | str = AckEvent.OPENED, reason: Code | str | None = None) -> Receipt:
        """Tell the sender and the ledger, signed, what became of this packet.

        `opened` and `rejected` are the last word: this packet does not come again after them. `received` is not.

        Args:
            event: `received`, `opened` or `rejected`.
            reason: a problem code; with `rejected` always, else never.

        Returns:
            the verified receipt of the acknowledgement's own entry.

        Raises:
            ValueError: no such event or reason.
            PacketError: refused; or code `receipt-invalid`, where the answer proves nothing.
            OutcomeUnknownError: no answer in time; acknowledge again, that is always safe.
        """
        said = AckEvent(event)
        receipt = self._answering(self._named, said, None if reason is None else Code(reason))
        if said is not AckEvent.RECEIVED:
            self._done()
        return receipt

    def __repr__(self) -> str:
        return f"<{self.header.kind} from {self.header.from_}, ledger index {self.index}>"
