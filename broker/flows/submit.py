"""Acceptance of packets, step by step as numbered in schemas/spec/http.md ("What a gateway does with a packet").

Steps 0 and 1 (the caller's certificate and rate, size, media type) are the gateway's, before it reads a body.
The order is part of the contract: nothing expensive before the caller is known, nothing that may change with time
before a repeat is recognised.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from broker.crypto.keys import PrivateKey
from broker.envelope.verify import Parsed, parse
from broker.errors import ConflictError, PacketError, PolicyError, SetuError, UnavailableError
from broker.flows.acts import Acts
from broker.flows.identify import Caller
from broker.flows.inforce import InForce, View
from broker.flows.judge import Judge
from broker.flows.lineage import LedgerLineage
from broker.flows.record import decided, entry, handling_summary, packet_ref, purge_time
from broker.flows.references import References
from broker.flows.refusals import Refusals
from broker.flows.standing import GRACE
from broker.flows.steps import CLOCK_SKEW, Steps
from broker.flows.workers import Lane, Workers, settled
from broker.ledger.port import Committed, Ledger, LedgerReader, NewPacket, Proposal, StaleBasis
from schemas.evidence import EntryType, Receipt
from schemas.problem import Code

__all__ = ["CLOCK_SKEW", "Submit", "Submitted"]

TOGETHER = 16
"""Packets that one thread takes at a time: some 15 ms of work, which is what others wait at most for their turn."""
TRIES = 4

NEWER = (Code.KEY_UNKNOWN, Code.RECIPIENT_UNKNOWN)
"""Refusals that a directory may explain which its sender has and this gateway has not looked at yet."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Submitted:
    """The receipt, and whether this submission is the one that was accepted (False: it had been before)."""

    receipt: Receipt
    fresh: bool


@dataclass(slots=True)
class _Asked:
    """One submission on its way: `submitted` at once, or `future` first and then what it says or `error`, or `error`
    alone, which is only counted; none of them while it is `doubted` for the first time.
    """

    caller: Caller
    raw: bytes
    trace: str | None
    parsed: Parsed | None = None
    conflict: bool = False
    doubted: bool = False
    view: View | None = None
    submitted: Submitted | None = None
    error: Exception | None = None
    future: Future[Committed] | None = None

    @property
    def open(self) -> bool:
        return self.error is None and self.submitted is None


class Submit:
    """Accept packets, or say why not.

    Args:
        keys: the gateway's own wrap keys by kid, to open packets that name it as a reader.
        max_lifetime: longest `exp - iat`, seconds.
        probe: called with "decided" once a packet may be committed; a test's failpoint.
        grace: see `broker.flows.standing.check_standing`.
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
        grace: int = GRACE,
    ) -> None:
        self._in_force = in_force
        self._ledger = ledger
        self._reader = reader
        self._refusals = refusals
        self._workers = workers
        judge = Judge(LedgerLineage(reader), now)
        references = References(reader)
        self._steps = Steps(
            in_force.audience, references, judge, keys=keys, now=now, max_lifetime=max_lifetime, grace=grace
        )
        self._acts = Acts(in_force.audience, reader)
        self._probe = probe
        self._lane = Lane(workers, self._decide, most=TOGETHER)

    async def __call__(self, caller: Caller, raw: bytes, trace: str | None = None) -> Submitted:
        """Steps 2 to 11.

        Raises:
            PacketError: the packet is refused; its class and code say why.
            UnavailableError: in doubt; asking again is safe.
        """
        (found,) = await self.many(caller, (raw,), trace)
        if isinstance(found, Exception):
            raise found
        return found

    async def many(
        self, caller: Caller, raws: Sequence[bytes], trace: str | None = None
    ) -> list[Submitted | Exception]:
        """As many calls, each packet judged for itself, and committed in this order where nothing is in the way."""
        asked = [_Asked(caller, raw, trace) for raw in raws]
        await self._pass(asked)
        found: list[Submitted | Exception] = []
        for each in asked:
            try:
                found.append(await self._answer(each))
            except Exception as error:  # noqa: BLE001 - one packet's, to be told or raised
                found.append(error)
        return found

    async def check(self, caller: Caller, raw: bytes) -> tuple[str, ...]:
        """Every step but the commit; the ids of the rules that would permit it, none where it was accepted before."""
        try:
            try:
                return await self._workers.beside(self._checked, caller, raw)
            except PacketError as error:
                if error.code not in NEWER:
                    raise
            await self._in_force.poll()
            return await self._workers.beside(self._checked, caller, raw)
        except PacketError as error:
            self._refusals.count(caller.agency.id, error.code)
            raise

    def _checked(self, caller: Caller, raw: bytes) -> tuple[str, ...]:
        view = self._in_force.view()
        parsed = parse(raw)
        self._steps.check_addressed(parsed, caller, view)
        sender, packet_id = parsed.header.from_, parsed.header.id
        seen = self._reader.found(sender, (packet_id,)).get(packet_id)
        if seen is not None and seen[1] == parsed.digest:
            return ()
        self._steps.check_signatures(parsed, caller, view)
        if seen is not None:
            raise _conflict()
        return self._steps.judge(parsed, view)

    async def _pass(self, asked: Sequence[_Asked]) -> None:
        await self._lane.through(asked)
        doubted = [each for each in asked if each.open and each.future is None]
        if doubted:
            await self._in_force.poll()
            await self._lane.through(doubted)
        await settled([each.future for each in asked if each.future is not None])

    async def _answer(self, asked: _Asked) -> Submitted:
        for _ in range(TRIES):
            if asked.submitted is not None:
                return asked.submitted
            if asked.future is None:
                raise self._counted(asked)
            try:
                committed = asked.future.result()
            except StaleBasis:
                await self._in_force.settled(_known(asked.view).basis)
                asked.future = None
                await self._pass((asked,))
                continue
            if asked.error is not None:
                raise asked.error
            if committed.fresh or _digest_in(committed.entry) == _known(asked.parsed).digest:
                return Submitted(committed.receipt, committed.fresh)
            # Another packet under this id was committed between step 5 and step 11.
            self._record_conflict(asked, _known(asked.view))
            await settled((asked.future,))
        raise UnavailableError(
            "Expected the directory and policy to stay in force for one decision, found them changing."
        )

    def _counted(self, asked: _Asked) -> Exception:
        error = _known(asked.error)
        if isinstance(error, PacketError):
            self._refusals.count(asked.caller.agency.id, error.code)
        return error

    # From here on in a worker thread. An error of one submission is that one's, and the others go on.

    def _decide(self, asked: Sequence[_Asked]) -> None:
        view = self._in_force.view()
        new = [each for each in asked if each.parsed is None]
        for each in new:
            try:
                each.parsed = parse(each.raw)  # steps 2 and 3
                self._steps.check_addressed(each.parsed, each.caller, view)  # step 4
            except Exception as error:  # noqa: BLE001
                each.error = error
        # Step 5: a repeat is recognised before anything that may change with time.
        self._recognise([each for each in new if each.open])
        for each in asked:
            if each.open:
                try:
                    self._judge(each, view)
                except Exception as error:  # noqa: BLE001
                    if not _doubt(each, error):
                        each.error = error

    def _recognise(self, asked: Sequence[_Asked]) -> None:
        by_sender: dict[str, list[_Asked]] = {}
        for each in asked:
            by_sender.setdefault(_known(each.parsed).header.from_, []).append(each)
        for sender, theirs in by_sender.items():
            try:
                seen = self._reader.found(sender, [_known(each.parsed).header.id for each in theirs])
            except SetuError as error:
                for each in theirs:
                    each.error = error
                continue
            repeats = []
            for each in theirs:
                index, digest = seen.get(_known(each.parsed).header.id, (None, None))
                if index is not None and digest == _known(each.parsed).digest:
                    repeats.append((each, index))
                each.conflict = index is not None
            self._tell_again(repeats)

    def _tell_again(self, repeats: Sequence[tuple[_Asked, int]]) -> None:
        if not repeats:
            return
        try:
            receipts = self._reader.receipts([index for _, index in repeats])
            for (each, _), receipt in zip(repeats, receipts, strict=True):
                each.submitted = Submitted(receipt, fresh=False)
        except SetuError as error:
            if len(repeats) == 1:
                repeats[0][0].error = error
                return
            for one in repeats:
                self._tell_again((one,))

    def _judge(self, asked: _Asked, view: View) -> None:
        parsed = _known(asked.parsed)
        asked.view = view
        self._steps.check_signatures(parsed, asked.caller, view)  # step 6
        if asked.conflict:
            self._record_conflict(asked, view)
            return
        try:
            rules = self._steps.judge(parsed, view)  # steps 7 to 10
        except PacketError as error:
            if _doubt(asked, error):
                return
            named = tuple(sorted({hit.rule for hit in error.rules})) if isinstance(error, PolicyError) else None
            self._record(EntryType.REFUSED, asked, view, error, named)
            return
        self._probe("decided")
        asked.future = self._ledger.propose(self._accepted(asked, parsed, view, rules))  # step 11

    def _accepted(self, asked: _Asked, parsed: Parsed, view: View, rules: tuple[str, ...]) -> Proposal:
        header = parsed.header
        found = entry(
            EntryType.ACCEPTED,
            actor=header.from_,
            audience=self._in_force.audience,
            view=view,
            packet=packet_ref(header, parsed.digest),
            handling=handling_summary(header),
            act=header.act,
            sources=None if header.sources is None else list(header.sources),
            decision=decided("permit", rules),
            evidence=parsed.evidence,
            trace=asked.trace,
        )
        packet = NewPacket(
            sender=header.from_,
            id=header.id,
            digest=parsed.digest,
            kind=header.kind,
            exp=header.exp,
            recipients=tuple(each.agency for each in header.recipients()),
            raw=parsed.raw,
            purge=purge_time(header),
        )
        effects, beside = self._acts.of(parsed, view, asked.trace)
        return Proposal(
            found,
            once=f"accepted/{header.from_}/{header.id}",
            packet=packet,
            basis=view.basis,
            effects=effects,
            beside=beside,
        )

    def _record_conflict(self, asked: _Asked, view: View) -> None:
        self._record(EntryType.CONFLICT, asked, view, _conflict(), None)

    def _record(
        self, kind: EntryType, asked: _Asked, view: View, error: PacketError, rules: tuple[str, ...] | None
    ) -> None:
        parsed = _known(asked.parsed)
        found = entry(
            kind,
            actor=parsed.header.from_,
            audience=self._in_force.audience,
            view=view,
            packet=packet_ref(parsed.header, parsed.digest),
            decision=decided("deny", rules) if rules is not None else None,
            code=error.code.value,
            evidence=parsed.evidence,
            trace=asked.trace,
        )
        asked.error = error
        asked.future = self._ledger.propose(Proposal(found))


def _doubt(asked: _Asked, error: Exception) -> bool:
    """Whether to look for a newer directory before it is refused; once."""
    if asked.doubted or not isinstance(error, PacketError) or error.code not in NEWER:
        return False
    asked.doubted = True
    return True


def _known(value: T | None) -> T:
    assert value is not None  # noqa: S101 - set by a step before
    return value


def _digest_in(accepted: bytes) -> str:
    found: str = json.loads(accepted)["packet"]["digest"]
    return found


def _conflict() -> ConflictError:
    return ConflictError(
        Code.ID_CONFLICT,
        "Expected an id that this sender has not used, found one that names another packet.",
        advice="Use a new UUIDv7 for each packet; to repeat a packet, send the same bytes.",
        pointer="/id",
    )
