"""Acceptance of a packet, step by step as numbered in schemas/spec/http.md ("What a gateway does with a packet").

Steps 0 and 1 (the caller's certificate and rate, size, media type) are the gateway's, before it reads a body.
The order is part of the contract: nothing expensive before the caller is known, nothing that may change with time
before a repeat is recognised.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from broker.crypto.keys import PrivateKey, PublicKey
from broker.envelope.open import open_packet
from broker.envelope.verify import Parsed, check_audience, check_signatures, parse
from broker.errors import ConflictError, MalformedError, PacketError, PolicyError, SignatureError
from broker.flows.identify import Caller
from broker.flows.inforce import InForce, View, under_view
from broker.flows.judge import require_release
from broker.flows.record import decided, entry, handling_summary, packet_ref
from broker.flows.refusals import Refusals
from broker.flows.workers import Workers
from broker.ledger.port import Committed, Ledger, LedgerReader, NewPacket, Proposal
from schemas import registry
from schemas.directory import Agency, KeyUse, Role
from schemas.evidence import EntryType, Receipt
from schemas.packet import MAX_RECIPIENTS
from schemas.problem import Code, RuleHit

CLOCK_SKEW = 300


@dataclass(frozen=True, slots=True)
class Submitted:
    """The receipt, and whether this submission is the one that was accepted (False: it had been before)."""

    receipt: Receipt
    fresh: bool


class Submit:
    """Accept a packet, or say why not.

    Args:
        keys: the gateway's own wrap keys by kid, to open packets that name it as a reader.
        max_lifetime: longest `exp - iat`, seconds.
        probe: called with "decided" once a packet may be committed; a test's failpoint.
    """

    def __init__(
        self,
        in_force: InForce,
        ledger: Ledger,
        reader: LedgerReader,
        refusals: Refusals,
        workers: Workers,
        *,
        keys: Mapping[str, PrivateKey],
        now: Callable[[], float],
        max_lifetime: int,
        probe: Callable[[str], None],
    ) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader
        self._refusals = refusals
        self._workers = workers
        self._keys = keys
        self._now = now
        self._max_lifetime = max_lifetime
        self._probe = probe
        self._known = {(kind, version) for kind in registry.kinds() for version in registry.versions(kind)}

    async def __call__(self, caller: Caller, raw: bytes, trace: str | None = None) -> Submitted:
        """Steps 2 to 11.

        Raises:
            PacketError: the packet is refused; its class and code say why.
            UnavailableError: in doubt; asking again is safe.
        """
        try:
            parsed = parse(raw)  # steps 2 and 3
            self._check_addressed(parsed, caller)  # step 4
        except PacketError as error:
            self._refusals.count(caller.agency.id, error.code)
            raise
        # Step 5: a repeat is recognised before anything that may change with time.
        seen = await asyncio.to_thread(self._reader.find, parsed.header.from_, parsed.header.id)
        if seen is not None and seen[1] == parsed.digest:
            return Submitted(await asyncio.to_thread(self._reader.receipt, seen[0]), fresh=False)

        async def attempt(view: View) -> Submitted:
            return await self._decide_and_commit(caller, parsed, view, trace, conflict=seen is not None)

        return await under_view(self._in_force, attempt)

    async def check(self, caller: Caller, raw: bytes) -> tuple[str, ...]:
        """Every step but the commit; the ids of the rules that would permit it, none where it was accepted before."""
        try:
            parsed = parse(raw)
            self._check_addressed(parsed, caller)
            seen = await asyncio.to_thread(self._reader.find, parsed.header.from_, parsed.header.id)
            if seen is not None and seen[1] == parsed.digest:
                return ()
            view = self._in_force.view()
            await self._workers.run(self._check_signatures, parsed, view)
            if seen is not None:
                raise _conflict()
            return await self._workers.run(self._judge, parsed, view)
        except PacketError as error:
            self._refusals.count(caller.agency.id, error.code)
            raise

    async def _decide_and_commit(
        self, caller: Caller, parsed: Parsed, view: View, trace: str | None, *, conflict: bool
    ) -> Submitted:
        try:
            await self._workers.run(self._check_signatures, parsed, view)  # step 6
        except PacketError as error:
            self._refusals.count(caller.agency.id, error.code)
            raise
        if conflict:
            await self._record_conflict(parsed, view, trace)
        try:
            rules = await self._workers.run(self._judge, parsed, view)  # steps 7 to 10
        except PacketError as error:
            await self._record_refusal(parsed, view, error, trace)
            raise
        self._probe("decided")
        committed = await self._commit(parsed, view, rules, trace)  # step 11
        if not committed.fresh:
            found = await asyncio.to_thread(self._reader.find, parsed.header.from_, parsed.header.id)
            if found is None or found[1] != parsed.digest:
                await self._record_conflict(parsed, view, trace)
        return Submitted(committed.receipt, committed.fresh)

    def _check_addressed(self, parsed: Parsed, caller: Caller) -> None:
        header = parsed.header
        if header.from_ != caller.agency.id:
            raise PacketError(
                Code.SENDER_MISMATCH,
                "Expected a packet from the agency whose certificate this is, found one from another.",
                advice="Send each agency's packets over its own connection.",
                pointer="/from",
            )
        audience = self._in_force.audience
        check_audience(
            parsed, realm=audience.realm, gateway=audience.gateway, suite=self._in_force.view().snapshot.suite
        )
        if Role.AGENCY not in caller.agency.roles:
            raise PacketError(
                Code.SENDER_MISMATCH,
                "Expected a sender in the role agency, found one without it.",
                advice="Only agencies send; auditors, witnesses and operators read.",
            )

    def _check_signatures(self, parsed: Parsed, view: View) -> None:
        now = int(self._now())

        def key(kid: str, alg: str) -> PublicKey:
            found = view.snapshot.key(kid, agency=parsed.header.from_, use=KeyUse.SIGN, at=now)
            if found.alg != alg:
                raise SignatureError(
                    Code.KEY_UNKNOWN,
                    "Expected a key of the suite's algorithm for this kid, found one of another.",
                    advice="Sign with the two keys that the directory lists for the suite.",
                )
            return PublicKey.from_directory(found)

        check_signatures(parsed, key)

    def _judge(self, parsed: Parsed, view: View) -> tuple[str, ...]:
        self._check_time(parsed)  # step 7
        recipients = self._recipients(parsed, view)  # step 8
        rules = require_release(view, parsed.header, recipients)  # step 9
        self._check_content(parsed)  # step 10
        return rules

    def _check_time(self, parsed: Parsed) -> None:
        header, now = parsed.header, self._now()
        if header.iat > now + CLOCK_SKEW:
            raise PacketError(
                Code.CLOCK_SKEW,
                f"Expected a packet issued at most {CLOCK_SKEW} s ahead of the gateway's clock, "
                f"found one {int(header.iat - now)} s ahead.",
                advice="Set the sender's clock.",
                pointer="/iat",
            )
        if header.exp <= now:
            raise PacketError(
                Code.EXPIRED,
                f"Expected a packet that is still valid, found one that expired {int(now - header.exp)} s ago.",
                advice="Seal it anew with a later expiry.",
                pointer="/exp",
            )
        if not 0 < header.exp - header.iat <= self._max_lifetime:
            raise PacketError(
                Code.LIFETIME,
                f"Expected a lifetime of 1 to {self._max_lifetime} s, found {header.exp - header.iat} s.",
                advice="Seal it with an expiry within the gateway's limit.",
                pointer="/exp",
            )

    def _recipients(self, parsed: Parsed, view: View) -> list[Agency]:
        header, now = parsed.header, int(self._now())
        addressees = header.recipients()
        if not 1 <= len(addressees) <= MAX_RECIPIENTS:
            raise MalformedError(
                Code.ENVELOPE_INVALID,
                f"Expected 1 to {MAX_RECIPIENTS} recipients beside the gateway, found {len(addressees)}.",
                advice="Send the packet to fewer recipients at a time.",
                pointer="/to",
            )
        recipients = []
        for place, each in enumerate(header.to):
            is_gateway = each.agency == header.aud.gateway
            agency = view.snapshot.active(each.agency, Role.GATEWAY if is_gateway else Role.AGENCY)
            try:
                key = view.snapshot.key(each.kid, agency=each.agency, use=KeyUse.WRAP, at=now)
                expected = parsed.packet.jwe.recipients[place].header.alg
                PublicKey.from_directory(key)
            except SignatureError as error:
                raise _stale_wrap(place, error.message) from None
            if key.alg != expected:
                raise _stale_wrap(place, "Expected a wrap key of the suite's algorithm, found another.")
            if not is_gateway:
                recipients.append(agency)
        return recipients

    def _check_content(self, parsed: Parsed) -> None:
        header = parsed.header
        if (header.kind, header.kind_version) not in self._known:
            raise MalformedError(
                Code.KIND_UNKNOWN,
                "Expected a kind and version of this gateway's registry, found another.",
                advice="Ask GET /v1/schemas which there are.",
                pointer="/kind",
            )
        if not header.open:
            return
        raw = open_packet(parsed, header.aud.gateway, self._keys)
        try:
            registry.check_with_handling(registry.load(header.kind, header.kind_version, raw), header.handling)
        except registry.HandlingRuleError as error:
            hit = RuleHit(rule=error.rule, recipient=header.aud.gateway, sentence=error.message, remedy=error.advice)
            raise PolicyError(error.message, [hit], advice=error.advice) from None
        except registry.PayloadError as error:
            raise MalformedError(
                error.code,
                f"In the payload: {error.message}.",
                advice=error.advice,
                pointer=error.pointer,
            ) from None

    async def _commit(self, parsed: Parsed, view: View, rules: tuple[str, ...], trace: str | None) -> Committed:
        header = parsed.header
        found = entry(
            EntryType.ACCEPTED,
            actor=header.from_,
            audience=self._in_force.audience,
            view=view,
            packet=packet_ref(header, parsed.digest),
            handling=handling_summary(header),
            decision=decided("permit", rules),
            evidence=parsed.evidence,
            trace=trace,
        )
        packet = NewPacket(
            sender=header.from_,
            id=header.id,
            digest=parsed.digest,
            kind=header.kind,
            exp=header.exp,
            recipients=tuple(each.agency for each in header.recipients()),
            raw=parsed.raw,
        )
        once = f"accepted/{header.from_}/{header.id}"
        proposal = Proposal(found, once=once, packet=packet, basis=view.basis)
        return await asyncio.wrap_future(self._ledger.propose(proposal))

    async def _record_conflict(self, parsed: Parsed, view: View, trace: str | None) -> None:
        await self._record(EntryType.CONFLICT, parsed, view, Code.ID_CONFLICT, None, trace)
        raise _conflict()

    async def _record_refusal(self, parsed: Parsed, view: View, error: PacketError, trace: str | None) -> None:
        rules = tuple(sorted({hit.rule for hit in error.rules})) if isinstance(error, PolicyError) else None
        await self._record(EntryType.REFUSED, parsed, view, error.code, rules, trace)

    async def _record(
        self,
        kind: EntryType,
        parsed: Parsed,
        view: View,
        code: Code,
        rules: tuple[str, ...] | None,
        trace: str | None,
    ) -> None:
        header = parsed.header
        found = entry(
            kind,
            actor=header.from_,
            audience=self._in_force.audience,
            view=view,
            packet=packet_ref(header, parsed.digest),
            decision=decided("deny", rules) if rules is not None else None,
            code=code.value,
            evidence=parsed.evidence,
            trace=trace,
        )
        await asyncio.wrap_future(self._ledger.propose(Proposal(found)))


def _conflict() -> ConflictError:
    return ConflictError(
        Code.ID_CONFLICT,
        "Expected an id that this sender has not used, found one that names another packet.",
        advice="Use a new UUIDv7 for each packet; to repeat a packet, send the same bytes.",
        pointer="/id",
    )


def _stale_wrap(place: int, message: str) -> PacketError:
    return PacketError(
        Code.RECIPIENT_UNKNOWN,
        message,
        advice="Refresh the directory and seal to each recipient's current key.",
        pointer=f"/to/{place}/kid",
    )
