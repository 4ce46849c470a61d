"""Starting, the operator's listener, and an orderly end, over real sockets."""

import asyncio
import socket
import threading
import time
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from broker.errors import IntegrityError, UnavailableError
from broker.gateway.server import bind, bind_unix
from schemas.canonical import parse
from schemas.problem import Code
from tests.fakes.flows import Fakes
from tests.http.conftest import Site
from tests.http.harness import HOST, QUICK, Gateway, Pki, gateway, head, post, replies

TOPIC = "/v1/topics/setu.us-dea.tip"


def enrolled(pki: Pki) -> tuple[Fakes, "object"]:
    fakes, dea = Fakes(), pki.agency("us-dea")
    fakes.identify.enrol(dea.der, "us-dea")
    return fakes, pki.context(dea)


def refuses_connections(running: Gateway) -> bool:
    try:
        running.wire.plain().close()
    except ConnectionError:
        return True
    return False


def operator(running: Gateway, path: str, method: str = "GET") -> httpx.Response:
    return httpx.request(method, running.operator + path)


def test_the_operators_listener_tells_life_readiness_and_figures(site: Site) -> None:
    site.ask(post(b"{}", headers={"content-type": "text/plain"}))
    assert operator(site.gateway, "/healthz").json() == {"alive": True}
    assert operator(site.gateway, "/readyz").json() == {"ready": True}
    figures = operator(site.gateway, "/metrics")
    assert figures.headers["content-type"].startswith("text/plain")
    assert 'setu_refused_total{code="media-type"}' in figures.text
    assert operator(site.gateway, "/v1/topics").status_code == 404
    assert operator(site.gateway, "/readyz", "POST").status_code == 405


@pytest.mark.parametrize(
    ("error", "code"),
    [
        pytest.param(UnavailableError("Expected a store, found none."), "unavailable", id="store"),
        pytest.param(IntegrityError(Code.ROLLBACK, "Expected a newer head."), "rollback", id="rollback"),
        pytest.param(OSError("s3cr3t"), "internal", id="unforeseen"),
    ],
)
def test_a_gateway_that_could_not_accept_is_not_ready(site: Site, error: Exception, code: str) -> None:
    site.fakes.health.error = error
    answer = operator(site.gateway, "/readyz")
    assert (answer.status_code, answer.json()["code"]) == (503, code)
    assert "s3cr3t" not in answer.text + site.gateway.written.getvalue()


def test_what_was_accepted_is_finished_before_the_end(pki: Pki) -> None:
    fakes, context = enrolled(pki)
    reached, go_on = threading.Event(), threading.Event()

    async def slow() -> None:
        reached.set()
        await asyncio.to_thread(go_on.wait, 10)

    fakes.submit.before = slow
    answers: list[bytes] = []
    with gateway(pki, fakes.services()) as running:
        asking = threading.Thread(target=lambda: answers.append(running.wire.talk(context, post(b"{}", close=False))))
        asking.start()
        assert reached.wait(5)
        running.running.server.stop()
        wait_for(lambda: operator(running, "/readyz").status_code == 503)
        wait_for(lambda: refuses_connections(running))
        assert answers == []
        go_on.set()
        asking.join(5)
    (reply,) = replies(answers[0])
    assert reply.status == 201
    assert reply.headers["connection"] == "close"


def test_the_end_ends_streams_and_idle_connections(pki: Pki) -> None:
    fakes, context = enrolled(pki)
    fakes.subscribe.tick = lambda: asyncio.sleep(0.02)

    def close() -> None:
        fakes.subscribe.closed = True

    with (
        gateway(pki, fakes.services(), on_stop=close) as running,
        running.wire.client(context) as reader,
        running.wire.client(context) as idle,
    ):
        idle.get("/v1/topics")
        with reader.stream("GET", f"{TOPIC}/stream") as stream:
            coming = stream.iter_lines()
            next(coming)
            begun = time.monotonic()
            running.running.server.stop()
            assert set(coming) <= {": ", ""}  # whole events to the end, and a proper last chunk
        running.running.stop()
        assert time.monotonic() - begun < 3


def test_what_never_finishes_is_cut_at_the_end(pki: Pki) -> None:
    fakes, context = enrolled(pki)
    fakes.submit.before = lambda: asyncio.sleep(60)
    with gateway(pki, fakes.services(), limits=replace(QUICK, stop_seconds=1.0)) as running:
        answers: list[bytes] = []
        asking = threading.Thread(target=lambda: answers.append(running.wire.talk(context, post(b"{}"))))
        asking.start()
        wait_for(lambda: fakes.submit.calls)
        begun = time.monotonic()
        running.running.stop()
        assert time.monotonic() - begun < 4
        asking.join(5)
    (reply,) = replies(answers[0])
    assert (reply.status, reply.code) == (503, "unavailable")
    assert int(reply.headers["retry-after"]) > 0


def test_a_reader_that_takes_nothing_is_cut(pki: Pki) -> None:
    fakes, context = enrolled(pki)
    fakes.published.schemas = lambda: [{"kind": "x" * 8_000_000}]
    with gateway(pki, fakes.services()) as running, running.wire.connected(context) as secure:
        secure.sendall(head("GET", "/v1/schemas"))
        wait_for(lambda: running.lines)
        time.sleep(QUICK.send_seconds * 2 + 0.5)
        received = 0
        with pytest.raises(OSError):  # noqa: PT012 - which read notices is the kernel's choice
            while piece := secure.recv(1 << 20):
                received += len(piece)
            raise ConnectionError
        assert received < 8_000_000


def test_pipelined_requests_are_answered_in_order(site: Site) -> None:
    one, two = head("GET", "/v1/topics", close=False), head("GET", "/v1/schemas")
    found = replies(site.gateway.wire.talk(site.dea, one + two))
    assert [next(iter(parse(each.body))) for each in found] == ["topics", "schemas"]


def test_a_busy_port_says_so() -> None:
    with bind(HOST, 0) as taken:
        taken.listen()
        with pytest.raises(IntegrityError, match="Expected to listen on port") as caught:
            bind(HOST, taken.getsockname()[1])
    assert caught.value.code is Code.CONFIG_INVALID


def test_a_unix_socket_replaces_an_old_one_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "s"
    bind_unix(path).close()
    with bind_unix(path) as again:
        assert again.family == socket.AF_UNIX
        assert path.stat().st_mode & 0o007 == 0
    path.unlink()
    path.write_text("something else")
    with pytest.raises(IntegrityError):
        bind_unix(path)
    assert path.read_text() == "something else"


def wait_for(what) -> None:
    deadline = time.monotonic() + 5
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
