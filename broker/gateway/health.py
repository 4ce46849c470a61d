"""The operator's listener: is the process alive, could it accept a packet, its figures. Plain HTTP, loopback."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from starlette.types import Receive, Scope, Send

from broker.errors import SetuError
from broker.gateway.services import Health
from broker.telemetry.asked import Asked
from broker.telemetry.logs import Log
from broker.telemetry.metrics import CONTENT_TYPE, Figures
from schemas.canonical import canonical

Found = tuple[int, str, bytes]
JSON = "application/json"
READY_SECONDS = 5.0
FIGURES_SECONDS = 1.0
"""So long a page of figures waits for what a store is asked; then it shows what was known before."""


class Operator:
    """An ASGI application of three paths.

    Args:
        stopping: True once the gateway accepts nothing new.
        asked: what is asked anew before the figures are shown.
    """

    def __init__(
        self,
        health: Health,
        figures: Figures,
        log: Log,
        stopping: Callable[[], bool],
        asked: Sequence[Asked[Any]] = (),
    ) -> None:
        self._health = health
        self._page = figures
        self._asked = asked
        self._log = log
        self._stopping = stopping
        self._paths: dict[str, Callable[[], Awaitable[Found]]] = {
            "/healthz": self._healthz,
            "/readyz": self._readyz,
            "/metrics": self._figures,
        }

    async def __call__(self, scope: Scope, _: Receive, send: Send) -> None:
        path = self._paths.get(scope["path"])
        if path is None:
            found = _json(404, {"found": False})
        elif scope["method"] != "GET":
            found = _json(405, {"expected": "GET"})
        else:
            found = await path()
        status, media, body = found
        headers = [
            (b"content-type", media.encode("ascii")),
            (b"content-length", b"%d" % len(body)),
            (b"cache-control", b"no-store"),
            (b"connection", b"close"),
        ]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _healthz(self) -> Found:
        return _json(200, {"alive": True})

    async def _readyz(self) -> Found:
        if self._stopping():
            return _json(503, {"ready": False, "code": "stopping"})
        try:
            async with asyncio.timeout(READY_SECONDS):
                return _json(200, await self._health.ready())
        except TimeoutError:
            return _json(503, {"ready": False, "code": "unavailable", "detail": f"No answer in {READY_SECONDS:g} s."})
        except SetuError as error:
            return _json(503, {"ready": False, "code": error.code.value, "detail": str(error)})
        except Exception as error:  # noqa: BLE001 - whatever it is, the gateway is not ready
            self._log.failure("readyz", error)
            return _json(503, {"ready": False, "code": "internal"})

    async def _figures(self) -> Found:
        await asyncio.gather(*(each.refresh(FIGURES_SECONDS) for each in self._asked))
        return 200, CONTENT_TYPE, self._page.render()


def _json(status: int, found: dict[str, Any]) -> Found:
    return status, JSON, canonical(found)
