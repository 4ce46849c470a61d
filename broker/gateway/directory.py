"""The directory's repository and the payload schemas, which every agency may read; and deny lists handed in."""

import re

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from broker.errors import NotFoundError
from broker.gateway.exchange import exchange_of, json_answer
from schemas.canonical import canonical

router = APIRouter(prefix="/v1")

_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,200}\Z")
_VERSION = re.compile(r"[1-9][0-9]{0,2}\Z")


@router.get("/directory/metadata/{name}")
async def metadata(request: Request, name: str) -> Response:
    return await _file(request, "metadata", name)


@router.get("/directory/targets/{name}")
async def target(request: Request, name: str) -> Response:
    return await _file(request, "targets", name)


@router.post("/directory/deny")
async def deny(request: Request) -> Response:
    """201 where the list came into force now; 200 where that very version was in force before."""
    exchange = exchange_of(request)
    raw = await exchange.body.read()
    with exchange.lists.taken(exchange.caller.agency.id):
        standing, fresh = await exchange.services.deny(exchange.caller, raw)
    return json_answer(standing.canonical(), 201 if fresh else 200)


@router.get("/schemas")
async def schemas(request: Request) -> Response:
    return json_answer(canonical({"schemas": list(exchange_of(request).services.published.schemas())}))


@router.get("/schemas/{kind}/{version}")
async def schema(request: Request, kind: str, version: str) -> Response:
    if not _VERSION.match(version):
        raise NotFoundError
    found = exchange_of(request).services.published.schema(kind, int(version))
    return json_answer(canonical(found))


@router.get("/openapi.json")
async def openapi(request: Request) -> Response:
    return json_answer(await exchange_of(request).services.published.form("openapi.json"))


@router.get("/asyncapi.json")
async def asyncapi(request: Request) -> Response:
    return json_answer(await exchange_of(request).services.published.form("asyncapi.json"))


async def _file(request: Request, folder: str, name: str) -> Response:
    if not _FILE.match(name):
        raise NotFoundError
    return json_answer(await exchange_of(request).services.published.directory_file(f"{folder}/{name}"))
