"""Topics: a recipient's packets in ledger order, paged, long-polled or streamed."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

from fastapi import APIRouter
from sse_starlette.event import ServerSentEvent
from sse_starlette.sse import EventSourceResponse
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from broker.errors import CallerError, RequestError, UnavailableError
from broker.gateway.bodies import GoneError
from broker.gateway.exchange import Exchange, exchange_of, json_answer
from broker.gateway.queries import CURSOR, Query
from broker.gateway.services import StreamItem
from schemas.canonical import canonical
from schemas.evidence import Delivery, Page, Tombstone
from schemas.problem import Code

DEFAULT_PAGE = 100
LAST_EVENT_ID = "last-event-id"
PIECE = 1 << 18
"""Bytes of a page that are handed to the connection at a time; it takes the next once it has sent most of the last."""
LIGHT = 32_768
"""Bytes that are written down on the event loop: a hop to a thread costs as much."""

router = APIRouter(prefix="/v1/topics")


@router.get("")
async def topics(request: Request) -> Response:
    exchange = exchange_of(request)
    found = await exchange.services.subscribe.topics(exchange.caller)
    return json_answer(canonical({"topics": [each.to_object() for each in found]}))


@router.get("/{topic}/packets")
async def page(request: Request, topic: str) -> Response:
    """The items after `cursor`; waits up to `wait` seconds for the first."""
    exchange = exchange_of(request)
    query = Query(request, ("cursor", "limit", "wait"))
    cursor = next(iter(query.texts("cursor")), None)
    limit = query.number("limit", min(DEFAULT_PAGE, exchange.limits.page), 1, exchange.limits.page)
    wait = query.seconds("wait", exchange.limits.wait)
    return _Page(exchange, lambda: _unless_hung_up(exchange, topic, cursor, limit, wait))


@router.get("/{topic}/stream")
async def stream(request: Request, topic: str) -> Response:
    """Server-sent events; `Last-Event-ID` resumes. Ends when the caller's standing does, or the gateway stops."""
    exchange = exchange_of(request)
    Query(request, ())
    given = request.headers.getlist(LAST_EVENT_ID)
    if len(given) > 1 or not all(CURSOR.fullmatch(each) for each in given):
        raise RequestError(
            Code.BAD_CURSOR,
            "Expected one Last-Event-ID that this gateway gave, found another.",
            advice="Send the id of the last event as it came, or none to begin at the start.",
        )
    items = await exchange.services.subscribe.stream(exchange.again, topic, given[0] if given else None)
    return _Stream(exchange, items)


class _Page(Response):
    """Holds a seat from before it is looked for until its last piece is handed over: who asks for pages and reads none
    of them keeps no more than so many in memory. A refusal is still a whole answer.
    """

    def __init__(self, exchange: Exchange, find: Callable[[], Awaitable[Page]]) -> None:
        super().__init__(headers={"cache-control": "no-store"}, media_type="application/json")
        del self.headers["content-length"]
        self._exchange = exchange
        self._find = find

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 - ASGI's signature
        exchange = self._exchange
        with exchange.seats.taken(exchange.caller.agency.id), exchange.metrics.opened("page"):
            found = await self._find()
            # A page may hold megabytes; other callers are served while it is written down.
            heavy = sum(map(_weight, found.items)) > LIGHT
            body = memoryview(await asyncio.to_thread(found.canonical) if heavy else found.canonical())
            headers = [*self.raw_headers, (b"content-length", b"%d" % len(body))]
            await send({"type": "http.response.start", "status": self.status_code, "headers": headers})
            while len(body) > PIECE:
                await send({"type": "http.response.body", "body": bytes(body[:PIECE]), "more_body": True})
                body = body[PIECE:]
            await send({"type": "http.response.body", "body": bytes(body)})


class _Stream(EventSourceResponse):
    """Holds a seat from before its first byte to after its last; a refusal of one is still a whole answer."""

    def __init__(self, exchange: Exchange, items: AsyncIterator[StreamItem]) -> None:
        super().__init__(_events(items), ping=0)
        del self.headers["connection"]  # uvicorn says what becomes of the connection
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = self._exchange
        with exchange.seats.taken(exchange.caller.agency.id), exchange.metrics.opened("stream"):
            await super().__call__(scope, receive, send)


async def _events(items: AsyncIterator[StreamItem]) -> AsyncIterator[bytes]:
    try:
        async for each in items:
            heavy = each is not None and _weight(each[1]) > LIGHT
            yield await asyncio.to_thread(_event, each) if heavy else _event(each)
    except (CallerError, UnavailableError) as error:
        # The status has long gone out: the code stands in a comment, and asking again gets the whole answer.
        yield ServerSentEvent(comment=error.code.value).encode()


def _event(item: StreamItem) -> bytes:
    if item is None:
        return ServerSentEvent(comment="").encode()
    cursor, found = item
    name = "packet" if isinstance(found, Delivery) else "tombstone"
    return ServerSentEvent(found.canonical().decode("utf-8"), id=cursor, event=name).encode()


def _weight(item: Delivery | Tombstone) -> int:
    """About so many bytes are written for it."""
    return len(item.packet.jwe.ciphertext) if isinstance(item, Delivery) else 0


async def _unless_hung_up(exchange: Exchange, topic: str, cursor: str | None, limit: int, wait: float) -> Page:
    """The page, or GoneError as soon as nobody waits for it any more."""
    asked = exchange.services.subscribe.page(exchange.again, topic, cursor, limit, wait)
    if not wait:
        return await asked
    looking = asyncio.ensure_future(asked)
    leaving = asyncio.ensure_future(exchange.body.hung_up())
    try:
        await asyncio.wait((looking, leaving), return_when=asyncio.FIRST_COMPLETED)
        if not looking.done():
            raise GoneError
        return looking.result()
    finally:
        looking.cancel()
        leaving.cancel()
