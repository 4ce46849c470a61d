"""RFC 9440: a proxy names the caller's certificate. Through a Unix socket, or pinned; never otherwise."""

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from broker.crypto.certificates import fingerprint
from broker.gateway.identity import Proxied
from broker.gateway.server import bind_unix
from tests.fakes.flows import Fakes
from tests.http.harness import HOST, Gateway, Pki, gateway, head, post


def header(der: bytes) -> str:
    return f":{base64.b64encode(der).decode()}:"


@contextmanager
def behind_a_proxy(pki: Pki, folder: Path) -> Iterator[tuple[Fakes, httpx.Client]]:
    fakes, path = Fakes(), folder / "gateway.sock"
    proxied = Proxied(pki.authority.issued.certificate, None, lambda: pki.now)
    with (
        gateway(pki, fakes.services(), identity=proxied, listener=bind_unix(path), tls=False),
        httpx.Client(transport=httpx.HTTPTransport(uds=str(path)), base_url=f"http://{HOST}") as client,
    ):
        yield fakes, client


def test_the_named_certificate_is_the_caller(pki: Pki, tmp_path: Path) -> None:
    dea = pki.agency("us-dea")
    with behind_a_proxy(pki, tmp_path) as (fakes, client):
        fakes.identify.enrol(dea.der, "us-dea")
        answer = client.get("/v1/topics", headers={"client-cert": header(dea.der)})
    assert answer.status_code == 200
    assert fakes.subscribe.calls == [("us-dea",)]


@pytest.mark.parametrize(
    ("given", "status", "code"),
    [
        pytest.param(lambda pki, der: [], 403, "unknown-agency", id="no-header"),
        pytest.param(lambda pki, der: [header(der)] * 2, 400, "bad-request", id="two-headers"),
        pytest.param(lambda pki, der: [f"{header(der)}, {header(der)}"], 400, "bad-request", id="two-in-one"),
        pytest.param(lambda pki, der: [f"{header(der)};a=1"], 400, "bad-request", id="parameter"),
        pytest.param(lambda pki, der: [header(der)[1:-1]], 400, "bad-request", id="no-colons"),
        pytest.param(lambda pki, der: [":_-__:"], 400, "bad-request", id="base64url"),
        pytest.param(lambda pki, der: ["::"], 400, "bad-request", id="empty"),
        pytest.param(lambda pki, der: [":AAA:"], 400, "bad-request", id="impossible-base64"),
        pytest.param(lambda pki, der: [":" + "A" * 12_000 + ":"], 400, "bad-request", id="too-long"),
        pytest.param(lambda pki, der: [":AAAA:"], 403, "unknown-agency", id="no-certificate"),
        pytest.param(lambda pki, der: [header(pki.of_a_stranger("us-dea").der)], 403, "unknown-agency", id="other-ca"),
        pytest.param(lambda pki, der: [header(pki.expired("us-dea").der)], 403, "unknown-agency", id="expired"),
        pytest.param(lambda pki, der: [header(pki.not_yet("us-dea").der)], 403, "unknown-agency", id="not-yet-valid"),
        pytest.param(lambda pki, der: [header(pki.for_servers("us-dea").der)], 403, "unknown-agency", id="wrong-eku"),
        pytest.param(lambda pki, der: [header(pki.agency("us-dea").der)], 403, "unknown-agency", id="not-registered"),
    ],
)  # fmt: skip
def test_what_else_a_proxy_may_say_is_refused(pki: Pki, tmp_path: Path, given, status: int, code: str) -> None:
    dea = pki.agency("us-dea")
    with behind_a_proxy(pki, tmp_path) as (fakes, client):
        fakes.identify.enrol(dea.der, "us-dea")
        headers = [("client-cert", each) for each in given(pki, dea.der)]
        answer = client.get("/v1/topics", headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert fakes.subscribe.calls == []


def test_a_certificate_out_of_its_chain_is_refused_though_it_is_registered(pki: Pki, tmp_path: Path) -> None:
    stranger = pki.of_a_stranger("us-dea")
    with behind_a_proxy(pki, tmp_path) as (fakes, client):
        fakes.identify.enrol(stranger.der, "us-dea")
        answer = client.get("/v1/topics", headers={"client-cert": header(stranger.der)})
    assert (answer.status_code, answer.json()["code"]) == (403, "unknown-agency")


def test_a_pinned_proxy_is_believed_and_no_other_peer_is(pki: Pki) -> None:
    fakes, dea, proxy = Fakes(), pki.agency("us-dea"), pki.agency("in-proxy")
    fakes.identify.enrol(dea.der, "us-dea")
    fakes.identify.enrol(proxy.der, "in-proxy")
    asked = head("GET", "/v1/topics", {"client-cert": header(dea.der)})
    pinned = Proxied(pki.authority.issued.certificate, fingerprint(proxy.der), lambda: pki.now)
    with gateway(pki, fakes.services(), identity=pinned) as running:
        by_proxy = asks(running, pki, proxy, asked)
        by_the_agency_itself = asks(running, pki, dea, asked)
        without_a_header = asks(running, pki, proxy, head("GET", "/v1/topics"))
    assert by_proxy == 200
    assert (by_the_agency_itself, without_a_header) == (403, 403)
    assert fakes.subscribe.calls == [("us-dea",)]


def test_without_a_pin_a_tcp_peer_is_not_believed(pki: Pki) -> None:
    fakes, dea = Fakes(), pki.agency("us-dea")
    fakes.identify.enrol(dea.der, "us-dea")
    unpinned = Proxied(pki.authority.issued.certificate, None, lambda: pki.now)
    with gateway(pki, fakes.services(), identity=unpinned) as running:
        assert asks(running, pki, dea, post(b"{}", headers={"client-cert": header(dea.der)})) == 403
    assert fakes.submit.calls == []


def asks(running: Gateway, pki: Pki, who, sent: bytes) -> int:
    reply = running.wire.ask(pki.context(who), sent)
    assert reply is not None
    return reply.status
