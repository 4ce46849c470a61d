"""The HTTP API: routes behind the guard. No documentation routes, no redirects, no error handler but our own."""

from typing import NoReturn

from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.telemetry import TelemetryConfig
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.routing import Match, Route
from starlette.types import Scope

from broker.gateway import acknowledgements, audit, batches, clocks, directory, packets, topics
from broker.gateway.guard import Guard, Watch
from broker.gateway.heads import BATCH
from broker.gateway.identity import Identity
from broker.gateway.limits import Limits
from broker.gateway.services import Services

SILENT: TelemetryConfig = {"tracing": False, "metrics": False, "logs": False, "auto_configure": False}
"""FastAPI would send requests, messages of exceptions and their traces to whom an environment variable names."""


def create_app(
    services: Services, limits: Limits, *, hosts: frozenset[str], identity: Identity, watch: Watch
) -> FastAPI:
    """The application for the main listener. `hosts`: the names the gateway answers to, lower case, without port."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry=SILENT,
        exception_handlers={HTTPException: _to_guard, RequestValidationError: _to_guard},
    )
    app.add_middleware(Guard, services=services, limits=limits, hosts=hosts, identity=identity, watch=watch)
    # The hot routes are Starlette's own, and first: they need none of what FastAPI's do, at 60 us each time.
    app.router.routes += [
        _Plain("/v1/packets", packets.submit, methods=["POST"]),
        _Plain(BATCH, batches.batch, methods=["POST"]),
        _Plain("/v1/acknowledgements", acknowledgements.acknowledge, methods=["POST"]),
    ]
    for noun in (packets, topics, clocks, directory, audit):
        app.include_router(noun.router)
    return app


class _Plain(Route):
    """Names itself in the scope, as FastAPI's routes do: the log and the figures go by it."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child = super().matches(scope)
        return match, {**child, "route": self}


async def _to_guard(_: Request, error: Exception) -> NoReturn:
    """The framework's own answers would be made here; the guard makes them instead."""
    raise error
