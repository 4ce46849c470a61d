"""The one middleware: nothing reaches a route before it has passed here, and every error becomes an answer here.

Pure ASGI: two of Starlette's own middleware classes cost more than everything else a request does. Order: the head's
form (anonymous and cheap), then who is calling and its rate (step 0 of acceptance), then what is about the body
(step 1), then the route.
"""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from broker.errors import UnavailableError
from broker.flows.identify import Caller
from broker.gateway import heads
from broker.gateway.bodies import Body, GoneError
from broker.gateway.exchange import SCOPE, Exchange
from broker.gateway.identity import Identity
from broker.gateway.limits import Buckets, Limits, Seats
from broker.gateway.problems import OWN, Answer, answer
from broker.gateway.protocol import ABSOLUTE, PEER
from broker.gateway.services import Services
from broker.telemetry.logs import Log
from broker.telemetry.metrics import Metrics
from schemas.problem import Code

_TRACEPARENT = re.compile(rb"00-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}\Z")
_NO_TRACE = b"0" * 32

LEFT = 499
"""In the log and the figures: the caller hung up before there was an answer. No status of HTTP's own; nginx's."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What the guard tells others, and its sources of time and chance."""

    log: Log
    metrics: Metrics
    monotonic: Callable[[], float]
    random: Callable[[int], bytes]


class Guard:
    def __init__(
        self,
        app: ASGIApp,
        *,
        services: Services,
        limits: Limits,
        hosts: frozenset[str],
        identity: Identity,
        watch: Watch,
    ) -> None:
        self._app = app
        self._services = services
        self._limits = limits
        self._hosts = hosts
        self._identity = identity
        self._watch = watch
        self._buckets = Buckets(limits.rate, limits.burst, watch.monotonic)
        self._seats = Seats(limits.seats)
        self._questions = Seats(
            limits.questions, "outcomes and watches asked for at once", "Wait for the answer to one before the next."
        )
        self._lists = Seats(limits.lists, "deny lists handed in at once", "Wait for the answer to one before the next.")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"expected http, found {scope['type']}: run with ws and lifespan off")
        run = _Run(self._watch, scope, receive, send, self._limits)
        try:
            await self._guarded(run, scope, receive)
        except GoneError:
            return
        except asyncio.CancelledError:
            # The gateway stops and this took too long: whether it was done is unknown.
            if not run.status:
                await run.refuse(self._refusal(run, UnavailableError("Expected to finish before the gateway stops.")))
        except Exception as error:  # noqa: BLE001 - every error becomes an answer here and nowhere else
            run.error = error
            if not run.status:
                await run.refuse(self._refusal(run, error))
        finally:
            run.told()

    async def _guarded(self, run: "_Run", scope: Scope, receive: Receive) -> None:
        limits, raw, named = self._limits, scope["headers"], run.headers
        heads.check_request_line(scope["http_version"], absolute=ABSOLUTE in scope["extensions"])
        heads.check_size(scope["raw_path"] + scope["query_string"], raw, limits)
        heads.check_host(named, self._hosts)
        der = self._identity(scope["extensions"][PEER], raw)
        services = self._services
        run.caller = services.identify(der)
        self._buckets.take(run.caller.agency.id)
        heads.check_connection(named)
        if scope["method"] in heads.METHODS:
            heads.check_content(scope["method"], scope["path"], named, limits)
            heads.check_accept(scope["path"], named)
        scope[SCOPE] = Exchange(
            services=services,
            limits=limits,
            buckets=self._buckets,
            seats=self._seats,
            questions=self._questions,
            lists=self._lists,
            caller=run.caller,
            again=lambda: services.identify(der),
            body=run.body,
            trace=run.trace,
            metrics=self._watch.metrics,
        )
        await self._app(scope, receive, run.send)

    def _refusal(self, run: "_Run", error: Exception) -> Answer:
        refusal = answer(error, run.trace)
        if run.caller is not None and refusal.code in OWN:
            self._services.refusals.count(run.caller.agency.id, refusal.code)
        return refusal


class _Run:
    """One request on its way: what it brought, what was answered."""

    def __init__(self, watch: Watch, scope: Scope, receive: Receive, send: Send, limits: Limits) -> None:
        self._watch = watch
        self._scope = scope
        self._send = send
        self._begun = watch.monotonic()
        self.headers = heads.by_name(scope["headers"])
        self.body = Body(receive, limits, follows=heads.body_follows(self.headers))
        self.trace = self._trace()
        self.caller: Caller | None = None
        self.status = 0
        self.code: Code | None = None
        self.error: Exception | None = None

    def _trace(self) -> str:
        """The caller's trace id (W3C Trace Context, section 3.2), or a new one."""
        given = self.headers.get(b"traceparent", ())
        match = _TRACEPARENT.match(given[0]) if len(given) == 1 else None
        if match is not None and match[1] != _NO_TRACE:
            return match[1].decode("ascii")
        return self._watch.random(16).hex()

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.body.pending:
                message = {**message, "headers": [*message["headers"], (b"connection", b"close")]}
        elif self.body.pending and not message.get("more_body", False):
            await self._send({**message, "more_body": True})
            await self.body.drain()
            message = {"type": "http.response.body", "body": b""}
        await self._send(message)

    async def refuse(self, refusal: Answer) -> None:
        self.code = refusal.code
        headers = refusal.headers
        if refusal.code in (Code.BAD_REQUEST, Code.HEADERS_TOO_LARGE, Code.TIMEOUT) and not self.body.pending:
            headers = [*headers, (b"connection", b"close")]
        await self.send({"type": "http.response.start", "status": refusal.status, "headers": headers})
        await self.send({"type": "http.response.body", "body": refusal.body})

    def told(self) -> None:
        """The log line and the figures, after the answer."""
        seconds = self._watch.monotonic() - self._begun
        route = getattr(self._scope.get("route"), "path", "none")
        status = self.status or LEFT
        self._watch.metrics.answered(route, status, self.code, seconds)
        event: dict[str, Any] = {
            "method": self._scope["method"],
            "route": route,
            "status": status,
            "code": self.code,
            "agency": self.caller.agency.id if self.caller is not None else None,
            "bytes": self.body.size,
            "us": round(seconds * 1e6),
            "trace": self.trace,
        }
        if self.error is not None and self.code in (None, Code.INTERNAL):
            self._watch.log.failure("request", self.error, **event)
        else:
            self._watch.log.info("request", **event)
