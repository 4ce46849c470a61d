"""What the routes ask for: one port for each use case. `broker.assembly` fills them with the flows."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from broker.flows.audit import Found
from broker.flows.identify import Caller
from broker.flows.submit import Submitted
from broker.ledger.outcomes import Counting
from broker.ledger.port import EntryFilter
from schemas.deny import DenyStanding
from schemas.evidence import Delivery, OpenClocks, Page, Proof, Timeline, Tombstone, TopicInfo
from schemas.outcomes import Outcomes
from schemas.problem import Code
from schemas.watch import Watch

StreamItem = tuple[str, Delivery | Tombstone] | None


class Identify(Protocol):
    """The active agency a verified certificate belongs to, now; raises CallerError. Never blocks."""

    def __call__(self, der: bytes | None, /) -> Caller: ...


class Submit(Protocol):
    async def __call__(self, caller: Caller, raw: bytes, trace: str | None, /) -> Submitted: ...

    async def many(
        self, caller: Caller, raws: Sequence[bytes], trace: str | None, /
    ) -> Sequence[Submitted | Exception]:
        """As many calls, each with its own outcome, in the order of `raws`."""
        ...

    async def check(self, caller: Caller, raw: bytes, /) -> tuple[str, ...]:
        """The ids of the rules that would permit it; raises what a submission would."""
        ...


class Acknowledge(Protocol):
    async def __call__(self, caller: Caller, raw: bytes, trace: str | None, /) -> Submitted: ...


class Subscribe(Protocol):
    async def topics(self, caller: Caller, /) -> Sequence[TopicInfo]: ...

    async def page(
        self, caller_of: Callable[[], Caller], name: str, cursor: str | None, limit: int, wait: float, /
    ) -> Page:
        """Asks for the caller again each second that it waits, and before it offers anything."""
        ...

    async def stream(
        self, caller_of: Callable[[], Caller], name: str, last_event_id: str | None, /
    ) -> AsyncIterator[StreamItem]:
        """Checks first; then (cursor, item) for ever, None about each second without one. CallerError ends it."""
        ...


class Timelines(Protocol):
    async def timeline(self, caller: Caller, digest: str, /) -> Timeline: ...

    async def proof(self, caller: Caller, digest: str, /) -> Proof: ...


class Clocks(Protocol):
    async def __call__(self, caller: Caller, limit: int, /) -> OpenClocks: ...


class Audit(Protocol):
    async def search(self, caller: Caller, what: EntryFilter, trace: str | None, /) -> Found: ...

    async def outcomes(
        self, caller: Caller, since: str | None, counting: Counting, trace: str | None, /
    ) -> Outcomes: ...


class Precursors(Protocol):
    async def __call__(
        self, caller: Caller, since: str | None, until: str | None, trace: str | None, /, *, show: bool
    ) -> Watch: ...


class Log(Protocol):
    async def checkpoint(self, caller: Caller, /) -> bytes: ...

    async def tile(self, caller: Caller, path: str, /) -> bytes:
        """`path` as it stands after `/log/`."""
        ...


class Published(Protocol):
    async def directory_file(self, name: str, /) -> bytes:
        """`name`: `metadata/<file>` or `targets/<file>`."""
        ...

    async def form(self, name: str, /) -> bytes:
        """`name`: `openapi.json` or `asyncapi.json`."""
        ...

    def schemas(self) -> Sequence[dict[str, Any]]: ...

    def schema(self, kind: str, version: int, /) -> dict[str, Any]: ...


class PutDenyList(Protocol):
    async def __call__(self, caller: Caller, raw: bytes, /) -> tuple[DenyStanding, bool]:
        """Where a signed list stands, now in force, and whether it was not before."""
        ...


class Refusals(Protocol):
    """Counts refusals of which nothing may enter the ledger but their number. Never blocks."""

    def count(self, agency: str, code: Code, /) -> None: ...


class Health(Protocol):
    async def ready(self) -> dict[str, Any]:
        """What was found; raises SetuError where a packet could not be accepted."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    identify: Identify
    submit: Submit
    acknowledge: Acknowledge
    subscribe: Subscribe
    timelines: Timelines
    clocks: Clocks
    audit: Audit
    precursors: Precursors
    log: Log
    published: Published
    deny: PutDenyList
    refusals: Refusals
    health: Health
