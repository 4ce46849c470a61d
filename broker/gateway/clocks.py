"""What is due to an agency and from it."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.gateway.exchange import exchange_of, json_answer
from broker.gateway.queries import Query

DEFAULT_CLOCKS = 100

router = APIRouter(prefix="/v1")


@router.get("/clocks")
async def clocks(request: Request) -> Response:
    """Overdue ones first, then by when they are due."""
    exchange = exchange_of(request)
    query = Query(request, ("limit",))
    limit = query.number("limit", min(DEFAULT_CLOCKS, exchange.limits.page), 1, exchange.limits.page)
    found = await exchange.services.clocks(exchange.caller, limit)
    return json_answer(await asyncio.to_thread(found.canonical))
