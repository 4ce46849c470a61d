"""Every HTTP row of the table of hostile input, over real TLS. `CANARY` stands in what is sent and never in an answer."""

import time
from collections.abc import Iterable

import pytest

from schemas.packet import MEDIA_TYPE
from schemas.problem import Code
from tests.http.conftest import Site
from tests.http.harness import HOST, head, post

CANARY = "c4n4ry"
PARSER = None
"""400p: the HTTP parser's own text/plain 400."""

MEBIBYTE = 1 << 20


def lines(*given: str, host: str | None = HOST, body: bytes = b"", method: str = "POST", path: str = "/v1/packets"):
    fixed = [f"{method} {path} HTTP/1.1"] + ([f"Host: {host}"] if host else [])
    return "\r\n".join([*fixed, *given, "", ""]).encode("latin-1") + body


def chunked(*chunks: bytes, headers: str = "") -> bytes:
    sent = b"".join(b"%x\r\n%b\r\n" % (len(each), each) for each in chunks)
    return lines(f"Content-Type: {MEDIA_TYPE}", "Transfer-Encoding: chunked", "Connection: close") + sent + b"0\r\n\r\n"


TYPE = f"Content-Type: {MEDIA_TYPE}"
LONG = "x" * 17_000

TABLE = [
    pytest.param(lines(TYPE, "Content-Length: 2", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400, PARSER, id="content-length-with-transfer-encoding"),
    pytest.param(lines(TYPE, "Transfer-Encoding: chunked", "Content-Length: 2", body=b"0\r\n\r\n"), 400, PARSER, id="transfer-encoding-with-content-length"),
    pytest.param(lines(TYPE, "Content-Length: 2", "Content-Length: 3", body=b"{} "), 400, PARSER, id="two-differing-content-lengths"),
    pytest.param(lines(TYPE, "Content-Length: +2", body=b"{}"), 400, PARSER, id="signed-content-length"),
    pytest.param(lines(TYPE, "Content-Length: 99999999999999999999999", body=b"{}"), 400, PARSER, id="overflowing-content-length"),
    pytest.param(lines(TYPE, "Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400, PARSER, id="space-before-colon"),
    pytest.param(lines(TYPE, "Transfer-Encoding: chunked", body=b"zz\r\n"), 400, PARSER, id="chunk-size-that-is-no-number"),
    pytest.param(f"GET /v1/topics HTTP/1.1\nHost: {HOST}\n\n".encode(), 400, PARSER, id="bare-lf"),
    pytest.param(f"GET /v1/topics HTTP/1.1\r\nHost: {HOST}\nA: {CANARY}\r\n\r\n".encode(), 400, PARSER, id="bare-lf-after-one-header"),
    pytest.param(lines(f"A: {CANARY}\0", method="GET", path="/v1/topics"), 400, PARSER, id="nul-in-a-value"),
    pytest.param(lines("A: \x1b[31m", method="GET", path="/v1/topics"), 400, PARSER, id="esc-in-a-value"),
    pytest.param(lines("A: b", f" {CANARY}", method="GET", path="/v1/topics"), 400, PARSER, id="obs-fold"),
    pytest.param(b"\x16\x03\x01\x02\x00" * 20, 400, PARSER, id="tls-inside-tls"),
    pytest.param(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400, PARSER, id="http2-preface"),
    pytest.param(lines(method="GET", path=f"/v1/{CANARY}\xe9"), 400, PARSER, id="byte-beyond-ascii-in-the-path"),
    pytest.param(lines(method="CONNECT", path="127.0.0.1:22"), 400, PARSER, id="connect"),
    pytest.param(lines(method=CANARY.upper()), 400, PARSER, id="unknown-method"),
    pytest.param(head("GET", "/v1/topics", host=None), 400, Code.BAD_REQUEST, id="no-host"),
    pytest.param(lines(f"Host: {HOST}", method="GET", path="/v1/topics"), 400, Code.BAD_REQUEST, id="two-hosts"),
    pytest.param(lines(f"Host: {CANARY}.example", method="GET", path="/v1/topics"), 400, Code.BAD_REQUEST, id="two-differing-hosts"),
    pytest.param(b"GET /v1/topics\r\n\r\n", 400, Code.BAD_REQUEST, id="http-0.9"),
    pytest.param(f"GET /v1/topics HTTP/1.0\r\nHost: {HOST}\r\n\r\n".encode(), 400, Code.BAD_REQUEST, id="http-1.0"),
    pytest.param(head("GET", f"http://{CANARY}.example/v1/topics"), 400, Code.BAD_REQUEST, id="absolute-target"),
    pytest.param(head("OPTIONS", "*"), 400, Code.BAD_REQUEST, id="options-star"),
    pytest.param(post(b"{}", headers={"connection": "upgrade", "upgrade": "websocket"}), 400, Code.BAD_REQUEST, id="upgrade-to-websocket"),
    pytest.param(post(b"{}", headers={"connection": "upgrade", "upgrade": "h2c"}), 400, Code.BAD_REQUEST, id="upgrade-to-h2c"),
    pytest.param(lines(TYPE, "Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400, Code.BAD_REQUEST, id="other-transfer-encoding"),
    pytest.param(head("GET", "/v1/topics", {"content-length": "2"}) + b"{}", 400, Code.BAD_REQUEST, id="get-with-a-body"),
    pytest.param(head("GET", "/v1/topics", {"client-cert": ":AAAA:"}), 400, Code.BAD_REQUEST, id="client-cert-header-in-direct-mode"),
    pytest.param(head("GET", "/v1/topics", {"client-cert-chain": ":AAAA:"}), 400, Code.BAD_REQUEST, id="client-cert-chain-header-in-direct-mode"),
    pytest.param(head("GET", "/v1/topics", host=f"{CANARY}.example"), 421, Code.MISDIRECTED, id="foreign-host"),
    pytest.param(head("GET", "/v1/topics", host=f"{HOST}:{CANARY}"), 421, Code.MISDIRECTED, id="host-with-a-port-that-is-none"),
    pytest.param(head("GET", "/v1/topics", host=f"{HOST}.{CANARY}.example"), 421, Code.MISDIRECTED, id="host-that-begins-like-ours"),
    pytest.param(head("GET", "/v1/topics", host=f"{HOST}@{CANARY}"), 421, Code.MISDIRECTED, id="host-with-userinfo"),
    pytest.param(head("GET", "/v1/topics", {f"a{n}": CANARY for n in range(63)}), 431, Code.HEADERS_TOO_LARGE, id="65th-header"),
    pytest.param(head("GET", "/v1/topics", {"a": LONG}), 431, Code.HEADERS_TOO_LARGE, id="head-over-16-KiB-by-a-value"),
    pytest.param(head("GET", "/v1/topics", {LONG: "a"}), 431, Code.HEADERS_TOO_LARGE, id="head-over-16-KiB-by-a-name"),
    pytest.param(head("GET", f"/v1/{LONG}"), 431, Code.HEADERS_TOO_LARGE, id="head-over-16-KiB-by-the-path"),
    pytest.param(head("GET", f"/v1/topics?a={LONG}"), 431, Code.HEADERS_TOO_LARGE, id="head-over-16-KiB-by-the-query"),
    pytest.param(head("GET", f"/v1/{'x' * 70_000}"), 431, Code.HEADERS_TOO_LARGE, id="path-of-70-kB"),
    pytest.param(head("GET", "/v1/topics", {"a": "x" * 3_000_000}), 431, Code.HEADERS_TOO_LARGE, id="header-of-3-MB"),
    pytest.param(post(b"x" * (MEBIBYTE + 1)), 413, Code.TOO_LARGE, id="body-over-cap-by-content-length"),
    pytest.param(lines(TYPE, "Content-Length: 18446744073709551615"), 413, Code.TOO_LARGE, id="content-length-of-2-to-the-64"),
    pytest.param(chunked(*[b"x" * 65_536] * 17), 413, Code.TOO_LARGE, id="body-over-cap-by-chunks"),
    pytest.param(chunked(b"x" * (MEBIBYTE + 1)), 413, Code.TOO_LARGE, id="body-over-cap-in-one-chunk"),
    pytest.param(post(b"{}", headers={"content-encoding": "gzip"}), 415, Code.ENCODING, id="content-encoding-gzip"),
    pytest.param(post(b"{}", headers={"content-encoding": "identity"}), 415, Code.ENCODING, id="content-encoding-identity"),
    pytest.param(post(b"{}", headers={"content-type": "text/plain"}), 415, Code.MEDIA_TYPE, id="text-plain"),
    pytest.param(post(b"{}", headers={"content-type": f"{CANARY}; {MEDIA_TYPE}"}), 415, Code.MEDIA_TYPE, id="media-type-in-a-parameter"),
    pytest.param(post(b"{}", headers={"content-type": "multipart/form-data; boundary=a"}), 415, Code.MEDIA_TYPE, id="form"),
    pytest.param(lines("Content-Length: 2", body=b"{}"), 415, Code.MEDIA_TYPE, id="no-content-type"),
    pytest.param(lines(TYPE, "Content-Type: text/plain", "Content-Length: 2", body=b"{}"), 415, Code.MEDIA_TYPE, id="two-content-types"),
    pytest.param(post(b"{}", "/v1/acknowledgements", {"content-type": "text/plain"}), 415, Code.MEDIA_TYPE, id="text-plain-acknowledgement"),
    pytest.param(post(b"{}", headers={"accept": "text/html"}), 406, Code.NOT_ACCEPTABLE, id="accept-without-json"),
    pytest.param(post(b"{}", headers={"accept": "application/json;q=0, */*"}), 406, Code.NOT_ACCEPTABLE, id="accept-with-json-at-zero"),
    pytest.param(post(b"{}", headers={"accept": CANARY}), 406, Code.NOT_ACCEPTABLE, id="accept-that-is-no-media-range"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/stream", {"accept": "application/json"}), 406, Code.NOT_ACCEPTABLE, id="stream-as-json"),
    pytest.param(head("TRACE", "/v1/topics"), 405, Code.METHOD_NOT_ALLOWED, id="trace"),
    pytest.param(head("TRACE", "/v1/packets", {"content-length": "3"}) + b"{ }", 405, Code.METHOD_NOT_ALLOWED, id="trace-with-a-body"),
    pytest.param(head("PUT", "/v1/packets"), 405, Code.METHOD_NOT_ALLOWED, id="put"),
    pytest.param(head("GET", "/v1/packets"), 405, Code.METHOD_NOT_ALLOWED, id="get-where-only-post-is"),
    pytest.param(post(b"{}", "/v1/topics"), 405, Code.METHOD_NOT_ALLOWED, id="post-where-only-get-is"),
    pytest.param(head("OPTIONS", "/v1/packets", {"access-control-request-method": "POST"}), 405, Code.METHOD_NOT_ALLOWED, id="cors-preflight"),
    pytest.param(post(b"{}", headers={"origin": f"https://{CANARY}.example"}), 403, Code.FORBIDDEN, id="cross-site-post-by-origin"),
    pytest.param(post(b"{}", headers={"sec-fetch-site": "cross-site"}), 403, Code.FORBIDDEN, id="cross-site-post-by-fetch-metadata"),
    pytest.param(head("GET", f"/v1/{CANARY}"), 404, Code.NOT_FOUND, id="unknown-path"),
    pytest.param(head("GET", "/v1/topics/"), 404, Code.NOT_FOUND, id="slash-at-the-end"),
    pytest.param(head("GET", "/openapi.json"), 404, Code.NOT_FOUND, id="openapi"),
    pytest.param(head("GET", "/docs"), 404, Code.NOT_FOUND, id="docs"),
    pytest.param(head("GET", "/metrics"), 404, Code.NOT_FOUND, id="metrics-are-not-on-this-listener"),
    pytest.param(head("GET", "/v1/../metrics"), 404, Code.NOT_FOUND, id="dots-in-the-path"),
    pytest.param(head("GET", "/v1/directory/metadata/..%2f..%2fkeys%2froot.key"), 404, Code.NOT_FOUND, id="encoded-traversal"),
    pytest.param(head("GET", "/v1/directory/metadata/.hidden"), 404, Code.NOT_FOUND, id="hidden-file"),
    pytest.param(head("GET", f"/v1/%0d%0aSet-Cookie:{CANARY}"), 404, Code.NOT_FOUND, id="encoded-crlf-in-the-path"),
    pytest.param(head("GET", "/v1/packets/%00%ff"), 404, Code.NOT_FOUND, id="encoded-nul-in-the-path"),
    pytest.param(head("GET", f"/v1/topics/setu.us-dea.tip/packets?{CANARY}=1"), 400, Code.BAD_QUERY, id="unknown-parameter"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?limit=1&limit=2"), 400, Code.BAD_QUERY, id="parameter-twice"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?limit=501"), 400, Code.BAD_QUERY, id="page-over-the-limit"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?limit=0"), 400, Code.BAD_QUERY, id="page-of-nothing"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?limit=1e3"), 400, Code.BAD_QUERY, id="limit-that-is-no-whole-number"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?limit=%D9%A3"), 400, Code.BAD_QUERY, id="limit-in-arabic-digits"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?wait=31"), 400, Code.BAD_QUERY, id="wait-over-the-limit"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?wait=nan"), 400, Code.BAD_QUERY, id="wait-that-is-no-number"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?wait=%ff"), 400, Code.BAD_QUERY, id="query-that-is-no-utf-8"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/packets?" + "&".join(["limit=1"] * 40)), 400, Code.BAD_QUERY, id="40-parameters"),
    pytest.param(head("GET", "/v1/topics/setu.us-dea.tip/stream", {"last-event-id": f"{CANARY} {CANARY}"}), 400, Code.BAD_CURSOR, id="last-event-id-that-cannot-be-one"),
    pytest.param(head("GET", f"/v1/audit/entries?type={CANARY}"), 400, Code.BAD_QUERY, id="unknown-entry-type"),
    pytest.param(head("GET", f"/v1/audit/entries?since={CANARY}"), 400, Code.BAD_QUERY, id="time-that-is-none"),
    pytest.param(head("GET", f"/v1/audit/entries?packet='%20OR%201=1--{CANARY}"), 400, Code.BAD_QUERY, id="sql-in-a-filter"),
    pytest.param(head("GET", f"/v1/clocks?limit={CANARY}"), 400, Code.BAD_QUERY, id="clocks-up-to-no-number"),
    pytest.param(head("GET", f"/v1/audit/outcomes?agency={CANARY}"), 400, Code.BAD_QUERY, id="outcomes-of-no-agency"),
    pytest.param(head("GET", f"/v1/audit/outcomes?exercise={CANARY}"), 400, Code.BAD_QUERY, id="exercise-neither-true-nor-false"),
]  # fmt: skip


@pytest.mark.parametrize(("sent", "status", "code"), TABLE)
def test_hostile_http_gets_its_answer(site: Site, sent: bytes, status: int, code: Code | None) -> None:
    reply = site.ask(sent)
    assert reply is not None
    assert reply.status == status
    if code is PARSER:
        assert reply.headers["content-type"].startswith("text/plain")
    else:
        assert reply.problem().code is code
        assert reply.problem().status == status
    assert CANARY.encode() not in reply.raw.lower()
    assert site.asked == 0, "a flow was asked"
    assert site.fakes.submit.calls == []


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(head("GET", "/v1/topics", {f"a{n}": "b" for n in range(62)}), 200, id="64-headers"),
        pytest.param(head("GET", "/v1/topics", host=f"{HOST}:443"), 200, id="host-with-port"),
        pytest.param(head("GET", "/v1/topics", host="LOCALHOST"), 200, id="host-in-capitals"),
        pytest.param(head("GET", "/v1/topics", {"accept": "text/html, application/*;q=0.1"}), 200, id="accept-by-range"),
        pytest.param(head("GET", "/v1/topics", {"accept": "*/*;q=0, application/json"}), 200, id="accept-json-alone"),
        pytest.param(post(b"x" * MEBIBYTE), 201, id="body-of-the-cap"),
        pytest.param(chunked(*[b"x" * 65_536] * 16), 200, id="the-same-body-in-chunks"),
        pytest.param(post(b"{}", headers={"content-type": "Application/JSON; charset=utf-8"}), 201, id="json-with-a-parameter"),
        pytest.param(post(b"{}", headers={"expect": "100-continue"}), 200, id="expect-continue"),
    ],
)  # fmt: skip
def test_what_is_just_within_the_limits_passes(site: Site, sent: bytes, status: int) -> None:
    reply = site.ask(sent)
    assert reply is not None
    assert reply.status == status
    assert site.asked == 1


def test_a_refusal_of_a_known_caller_is_counted(site: Site) -> None:
    site.ask(post(b"{}", headers={"content-type": "text/plain"}))
    site.ask(chunked(b"x" * (MEBIBYTE + 1)))
    assert site.fakes.refusals.counted == [("us-dea", Code.MEDIA_TYPE), ("us-dea", Code.TOO_LARGE)]


@pytest.mark.parametrize("field", ["Client-Cert: :AAAA:", "Last-Event-ID: AAAA", f"Host: {HOST}"])
def test_a_trailer_is_no_header(site: Site, field: str) -> None:
    sent = lines(
        TYPE, "Transfer-Encoding: chunked", "Connection: close", body=f"2\r\n{{}}\r\n0\r\n{field}\r\n\r\n".encode()
    )
    reply = site.ask(sent)
    assert reply is not None
    assert reply.status in (200, 201)


def slowly(data: bytes, size: int = 1) -> Iterable[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@pytest.mark.parametrize(
    "sent",
    [
        pytest.param(slowly(head("GET", "/v1/topics")), id="head-byte-by-byte"),
        pytest.param([b"GET /v1/topics HTTP/1.1\r\n"] + [b"a: b\r\n"] * 60, id="header-by-header"),
        pytest.param([b"\r\n"] * 60, id="empty-lines-alone"),
        pytest.param([b""], id="nothing-at-all"),
        pytest.param([post(b"{}", close=False)[:-1]] , id="head-that-comes-and-body-that-does-not"),
    ],
)  # fmt: skip
def test_what_trickles_is_cut(site: Site, sent: Iterable[bytes]) -> None:
    begun = time.monotonic()
    raw = site.gateway.wire.talk(site.dea, sent, pause=0.05)
    assert time.monotonic() - begun < 4
    assert not raw or raw.startswith(b"HTTP/1.1 408 ")


def test_a_second_head_on_a_live_connection_is_cut_too(site: Site) -> None:
    first = head("GET", "/v1/topics", close=False)
    begun = time.monotonic()
    raw = site.gateway.wire.talk(site.dea, [first, *slowly(first[:60])], pause=0.05)
    assert 0.5 < time.monotonic() - begun < 4.5
    assert raw.count(b"HTTP/1.1 ") == 1


def test_a_body_that_trickles_gets_408(site: Site) -> None:
    body = post(b"x" * 100)
    reply = site.ask([body[:-60], *slowly(body[-60:])], pause=0.05)
    assert reply is not None
    assert (reply.status, reply.code) == (408, "timeout")
    assert reply.headers["connection"] == "close"
    assert site.fakes.refusals.counted == [("us-dea", Code.TIMEOUT)]
    assert site.asked == 0


def test_chunks_that_trickle_get_408(site: Site) -> None:
    begin = lines(TYPE, "Transfer-Encoding: chunked")
    reply = site.ask([begin, *[b"1\r\nx\r\n"] * 60], pause=0.05)
    assert reply is not None
    assert (reply.status, reply.code) == (408, "timeout")


def test_a_caller_that_hangs_up_in_mid_body_is_no_error(site: Site) -> None:
    with site.gateway.wire.connected(site.dea) as secure:
        secure.sendall(post(b"x" * 1000)[:-500])
    deadline = time.monotonic() + 3
    while not site.gateway.lines and time.monotonic() < deadline:
        time.sleep(0.02)
    assert site.asked == 0
    assert '"status":499' in site.gateway.lines[0]
    assert not any('"level":"error"' in line for line in site.gateway.lines)
