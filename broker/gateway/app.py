"""The HTTP API: routes behind the guard. No documentation routes, no redirects, no error handler but our own."""

from typing import NoReturn

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request

from broker.gateway import acknowledgements, audit, directory, packets, topics
from broker.gateway.guard import Guard, Watch
from broker.gateway.identity import Identity
from broker.gateway.limits import Limits
from broker.gateway.services import Services


def create_app(
    services: Services, limits: Limits, *, hosts: frozenset[str], identity: Identity, watch: Watch
) -> FastAPI:
    """The application for the main listener. `hosts`: the names the gateway answers to, lower case, without port."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={HTTPException: _to_guard, RequestValidationError: _to_guard},
    )
    app.add_middleware(Guard, services=services, limits=limits, hosts=hosts, identity=identity, watch=watch)
    for noun in (packets, topics, acknowledgements, directory, audit):
        app.include_router(noun.router)
    return app


async def _to_guard(_: Request, error: Exception) -> NoReturn:
    """The framework's own answers would be made here; the guard makes them instead."""
    raise error
