"""Running it: the main listener and the operator's, one event loop, and an orderly end."""

import asyncio
import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn
import uvloop
from starlette.types import ASGIApp

from broker.errors import IntegrityError
from broker.gateway.limits import Limits
from broker.gateway.protocol import GuardedProtocol
from schemas.problem import Code

BACKLOG = 1024
TICK = 0.02
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def bind(host: str, port: int, *, shared: bool = False) -> socket.socket:
    """A bound TCP socket; port 0 takes a free one, `getsockname()` says which.

    `shared`: other processes of this user bind it too (SO_REUSEPORT), and the kernel shares out connections.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if shared:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise _cannot_bind(f"port {port}", error) from None
    return found


def bind_unix(path: Path) -> socket.socket:
    """A bound Unix socket that only its owner and group may use; an old one in its place is replaced.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    found = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        if path.is_socket():
            path.unlink()
        found.bind(str(path))
        path.chmod(0o660)
    except OSError as error:
        found.close()
        raise _cannot_bind(path.name, error) from None
    return found


@dataclass(frozen=True, slots=True)
class Listener:
    """An application on a bound socket; `tls` None: plain."""

    app: ASGIApp
    socket: socket.socket
    tls: ssl.SSLContext | None = None


class Server:
    """Serves until `stop` or a signal.

    An orderly end: no new connections; `on_stop` (it ends streams and long polls); what was accepted is finished, for
    at most `limits.stop_seconds`; the operator's listener last.

    Args:
        on_stop: called once on the event loop when stopping begins.
    """

    def __init__(self, main: Listener, operator: Listener | None, limits: Limits, on_stop: Callable[[], None]) -> None:
        self._main = _Uvicorn(main, limits)
        self._operator = _Uvicorn(operator, limits) if operator is not None else None
        self._on_stop = on_stop
        self._stop: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.stopping = False
        self.started = threading.Event()

    def run(self) -> None:
        """Serve on a new event loop (uvloop) until stopped."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self.serve())

    async def serve(self) -> None:
        """Serve on the running event loop until stopped."""
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        with _signals(self._loop, self._signalled):
            operator = await self._operator.begin() if self._operator is not None else None
            main = await self._main.begin()
            self.started.set()
            stop = asyncio.ensure_future(self._stop.wait())
            await asyncio.wait((stop, main), return_when=asyncio.FIRST_COMPLETED)
            stop.cancel()
            self.stopping = True
            self._on_stop()
            self._main.should_exit = True
            await main
            if self._operator is not None and operator is not None:
                self._operator.should_exit = True
                await operator

    def stop(self) -> None:
        """Begin an orderly end. From any thread; twice is once."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._begin_stop)

    def _begin_stop(self) -> None:
        if self._stop is not None:
            self._stop.set()

    def _signalled(self) -> None:
        self._main.force_exit = self.stopping
        self._begin_stop()


class _Uvicorn(uvicorn.Server):
    """uvicorn's server on one socket of ours, with a time limit for the TLS handshake, which it has no setting for."""

    def __init__(self, listener: Listener, limits: Limits) -> None:
        super().__init__(
            uvicorn.Config(
                listener.app,
                http=GuardedProtocol,
                ws="none",
                lifespan="off",
                interface="asgi3",
                log_config=None,
                access_log=False,
                proxy_headers=False,
                server_header=False,
                date_header=False,
                timeout_keep_alive=int(limits.idle_seconds),
                timeout_graceful_shutdown=int(limits.stop_seconds),
            )
        )
        self._listener = listener
        self._limits = limits
        self._listening = asyncio.Event()

    async def begin(self) -> "asyncio.Task[None]":
        """Listen; returns the task that serves, once connections are taken."""
        task = asyncio.create_task(self._serve())
        listening = asyncio.create_task(self._listening.wait())
        await asyncio.wait((task, listening), return_when=asyncio.FIRST_COMPLETED)
        listening.cancel()
        if task.done():
            task.result()
        return task

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        def protocol() -> asyncio.Protocol:
            return GuardedProtocol(self.config, self.server_state, {}, limits=self._limits)

        loop, listener = asyncio.get_running_loop(), self._listener
        over_tls = listener.tls is not None
        server = await loop.create_server(
            protocol,
            sock=listener.socket,
            backlog=BACKLOG,
            ssl=listener.tls,
            ssl_handshake_timeout=self._limits.head_seconds if over_tls else None,
            ssl_shutdown_timeout=self._limits.linger_seconds if over_tls else None,
        )
        self.servers = [server]
        self.started = True
        self._listening.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002 - uvicorn's signature
        # Else the kernel goes on taking connections that nobody will answer.
        await super().shutdown([self._listener.socket])
        # What is left has been told to go, or is only saying its TLS goodbye.
        state, clock = self.server_state, asyncio.get_running_loop().time
        deadline = clock() + self._limits.linger_seconds
        while (state.connections or state.tasks) and clock() < deadline:  # noqa: ASYNC110 - uvicorn has no event for it
            await asyncio.sleep(TICK)
        for connection in tuple(state.connections):
            connection.transport.abort()
        await asyncio.sleep(TICK)


@contextlib.contextmanager
def _signals(loop: asyncio.AbstractEventLoop, stop: Callable[[], None]) -> Iterator[None]:
    """Signals begin an orderly end; a second one a quick end. Only a main thread can take them."""
    taken = SIGNALS if threading.current_thread() is threading.main_thread() else ()
    for each in taken:
        loop.add_signal_handler(each, stop)
    try:
        yield
    finally:
        for each in taken:
            loop.remove_signal_handler(each)


def _cannot_bind(what: str, error: OSError) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        f"Expected to listen on {what}, found: {error.strerror}.",
        advice="Stop what uses it, or configure another.",
    )
