"""The earlier packets that a header names, in `act` and `sources`: there, the sender's to name, and fit for the act.

1. The packet is in this ledger, and the sender has the part in it that the act needs. What is not there and what is not
   its to name get the same answer.
2. The act fits: a drill's is about a drill's packet, what is extended or answered asks, what is attested was withdrawn.
3. It comes to those whom it concerns: a recipient's word to the sender of the packet, a withdrawal to every recipient
   that the directory still lists as active, an extension to one whose answer is due, a decision to whom it is about.
4. A payload that the gateway may read means the same: id and digest in it are of one packet.

Only who passed 1 is told of the others.
"""

from broker.errors import PacketError
from broker.flows.inforce import View
from broker.flows.offer import was_offered
from broker.flows.record import header_of
from broker.ledger.port import LedgerReader, State, StoredPacket
from schemas.act import Answers, Asks, Attests, DecidesRelease, Extends, Reports, RequestsRelease, Withdraws
from schemas.directory import AgencyState
from schemas.evidence import Word
from schemas.packet import Header
from schemas.payloads.parts import PacketRef, Payload
from schemas.problem import Code

BY_SENDER = (Extends, Withdraws, DecidesRelease)
"""Acts of the sender of `of`; all others but `asks` are a recipient's."""

OF = "/act/of"
TO = "/to"


class References:
    """Asked of the ledger for each packet that names others; most name none. From any thread."""

    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    def check(self, header: Header, view: View) -> None:
        """Raises:
        PacketError: code `reference-unknown`; see above.
        UnavailableError: the ledger does not answer.
        """
        act = header.act
        if act is not None and not isinstance(act, Asks):
            packet = self._named(act.of, header.from_, OF, by_sender=isinstance(act, BY_SENDER))
            self._check_fit(act, packet, header)
            _check_told(act, packet, header, view)
        for place, digest in enumerate(header.sources or ()):
            self._named(digest, header.from_, f"/sources/{place}", by_sender=None)

    def check_payload(self, payload: Payload, header: Header) -> None:
        """Id and digest of an earlier packet in an open payload are of one packet. Of what the sender has no part in,
        nothing is said.

        Raises:
            PacketError: code `reference-unknown`; they are two packets'.
            UnavailableError: the ledger does not answer.
        """
        for name in type(payload).model_fields:
            named = getattr(payload, name)
            if not isinstance(named, PacketRef):
                continue
            packet = self._reader.packet(named.digest)
            if packet is None or not (packet.sender == header.from_ or self._offered(packet, header.from_)):
                continue
            if header_of(packet).id != named.id:
                raise _unfit(
                    f"/{name}/id",
                    "id and digest of one packet in the payload",
                    "those of two",
                    "Take both from the packet that is meant, or from its receipt.",
                )

    def _named(self, digest: str, agency: str, pointer: str, *, by_sender: bool | None) -> StoredPacket:
        """The packet, if this agency sent it (True), was offered it (False), or either (None)."""
        packet = self._reader.packet(digest)
        if packet is not None:
            if by_sender is not False and packet.sender == agency:
                return packet
            if by_sender is not True and self._offered(packet, agency):
                return packet
        part = {
            True: "that its sender sent",
            False: "that its sender was offered",
            None: "that its sender sent, or was offered",
        }
        raise PacketError(
            Code.REFERENCE_UNKNOWN,
            f"Expected the digest of a packet of this ledger {part[by_sender]}, found another.",
            advice="Take the digest from the packet or its receipt.",
            pointer=pointer,
        )

    def _offered(self, packet: StoredPacket, agency: str) -> bool:
        state = packet.states.get(agency, State.PENDING)
        return state is not State.PENDING and was_offered(self._reader, packet.digest, agency)

    def _check_fit(self, act: object, packet: StoredPacket, header: Header) -> None:
        target = header_of(packet)
        if target.exercise is not header.exercise:
            named, found = ("drill", "real") if header.exercise else ("real", "drill")
            raise _unfit(OF, f"a packet of {named} traffic, as this is", f"{found} traffic", "Set `exercise` alike.")
        if isinstance(act, Extends | Answers) and not isinstance(target.act, Asks):
            raise _unfit(OF, "a packet that asks for an answer", "one that asks for none", "Name the question.")
        if isinstance(act, Attests):
            owed = any(
                each.recipient == header.from_ and each.word is Word.DESTRUCTION
                for each in self._reader.clocks(packet.digest)
            )
            if not owed:
                raise _unfit(
                    OF,
                    "a packet that its sender has withdrawn",
                    "one that stands",
                    "Attest the destruction of what was withdrawn.",
                )


def _check_told(act: object, packet: StoredPacket, header: Header, view: View) -> None:
    told = {each.agency for each in header.recipients()}
    match act:
        case Answers() | Attests() | RequestsRelease() | Reports() if packet.sender not in told:
            raise _unfit(
                TO,
                "the sender of the packet that `act` is about among the recipients",
                "others",
                "Address it too: it is who waits for this.",
            )
        case Withdraws():
            active = {each.id for each in view.snapshot.document.agencies if each.state is AgencyState.ACTIVE}
            missing = (set(packet.states) & active) - told
            if missing:
                raise _unfit(
                    TO,
                    "every recipient of what is withdrawn",
                    f"{len(missing)} of them missing",
                    "Address all recipients of the packet: each has to know, and to attest.",
                )
        case Extends() if not told & set(packet.states):
            raise _unfit(
                TO,
                "a recipient of the question",
                "none",
                "Address those whose answer is due: the new time holds for those that this packet comes to.",
            )
        case DecidesRelease(agency=agency) if agency not in told or agency not in packet.states:
            raise _unfit(
                "/act/agency" if agency not in packet.states else TO,
                "the agency that it decides about, a recipient of that packet, among the recipients",
                "another",
                "Decide for one that received the packet, and tell it.",
            )


def _unfit(pointer: str, expected: str, found: str, advice: str) -> PacketError:
    return PacketError(Code.REFERENCE_UNKNOWN, f"Expected {expected}, found {found}.", advice=advice, pointer=pointer)
