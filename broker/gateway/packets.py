"""Packets: submit, check, and what became of one."""

import asyncio

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.gateway.exchange import exchange_of, json_answer, receipt_answer
from broker.gateway.queries import digest_of
from schemas.canonical import canonical

FEW = 8

router = APIRouter(prefix="/v1")


async def submit(request: Request) -> Response:
    """201 and the receipt; 200 and the same receipt where the packet had been accepted before."""
    exchange = exchange_of(request)
    raw = await exchange.body.read()
    submitted = await exchange.services.submit(exchange.caller, raw, exchange.trace)
    exchange.metrics.accepted(fresh=submitted.fresh)
    return receipt_answer(submitted)


@router.post("/packets:check")
async def check(request: Request) -> Response:
    """Every step but the commit; the ids of the rules that would permit it."""
    exchange = exchange_of(request)
    raw = await exchange.body.read()
    rules = await exchange.services.submit.check(exchange.caller, raw)
    return json_answer(canonical({"outcome": "permit", "rules": list(rules)}))


@router.get("/packets/{digest}")
async def timeline(request: Request, digest: str) -> Response:
    exchange = exchange_of(request)
    found = await exchange.services.timelines.timeline(exchange.caller, digest_of(digest))
    # What grows with the number of recipients is written down in a thread.
    return json_answer(await asyncio.to_thread(found.canonical) if len(found.items) > FEW else found.canonical())


@router.get("/packets/{digest}/proof")
async def proof(request: Request, digest: str) -> Response:
    exchange = exchange_of(request)
    found = await exchange.services.timelines.proof(exchange.caller, digest_of(digest))
    return json_answer(await asyncio.to_thread(found.canonical))
