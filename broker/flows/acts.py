"""What an accepted packet's act does, in the transaction that accepts it: to clocks, to the packet it is about, and as
entries about that one, so that who looks there finds it.
"""

from broker.envelope.verify import Parsed
from broker.flows.inforce import View
from broker.flows.record import decided, entry, header_of, packet_ref
from broker.ledger.effects import Asked, Effect, Extended, Given, Withdrawn
from broker.ledger.port import Beside, LedgerReader
from schemas.act import Answers, Asks, Attests, DecidesRelease, Extends, Withdraws
from schemas.evidence import EntryType, Word
from schemas.packet import Audience

Done = tuple[tuple[Effect, ...], tuple[Beside, ...]]


class Acts:
    """From any thread. `broker.flows.references` has seen to it that the act is the sender's to do."""

    def __init__(self, audience: Audience, reader: LedgerReader) -> None:
        self._audience = audience
        self._reader = reader

    def of(self, parsed: Parsed, view: View, trace: str | None) -> Done:
        """Raises UnavailableError where the ledger does not answer."""
        act, sender = parsed.header.act, parsed.header.from_
        match act:
            case Asks():
                return (Asked(act.due),), ()
            case Extends():
                told = tuple(each.agency for each in parsed.header.recipients())
                return (Extended(act.of, told, act.due),), ()
            case Answers():
                return (Given(act.of, sender, Word.ANSWER),), ()
            case Withdraws():
                effect, kind = Withdrawn(act.of, act.due), EntryType.RETRACTED
                return (effect,), (self._beside(kind, parsed, view, trace, once=f"{kind}/{act.of}"),)
            case Attests():
                given, kind = Given(act.of, sender, Word.DESTRUCTION), EntryType.ATTESTED
                once = f"{kind}/{act.of}/{sender}"
                return (given,), (self._beside(kind, parsed, view, trace, once=once, recipient=sender),)
            case DecidesRelease():
                outcome = decided("permit" if act.permit else "deny", ())
                kind = EntryType.RELEASE_DECIDED
                return (), (self._beside(kind, parsed, view, trace, recipient=act.agency, decision=outcome),)
            case _:
                return (), ()

    def _beside(
        self,
        kind: EntryType,
        parsed: Parsed,
        view: View,
        trace: str | None,
        *,
        once: str | None = None,
        **members: object,
    ) -> Beside:
        """An entry about the packet that the act names."""
        act = parsed.header.act
        assert act is not None  # noqa: S101 - asked for acts alone
        assert not isinstance(act, Asks)  # noqa: S101 - names no other packet
        target = self._reader.packet(act.of)
        assert target is not None  # noqa: S101 - looked up among the references
        found = entry(
            kind,
            actor=parsed.header.from_,
            audience=self._audience,
            view=view,
            packet=packet_ref(header_of(target), act.of),
            act=act,
            evidence=parsed.evidence,
            trace=trace,
            **members,
        )
        return Beside(found, once)
