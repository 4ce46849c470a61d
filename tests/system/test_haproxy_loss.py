"""HAProxy before two gateways: what becomes of a request where one of them, or both, are not there."""

import contextlib
import re
import socket
import threading
import time
from urllib.parse import urlsplit

import pytest

from broker.assembly import connect
from broker.cli.deployment import create
from broker.cli.served import Served, free_port
from broker.crypto.certificates import Authority, fingerprint
from broker.errors import UnavailableError
from broker.gateway.identity import Proxied
from broker.gateway.server import bind, bind_unix
from schemas import registry
from tests.fakes.flows import Fakes
from tests.http.harness import HOST, Wire, gateway, head, post
from tests.system.haproxy import BOTH, LIMITS, Haproxy, pki_in, standing, whole


@pytest.fixture(scope="module")
def pki(tmp_path_factory):
    return pki_in(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def stands(tmp_path_factory):
    with standing(tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(stands):
    stands.clear()
    stands.proxy.until(BOTH)
    return stands


def test_a_gateway_that_is_not_ready_gets_nothing_new(site):
    site.fakes[0].health.error = UnavailableError("Expected the store, found none.")
    site.proxy.until({"ready/a": "DOWN", "ready/b": "UP", "living/a": "UP"})
    for _ in range(6):
        assert site.ask(head("GET", "/v1/topics")).status == 200
    assert [len(each.subscribe.calls) for each in site.fakes] == [0, 6]


def test_where_none_is_ready_those_that_live_answer_for_themselves(site):
    for each in site.fakes:
        each.health.error = each.submit.error = UnavailableError("Expected the store, found none.", retry_after=7)
    site.proxy.until({"ready/a": "DOWN", "ready/b": "DOWN", "living/a": "UP"})
    refused = site.ask(post(b"{}"))
    assert (refused.status, refused.code, refused.headers["retry-after"]) == (503, "unavailable", "7")
    assert site.ask(head("GET", "/v1/topics")).status == 200


def test_where_none_lives_the_proxy_says_when_to_ask_again(pki, tmp_path):
    nowhere = (f"unix@{tmp_path}/none.sock", f"127.0.0.1:{free_port()}")
    with Haproxy(tmp_path, whole(pki), pki.ca, (nowhere, nowhere)) as proxy:
        proxy.until({"ready/a": "DOWN", "living/b": "DOWN"})
        reply = Wire(pki, proxy.port).ask(pki.context(pki.agency("us-dea")), post(b"{}"))
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "unavailable", "2")
    assert reply.problem().status == 503


@pytest.mark.parametrize(
    ("sent", "tries"),
    [
        pytest.param(head("GET", "/v1/topics"), 3, id="what-only-reads-is-asked-again"),
        pytest.param(head("GET", "/v1/audit/entries"), 1, id="a-search-is-an-entry-and-is-not"),
        pytest.param(post(b"{}"), 1, id="a-packet-is-not"),
    ],
)
def test_what_a_gateway_may_have_seen_the_proxy_does_not_send_twice(pki, tmp_path, sent, tries):
    with Mute(tmp_path / "a.sock") as a, Mute(tmp_path / "b.sock") as b:
        at = tuple((f"unix@{each.path}", f"127.0.0.1:{each.health}") for each in (a, b))
        with Haproxy(tmp_path, whole(pki), pki.ca, at) as proxy:
            proxy.until(BOTH)
            reply = Wire(pki, proxy.port).ask(pki.context(pki.agency("us-dea")), sent)
    assert (reply.status, reply.code, reply.headers["retry-after"]) == (503, "unavailable", "2")
    assert a.seen + b.seen == tries


class Mute:
    """A gateway that says it is ready, reads every request, and hangs up without an answer."""

    def __init__(self, path):
        self.path = path
        self.seen = 0
        self._main = bind_unix(path)
        self._operator = bind(HOST, 0)
        self.health = self._operator.getsockname()[1]

    def __enter__(self):
        for each, serve in ((self._main, self._hang_up), (self._operator, self._ready)):
            each.listen()
            threading.Thread(target=self._serve, args=(each, serve), daemon=True).start()
        return self

    def __exit__(self, *_):
        for each in (self._main, self._operator):
            each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _serve(self, listener, answer):
        with contextlib.suppress(OSError):
            while True:
                with listener.accept()[0] as taken:
                    if taken.recv(65536):
                        answer(taken)

    def _hang_up(self, _):
        self.seen += 1

    def _ready(self, taken):
        taken.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")


def test_gateways_on_other_machines_believe_only_the_proxy_they_have_pinned(pki, tmp_path):
    fakes, dea, own, other = Fakes(), pki.agency("us-dea"), pki.agency("proxy-1"), pki.agency("proxy-2")
    fakes.identify.enrol(dea.der, "us-dea")
    for name, issued in (("own", own), ("other", other)):
        issued.save(tmp_path / f"{name}.pem", tmp_path / f"{name}.key")
        pem, key = (tmp_path / f"{name}.{each}" for each in ("pem", "key"))
        (tmp_path / f"{name}-all.pem").write_bytes(pem.read_bytes() + key.read_bytes())
    pinned = Proxied(pki.authority.issued.certificate, fingerprint(own.der), lambda: pki.now)
    answers = {}
    with gateway(pki, fakes.services(), limits=LIMITS, identity=pinned) as running:
        at = (f"{HOST}:{running.wire.port}", running.operator.removeprefix("http://"))
        for name in ("own", "other"):
            with Haproxy(
                tmp_path,
                whole(pki),
                pki.ca,
                (at, at),
                SETU_HAND_ON="tls",
                SETU_HAND_ON_PEM=str(tmp_path / f"{name}-all.pem"),
                SETU_HAND_ON_CA=str(pki.ca),
                SETU_HAND_ON_NAME="localhost",
            ) as proxy:
                assert proxy.check() == ""
                proxy.until(BOTH)
                answers[name] = Wire(pki, proxy.port).ask(pki.context(dea), head("GET", "/v1/topics"))
    assert answers["own"].status == 200
    assert (answers["other"].status, answers["other"].code) == (403, "unknown-agency")
    assert fakes.subscribe.calls == [("us-dea",)]


def test_an_agencys_program_reaches_a_gateway_on_another_machine_through_the_proxy(tmp_path):
    """A gateway as it is served, with `proxy` in its settings; agencies know the proxy's address alone."""
    made = create(tmp_path / "d", demo=True, host="localhost", port=free_port(), operations_port=free_port())
    authority = Authority.load(made.path / "ca/in/ca.pem", made.path / "ca/in/ca.key")
    own = authority.issue_client("proxy", 1, now=time.time(), unit="gateway")
    own.save(tmp_path / "own.pem", tmp_path / "own.key")
    for together, parts in (
        ("own-all", ("own.pem", "own.key")),
        ("server-all", ("d/tls/server.pem", "d/tls/server.key")),
    ):
        (tmp_path / f"{together}.pem").write_bytes(b"".join((tmp_path / part).read_bytes() for part in parts))
    behind = f"127.0.0.1:{free_port()}"
    listen = f'identity = "client-cert"\nproxy = "{fingerprint(own.der)}"\naddress = "{behind}"\n'
    text = re.sub(r"^address = .*\n", "", made.config.read_text(), flags=re.MULTILINE)
    made.config.write_text(text.replace("[listen]\n", f"[listen]\n{listen}"))
    at = (behind, made.operations.removeprefix("http://"))
    with (
        Served(made, tmp_path / "gateway.log"),
        Haproxy(
            tmp_path,
            tmp_path / "server-all.pem",
            made.path / "tls" / "clients-ca.pem",
            (at, at),
            port=urlsplit(made.url).port,
            SETU_HAND_ON="tls",
            SETU_HAND_ON_PEM=str(tmp_path / "own-all.pem"),
            SETU_HAND_ON_CA=str(made.path / "tls" / "clients-ca.pem"),
            SETU_HAND_ON_NAME="localhost",
        ) as proxy,
    ):
        proxy.until(BOTH)
        with connect(made.agencies["in-ncb"]) as setu:
            sample = next(iter(registry.samples("tip").values()))
            sent = setu.send("tip", to="us-dea", payload=sample, handling=registry.sample_handling())
        with connect(made.agencies["us-dea"]) as setu:
            assert [each.digest for each in setu.follow("tip", drain=True)] == [sent.digest]
