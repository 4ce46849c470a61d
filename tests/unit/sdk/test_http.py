import socket
import ssl
import threading
import time
from contextlib import suppress

import httpx
import pytest

from broker.crypto.certificates import Authority
from broker.errors import CallerError, IntegrityError, RequestError, SetuError, UnavailableError
from broker.sdk.http import MAX_ANSWER, Http
from broker.sdk.patience import Backoff, Persistence
from broker.sdk.problems import error_of, plain, seconds_of
from broker.sdk.sse import MAX_EVENT, Event, events
from schemas.problem import Code, Problem
from tests.builders import NOW
from tests.unit.sdk.world import Clock, steady


def http(answer, **over):
    client = httpx.Client(transport=httpx.MockTransport(lambda _: answer), base_url="https://gateway.test")
    return Http(client, **over)


def streamed(pieces, status=200, **headers):
    return httpx.Response(status, content=iter(pieces), headers=headers)


# answers


def test_nothing_is_decoded_that_was_encoded():
    with pytest.raises(UnavailableError):
        http(streamed([b"x"], **{"content-encoding": "br"})).request("GET", "/")


def test_an_endless_answer_is_cut():
    piece = bytes(2**20)
    seen = []

    def endless():
        while True:
            seen.append(1)
            yield piece

    with pytest.raises(UnavailableError, match="at most"):
        http(streamed(endless())).request("GET", "/")
    assert len(seen) <= MAX_ANSWER // len(piece) + 1


def test_an_endless_problem_is_cut_sooner():
    with pytest.raises(UnavailableError, match="at most"):
        http(streamed((bytes(2**16) for _ in range(100)), 422)).request("GET", "/")


def test_a_trickled_answer_ends_with_its_time():
    clock = Clock()

    def trickle():
        while True:
            clock.sleep(1)
            yield b"x"

    with pytest.raises(UnavailableError, match="in time"):
        http(streamed(trickle()), monotonic=clock).request("GET", "/", within=10)
    assert clock.at - NOW <= 12


@pytest.mark.parametrize("body", [b"", b"{", b'{"a":1,"a":2}', b"NaN", b"\xff", b"[" * 50])
def test_an_answer_that_is_no_strict_json_is_none(body):
    with pytest.raises(UnavailableError):
        http(streamed([body])).request("GET", "/").json()


@pytest.mark.sockets
@pytest.mark.parametrize("flaw", ["another CA", "another host"])
def test_a_gateway_of_another_ca_or_name_is_no_gateway(tmp_path, flaw):
    own, other = (Authority.create("IND", now=time.time()) for _ in range(2))
    host = "elsewhere.test" if flaw == "another host" else "127.0.0.1"
    (other if flaw == "another CA" else own).issue_server("gateway", [host], now=time.time()).save(
        tmp_path / "server.pem", tmp_path / "server.key"
    )
    (tmp_path / "ca.pem").write_bytes(own.issued.certificate)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(tmp_path / "server.pem", tmp_path / "server.key")
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def shake_hands():
            with listening.accept()[0] as accepted, suppress(OSError):
                serving.wrap_socket(accepted, server_side=True)

        thread = threading.Thread(target=shake_hands)
        thread.start()
        trusting = ssl.create_default_context(cafile=str(tmp_path / "ca.pem"))
        url = f"https://127.0.0.1:{listening.getsockname()[1]}"
        client = httpx.Client(verify=trusting, base_url=url, trust_env=False)
        with client, pytest.raises(IntegrityError) as caught:
            Http(client).request("GET", "/")
        thread.join()
    assert caught.value.code is Code.CONFIG_INVALID


def test_a_stream_that_is_refused_is_the_refusal():
    refused = streamed([Problem(type="t", title="x", status=403, code=Code.FORBIDDEN, detail="No.").canonical()], 403)
    with pytest.raises(CallerError), http(refused).stream("/", headers={}, accept="*/*", silence=1):
        pass


# problem documents


@pytest.mark.parametrize("code", list(Code))
def test_every_code_is_an_error_with_that_code(code):
    body = Problem(type="t", title="x", status=400, code=code, detail="Expected, found.").canonical()
    error = error_of(400, body, None, NOW)
    assert error.code is code
    assert type(error) is not SetuError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((status, UnavailableError) for status in (500, 502, 503, 408, 999)),
        *((status, RequestError) for status in (302, 400, 404)),
        (429, CallerError),
    ],
)
@pytest.mark.parametrize("body", [b"", b"<html>", b"{}", b'{"code":"nonsense"}', b"\xff\xfe"])
def test_an_answer_without_a_problem_document_is_judged_by_its_status(status, kind, body):
    assert isinstance(error_of(status, body, None, NOW), kind)


def test_advice_is_not_said_twice():
    once = UnavailableError("Busy.", code=Code.BUSY)
    body = Problem(type="t", title="x", status=503, code=Code.BUSY, detail=str(once)).canonical()
    assert str(error_of(503, body, "3", NOW)) == str(once)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        *(("0", 0), ("12", 12), (" 5 ", 5), ("Fri, 31 Dec 1999 23:59:59 GMT", 0)),
        *((text, None) for text in ("", "1.5", "\u0663", "Wed", "1" * 10)),
    ],
)
def test_retry_after_is_seconds_or_a_date(text, seconds):
    assert seconds_of(text, NOW) == seconds


def test_text_from_outside_is_made_plain_and_short():
    assert plain("a\x1b[31m\u202eb\nc\x00") == "a\ufffd[31m\ufffdb\nc\ufffd"
    assert len(plain("x" * 10_000)) == 2000


# waiting


def test_jitter_spreads_over_half_of_the_wait():
    low = Backoff(random=bytes)
    high = Backoff(random=lambda n: b"\xff" * n)
    assert (low.wait(0), low.wait(3), low.wait(99)) == (0.125, 1.0, 15.0)
    assert 0.249 < high.wait(0) < 0.25
    assert 29.9 < high.wait(99) < 30
    assert low.wait(0, 10) == 10.125


def test_what_asking_again_cannot_cure_is_not_asked_again():
    clock = Clock()
    calls = []

    def refuse(_):
        calls.append(1)
        raise CallerError(Code.FORBIDDEN, "No.")

    with pytest.raises(CallerError):
        Persistence(Backoff(random=steady), 60, clock.sleep, clock).ask(refuse)
    assert len(calls) == 1


def test_the_time_left_is_told():
    clock = Clock()
    left = []

    def fail_twice(remaining):
        left.append(remaining)
        clock.sleep(5)
        if len(left) < 3:
            raise UnavailableError("Busy.", retry_after=0)
        return "done"

    assert Persistence(Backoff(random=steady), 60, clock.sleep, clock).ask(fail_twice) == "done"
    assert left[0] == 60
    assert left[2] < left[1] < 55


def test_who_waits_is_told_for_how_long():
    clock = Clock()
    told = []

    def fail(_):
        clock.sleep(5)
        raise UnavailableError("Busy.", retry_after=0)

    persistence = Persistence(Backoff(random=steady), 20, clock.sleep, clock, lambda *each: told.append(each))
    with pytest.raises(UnavailableError):
        persistence.ask(fail)
    assert [error.message for error, _, _ in told] == ["Busy."] * 3
    assert [round(since) for _, since, _ in told] == [5, 10, 16]
    assert all(round(since + left) == 20 for _, since, left in told)


# server-sent events


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_events_are_read_however_they_are_cut(size):
    text = (
        b": hello\r\n\r\nid: 1\r\nevent: packet\r\ndata: {\r\ndata: }\r\n\r\n"
        b"data:x\n\nretry: 5\nunknown\nid\n\nevent: y\n\ndata: last\n\ndata: cut"
    )
    pieces = [text[n : n + size] for n in range(0, len(text), size)]
    found = [each for each in events(iter(pieces)) if each is not None]
    assert found == [Event("1", "packet", "{\n}"), Event("1", "message", "x"), Event("", "message", "last")]


def test_comments_show_that_somebody_is_there():
    assert list(events(iter([b":\n\n:\n\n"]))) == [None, None]


@pytest.mark.parametrize(
    "pieces",
    [
        pytest.param((b"x" * 2**20 for _ in range(9)), id="endless line"),
        pytest.param((b"data: " + b"x" * 2**20 + b"\n" for _ in range(9)), id="endless event"),
        pytest.param([b"data: \xff\n\n"], id="no UTF-8"),
    ],
)
def test_a_stream_that_is_none_is_refused(pieces):
    with pytest.raises(UnavailableError):
        list(events(iter(pieces)))


def test_an_event_has_room_for_the_largest_packet():
    assert MAX_EVENT > 2 * 2**20


# several gateways


TWO = ("https://a.test", "https://b.test")


def gateways(answers, **over):
    """Two gateways; `answers`: host -> a response, or the error of its connection. Also the hosts asked, in order."""
    asked = []

    def answer(request):
        asked.append(request.url.host[0])
        found = answers[request.url.host[0]]
        if isinstance(found, Exception):
            raise found
        return found()

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url=TWO[0])
    return Http(client, gateways=TWO, **over), asked


def good():
    return streamed([b"{}"])


def says(status, code):
    problem = Problem(type="t", title="x", status=status, code=code, detail="No.").canonical()
    return lambda: streamed([problem], status, **{"retry-after": "2"})


@pytest.mark.parametrize(
    "trouble",
    [
        pytest.param(httpx.ConnectError("refused"), id="no-connection"),
        pytest.param(httpx.ReadTimeout("silent"), id="silent"),
        pytest.param(httpx.RemoteProtocolError("cut"), id="cut"),
        pytest.param(says(503, Code.UNAVAILABLE), id="unavailable"),
        pytest.param(says(500, Code.INTERNAL), id="internal"),
    ],
)
def test_the_next_gateway_is_asked_at_once_and_then_first(trouble):
    asking, asked = gateways({"a": trouble, "b": good})
    for _ in range(3):
        assert asking.request("POST", "/v1/packets", content=b"{}").status == 200
    assert "".join(asked) == "abbb"


def test_a_gateway_that_came_back_is_asked_when_the_other_goes():
    answers = {"a": httpx.ConnectError("refused"), "b": good}
    asking, asked = gateways(answers)
    asking.request("GET", "/")
    answers.update(a=good, b=says(503, Code.BUSY))
    asking.request("GET", "/")
    assert "".join(asked) == "abba"


@pytest.mark.parametrize(
    ("status", "code", "error"),
    [
        pytest.param(403, Code.FORBIDDEN, CallerError, id="forbidden"),
        pytest.param(429, Code.RATE_LIMITED, CallerError, id="rate"),
        pytest.param(422, Code.SCHEMA, SetuError, id="schema"),
    ],
)
def test_a_refusal_is_the_answer_of_all(status, code, error):
    asking, asked = gateways({"a": says(status, code), "b": good})
    with pytest.raises(error) as caught:
        asking.request("GET", "/")
    assert (caught.value.code, asked) == (code, ["a"])


def test_where_no_gateway_answers_each_was_asked_once():
    asking, asked = gateways({"a": httpx.ConnectError("refused"), "b": says(503, Code.UNAVAILABLE)})
    with pytest.raises(UnavailableError) as caught:
        asking.request("GET", "/")
    assert (caught.value.retry_after, "".join(asked)) == (2, "ab")


def test_no_other_gateway_is_asked_when_the_time_is_over():
    clock = Clock()

    def late():
        clock.sleep(11)
        return says(503, Code.UNAVAILABLE)()

    asking, asked = gateways({"a": late, "b": good}, monotonic=clock)
    with pytest.raises(UnavailableError):
        asking.request("GET", "/", within=10)
    assert asked == ["a"]


def test_a_silent_gateway_that_is_one_of_several_is_waited_for_less():
    waits = []

    def answer(request):
        waits.append(request.extensions["timeout"]["read"])
        return good()

    client = httpx.Client(transport=httpx.MockTransport(answer), base_url=TWO[0])
    Http(client).request("GET", "/")
    Http(client, gateways=TWO).request("GET", "/", silent_for=25)
    assert waits == [30, 30]
    Http(client, gateways=TWO).request("GET", "/", within=4)
    assert waits[2] <= 4


def test_a_stream_is_opened_at_the_gateway_that_answers():
    asking, asked = gateways({"a": says(503, Code.UNAVAILABLE), "b": lambda: streamed([b"x", b"y"])})
    with asking.stream("/", headers={}, accept="*/*", silence=1) as pieces:
        assert b"".join(pieces) == b"xy"
    assert "".join(asked) == "ab"
