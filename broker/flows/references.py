"""The earlier packets that a header names, in `act` and `sources`: there, and the sender's to name."""

from broker.errors import PacketError
from broker.flows.offer import was_offered
from broker.ledger.port import LedgerReader, State
from schemas.act import Asks, DecidesRelease, Extends, Withdraws
from schemas.packet import Header
from schemas.problem import Code

BY_SENDER = (Extends, Withdraws, DecidesRelease)
"""Acts of the sender of `of`; all others but `asks` are a recipient's."""


class References:
    """Asked of the ledger for each packet that names others; most name none. From any thread."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    def check(self, header: Header) -> None:
        """Raises:
        PacketError: code `reference-unknown`: no such packet here, or not one in which the sender has that part; which
            of the two is not said.
        UnavailableError: the ledger does not answer.
        """
        if header.act is not None and not isinstance(header.act, Asks):
            sent, received = self._part(header.act.of, header.from_)
            if not (sent if isinstance(header.act, BY_SENDER) else received):
                raise _unknown("/act/of", "that its sender sent" if isinstance(header.act, BY_SENDER) else _RECEIVED)
        for place, digest in enumerate(header.sources or ()):
            if not any(self._part(digest, header.from_)):
                raise _unknown(f"/sources/{place}", "that its sender sent, or was offered")

    def _part(self, digest: str, agency: str) -> tuple[bool, bool]:
        """Did this agency send it; was it offered it?"""
        packet = self._reader.packet(digest)
        if packet is None:
            return False, False
        state = packet.states.get(agency, State.PENDING)
        offered = state is not State.PENDING and was_offered(self._reader, digest, agency)
        return packet.sender == agency, offered


_RECEIVED = "that its sender was offered"


def _unknown(pointer: str, what: str) -> PacketError:
    return PacketError(
        Code.REFERENCE_UNKNOWN,
        f"Expected the digest of a packet of this ledger {what}, found another.",
        advice="Take the digest from the packet or its receipt.",
        pointer=pointer,
    )
