"""Simulators of the flows' ports: they keep what they were asked, and answer or raise what a test sets."""

import hashlib
from collections.abc import AsyncIterator, Callable, Sequence
from typing import Any

from broker.errors import CallerError, NotFoundError, SetuError
from broker.flows.audit import Found
from broker.flows.identify import Caller
from broker.flows.submit import Submitted
from broker.gateway.services import Services, StreamItem
from broker.ledger.outcomes import Counting
from broker.ledger.port import EntryFilter, LoggedEntry
from schemas.canonical import b64u
from schemas.deny import DenyStanding
from schemas.directory import Agency, Certificate, Role
from schemas.evidence import Delivery, OpenClocks, Page, Proof, Receipt, Timeline, TimelineItem, Tombstone, TopicInfo
from schemas.handling import Classification, Level
from schemas.outcomes import Outcomes
from schemas.problem import Code
from schemas.watch import Watch, watch

DIGEST = b64u(bytes(48))
FOREIGN = b64u(bytes([1] * 48))
"""A packet that is there, but never the caller's."""

RECEIPT = Receipt(entry=b64u(b"{}"), index=7, path=(b64u(bytes(32)),), checkpoint="origin\n8\nroot\n\n— sig\n")


def agency(name: str, *roles: Role) -> Agency:
    return Agency(
        id=name,
        name=f"Agency {name}",
        country="USA",
        roles=roles or (Role.AGENCY,),
        clearance=Classification(system="US", level=Level.US_S),
    )


class Roster:
    """`Identify`: certificates by their bytes. `suspended` may change at any time."""

    def __init__(self) -> None:
        self._callers: dict[bytes, Caller] = {}
        self.suspended: set[str] = set()

    def enrol(self, der: bytes, name: str, *roles: Role) -> None:
        row = Certificate(
            sha256=hashlib.sha256(der).hexdigest(), uri=f"urn:setu:agency:{name}:g1", not_before=0, not_after=2**33
        )
        self._callers[der] = Caller(agency(name, *roles), row)

    def __call__(self, der: bytes | None) -> Caller:
        caller = self._callers.get(der or b"")
        if caller is None:
            raise CallerError(Code.UNKNOWN_AGENCY, "Expected a registered certificate, found another.")
        if caller.agency.id in self.suspended:
            raise CallerError(Code.AGENCY_SUSPENDED, "Expected an active agency, found a suspended one.")
        return caller


class Scripted:
    """Raises `error` where one is set; keeps the arguments of each call."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.error: Exception | None = None

    def called(self, *args: Any) -> None:
        self.calls.append(args)
        if self.error is not None:
            raise self.error


class FakeSubmit(Scripted):
    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], Any] | None = None
        self._seen: set[bytes] = set()

    async def __call__(self, caller: Caller, raw: bytes, trace: str | None) -> Submitted:
        self.called(caller.agency.id, raw, trace)
        if self.before is not None:
            await self.before()
        fresh = raw not in self._seen
        self._seen.add(raw)
        return Submitted(RECEIPT, fresh)

    async def many(self, caller: Caller, raws: Sequence[bytes], trace: str | None) -> list[Submitted | Exception]:
        found: list[Submitted | Exception] = []
        for raw in raws:
            try:
                found.append(await self(caller, raw, trace))
            except SetuError as error:
                found.append(error)
        return found

    async def check(self, caller: Caller, raw: bytes) -> tuple[str, ...]:
        self.called(caller.agency.id, raw)
        return ("releasable", "tlp")


class FakeSubscribe(Scripted):
    """`items`: what the stream gives, then it goes on with None. `page_ready`: awaited before a page with `wait`;
    `paged`: what a page holds.
    """

    def __init__(self) -> None:
        super().__init__()
        self.paged: tuple[Delivery | Tombstone, ...] = ()
        self.items: list[StreamItem] = []
        self.page_ready: Callable[[float], Any] | None = None
        self.tick: Callable[[], Any] | None = None
        self.cancelled = 0
        self.closed = False

    async def topics(self, caller: Caller) -> list[TopicInfo]:
        self.called(caller.agency.id)
        return [TopicInfo(topic=f"setu.{caller.agency.id}.tip", packets=2, unacknowledged=1)]

    async def page(
        self, caller_of: Callable[[], Caller], name: str, cursor: str | None, limit: int, wait: float
    ) -> Page:
        caller = caller_of()
        self.called(caller.agency.id, name, cursor, limit, wait)
        self._own(caller, name)
        if wait and self.page_ready is not None:
            try:
                await self.page_ready(wait)
            except BaseException:
                self.cancelled += 1
                raise
        return Page.model_construct(topic=name, items=self.paged, cursor="Y3Vyc29y")

    async def stream(
        self, caller_of: Callable[[], Caller], name: str, last_event_id: str | None
    ) -> AsyncIterator[StreamItem]:
        caller = caller_of()
        self.called(caller.agency.id, name, last_event_id)
        self._own(caller, name)
        return self._items(caller_of)

    async def _items(self, caller_of: Callable[[], Caller]) -> AsyncIterator[StreamItem]:
        for item in self.items:
            caller_of()
            yield item
        while not self.closed:
            caller_of()
            yield None
            if self.tick is not None:
                await self.tick()

    def _own(self, caller: Caller, name: str) -> None:
        if not name.startswith(f"setu.{caller.agency.id}."):
            raise NotFoundError


class FakeTimelines(Scripted):
    async def timeline(self, caller: Caller, digest: str) -> Timeline:
        self.called(caller.agency.id, digest)
        if digest != DIGEST:
            raise NotFoundError
        return Timeline(digest=digest, states={caller.agency.id: "offered"}, items=tuple[TimelineItem, ...]())

    async def proof(self, caller: Caller, digest: str) -> Proof:
        self.called(caller.agency.id, digest)
        if digest != DIGEST:
            raise NotFoundError
        signature = {"protected": "AA", "signature": "AA"}
        return Proof.from_object(
            {
                "v": "setu1.proof",
                "digest": digest,
                "aad": "AA",
                "manifest": "AA",
                "signatures": [signature, signature],
                "acknowledgements": [],
                "receipts": [RECEIPT.to_object()],
            }
        )


class FakeClocks(Scripted):
    async def __call__(self, caller: Caller, limit: int) -> OpenClocks:
        self.called(caller.agency.id, limit)
        clock = {"recipient": caller.agency.id, "word": "answer", "due": 60, "state": "overdue"}
        packet = {"digest": DIGEST, "index": 7, "from": "in-ncb", "kind": "tip"}
        return OpenClocks.from_object({"clocks": [{**clock, **packet}], "more": False})


class FakeAcknowledge(Scripted):
    async def __call__(self, caller: Caller, raw: bytes, trace: str | None) -> Submitted:
        self.called(caller.agency.id, raw, trace)
        return Submitted(RECEIPT, fresh=True)


class FakeAudit(Scripted):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[LoggedEntry] = []
        self.before: Callable[[], Any] | None = None

    async def search(self, caller: Caller, what: EntryFilter, trace: str | None) -> Found:
        self.called(caller.agency.id, what, trace)
        found = tuple(self.found[: what.limit])
        return Found(found, found[-1].index if len(found) == what.limit else None)

    async def outcomes(self, caller: Caller, since: str | None, counting: Counting, trace: str | None) -> Outcomes:
        self.called(caller.agency.id, since, trace)
        if self.before is not None:
            await self.before()
        return counting.report()


class FakePrecursors(Scripted):
    async def __call__(
        self, caller: Caller, since: str | None, until: str | None, trace: str | None, *, show: bool
    ) -> Watch:
        self.called(caller.agency.id, since, until, show)
        return watch((), 0, show=show)


class FakeLog(Scripted):
    async def checkpoint(self, caller: Caller) -> bytes:
        self.called(caller.agency.id)
        caller.require(Role.AUDITOR, Role.WITNESS)
        return b"origin\n8\nroot\n\n\xe2\x80\x94 sig\n"

    async def tile(self, caller: Caller, path: str) -> bytes:
        self.called(caller.agency.id, path)
        caller.require(Role.AUDITOR)
        if path != "tile/0/000":
            raise NotFoundError
        return bytes(64)


class FakePublished(Scripted):
    async def directory_file(self, name: str) -> bytes:
        self.called(name)
        if name != "metadata/1.root.json":
            raise NotFoundError
        return b'{"signed":{}}'

    async def form(self, name: str) -> bytes:
        self.called(name)
        return b'{"form":true}'

    def schemas(self) -> list[dict[str, Any]]:
        return [{"kind": "tip", "versions": [1]}]

    def schema(self, kind: str, version: int) -> dict[str, Any]:
        if (kind, version) != ("tip", 1):
            raise NotFoundError
        return {"type": "object"}


class FakeDeny(Scripted):
    """`before`: awaited before the answer."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[], Any] | None = None

    async def __call__(self, caller: Caller, raw: bytes) -> tuple[DenyStanding, bool]:
        self.called(caller.agency.id, raw)
        if self.before is not None:
            await self.before()
        return DenyStanding(list="USA", version=2, serial=0, hash=DIGEST, expires=0), True


class FakeRefusals:
    def __init__(self) -> None:
        self.counted: list[tuple[str, Code]] = []

    def count(self, name: str, code: Code) -> None:
        self.counted.append((name, code))


class FakeHealth(Scripted):
    async def ready(self) -> dict[str, Any]:
        self.called()
        return {"ready": True}


class Fakes:
    """All of them, by the names of `Services`."""

    def __init__(self) -> None:
        self.identify = Roster()
        self.submit = FakeSubmit()
        self.acknowledge = FakeAcknowledge()
        self.subscribe = FakeSubscribe()
        self.timelines = FakeTimelines()
        self.clocks = FakeClocks()
        self.audit = FakeAudit()
        self.precursors = FakePrecursors()
        self.log = FakeLog()
        self.published = FakePublished()
        self.deny = FakeDeny()
        self.refusals = FakeRefusals()
        self.health = FakeHealth()

    def services(self) -> Services:
        return Services(**vars(self))

    def scripted(self) -> list[Scripted]:
        return [each for each in vars(self).values() if isinstance(each, Scripted)]

    def fail(self, error: SetuError | None) -> None:
        for each in self.scripted():
            each.error = error
