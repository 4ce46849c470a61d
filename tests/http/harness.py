"""A real server on loopback with real TLS, and two ways to talk to it: httpx, and bytes as they are.

`Pki` makes certificates, `Wire` talks, `Running` runs a `Server` in a thread, `gateway` puts them together. Everything
listens on 127.0.0.1, port 0.
"""

import contextlib
import io
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

import httpx

from broker.crypto.certificates import Authority, Issued
from broker.gateway.app import create_app
from broker.gateway.guard import Watch
from broker.gateway.health import Operator
from broker.gateway.identity import Direct, Identity
from broker.gateway.limits import Limits
from broker.gateway.server import Listener, Server, bind
from broker.gateway.services import Services
from broker.gateway.tls import server_context
from broker.telemetry.logs import Bridge, Log
from broker.telemetry.metrics import Metrics
from schemas.packet import MEDIA_TYPE
from schemas.problem import Problem

HOST = "127.0.0.1"
QUICK = Limits(head_seconds=0.6, body_seconds=0.6, linger_seconds=0.5, send_seconds=1.0, stop_seconds=5.0)


class Pki:
    """The countries' CA, another CA that nobody trusts, and certificates of every sort. Keys live in `folder`."""

    def __init__(self, folder: Path) -> None:
        now = time.time()
        self.folder = folder
        self.now = now
        self.authority = Authority.create("USA", now=now)
        self.stranger = Authority.create("UTO", now=now)
        self.server = self.authority.issue_server("gateway", [HOST, "localhost"], now=now)
        self.ca = folder / "ca.pem"
        self.ca.write_bytes(self.authority.issued.certificate)
        self.server.save(folder / "server.pem", folder / "server.key")
        self._saved = 0

    def agency(self, name: str) -> Issued:
        return self.authority.issue_client(name, 1, now=self.now)

    def expired(self, name: str) -> Issued:
        return self.authority.issue_client(name, 1, now=self.now - 40 * 86400, days=30)

    def not_yet(self, name: str) -> Issued:
        return self.authority.issue_client(name, 1, now=self.now + 86400)

    def for_servers(self, name: str) -> Issued:
        return self.authority.issue_server(name, [HOST], now=self.now)

    def of_a_stranger(self, name: str) -> Issued:
        return self.stranger.issue_client(name, 1, now=self.now)

    def context(self, client: Issued | None, highest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> ssl.SSLContext:
        """A client's TLS context."""
        context = ssl.create_default_context(cafile=str(self.ca))
        context.maximum_version = highest
        if client is not None:
            self._saved += 1
            certificate, key = self.folder / f"client{self._saved}.pem", self.folder / f"client{self._saved}.key"
            client.save(certificate, key)
            context.load_cert_chain(certificate, key)
        return context

    def server_context(self) -> ssl.SSLContext:
        return server_context(self.folder / "server.pem", self.folder / "server.key", self.ca)


@dataclass(frozen=True)
class Reply:
    """One HTTP answer off the wire."""

    status: int
    headers: dict[str, str]
    body: bytes
    raw: bytes

    def problem(self) -> Problem:
        assert self.headers["content-type"] == "application/problem+json"
        return Problem.from_json(self.body)

    @property
    def code(self) -> str:
        return self.problem().code.value


class Wire:
    """Talks to a listener on 127.0.0.1."""

    def __init__(self, pki: Pki, port: int) -> None:
        self._pki = pki
        self.port = port

    def plain(self, timeout: float = 10.0) -> socket.socket:
        """A TCP connection before any TLS."""
        found = socket.create_connection((HOST, self.port), timeout=timeout)
        found.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)  # else each handshake waits 40 ms for an ACK
        return found

    @contextlib.contextmanager
    def connected(self, context: ssl.SSLContext, timeout: float = 10.0) -> Iterator[ssl.SSLSocket]:
        with (
            self.plain(timeout) as plain,
            context.wrap_socket(plain, server_hostname=HOST) as secure,
        ):
            yield secure

    def talk(
        self, context: ssl.SSLContext, sent: bytes | Iterable[bytes], *, pause: float = 0.0, timeout: float = 10.0
    ) -> bytes:
        """Send pieces, `pause` seconds apart, and read to the end. b"" where the other side just hung up."""
        received = bytearray()
        try:
            with self.connected(context, timeout) as secure:
                with contextlib.suppress(ConnectionError, ssl.SSLError):
                    for piece in [sent] if isinstance(sent, bytes) else sent:
                        secure.sendall(piece)
                        if pause:
                            time.sleep(pause)
                while piece := secure.recv(65536):
                    received += piece
        except (ConnectionError, ssl.SSLError):
            pass
        return bytes(received)

    def ask(self, context: ssl.SSLContext, sent: bytes | Iterable[bytes], **options: float) -> Reply | None:
        """As `talk`; the last answer, or None where there was none."""
        raw = self.talk(context, sent, **options)
        return replies(raw)[-1] if raw else None

    def client(self, context: ssl.SSLContext, timeout: float = 10.0) -> httpx.Client:
        return httpx.Client(
            base_url=f"https://{HOST}:{self.port}", verify=context, timeout=timeout, headers={"accept": "*/*"}
        )


def replies(raw: bytes) -> list[Reply]:
    """Every HTTP/1.1 answer in the bytes, in order."""
    found: list[Reply] = []
    stream = io.BytesIO(raw)
    while line := stream.readline():
        start = stream.tell() - len(line)
        version, status, _ = line.split(b" ", 2)
        assert version == b"HTTP/1.1", raw[:100]
        headers: dict[str, str] = {}
        while (header := stream.readline()) not in (b"\r\n", b""):
            name, _, value = header.decode("latin-1").partition(":")
            assert name not in headers, name
            headers[name] = value.strip()
        body = _chunks(stream) if "transfer-encoding" in headers else stream.read(int(headers.get("content-length", 0)))
        if int(status) >= 200:
            found.append(Reply(int(status), headers, body, raw[start : stream.tell()]))
    return found


def _chunks(stream: io.BytesIO) -> bytes:
    body = bytearray()
    while size := int(stream.readline() or b"0", 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return bytes(body)


def head(
    method: str = "POST",
    path: str = "/v1/packets",
    headers: Mapping[str, str] | None = None,
    *,
    host: str | None = HOST,
    close: bool = True,
) -> bytes:
    """A request head; a POST's media type is a packet's unless `headers` says otherwise."""
    lines = [f"{method} {path} HTTP/1.1"]
    given = {"content-type": MEDIA_TYPE} if method == "POST" else {}
    given |= {} if host is None else {"host": host}
    given |= {"connection": "close"} if close else {}
    lines += [f"{name}: {value}" for name, value in (given | dict(headers or {})).items()]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def post(body: bytes, path: str = "/v1/packets", headers: Mapping[str, str] | None = None, **options: bool) -> bytes:
    return head("POST", path, {"content-length": str(len(body)), **(headers or {})}, **options) + body


@contextlib.contextmanager
def bridged(log: Log) -> Iterator[None]:
    """What uvicorn says goes to the log, as it does in use."""
    logger, bridge = logging.getLogger("uvicorn.error"), Bridge(log)
    logger.addHandler(bridge)
    logger.propagate = False
    try:
        yield
    finally:
        logger.removeHandler(bridge)
        logger.propagate = True


class Running:
    """Runs a server in a thread of its own until the end of the `with`."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._thread = threading.Thread(target=self._run, name="setu-server")
        self._failure: BaseException | None = None

    def _run(self) -> None:
        try:
            self.server.run()
        except BaseException as error:  # noqa: BLE001 - shown to the test that waits
            self._failure = error
            self.server.started.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self.server.started.wait(10), "the server did not start"
        if self._failure is not None:
            raise self._failure
        return self

    def stop(self) -> None:
        self.server.stop()
        self._thread.join(20)
        assert not self._thread.is_alive(), "the server did not stop"
        if self._failure is not None:
            raise self._failure

    def __exit__(self, *_: object) -> None:
        self.stop()


@dataclass(frozen=True)
class Gateway:
    """A running gateway. `lines`: what it has logged."""

    pki: Pki
    wire: Wire
    operator: str
    running: Running
    metrics: Metrics
    written: io.StringIO = field(repr=False)

    @property
    def lines(self) -> list[str]:
        return self.written.getvalue().splitlines()


@contextlib.contextmanager
def gateway(
    pki: Pki,
    services: Services,
    *,
    limits: Limits = QUICK,
    identity: Identity | None = None,
    listener: socket.socket | None = None,
    tls: bool = True,
    on_stop: Callable[[], None] = lambda: None,
) -> Iterator[Gateway]:
    """The gateway as it is assembled for use, on free ports."""
    written, metrics = io.StringIO(), Metrics()
    log = Log(written, time.time)
    watch = Watch(log, metrics, time.monotonic, lambda n: bytes(range(1, n + 1)))
    app = create_app(
        services,
        limits,
        hosts=frozenset({HOST, "localhost"}),
        identity=identity if identity is not None else Direct(),
        watch=watch,
    )
    main, side = listener if listener is not None else bind(HOST, 0), bind(HOST, 0)
    port = main.getsockname()[1] if main.family == socket.AF_INET else 0
    operator = Operator(services.health, metrics, log, lambda: server.stopping)
    server = Server(
        Listener(app, main, pki.server_context() if tls else None),
        Listener(operator, side),
        limits,
        on_stop,
    )
    address = f"http://{HOST}:{side.getsockname()[1]}"
    with bridged(log), Running(server) as running:
        yield Gateway(pki, Wire(pki, port), address, running, metrics, written)
