"""A recipient's signed word on a packet becomes an entry; the answer is that entry's receipt."""

import asyncio
from collections.abc import Callable
from typing import Any

from broker.directory.signing import keys_of
from broker.envelope.acknowledge import ParsedAck, check_acknowledgement_signatures, parse_acknowledgement
from broker.errors import MalformedError, NotFoundError, PacketError, RequestError
from broker.flows.identify import Caller
from broker.flows.inforce import InForce, View, under_view
from broker.flows.offer import was_offered
from broker.flows.record import entry, header_of, packet_ref
from broker.flows.refusals import Refusals
from broker.flows.standing import GRACE, check_standing
from broker.flows.submit import CLOCK_SKEW, Submitted
from broker.flows.workers import Workers
from broker.ledger.port import ENDED, Ledger, LedgerReader, Proposal, State, StoredPacket, Transition
from schemas.evidence import AckBody, AckEvent, EntryType
from schemas.problem import Code

STATES = {
    AckEvent.RECEIVED: State.RECEIVED,
    AckEvent.OPENED: State.OPENED,
    AckEvent.REJECTED: State.REJECTED,
}
MAX_ACKNOWLEDGEMENT = 65_536


class Acknowledge:
    """One entry per packet, recipient and event; the same acknowledgement again gets the same receipt.

    An acknowledgement that comes late is recorded and moves nothing backwards.
    """

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        refusals: Refusals,
        workers: Workers,
        *,
        now: Callable[[], float],
        grace: int = GRACE,
    ) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader
        self._refusals = refusals
        self._workers = workers
        self._now = now
        self._grace = grace

    async def __call__(self, caller: Caller, raw: bytes, trace: str | None = None) -> Submitted:
        """Raises RequestError (too large), PacketError (refused), NotFoundError (no such packet for this caller),
        UnavailableError.
        """
        if len(raw) > MAX_ACKNOWLEDGEMENT:
            raise RequestError(
                Code.TOO_LARGE,
                f"Expected an acknowledgement of at most {MAX_ACKNOWLEDGEMENT} bytes, found more.",
                advice="Send it without padding.",
            )
        try:
            parsed = parse_acknowledgement(raw)
            self._check_addressed(parsed.body, caller)
            known = await asyncio.to_thread(self._offered, parsed.body.packet.digest, caller.agency.id)
            if known is None:
                # What was never offered to this agency is not there for it, whatever it learnt elsewhere.
                raise NotFoundError
            packet, named = known
            _check_names(parsed.body, packet)
        except (PacketError, NotFoundError) as error:
            self._refusals.count(caller.agency.id, error.code)
            raise

        async def attempt(view: View) -> Submitted:
            check_standing(caller, view.snapshot, self._now(), self._grace)
            return await self._check_and_commit(parsed, packet, named, view, trace)

        return await under_view(self._in_force, attempt)

    def _offered(self, digest: str, agency: str) -> tuple[StoredPacket, dict[str, Any]] | None:
        """A packet that this agency was offered, and how entries name it."""
        packet = self._reader.packet(digest)
        state = State.PENDING if packet is None else packet.states.get(agency, State.PENDING)
        if packet is None or state is State.PENDING:
            return None
        # The ends may be reached with or without having been offered.
        if state in ENDED and not was_offered(self._reader, digest, agency):
            return None
        return packet, packet_ref(header_of(packet), digest)

    def _check_addressed(self, body: AckBody, caller: Caller) -> None:
        if body.by != caller.agency.id:
            raise PacketError(
                Code.SENDER_MISMATCH,
                "Expected an acknowledgement by the agency whose certificate this is, found one by another.",
                advice="Send each agency's acknowledgements over its own connection.",
                pointer="/by",
            )
        if body.aud != self._in_force.audience:
            raise PacketError(
                Code.WRONG_AUDIENCE,
                "Expected an acknowledgement for this realm and gateway, found one for another.",
                advice="Acknowledge where the packet was fetched.",
                pointer="/aud",
            )
        if body.at > self._now() + CLOCK_SKEW:
            raise PacketError(
                Code.CLOCK_SKEW,
                f"Expected a time at most {CLOCK_SKEW} s ahead of the gateway's clock, found a later one.",
                advice="Set the recipient's clock.",
                pointer="/at",
            )

    async def _check_and_commit(
        self, parsed: ParsedAck, packet: StoredPacket, named: dict[str, Any], view: View, trace: str | None
    ) -> Submitted:
        body = parsed.body
        try:
            await self._workers.run(self._check_signatures, parsed, view)
        except PacketError as error:
            self._refusals.count(body.by, error.code)
            raise
        rejected = body.event is AckEvent.REJECTED
        found = entry(
            EntryType.REJECTED_BY_RECIPIENT if rejected else EntryType.ACKNOWLEDGED,
            actor=body.by,
            audience=self._in_force.audience,
            view=view,
            packet=named,
            recipient=body.by,
            event=body.event.value,
            code=body.reason.value if body.reason is not None else None,
            evidence=parsed.evidence,
            trace=trace,
        )
        proposal = Proposal(
            found,
            once=f"ack/{packet.digest}/{body.by}/{body.event}",
            transitions=(Transition(packet.digest, body.by, STATES[body.event], required=False),),
            basis=view.basis,
            document=parsed.raw,
        )
        committed = await asyncio.wrap_future(self._ledger.propose(proposal))
        return Submitted(committed.receipt, committed.fresh)

    def _check_signatures(self, parsed: ParsedAck, view: View) -> None:
        key = keys_of(view.snapshot, parsed.body.by, int(self._now()))
        check_acknowledgement_signatures(parsed, view.snapshot.suite, key)


def _check_names(body: AckBody, packet: StoredPacket) -> None:
    named = body.packet
    if (named.from_, named.id, named.index) != (packet.sender, packet.id, packet.index):
        raise MalformedError(
            Code.SCHEMA,
            "Expected the sender, id and ledger index that belong to this digest, found others.",
            advice="Copy them from the packet and its receipt.",
            pointer="/packet",
        )
