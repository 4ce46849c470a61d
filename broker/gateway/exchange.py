"""What a route is given beside its request: who is calling, the body, the services."""

from collections.abc import Callable
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from broker.flows.identify import Caller
from broker.flows.submit import Submitted
from broker.gateway.bodies import Body
from broker.gateway.limits import Buckets, Limits, Seats
from broker.gateway.services import Services
from broker.telemetry.metrics import Metrics

SCOPE = "setu.exchange"


@dataclass(frozen=True, slots=True)
class Exchange:
    """Made by the guard for each request it lets through. `again`: the caller looked up anew; raises CallerError."""

    services: Services
    limits: Limits
    buckets: Buckets
    seats: Seats
    questions: Seats
    lists: Seats
    caller: Caller
    again: Callable[[], Caller]
    body: Body
    trace: str
    metrics: Metrics


def exchange_of(request: Request) -> Exchange:
    found: Exchange = request.scope[SCOPE]
    return found


def json_answer(body: bytes, status: int = 200) -> Response:
    """A JSON answer of ready bytes."""
    return Response(body, status, {"cache-control": "no-store"}, "application/json")


def receipt_answer(submitted: Submitted) -> Response:
    """201 for what was done now, 200 for what had been done before; the receipt either way."""
    return json_answer(submitted.receipt.canonical(), 201 if submitted.fresh else 200)
