"""The shared rollback guard over HTTPS (C2SP tlog-witness): two paths, mutual TLS, the same guarded protocol."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

from starlette.types import Receive, Scope, Send

from broker.errors import RequestError
from broker.gateway import heads
from broker.gateway.bodies import Body, GoneError
from broker.gateway.limits import Limits
from broker.gateway.problems import answer as problem_of
from broker.gateway.protocol import ABSOLUTE, NO_TRACE
from broker.ledger.witness import ADD, NEWEST, TEXT, Answer, Witness
from broker.telemetry.logs import Log

LIMITS = Limits(body_bytes=72 << 10, body_seconds=5.0, stop_seconds=5.0, connections=1024)
"""A checkpoint of 64 KiB and 63 lines of proof."""

_NONE, _METHOD, _FAILED = 404, 405, 503


class WitnessApp:
    """An ASGI application. Whoever completes the TLS handshake may ask; what counts is what the log's keys signed."""

    def __init__(
        self,
        witness: Witness,
        log: Log,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        answered: Callable[[int], None] = lambda _: None,
    ) -> None:
        self._witness = witness
        self._log = log
        self._answered = answered
        self._monotonic = monotonic

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = self._monotonic()
        error: Exception | None = None
        last = False
        try:
            answer = await self._answer(scope, receive)
        except GoneError:
            return
        except RequestError as refused:
            answer = Answer(problem_of(refused, NO_TRACE).status, TEXT, f"{refused.message}\n".encode())
            last = True  # its body may not have been read to the end
        except Exception as found:  # noqa: BLE001 - what failed is logged; the caller asks again
            error = found
            answer = Answer(_FAILED, TEXT, b"Expected to keep the checkpoint, and could not.\n")
        headers = [
            (b"content-type", answer.media.encode("ascii")),
            (b"content-length", b"%d" % len(answer.body)),
            (b"cache-control", b"no-store"),
            *([(b"connection", b"close")] if last else []),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})
        self._answered(answer.status)
        told: dict[str, Any] = {
            "route": scope["path"] if scope["path"] in (ADD, NEWEST) else "none",
            "status": answer.status,
            "size": self._witness.size,
            "us": round((self._monotonic() - begun) * 1e6),
        }
        if error is not None:
            self._log.failure("request", error, **told)
        else:
            self._log.info("request", **told)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        heads.check_request_line(scope["http_version"], absolute=ABSOLUTE in scope["extensions"])
        heads.check_size(scope["raw_path"] + scope["query_string"], scope["headers"], LIMITS)
        expected = {ADD: "POST", NEWEST: "GET"}.get(scope["path"])
        if expected is None:
            return Answer(_NONE, TEXT, b"There is nothing here.\n")
        if scope["method"] != expected:
            return Answer(_METHOD, TEXT, f"Expected {expected}.\n".encode())
        if expected == "GET":
            return await asyncio.to_thread(self._witness.newest)
        body = await Body(receive, LIMITS, follows=heads.body_follows(heads.by_name(scope["headers"]))).read()
        return await asyncio.to_thread(self._witness.add, body)


class WitnessHealth:
    """What the operator's listener asks."""

    def __init__(self, witness: Witness) -> None:
        self._witness = witness

    async def ready(self) -> dict[str, Any]:
        await asyncio.to_thread(self._witness.newest)
        return {"ready": True, "size": self._witness.size}
