"""Random and mutated requests: never a 5xx, never an echo, never an error in the log, never a gateway that stops."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fakes.flows import DIGEST, Fakes
from tests.http.harness import HOST, QUICK, Gateway, Pki, gateway, head, post, replies

CANARY = "c4n4ry"

PATHS = [
    "/v1/packets",
    "/v1/packets:check",
    f"/v1/packets/{DIGEST}",
    f"/v1/packets/{DIGEST}/proof",
    "/v1/topics",
    "/v1/topics/setu.us-dea.tip/packets",
    "/v1/topics/setu.us-dea.tip/stream",
    "/v1/acknowledgements",
    "/v1/directory/metadata/1.root.json",
    "/v1/directory/deny",
    "/v1/schemas/tip/1",
    "/v1/audit/entries",
    "/v1/clocks",
    "/v1/audit/outcomes",
    "/v1/watch/precursors",
    "/log/checkpoint",
    "/log/tile/0/000",
]
NAMES = [
    "accept",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "expect",
    "te",
    "upgrade",
    "host",
]
NAMES += ["last-event-id", "client-cert", "traceparent", "origin", "range", "if-none-match", "x-http-method-override"]
VALUES = [
    "",
    "0",
    "1",
    "-1",
    "chunked",
    "close",
    "keep-alive",
    "application/json",
    "*/*",
    "gzip",
    "100-continue",
    "a, b",
]

text = st.text(st.characters(max_codepoint=255), max_size=12).map(lambda end: CANARY + end)
segment = st.sampled_from(["..", "%2e%2e", "%00", "", "*", "a" * 300, f"{CANARY}%0a", "9" * 40]) | text


@st.composite
def structured(draw: st.DrawFn) -> bytes:
    """A request of known parts, wrongly put together."""
    method = draw(
        st.sampled_from(["GET", "POST", "POST", "HEAD", "PUT", "DELETE", "OPTIONS", "PATCH", "TRACE", "QUERY"])
    )
    path = draw(st.sampled_from(PATHS)) + "".join(f"/{each}" for each in draw(st.lists(segment, max_size=2)))
    pair = st.tuples(
        st.sampled_from(["cursor", "limit", "wait", "type", "after", CANARY]), st.sampled_from(VALUES) | text
    )
    query = "&".join(f"{name}={value}" for name, value in draw(st.lists(pair, max_size=3)))
    headers = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(VALUES) | text, max_size=4))
    body = draw(st.binary(max_size=40) | st.just(f'{{"a":"{CANARY}"}}'.encode()))
    given = {"host": HOST, "connection": "close", "content-length": str(len(body))} | headers
    lines = [f"{method} {path}{'?' if query else ''}{query} HTTP/1.1", *(f"{n}: {v}" for n, v in given.items()), "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A good request with some of its bytes changed, taken away, doubled or put in."""
    good = st.sampled_from([post(f'{{"a":"{CANARY}"}}'.encode()), *(head("GET", each) for each in PATHS)])
    raw = bytearray(draw(good))
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(raw)))
        to = draw(st.integers(at, min(len(raw), at + 8)))
        raw[at:to] = draw(st.binary(max_size=4) | st.just(bytes(raw[at:to]) * 2) | st.just(b"\r\n"))
    return bytes(raw)


@pytest.fixture(scope="module")
def running(pki: Pki) -> Iterator[Gateway]:
    fakes, dea = Fakes(), pki.agency("us-dea")
    fakes.identify.enrol(dea.der, "us-dea")
    fakes.subscribe.closed = True
    brief = replace(
        QUICK, head_seconds=0.1, body_seconds=0.1, linger_seconds=0.1, idle_seconds=1, rate=1e6, burst=1e6, wait=0.1
    )
    with gateway(pki, fakes.services(), limits=brief) as running:
        object.__setattr__(running, "context", pki.context(dea))
        yield running


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(sent=structured() | mutated())
def test_no_request_gets_a_5xx_or_its_own_words_back(running: Gateway, sent: bytes) -> None:
    raw = running.wire.talk(running.context, sent)
    for reply in [] if sent.startswith(b"HEAD ") else replies(raw):
        assert reply.status < 500, reply.raw
        if reply.status >= 400:
            assert CANARY.encode() not in reply.raw.lower(), reply.raw
    assert not any('"level":"error"' in line for line in running.lines), running.lines[-1]


def test_afterwards_it_still_serves(running: Gateway) -> None:
    assert running.wire.talk(running.context, head("GET", "/v1/topics")).startswith(b"HTTP/1.1 200 ")
