"""Long polls and server-sent events over real HTTP and TLS."""

import asyncio
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import httpx
import pytest

from broker.errors import UnavailableError
from schemas.canonical import parse
from schemas.evidence import Delivery, Tombstone
from schemas.packet import Packet
from tests.builders import Realm
from tests.fakes.flows import DIGEST, RECEIPT, Fakes
from tests.http.conftest import Site
from tests.http.harness import QUICK, Pki, gateway, head, post

TOPIC = "/v1/topics/setu.us-dea.tip"
GONE = Tombstone(index=3, digest=DIGEST, gone="purged")


async def ticking() -> None:
    await asyncio.sleep(0.02)


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    site.fakes.subscribe.items = [("Y3Vyc29y", GONE), None, ("Y3Vyc29z", GONE)]
    site.fakes.subscribe.tick = ticking
    with site.gateway.wire.client(site.dea) as client:
        yield client
    site.fakes.subscribe.items = []


def test_events_carry_cursor_name_and_one_line_of_json(client: httpx.Client) -> None:
    with client.stream("GET", f"{TOPIC}/stream") as stream:
        assert stream.status_code == 200
        assert stream.headers["content-type"].startswith("text/event-stream")
        assert stream.headers["cache-control"] == "no-store"
        coming = stream.iter_lines()
        given = [next(coming) for _ in range(10)]
    event = ["event: tombstone", f"data: {GONE.canonical().decode()}", ""]
    assert given == ["id: Y3Vyc29y", *event, ": ", "", "id: Y3Vyc29z", *event]


def test_a_stream_resumes_where_last_event_id_says(site: Site, client: httpx.Client) -> None:
    with client.stream("GET", f"{TOPIC}/stream", headers={"last-event-id": "Y3Vyc29y"}) as stream:
        coming = stream.iter_lines()
        next(coming)
    assert site.fakes.subscribe.calls == [("us-dea", "setu.us-dea.tip", "Y3Vyc29y")]


def test_a_stream_ends_when_standing_does(site: Site, client: httpx.Client) -> None:
    with client.stream("GET", f"{TOPIC}/stream") as stream:
        coming = stream.iter_lines()
        next(coming)
        site.fakes.identify.suspended.add("us-dea")
        rest = list(coming)
    assert rest[-2:] == [": agency-suspended", ""]
    again = client.get(f"{TOPIC}/stream")
    assert (again.status_code, again.json()["code"]) == (403, "agency-suspended")


class Watched(Delivery):
    """Keeps on which thread it was written down."""

    def canonical(self) -> bytes:
        THREADS.append(threading.current_thread().name)
        return super().canonical()


THREADS: list[str] = []


def watched(size: int) -> Watched:
    raw = Realm().sealed("in-ncb", ["us-dea"], "tip", bytes(size)).raw
    return Watched(index=1, digest=DIGEST, packet=Packet.from_json(raw), receipt=RECEIPT)


@pytest.mark.parametrize(
    ("size", "there"), [pytest.param(2_000, True, id="small"), pytest.param(200_000, False, id="large")]
)
def test_a_large_item_is_written_down_beside_the_event_loop(
    site: Site, client: httpx.Client, size: int, there: bool
) -> None:
    THREADS.clear()
    site.fakes.subscribe.items = [("Y3Vyc29y", watched(size))]
    with client.stream("GET", f"{TOPIC}/stream") as stream:
        assert "event: packet" in [next(lines) for lines in [stream.iter_lines()] for _ in range(2)]
    assert [name == "setu-server" for name in THREADS] == [there]


def test_a_stream_that_cannot_go_on_ends_with_the_code(site: Site, client: httpx.Client) -> None:
    def end() -> None:
        raise UnavailableError("Expected the store to answer, found that it does not.")

    site.fakes.subscribe.tick = end
    with client.stream("GET", f"{TOPIC}/stream") as stream:
        assert list(stream.iter_lines())[-2:] == [": unavailable", ""]
    assert not any('"level":"error"' in line for line in site.gateway.lines)


def test_a_stream_nobody_reads_any_more_ends(site: Site, client: httpx.Client) -> None:
    with client.stream("GET", f"{TOPIC}/stream") as stream:
        coming = stream.iter_lines()
        next(coming)
    wait_for(lambda: 'setu_open_reads{route="stream"} 0.0' in rendered(site))


def test_a_long_poll_waits_and_answers(site: Site, client: httpx.Client) -> None:
    site.fakes.subscribe.page_ready = lambda wait: asyncio.sleep(0.2)
    begun = time.monotonic()
    answer = client.get(f"{TOPIC}/packets", params={"wait": 10, "limit": 7, "cursor": "Y3Vyc29y"})
    assert answer.status_code == 200
    assert 0.2 <= time.monotonic() - begun < 5
    assert answer.json() == {"cursor": "Y3Vyc29y", "items": [], "topic": "setu.us-dea.tip"}
    assert site.fakes.subscribe.calls == [("us-dea", "setu.us-dea.tip", "Y3Vyc29y", 7, 10.0)]


def test_a_page_that_nobody_reads_keeps_its_seat(pki: Pki) -> None:
    """Else whoever asks for pages and reads none fills the memory, at the rate it may ask."""
    fakes = Fakes()
    dea = pki.agency("us-dea")
    fakes.identify.enrol(dea.der, "us-dea")
    raw = Realm().sealed("in-ncb", ["us-dea"], "tip", bytes(200_000)).raw
    item = Delivery(index=1, digest=DIGEST, packet=Packet.from_json(raw), receipt=RECEIPT)
    fakes.subscribe.paged = (item,) * 64
    context, asked = pki.context(dea), head("GET", f"{TOPIC}/packets", close=False)
    limits = replace(QUICK, seats=1, send_seconds=20.0)
    with gateway(pki, fakes.services(), limits=limits) as running, running.wire.connected(context) as deaf:
        deaf.sendall(asked)
        wait_for(lambda: fakes.subscribe.calls)
        assert deaf.recv(100).startswith(b"HTTP/1.1 200")
        refused = running.wire.ask(context, head("GET", f"{TOPIC}/packets"))
        assert (refused.status, refused.code) == (429, "rate-limited")
        end = b""
        while not end.endswith(b'"topic":"setu.us-dea.tip"}'):
            end = (end + deaf.recv(1 << 20))[-100:]
        wait_for(lambda: running.wire.ask(context, head("GET", f"{TOPIC}/packets")).status == 200)


def test_a_long_poll_whose_caller_hangs_up_is_given_up(site: Site) -> None:
    site.fakes.subscribe.page_ready = asyncio.sleep
    before = site.fakes.subscribe.cancelled
    with site.gateway.wire.connected(site.dea) as secure:
        secure.sendall(head("GET", f"{TOPIC}/packets?wait=20"))
        wait_for(lambda: site.fakes.subscribe.calls)
    wait_for(lambda: site.fakes.subscribe.cancelled == before + 1)
    wait_for(lambda: site.gateway.lines)
    logged = parse(site.gateway.lines[0].encode())
    assert {"route": "/v1/topics/{topic}/packets", "status": 499}.items() <= logged.items()
    assert 'setu_requests_total{route="/v1/topics/{topic}/packets",status="499"}' in rendered(site)


def test_an_agency_asks_two_long_questions_at_once(site: Site) -> None:
    """Each reads thousands of entries: a third is told to wait."""
    asked, done = head("GET", "/v1/audit/outcomes", close=False), threading.Event()

    async def long() -> None:
        await asyncio.to_thread(done.wait, 20)

    site.fakes.audit.before = long
    with site.gateway.wire.connected(site.dea) as one, site.gateway.wire.connected(site.dea) as two:
        one.sendall(asked)
        two.sendall(asked)
        wait_for(lambda: len(site.fakes.audit.calls) == 2)
        for path in ("/v1/audit/outcomes", "/v1/watch/precursors"):
            refused = site.gateway.wire.ask(site.dea, head("GET", path))
            assert (refused.status, refused.code) == (429, "rate-limited")
        assert site.gateway.wire.ask(site.dea, head("GET", "/v1/audit/entries")).status == 200
        done.set()
        assert one.recv(100).startswith(b"HTTP/1.1 200")
    assert site.gateway.wire.ask(site.dea, head("GET", "/v1/watch/precursors")).status == 200


def test_an_agency_hands_in_four_deny_lists_at_once(site: Site) -> None:
    """Each is a megabyte to read and to verify, and all agencies' come one after the other."""
    asked, done = (
        post(b"{}", "/v1/directory/deny", {"content-type": "application/json"}, close=False),
        threading.Event(),
    )

    async def long() -> None:
        await asyncio.to_thread(done.wait, 20)

    site.fakes.deny.before = long
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(site.gateway.wire.connected(site.dea)).sendall(asked)
        wait_for(lambda: len(site.fakes.deny.calls) == 4)
        refused = site.gateway.wire.ask(
            site.dea, post(b"{}", "/v1/directory/deny", {"content-type": "application/json"})
        )
        assert (refused.status, refused.code) == (429, "rate-limited")
        done.set()
    site.fakes.deny.before = None


def rendered(site: Site) -> str:
    return site.gateway.metrics.render().decode()


def test_pages_default_to_no_wait(site: Site, client: httpx.Client) -> None:
    client.get(f"{TOPIC}/packets")
    assert site.fakes.subscribe.calls == [("us-dea", "setu.us-dea.tip", None, 100, 0.0)]


def wait_for(what) -> None:
    deadline = time.monotonic() + 5
    while not what():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.02)
