"""Batches over real TLS: what comes back for each line, what is refused as a whole, and callers that behave badly."""

import asyncio
import json
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Self

import pytest

from broker.errors import MalformedError, UnavailableError
from broker.flows.identify import Caller
from broker.flows.submit import Submitted
from schemas.problem import Code
from tests.fakes.flows import RECEIPT, Fakes
from tests.http.harness import QUICK, Pki, gateway, head

LINES = "application/x-ndjson"
BATCH = "/v1/packets:batch"
LIMITS = replace(
    QUICK, rate=1e6, burst=1e6, body_bytes=100, batch_lines=20, batch_bytes=1000, batch_share=4, batch_seconds=1.0
)
SLOW = 0.05


class Picky:
    """`Submit.many` by what stands in a line. `most`: how many lines it held at once."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.held = 0
        self.most = 0

    async def many(self, caller: Caller, raws: Sequence[bytes], trace: str | None) -> list[Submitted | Exception]:
        self.seen += raws
        self.held += len(raws)
        self.most = max(self.most, self.held)
        if b"broken" in raws:
            raise RuntimeError("what nobody foresaw of them all: c4n4ry")
        if b"slow" in raws:
            await asyncio.sleep(SLOW)
        self.held -= len(raws)
        return [self._one(raw) for raw in raws]

    def _one(self, raw: bytes) -> Submitted | Exception:
        if raw == b"busy":
            return UnavailableError("Expected room, found none.", code=Code.BUSY, retry_after=7)
        if raw.startswith(b"odd"):
            return RuntimeError("what nobody foresaw: c4n4ry")
        if raw.strip() not in (b"good", b"slow", b"again"):
            return MalformedError(Code.JSON_INVALID, "Expected one JSON text, found another.")
        return Submitted(RECEIPT, fresh=raw != b"again")


class Place:
    def __init__(self, pki: Pki, **limits: float) -> None:
        self.fakes, self.submit = Fakes(), Picky()
        agency = pki.agency("us-dea")
        self.fakes.identify.enrol(agency.der, "us-dea")
        self.context = pki.context(agency)
        services = replace(self.fakes.services(), submit=self.submit)
        self.running = gateway(pki, services, limits=replace(LIMITS, **limits))

    def __enter__(self) -> Self:
        self.gateway = self.running.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self.running.__exit__(*error)

    def ask(self, body: bytes, **headers: str):
        sent = {"content-length": str(len(body)), "content-type": LINES, **headers}
        return self.gateway.wire.ask(self.context, head("POST", BATCH, sent) + body)

    def told(self, body: bytes) -> list[dict]:
        reply = self.ask(body)
        assert (reply.status, reply.headers["content-type"]) == (200, LINES)
        return [json.loads(line) for line in reply.body.splitlines()]


@pytest.fixture(scope="module")
def place(pki: Pki):
    with Place(pki) as found:
        yield found


def said(told: list[dict]) -> list[object]:
    """Statuses, then the last line."""
    return [each["status"] for each in told[:-1]] + [told[-1]]


GOOD = (b"good\n", [201, {"done": 1}])
TABLE = [
    pytest.param(*GOOD, id="one"),
    pytest.param(b"good\nagain\ngood\n", [201, 200, 201, {"done": 3}], id="three-of-which-one-is-a-repeat"),
    pytest.param(b"good", [201, {"done": 1}], id="no-line-feed-at-the-end"),
    pytest.param(b"good\nbad\ngood\n", [201, 400, 201, {"done": 3}], id="a-bad-line-among-good-ones"),
    pytest.param(b"good\r\ngood\r\n", [201, 201, {"done": 2}], id="crlf-is-white-space-after-a-json-text"),
    pytest.param(b"good\n\ngood\n", [201, 400, 201, {"done": 3}], id="a-blank-line"),
    pytest.param(b"\n", [400, {"done": 1}], id="nothing-but-a-line-feed"),
    pytest.param(b"good\n\n", [201, 400, {"done": 2}], id="a-line-feed-too-many-at-the-end"),
    pytest.param(b"good\ngood trailing\n", [201, 400, {"done": 2}], id="garbage-behind-a-packet"),
    pytest.param(b"[good,\ngood]\n", [400, 400, {"done": 2}], id="an-array-over-two-lines"),
    pytest.param(b"\x00\xff\xfe\n", [400, {"done": 1}], id="bytes-that-are-no-text"),
    pytest.param(b"good\xe2\x80\xa8good\n", [400, {"done": 1}], id="a-unicode-line-separator-ends-no-line"),
    pytest.param(b"x" * 101 + b"\ngood\n", [413, 201, {"done": 2}], id="a-line-too-long"),
    pytest.param(b"good\n" + b"x" * 101, [201, 413, {"done": 2}], id="a-last-line-too-long"),
    pytest.param(b"x" * 100 + b"\n", [400, {"done": 1}], id="a-line-just-as-long-as-it-may-be"),
    pytest.param(b"busy\nodd\n", [503, 500, {"done": 2}], id="faults-of-the-gateways-own"),
    pytest.param(b"good\n" * 20, [201] * 20 + [{"done": 20}], id="as-many-lines-as-there-may-be"),
]


@pytest.mark.parametrize(("body", "expected"), TABLE)
def test_each_line_is_answered_for_itself_in_order(place, body, expected) -> None:
    assert said(place.told(body)) == expected


def test_a_line_is_answered_as_its_packet_alone_would_be(place) -> None:
    first, again, bad, busy, odd, _ = place.told(b"good\nagain\nbad\nbusy\nodd\n")
    assert (first, again["receipt"]) == ({"receipt": RECEIPT.to_object(), "status": 201}, RECEIPT.to_object())
    assert (bad["problem"]["code"], bad["problem"]["status"], "retry_after" in bad) == ("json-invalid", 400, False)
    assert (busy["problem"]["code"], busy["retry_after"]) == ("busy", 7)
    assert odd["problem"]["code"] == "internal"
    assert "c4n4ry" not in json.dumps(odd)


def test_more_lines_than_there_may_be_are_not_looked_at_and_the_last_line_says_so(place) -> None:
    place.submit.seen.clear()
    told = place.told(b"good\n" * 25)
    assert [each["status"] for each in told[:-1]] == [201] * 20
    assert (told[-1]["done"], told[-1]["problem"]["code"]) == (20, "too-large")
    assert len(place.submit.seen) == 20
    assert ("us-dea", Code.TOO_LARGE) in place.fakes.refusals.counted


def test_a_batch_has_never_more_than_its_share_in_the_gateways_hands(place) -> None:
    place.submit.most = 0
    assert said(place.told(b"slow\n" * 20))[-1] == {"done": 20}
    assert place.submit.most == LIMITS.batch_share


REFUSED = [
    pytest.param(b"", {}, 400, Code.BAD_REQUEST, id="empty"),
    pytest.param(b"good\n", {"content-type": "application/json"}, 415, Code.MEDIA_TYPE, id="another-media-type"),
    pytest.param(b"good\n", {"content-encoding": "gzip"}, 415, Code.ENCODING, id="a-content-encoding"),
    pytest.param(b"good\n" * 201, {}, 413, Code.TOO_LARGE, id="a-length-beyond-the-limit"),
    pytest.param(b"good\n", {"accept": "application/json"}, 406, Code.NOT_ACCEPTABLE, id="an-accept-that-excludes-it"),
]


@pytest.mark.parametrize(("body", "headers", "status", "code"), REFUSED)
def test_what_is_refused_as_a_whole(place, body, headers, status, code) -> None:
    place.submit.seen.clear()
    reply = place.ask(body, **headers)
    assert (reply.status, reply.code) == (status, code)
    assert place.submit.seen == []


def test_a_body_without_declared_length_is_cut_at_the_limit_and_the_last_line_says_so(place) -> None:
    sent = head("POST", BATCH, {"content-type": LINES, "transfer-encoding": "chunked"})
    line = b"good" + b" " * 90 + b"\n"
    reply = place.gateway.wire.ask(place.context, [sent, *(b"%x\r\n%b\r\n" % (len(line), line) for _ in range(15))])
    *told, last = (json.loads(each) for each in reply.body.splitlines())
    assert (len(told), last["done"], last["problem"]["code"]) == (10, 10, "too-large")
    assert reply.headers["connection"] == "close"


def test_a_body_that_stops_half_way_is_answered_so_far(place) -> None:
    sent = head("POST", BATCH, {"content-length": "100", "content-type": LINES}) + b"good\ngood\ngo"
    reply = place.gateway.wire.ask(place.context, sent)
    told = [json.loads(line) for line in reply.body.splitlines()]
    assert [each.get("status") for each in told] == [201, 201, None]
    assert (told[-1]["done"], told[-1]["problem"]["code"]) == (2, "timeout")


def test_a_caller_that_hangs_up_half_way_has_no_answer_and_its_whole_lines_were_dealt_with(place) -> None:
    place.submit.seen.clear()
    sent = head("POST", BATCH, {"content-length": "100", "content-type": LINES}) + b"good\ngood\ngo"
    with place.gateway.wire.connected(place.context) as secure:
        secure.sendall(sent)
        time.sleep(0.2)
    deadline = time.monotonic() + 5
    while (
        not (gone := [line for line in place.gateway.lines if '"status":499' in line]) and time.monotonic() < deadline
    ):
        time.sleep(0.02)
    assert place.submit.seen == [b"good", b"good"]
    assert len(gone) == 1


def test_a_caller_that_does_not_read_is_cut_off_and_others_are_served(pki: Pki) -> None:
    with Place(pki, batch_lines=100_000, batch_bytes=10**7, batch_share=1000, batch_seconds=20.0) as place:
        body = b"good\n" * 100_000  # answers of some tens of megabytes
        plain = socket.socket()
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", place.gateway.wire.port))
        with place.context.wrap_socket(plain, server_hostname="127.0.0.1") as secure:
            secure.sendall(head("POST", BATCH, {"content-length": str(len(body)), "content-type": LINES}) + body)
            assert said(place.told(b"good\n")) == [201, {"done": 1}]
            deadline = time.monotonic() + 60
            while f'"bytes":{len(body)}' not in place.gateway.written.getvalue() and time.monotonic() < deadline:
                time.sleep(0.1)
            received = 0
            try:
                while piece := secure.recv(1 << 20):
                    received += len(piece)
            except OSError:
                pass
        assert 0 < received < 100_000 * len(RECEIPT.canonical())


def test_an_agency_suspended_meanwhile_is_told_so_on_each_line_that_is_left(place) -> None:
    sent = head("POST", BATCH, {"content-length": "10", "content-type": LINES, "connection": "close"}) + b"good\n"
    with place.gateway.wire.connected(place.context) as secure:
        secure.sendall(sent)
        time.sleep(0.2)
        place.fakes.identify.suspended.add("us-dea")
        secure.sendall(b"good\n")
        received = b""
        while piece := secure.recv(65536):
            received += piece
    place.fakes.identify.suspended.clear()
    assert b'"status":201}\n' in received
    assert b'"code":"agency-suspended"' in received
    assert b'{"done":2}' in received


def test_a_batch_is_slowed_to_the_rate_and_never_refused_for_it_half_way(pki: Pki) -> None:
    with Place(pki, rate=50.0, burst=5.0) as place:
        begun = time.monotonic()
        assert said(place.told(b"good\n" * 20))[-1] == {"done": 20}
        assert time.monotonic() - begun > (20 - 5) / 50 / 2


def test_a_batch_takes_one_of_the_agencys_seats(pki: Pki) -> None:
    with Place(pki, seats=1) as place, place.gateway.wire.connected(place.context) as secure:
        secure.sendall(head("POST", BATCH, {"content-length": "10", "content-type": LINES}) + b"good\n")
        time.sleep(0.2)
        reply = place.ask(b"good\n")
        assert (reply.status, reply.code) == (429, Code.RATE_LIMITED)


def test_what_fails_for_all_of_a_batch_ends_it_however_much_is_still_to_come(place) -> None:
    reply = place.ask(b"broken\n" + b"good\n" * 19, connection="close")
    assert (reply.status, reply.code) == (500, "internal")
    assert b"c4n4ry" not in reply.raw
