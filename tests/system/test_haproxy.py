"""HAProxy before two gateways, as deploy/haproxy sets it up: who is let through, as whom."""

import asyncio
import base64
import re
import ssl
import time
from contextlib import ExitStack
from itertools import pairwise

import pytest

from tests.http.harness import HOST, head
from tests.http.test_hostile_http import CANARY, TABLE
from tests.system.haproxy import BOTH, standing

MENDED = {
    "content-length-with-transfer-encoding",
    "transfer-encoding-with-content-length",
    "bare-lf",
    "bare-lf-after-one-header",
    "obs-fold",
    "two-hosts",
    "upgrade-to-websocket",
    "upgrade-to-h2c",
}
"""What HAProxy understands in one way, and writes anew in that way: one clean request of the same caller."""


def statuses(raw: bytes) -> set[int]:
    return {int(status) for status in re.findall(rb"^HTTP/1\.1 (\d{3}) ", raw, re.MULTILINE)}


def header(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


@pytest.fixture(scope="module")
def stands(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(stands):
    stands.clear()
    stands.proxy.until(BOTH)
    return stands


def test_the_configuration_has_no_fault_and_no_warning(site):
    assert site.proxy.check() == ""


def test_the_certificate_of_the_handshake_is_the_caller(site):
    for issued, name in ((site.dea, "us-dea"), (site.ncb, "in-ncb")):
        reply = site.wire.ask(site.pki.context(issued), head("GET", "/v1/topics"))
        assert reply.status == 200
        assert f"setu.{name}.tip".encode() in reply.body


@pytest.mark.parametrize(
    "name",
    ["client-cert", "Client-Cert", "CLIENT-CERT", "client-cert-chain"],
)
@pytest.mark.parametrize("value", ["another", "its-own", "empty", "twice"])
def test_a_client_cert_that_is_brought_along_is_refused(site, name, value):
    another, own = header(site.ncb.der), header(site.dea.der)
    values = {"another": [another], "its-own": [own], "empty": [""], "twice": [own, another]}[value]
    lines = ["GET /v1/topics HTTP/1.1", f"Host: {HOST}", "Connection: close", *(f"{name}: {each}" for each in values)]
    reply = site.ask("\r\n".join([*lines, "", ""]).encode())
    assert (reply.status, reply.code) == (400, "bad-request")
    assert site.asked == []


@pytest.mark.parametrize(
    "disguise",
    [
        pytest.param(lambda value: f"Client_Cert: {value}", id="underscore"),
        pytest.param(lambda value: f"Client-Cert : {value}", id="space-before-the-colon"),
        pytest.param(lambda value: f"Client-Cert\t: {value}", id="tab-before-the-colon"),
        pytest.param(lambda value: f"Accept: */*\r\n Client-Cert: {value}", id="folded"),
        pytest.param(lambda value: f"Accept: */*\nClient-Cert: {value}", id="bare-lf"),
        pytest.param(lambda value: f"Accept: */*\rClient-Cert: {value}", id="bare-cr"),
        pytest.param(lambda value: f"Accept: */*\0\r\nClient-Cert: {value}", id="nul"),
        pytest.param(lambda value: f"Connection: client-cert\r\nTE: {value}", id="named-as-hop-by-hop"),
        pytest.param(lambda value: f"X-Client-Cert: {value}\r\nX-SSL-Client-Cert: {value}", id="other-names"),
    ],
)
def test_no_disguise_makes_a_caller_somebody_else(site, disguise):
    sent = f"GET /v1/topics HTTP/1.1\r\nHost: {HOST}\r\n{disguise(header(site.ncb.der))}\r\nConnection: close\r\n\r\n"
    assert statuses(site.hear(sent.encode("latin-1"))) <= {200, 400, 403, 406}
    assert {call[0] for call in site.asked} <= {"us-dea"}


@pytest.mark.parametrize(
    ("who", "highest"),
    [
        pytest.param(lambda pki: None, ssl.TLSVersion.TLSv1_3, id="no-certificate"),
        pytest.param(lambda pki: pki.of_a_stranger("us-dea"), ssl.TLSVersion.TLSv1_3, id="other-ca"),
        pytest.param(lambda pki: pki.expired("us-dea"), ssl.TLSVersion.TLSv1_3, id="expired"),
        pytest.param(lambda pki: pki.not_yet("us-dea"), ssl.TLSVersion.TLSv1_3, id="not-yet-valid"),
        pytest.param(lambda pki: pki.for_servers("us-dea"), ssl.TLSVersion.TLSv1_3, id="wrong-eku"),
        pytest.param(lambda pki: pki.agency("us-dea"), ssl.TLSVersion.TLSv1_2, id="tls-1.2"),
    ],
)
def test_without_a_certificate_that_holds_there_is_no_http(site, who, highest):
    for fakes in site.fakes:
        if (issued := who(site.pki)) is not None:
            fakes.identify.enrol(issued.der, "us-dea")
    assert site.wire.ask(site.pki.context(who(site.pki), highest), head("GET", "/v1/topics")) is None
    assert site.asked == []


def test_a_certificate_that_nobody_registered_is_nobody(site):
    reply = site.wire.ask(site.pki.context(site.pki.agency("us-dea")), head("GET", "/v1/topics"))
    assert (reply.status, reply.code) == (403, "unknown-agency")


def test_a_suspension_holds_on_a_connection_that_stands(site):
    with site.wire.client(site.context) as client:
        assert client.get("/v1/topics").status_code == 200
        for fakes in site.fakes:
            fakes.identify.suspended.add("us-dea")
        answer = client.get("/v1/topics")
    assert (answer.status_code, answer.json()["code"]) == (403, "agency-suspended")


def test_no_session_is_resumed(site):
    with site.wire.connected(site.context) as first:
        first.sendall(head("GET", "/v1/topics"))
        while first.recv(65536):
            pass
        session = first.session
    with (
        site.wire.plain() as plain,
        site.context.wrap_socket(plain, server_hostname=HOST, session=session) as second,
    ):
        assert not second.session_reused


@pytest.mark.parametrize(("sent", "status", "code"), TABLE)
def test_hostile_http_is_refused_here_too(site, request, sent, status, code):
    raw = site.hear(sent)
    assert CANARY.encode() not in raw.lower()
    if request.node.callspec.id in MENDED:
        assert len(site.asked) <= 1
        assert {call[0] for call in site.asked} == {"us-dea"}
    else:
        assert statuses(raw) <= {status, 400, 422} | ({413} if code is None else set())
        assert site.asked == []


PREFIX = f"POST /v1/packets HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        pytest.param("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", id="length-then-chunked"),
        pytest.param("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", id="chunked-then-length"),
        pytest.param("Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", id="length-0-and-chunked"),
        pytest.param("Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n", id="not-chunked"),
        pytest.param("Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n", id="vertical-tab"),
        pytest.param("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n", id="two-encodings"),
        pytest.param("Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n", id="identity-and-length"),
        pytest.param("Transfer_Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n", id="underscore"),
        pytest.param("Content-Length: 0\r\nContent-Length: 44\r\n\r\n", id="two-lengths"),
        pytest.param("Content-Length: 0, 44\r\n\r\n", id="two-lengths-in-one"),
        pytest.param("Content-Length: 0x0\r\n\r\n", id="length-in-hex"),
        pytest.param("Content-Length: -1\r\n\r\n", id="negative-length"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n0\n\n", id="chunk-ended-by-lf"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n0;\n\r\n\r\n", id="lf-in-a-chunk-extension"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n0000000000000000000\r\n\r\n", id="long-chunk-size"),
        pytest.param("Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n\r\n", id="overflowing-chunk-size"),
        pytest.param("Expect: 100-continue\r\nContent-Length: 0\r\n\r\n", id="expect"),
        pytest.param("Connection: Content-Length\r\nContent-Length: 0\r\n\r\n", id="length-named-as-hop-by-hop"),
    ],
)
def test_no_second_request_is_smuggled_past_the_proxy(site, framing):
    """What follows would make its sender in-ncb, if a gateway read it as a request that the proxy did not see."""
    hidden = f"GET /v1/topics HTTP/1.1\r\nHost: {HOST}\r\nClient-Cert: {header(site.ncb.der)}\r\n\r\n"
    answers = site.hear((PREFIX + framing + hidden).encode("latin-1"))
    assert [call for call in site.asked if call[0] != "us-dea"] == []
    assert len([call for call in site.asked if len(call) == 1]) == 0, "the hidden request reached a gateway"
    assert b"setu.in-ncb" not in answers


@pytest.mark.parametrize("field", ["Client-Cert", "Client-Cert-Chain", "Host"])
def test_a_trailer_is_no_header(site, field):
    body = f"2\r\n{{}}\r\n0\r\n{field}: {header(site.ncb.der)}\r\n\r\n"
    site.hear((PREFIX + "Transfer-Encoding: chunked\r\n\r\n" + body).encode())
    assert {call[0] for call in site.asked} <= {"us-dea"}


def test_a_head_that_trickles_is_cut(site):
    begun = time.monotonic()
    raw = site.wire.talk(site.context, [b"GET /v1/topics HTTP/1.1\r\n", *[b"a: b\r\n"] * 70], pause=0.1, timeout=20)
    assert 4 < time.monotonic() - begun < 8
    assert statuses(raw) <= {408}
    assert site.asked == []


def test_a_stream_comes_as_it_is_written(site):
    fakes = site.fakes
    for each in fakes:
        each.subscribe.tick = lambda: asyncio.sleep(0.2)
    path = "/v1/topics/setu.us-dea.tip/stream"
    begun = time.monotonic()
    with (
        site.wire.client(site.context) as client,
        client.stream("GET", path, headers={"accept": "text/event-stream"}) as answer,
    ):
        assert answer.status_code == 200
        came = [time.monotonic() - begun for _, _ in zip(answer.iter_raw(), range(4), strict=False)]
    assert came[0] < 0.2
    assert [round(later - earlier, 1) for earlier, later in pairwise(came)] == [0.2, 0.2, 0.2]


def test_a_batch_of_a_thousand_lines_is_answered_line_by_line(site):
    body = b"".join(b'{"n":%d,"%b":0}\n' % (n, b"x" * 2000) for n in range(1000))
    with site.wire.client(site.context, timeout=30) as client:
        answer = client.post("/v1/packets:batch", content=body, headers={"content-type": "application/x-ndjson"})
    assert answer.status_code == 200
    assert len(answer.text.splitlines()) == 1001
    assert len(site.asked) == 1000


@pytest.mark.long
@pytest.mark.timeout(90)
def test_a_long_poll_of_half_a_minute_is_answered(site):
    for each in site.fakes:
        each.subscribe.page_ready = asyncio.sleep
    with site.wire.client(site.context, timeout=40) as client:
        answer = client.get("/v1/topics/setu.us-dea.tip/packets?wait=30")
    assert answer.status_code == 200
    assert answer.elapsed.total_seconds() > 29


def test_one_agency_does_not_take_all_connections(site):
    """257 requests of us-dea whose bodies never come; in-ncb is not touched by it."""
    waiting = head("POST", "/v1/packets", {"content-length": "9"}, close=False)
    with ExitStack() as leaving:
        for _ in range(256):
            leaving.enter_context(site.wire.connected(site.context)).sendall(waiting)
        one_more = site.ask(head("GET", "/v1/topics"))
        of_another = site.wire.ask(site.pki.context(site.ncb), head("GET", "/v1/topics"))
    assert (one_more.status, one_more.code, one_more.headers["retry-after"]) == (429, "rate-limited", "1")
    assert of_another.status == 200
