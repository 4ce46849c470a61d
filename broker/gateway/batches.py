"""Batches: many packets in one request, one per line, each judged and answered for itself.

Packets are decided while the body is still being read. Their answers wait for its end: a client that writes all before
it reads anything, as most do, and a gateway that waited for it to read would wait for each other.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Sequence

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from broker.errors import CallerError, RequestError, UnavailableError
from broker.flows.submit import Submitted
from broker.gateway.exchange import Exchange, exchange_of
from broker.gateway.heads import LINES
from broker.gateway.problems import OWN, answer
from schemas.problem import Code

CHUNK_BYTES = 1 << 20
"""Bytes of lines beyond which no more are read ahead, or taken in hand at a time; a single line may be as long."""

PIECE = 1 << 18
"""Bytes of answers handed to the connection at a time; it takes the next once it has sent most of the last."""
RETRY_AFTER = b"retry-after"

Line = bytes | RequestError


async def batch(request: Request) -> Response:
    """200; a line for each line of the body, in order, then one that says how many there were."""
    return _Answer(exchange_of(request))


class _Answer(Response):
    """Holds a seat from before the body's first byte to after its own last one."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(media_type=LINES, headers={"cache-control": "no-store"})
        del self.headers["content-length"]
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        exchange = self._exchange
        with exchange.seats.taken(exchange.caller.agency.id), exchange.metrics.opened("batch"):
            made = _Batch(exchange)
            await made.read()
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            async for piece in made.answers():
                await send({"type": "http.response.body", "body": piece, "more_body": True})
            await send({"type": "http.response.body", "body": b""})


class _Batch:
    """One batch on its way, at most `batch_share` of its packets in the gateway's hands at once."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._chunk = max(1, exchange.limits.batch_share // 2)
        self._waiting: asyncio.Queue[Line | None] = asyncio.Queue(self._chunk)
        self._ahead = 0
        self._room = asyncio.Event()
        self._under_way: deque[asyncio.Task[list[bytes]]] = deque()
        self._told: list[bytes] = []
        self._rest: RequestError | None = None
        self._count = 0

    async def read(self) -> None:
        """Read the body to its end; some of its packets may still be under way then.

        Raises:
            RequestError: there is no line at all, or the body was refused before its first line.
            GoneError: the caller hung up; what was read is dealt with.
        """
        both = (asyncio.create_task(self._take()), asyncio.create_task(self._submit()))
        try:
            # Where either fails, the other would wait for it for ever.
            await asyncio.wait(both, return_when=asyncio.FIRST_EXCEPTION)
            for each in both:
                if each.done():
                    each.result()
        except BaseException:
            for each in both:
                each.cancel()
            await asyncio.gather(*both, *self._under_way, return_exceptions=True)
            raise
        if self._rest is not None and self._count:
            self._counted(self._rest.code)
        if not self._count:
            raise self._rest or RequestError(
                Code.BAD_REQUEST, "Expected at least one packet, found an empty body.", advice="Write one on each line."
            )

    async def _take(self) -> None:
        try:
            async for line in self._exchange.body.lines():
                self._count += 1
                while self._ahead > CHUNK_BYTES:
                    self._room.clear()
                    await self._room.wait()
                self._ahead += _size(line)
                await self._waiting.put(line)
        except RequestError as error:
            self._rest = error
        await self._waiting.put(None)

    async def answers(self) -> AsyncIterator[bytes]:
        """Lines as they are known, the last one last."""
        while self._told or self._under_way:
            told, self._told = b"".join(self._told), []
            for start in range(0, len(told), PIECE):
                yield told[start : start + PIECE]
            if self._under_way:
                self._told += await self._under_way.popleft()
        yield b'{"done":%d%b}\n' % (self._count, b"" if self._rest is None else b',"problem":%b' % self._problem())

    def _problem(self) -> bytes:
        assert self._rest is not None  # noqa: S101 - asked before
        return answer(self._rest, self._exchange.trace).body

    async def _submit(self) -> None:
        """Until the last line: what waits goes together, two chunks at a time."""
        ended = False
        while not ended:
            while len(self._under_way) > 1:
                self._told += await self._under_way.popleft()
            lines, ended = await self._next()
            if lines:
                await self._pace(len(lines))
                self._under_way.append(asyncio.create_task(self._chunk_told(lines)))

    async def _next(self) -> tuple[list[Line], bool]:
        """What waits, at least one line, and whether that was the last of them."""
        lines: list[Line] = []
        size = 0
        found = await self._waiting.get()
        while found is not None:
            lines.append(found)
            size += _size(found)
            self._ahead -= _size(found)
            self._room.set()
            if len(lines) == self._chunk or size > CHUNK_BYTES or self._waiting.empty():
                return lines, False
            found = self._waiting.get_nowait()
        return lines, True

    async def _pace(self, count: int) -> None:
        """A batch is slowed to the agency's rate, never refused for it half-way."""
        exchange = self._exchange
        while wait := exchange.buckets.take_many(exchange.caller.agency.id, count):  # noqa: ASYNC110 - only time helps
            await asyncio.sleep(wait)

    async def _chunk_told(self, lines: Sequence[Line]) -> list[bytes]:
        exchange = self._exchange
        sent = [line for line in lines if isinstance(line, bytes)]
        try:
            # Standing is looked at again: a batch may be long under way.
            found = iter(await exchange.services.submit.many(exchange.again(), sent, exchange.trace))
        except (CallerError, UnavailableError) as error:
            found = iter([error] * len(sent))
        return [self._line(line if isinstance(line, RequestError) else next(found)) for line in lines]

    def _line(self, found: Submitted | Exception) -> bytes:
        exchange = self._exchange
        if isinstance(found, Submitted):
            exchange.metrics.accepted(fresh=found.fresh)
            return b'{"receipt":%b,"status":%d}\n' % (found.receipt.canonical(), 201 if found.fresh else 200)
        refusal = answer(found, exchange.trace)
        self._counted(refusal.code)
        wait = next((b'"retry_after":%b,' % value for name, value in refusal.headers if name == RETRY_AFTER), b"")
        return b'{"problem":%b,%b"status":%d}\n' % (refusal.body, wait, refusal.status)

    def _counted(self, code: Code) -> None:
        exchange = self._exchange
        exchange.metrics.refused(code)
        if code in OWN:
            exchange.services.refusals.count(exchange.caller.agency.id, code)


def _size(line: Line) -> int:
    return len(line) if isinstance(line, bytes) else 0
