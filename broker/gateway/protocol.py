"""uvicorn's HTTP protocol, with what it lacks: who is at the other end, and an end to slow heads and slow readers.

uvicorn 0.54 has no ASGI TLS extension, no time limit for a request head, none for an answer nobody reads, and no
size limit for a head.
"""

import asyncio
from dataclasses import dataclass
from typing import Any

from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from broker.errors import RequestError
from broker.gateway.limits import Limits
from broker.gateway.problems import answer
from schemas.problem import Code

PEER = "setu.peer"
ABSOLUTE = "setu.absolute"
NO_TRACE = "0" * 32


@dataclass(frozen=True, slots=True)
class Peer:
    """The other end of a connection. `der`: its certificate, only if the handshake verified it. `unix`: it came
    through a Unix socket.
    """

    der: bytes | None
    unix: bool


class GuardedProtocol(HttpToolsProtocol):
    """Sets `scope["extensions"]`: `PEER`, and `ABSOLUTE` where the request target is not a path."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], *, limits: Limits) -> None:
        super().__init__(config, server_state, app_state)
        self._limits = limits
        self.peer = Peer(None, unix=False)
        self._head_timer: asyncio.TimerHandle | None = None
        self._send_timer: asyncio.TimerHandle | None = None
        self._unsent = 0
        self._heads = 0
        self._head_bytes = 0
        self._in_head = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        self.peer = Peer(
            der=tls.getpeercert(binary_form=True) if tls is not None else None,
            unix=isinstance(transport.get_extra_info("sockname"), (str, bytes)),
        )
        if len(self.connections) > self._limits.connections or self._of_same_peer() > self._limits.share:
            transport.abort()
            return
        self._arm()

    def _of_same_peer(self) -> int:
        if self.peer.der is None:
            return 0
        return sum(isinstance(each, GuardedProtocol) and each.peer == self.peer for each in self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        self._disarm_send()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        heads = self._heads
        super().data_received(data)
        if heads != self._heads:
            self._head_bytes = 0
        elif self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self._refuse_head()
                return
        if self._idle():
            self._arm()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_head = True
        self.scope["extensions"] = {PEER: self.peer}  # type: ignore[dict-item]

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._in_head:  # uvicorn would add a chunked body's trailers to the headers, after they were checked
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._heads += 1
        self._in_head = False
        self._disarm()
        self.url = self.url[: self._limits.head_bytes + 1]  # uvicorn cannot read one of 64 KiB; the guard refuses it
        if not self.url.startswith(b"/"):
            self.scope["extensions"][ABSOLUTE] = {}
        super().on_headers_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._in_head and not self.transport.is_closing():
            self._arm()

    def pause_writing(self) -> None:
        super().pause_writing()
        self._unsent = self.transport.get_write_buffer_size()
        self._send_timer = self.loop.call_later(self._limits.send_seconds, self._unread)

    def resume_writing(self) -> None:
        self._disarm_send()
        super().resume_writing()

    def _unsupported_upgrade_warning(self) -> None:
        """The guard refuses an upgrade and logs it."""

    def _idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _arm(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self._limits.head_seconds, self._cut)

    def _disarm(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _disarm_send(self) -> None:
        if self._send_timer is not None:
            self._send_timer.cancel()
            self._send_timer = None

    def _cut(self) -> None:
        self._head_timer = None
        self.transport.abort()

    def _unread(self) -> None:
        unsent = self.transport.get_write_buffer_size()
        if unsent >= self._unsent:
            self.transport.abort()
            return
        self._unsent = unsent
        self._send_timer = self.loop.call_later(self._limits.send_seconds, self._unread)

    def _refuse_head(self) -> None:
        """The head is too large before it is complete: no request yet, so no application to refuse it."""
        self._disarm()
        if self._idle():
            refusal = answer(too_large(self._limits), NO_TRACE)
            lines = [b"HTTP/1.1 431 Request Header Fields Too Large", *(b"%b: %b" % each for each in refusal.headers)]
            self.transport.write(b"\r\n".join([*lines, b"connection: close", b"", refusal.body]))
        self.transport.close()


def too_large(limits: Limits) -> RequestError:
    return RequestError(
        Code.HEADERS_TOO_LARGE,
        f"Expected a request head of at most {limits.head_bytes} bytes and {limits.headers} headers, found more.",
        advice="Send fewer or shorter headers.",
    )
