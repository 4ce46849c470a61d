"""Another certificate under a transport that is in use."""

import threading

import httpx
import pytest

from broker.assembly.renewing import Renewing
from broker.errors import IntegrityError
from schemas.problem import Code


class Over(httpx.BaseTransport):
    """Connections with one certificate. `ended`: the gateway takes it no more."""

    def __init__(self, name):
        self.name = name
        self.asked = []
        self.ended = False
        self.closed = False
        self.wait = lambda: None

    def handle_request(self, request):
        self.asked.append(request.read())
        self.wait()
        return httpx.Response(403 if self.ended else 200, stream=httpx.ByteStream(self.name.encode()))

    def close(self):
        self.closed = True


class Certificates:
    """`place` puts another one in place, or one that cannot be used."""

    def __init__(self):
        self.made = []
        self.stamp = 0
        self.broken = False
        self.transport = Renewing(lambda: self.stamp, self._make)
        self.client = httpx.Client(transport=self.transport, base_url="https://gateway.test")

    def place(self, *, broken=False):
        self.stamp += 1
        self.broken = broken

    def _make(self):
        if self.broken:
            raise IntegrityError(Code.CONFIG_INVALID, "Expected a pair that fits, found none.")
        self.made.append(Over(f"certificate {len(self.made) + 1}"))
        return self.made[-1]


@pytest.fixture
def own():
    return Certificates()


def test_the_next_request_goes_with_the_new_one(own):
    assert own.client.get("/").text == "certificate 1"
    own.place()
    assert own.client.get("/").text == "certificate 2"
    assert own.client.get("/").text == "certificate 2"
    assert [each.closed for each in own.made] == [True, False]


def test_what_is_under_way_ends_where_it_began(own):
    with own.client.stream("GET", "/") as stream:
        own.place()
        assert own.client.get("/").text == "certificate 2"
        assert not own.made[0].closed
        assert stream.read() == b"certificate 1"
    assert own.made[0].closed


def test_one_that_cannot_be_used_changes_nothing(own, caplog):
    own.place(broken=True)
    assert own.client.get("/").text == "certificate 1"
    assert own.client.get("/").text == "certificate 1"
    assert len(caplog.records) == 1
    own.place()
    assert own.client.get("/").text == "certificate 2"


def test_a_long_poll_whose_certificate_ends_meanwhile_is_asked_with_the_new_one(own):
    own.client.get("/")
    first = own.made[0]

    def replaced():
        own.place()
        first.ended = True

    first.wait = replaced
    answer = own.client.post("/", content=b"once")
    assert (answer.status_code, answer.text) == (200, "certificate 2")
    assert [each.asked[-1] for each in own.made] == [b"once", b"once"]
    assert first.closed


def test_a_refusal_without_another_certificate_stands(own):
    own.client.get("/")
    own.made[0].ended = True
    assert own.client.get("/").status_code == 403
    assert len(own.made[0].asked) == 2


def test_many_threads_and_many_certificates(own):
    """Every answer comes; whatever was replaced is closed in the end."""
    answers, stop = [], threading.Event()

    def ask():
        while not stop.is_set():
            answers.append(own.client.get("/").status_code)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for each in threads:
        each.start()
    for _ in range(50):
        own.place()
        own.client.get("/")
    stop.set()
    for each in threads:
        each.join(10)
    assert set(answers) <= {200}
    assert [each.closed for each in own.made] == [True] * (len(own.made) - 1) + [False]


def test_closing_closes_what_is_under_way_too(own):
    with own.client.stream("GET", "/"):
        own.place()
        own.client.get("/")
        own.transport.close()
        assert [each.closed for each in own.made] == [True, True]
