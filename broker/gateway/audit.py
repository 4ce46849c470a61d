"""Search of the exchange log, and the log itself as auditors and witnesses mirror it."""

import asyncio
import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.flows.audit import Found
from broker.gateway.exchange import exchange_of, json_answer
from broker.gateway.queries import DIGEST, Query, bad_query
from broker.ledger.outcomes import Counting
from broker.ledger.port import EntryFilter
from schemas.base import MICROSECONDS
from schemas.canonical import MAX_SAFE_INTEGER, canonical, parse
from schemas.evidence import EntryType

DEFAULT_ENTRIES = 100
FEW = 8
"""Entries that are written down on the event loop: a hop to a thread costs as much."""
IMMUTABLE = "private, max-age=31536000, immutable"

router = APIRouter()

_AGENCY = re.compile(r"[a-z]{2}-[a-z0-9-]{1,29}")
_KIND = re.compile(r"[a-z-]{1,32}")
_CODE = re.compile(r"[a-z-]{1,40}")
_TIME = "a time like 2026-01-31T12:00:00.000000Z"
_TYPES = frozenset(EntryType)


@router.get("/v1/audit/entries")
async def search(request: Request) -> Response:
    """Entries that fit every parameter, by index; `next` is the `after` to go on with while there may be more."""
    exchange = exchange_of(request)
    query = Query(
        request,
        ("since", "until", "party", "kind", "packet", "code", "exercise", "after", "limit"),
        repeated=("type",),
    )
    types = query.texts("type")
    if not _TYPES.issuperset(types):
        raise bad_query("type", "an entry type")
    limit = query.number("limit", min(DEFAULT_ENTRIES, exchange.limits.page), 1, exchange.limits.page)
    found = await exchange.services.audit.search(
        exchange.caller,
        EntryFilter(
            since=query.text("since", MICROSECONDS, _TIME),
            until=query.text("until", MICROSECONDS, _TIME),
            party=query.text("party", _AGENCY, "an agency's id"),
            kind=query.text("kind", _KIND, "a kind"),
            packet=query.text("packet", DIGEST, "a packet's digest"),
            types=[EntryType(each) for each in types] or None,
            code=query.text("code", _CODE, "a problem code"),
            exercise=query.choice("exercise", {"true": True, "false": False}),
            after=query.number("after", -1, 0, MAX_SAFE_INTEGER),
            limit=limit,
        ),
        exchange.trace,
    )
    return json_answer(await asyncio.to_thread(_written, found) if len(found.entries) > FEW else _written(found))


@router.get("/v1/audit/outcomes")
async def outcomes(request: Request) -> Response:
    """What the packets of a period led to, by agency and kind; drill traffic apart."""
    exchange = exchange_of(request)
    query = Query(request, ("since", "until", "agency", "kind", "exercise"))
    counting = Counting(
        until=query.text("until", MICROSECONDS, _TIME),
        agency=query.text("agency", _AGENCY, "an agency's id"),
        kind=query.text("kind", _KIND, "a kind"),
        exercise=query.choice("exercise", {"true": True, "false": False}) is True,
    )
    since = query.text("since", MICROSECONDS, _TIME)
    with exchange.questions.taken(exchange.caller.agency.id):
        found = await exchange.services.audit.outcomes(exchange.caller, since, counting, exchange.trace)
    return json_answer(found.canonical())


@router.get("/v1/watch/precursors")
async def precursors(request: Request) -> Response:
    """Notices of exports against answers, arrivals, movements and diversions, of what the caller may read."""
    exchange = exchange_of(request)
    query = Query(request, ("since", "until", "facts"))
    since, until = (query.text(name, MICROSECONDS, _TIME) for name in ("since", "until"))
    show = query.choice("facts", {"true": True, "false": False}) is True
    with exchange.questions.taken(exchange.caller.agency.id):
        found = await exchange.services.precursors(exchange.caller, since, until, exchange.trace, show=show)
        return json_answer(await asyncio.to_thread(found.canonical))


def _written(found: Found) -> bytes:
    entries = [{"index": each.index, "entry": parse(each.entry)} for each in found.entries]
    return canonical({"entries": entries} | ({} if found.more is None else {"next": found.more}))


@router.get("/log/checkpoint")
async def checkpoint(request: Request) -> Response:
    exchange = exchange_of(request)
    note = await exchange.services.log.checkpoint(exchange.caller)
    return Response(note, headers={"cache-control": "no-store"}, media_type="text/plain; charset=utf-8")


@router.get("/log/{path:path}")
async def tile(request: Request, path: str) -> Response:
    exchange = exchange_of(request)
    found = await exchange.services.log.tile(exchange.caller, path)
    return Response(found, headers={"cache-control": IMMUTABLE}, media_type="application/octet-stream")
