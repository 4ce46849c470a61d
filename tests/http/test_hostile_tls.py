"""Every TLS and access row of the table of hostile input that comes before a packet is read."""

import asyncio
import ssl
import time
import warnings
from dataclasses import replace

import pytest

from broker.errors import RequestError
from schemas.problem import Code
from tests.fakes.flows import DIGEST, FOREIGN, Fakes
from tests.http.conftest import Site
from tests.http.harness import QUICK, Pki, gateway, head, post

ASK = head("GET", "/v1/topics")


def contexts(pki: Pki) -> dict[str, ssl.SSLContext]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        tls12 = pki.context(pki.agency("us-dea"), ssl.TLSVersion.TLSv1_2)
    return {
        "no-certificate": pki.context(None),
        "other-ca": pki.context(pki.of_a_stranger("us-dea")),
        "expired": pki.context(pki.expired("us-dea")),
        "not-yet-valid": pki.context(pki.not_yet("us-dea")),
        "wrong-eku": pki.context(pki.for_servers("us-dea")),
        "tls-1.2": tls12,
    }


@pytest.mark.parametrize("name", ["no-certificate", "other-ca", "expired", "not-yet-valid", "wrong-eku", "tls-1.2"])
def test_a_handshake_that_must_fail_gets_no_byte_of_http(site: Site, name: str) -> None:
    assert site.gateway.wire.talk(contexts(site.pki)[name], ASK) == b""
    assert site.asked == 0


def test_plain_http_on_the_tls_port_gets_no_byte_of_http(site: Site) -> None:
    with site.gateway.wire.plain() as plain:
        plain.sendall(ASK)
        received = plain.recv(4096)
    assert not received.startswith(b"HTTP")


def test_a_connection_that_never_begins_its_handshake_is_cut(site: Site) -> None:
    begun = time.monotonic()
    with site.gateway.wire.plain() as plain:
        assert plain.recv(1) == b""
    assert time.monotonic() - begun < 4


def test_a_handshake_that_stops_in_the_middle_is_cut(site: Site) -> None:
    begun = time.monotonic()
    with site.gateway.wire.plain() as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01")
        assert plain.recv(1) == b""
    assert time.monotonic() - begun < 4


def test_no_session_ticket_is_given(site: Site) -> None:
    with site.gateway.wire.connected(site.dea) as secure:
        secure.sendall(ASK)
        while secure.recv(4096):
            pass
        assert secure.version() == "TLSv1.3"
        assert secure.session is None or not secure.session.has_ticket


def test_http2_is_not_offered(site: Site) -> None:
    context = site.pki.context(site.pki.agency("us-dea"))
    context.set_alpn_protocols(["h2", "http/1.1"])
    with site.gateway.wire.connected(context) as secure:
        assert secure.selected_alpn_protocol() == "http/1.1"


def test_a_valid_but_unknown_certificate_gets_403_and_its_body_is_not_read(site: Site) -> None:
    context = site.pki.context(site.pki.agency("us-dea"))  # the same name, another certificate
    reply = site.gateway.wire.ask(context, post(b"{}"))
    assert reply is not None
    assert (reply.status, reply.code) == (403, "unknown-agency")
    assert site.asked == 0
    assert site.fakes.refusals.counted == []


def test_suspension_on_a_live_connection_gets_403_at_the_next_request(site: Site) -> None:
    with site.gateway.wire.client(site.dea) as client:
        assert client.get("/v1/topics").status_code == 200
        site.fakes.identify.suspended.add("us-dea")
        refused = client.get("/v1/topics")
        assert (refused.status_code, refused.json()["code"]) == (403, "agency-suspended")
        site.fakes.identify.suspended.clear()
        assert client.get("/v1/topics").status_code == 200


NOTHING = DIGEST[:-1] + "C"


@pytest.mark.parametrize(
    "path",
    [
        pytest.param(f"/v1/packets/{FOREIGN}", id="another-agency's-packet"),
        pytest.param(f"/v1/packets/{NOTHING}", id="no-packet"),
        pytest.param("/v1/packets/short", id="no-digest"),
        pytest.param(f"/v1/packets/{FOREIGN}/proof", id="another-agency's-proof"),
        pytest.param(f"/v1/packets/{NOTHING}/proof", id="no-proof"),
        pytest.param("/v1/topics/setu.in-ncb.tip/packets", id="another-agency's-topic"),
        pytest.param("/v1/topics/setu.in-ncb.tip/stream", id="another-agency's-stream"),
        pytest.param("/v1/topics/nothing/packets", id="no-topic"),
        pytest.param("/v1/directory/metadata/9.root.json", id="no-metadata"),
        pytest.param("/v1/schemas/tip/9", id="no-version"),
        pytest.param("/v1/schemas/tip/x", id="no-number"),
        pytest.param("/v1/nothing", id="no-route"),
        pytest.param("/", id="root"),
    ],
)
def test_what_is_not_there_and_what_is_not_yours_are_the_same_bytes(site: Site, path: str) -> None:
    reply, nothing = site.ask(head("GET", path)), site.ask(head("GET", "/v1/nothing"))
    assert reply is not None
    assert nothing is not None
    assert reply.status == 404
    assert reply.raw == nothing.raw
    assert reply.problem().trace is None


def test_an_agency_on_an_auditors_route_gets_403(site: Site) -> None:
    for path in ("/log/checkpoint", "/log/tile/0/000"):
        refused = site.ask(head("GET", path))
        assert refused is not None
        assert (refused.status, refused.code) == (403, "forbidden")
        allowed = site.gateway.wire.ask(site.auditor, head("GET", path))
        assert allowed is not None
        assert allowed.status == 200


def test_a_forged_cursor_gets_400(site: Site) -> None:
    site.fakes.subscribe.error = RequestError(Code.BAD_CURSOR, "Expected a cursor of this topic, found another.")
    for path in ("/v1/topics/setu.us-dea.tip/packets?cursor=AAAA", "/v1/topics/setu.us-dea.tip/stream"):
        reply = site.ask(head("GET", path))
        assert reply is not None
        assert (reply.status, reply.code) == (400, "bad-cursor")


def test_a_flood_gets_429_with_retry_after_and_others_are_served(pki: Pki) -> None:
    fakes = Fakes()
    dea, ncb = pki.agency("us-dea"), pki.agency("in-ncb")
    fakes.identify.enrol(dea.der, "us-dea")
    fakes.identify.enrol(ncb.der, "in-ncb")
    with gateway(pki, fakes.services(), limits=replace(QUICK, rate=0.5, burst=3)) as running:
        with running.wire.client(pki.context(dea)) as flood:
            answers = [flood.get("/v1/topics") for _ in range(5)]
        other = running.wire.ask(pki.context(ncb), ASK)
    assert [each.status_code for each in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 2
    assert answers[-1].json()["code"] == "rate-limited"
    assert fakes.refusals.counted == [("us-dea", Code.RATE_LIMITED)] * 2
    assert other is not None
    assert other.status == 200


def test_more_connections_than_allowed_are_hung_up_on(pki: Pki) -> None:
    fakes = Fakes()
    dea = pki.agency("us-dea")
    fakes.identify.enrol(dea.der, "us-dea")
    context = pki.context(dea)
    with gateway(pki, fakes.services(), limits=replace(QUICK, connections=1, head_seconds=5.0)) as running:
        with running.wire.connected(context):
            assert running.wire.talk(context, ASK) == b""
        time.sleep(0.1)
        assert running.wire.talk(context, ASK).startswith(b"HTTP/1.1 200")


def test_open_reads_beyond_the_seats_get_429(pki: Pki) -> None:
    fakes = Fakes()
    dea = pki.agency("us-dea")
    fakes.identify.enrol(dea.der, "us-dea")
    context = pki.context(dea)
    with (
        gateway(pki, fakes.services(), limits=replace(QUICK, seats=1)) as running,
        running.wire.client(context) as one,
        running.wire.client(context) as two,
    ):
        fakes.subscribe.tick = ticking
        with one.stream("GET", "/v1/topics/setu.us-dea.tip/stream") as stream:
            coming = stream.iter_lines()
            next(coming)
            for path in ("packets?wait=1", "stream"):
                refused = two.get(f"/v1/topics/setu.us-dea.tip/{path}")
                assert (refused.status_code, refused.json()["code"]) == (429, "rate-limited")
        fakes.subscribe.closed = True


async def ticking() -> None:
    await asyncio.sleep(0.05)


def test_no_agency_takes_all_the_connections(pki: Pki) -> None:
    fakes = Fakes()
    dea, ncb = pki.agency("us-dea"), pki.agency("in-ncb")
    fakes.identify.enrol(dea.der, "us-dea")
    fakes.identify.enrol(ncb.der, "in-ncb")
    greedy = pki.context(dea)
    with (
        gateway(pki, fakes.services(), limits=replace(QUICK, share=1, head_seconds=5.0)) as running,
        running.wire.connected(greedy) as held,
    ):
        held.sendall(head("GET", "/v1/topics", close=False))
        assert held.recv(100).startswith(b"HTTP/1.1 200")
        assert running.wire.ask(greedy, ASK) is None
        assert running.wire.ask(pki.context(ncb), ASK).status == 200
