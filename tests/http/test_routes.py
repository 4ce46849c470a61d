"""The routes of the HTTP API: what each gives to its flow, and what it makes of the answer."""

import pytest

from broker.errors import (
    CallerError,
    ConflictError,
    IntegrityError,
    MalformedError,
    PacketError,
    PolicyError,
    SetuError,
    SignatureError,
    UnavailableError,
)
from broker.ledger.port import EntryFilter, LoggedEntry
from schemas.canonical import parse
from schemas.evidence import EntryType, Receipt, Timeline
from schemas.problem import Code, RuleHit
from tests.fakes.flows import DIGEST, RECEIPT
from tests.http.conftest import Site
from tests.http.harness import Reply, head, post

TRACE = "0af7651916cd43dd8448eb211c80319c"
SECRET = "s3cr3t"


def got(site: Site, path: str, **headers: str) -> Reply:
    reply = site.ask(head("GET", path, headers))
    assert reply is not None
    return reply


def test_a_submission_gives_the_flow_the_bytes_as_they_came(site: Site) -> None:
    raw = b' {"a":\t1}\n'
    first, second = (site.ask(post(raw, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})) for _ in "ab")
    assert first is not None
    assert second is not None
    assert (first.status, second.status) == (201, 200)
    assert Receipt.from_json(first.body) == RECEIPT
    assert first.body == second.body
    assert site.fakes.submit.calls == [("us-dea", raw, TRACE)] * 2


@pytest.mark.parametrize(
    "given",
    ["", "nonsense", f"01-{TRACE}-00f067aa0ba902b7-01", f"00-{'0' * 32}-00f067aa0ba902b7-01", f"00-{TRACE.upper()}-00f067aa0ba902b7-01"],
)  # fmt: skip
def test_a_trace_that_is_none_is_replaced(site: Site, given: str) -> None:
    site.ask(post(b"[1]", headers={"traceparent": given}))
    assert site.fakes.submit.calls[0][2] == bytes(range(1, 17)).hex()


def test_checking_says_which_rules_would_permit(site: Site) -> None:
    reply = site.ask(post(b"{}", "/v1/packets:check"))
    assert reply is not None
    assert (reply.status, parse(reply.body)) == (200, {"outcome": "permit", "rules": ["releasable", "tlp"]})
    assert site.fakes.submit.calls == [("us-dea", b"{}")]


def test_an_acknowledgement_gets_its_receipt(site: Site) -> None:
    reply = site.ask(post(b"{}", "/v1/acknowledgements", {"content-type": "application/json"}))
    assert reply is not None
    assert (reply.status, Receipt.from_json(reply.body)) == (201, RECEIPT)
    assert [each[:2] for each in site.fakes.acknowledge.calls] == [("us-dea", b"{}")]


def test_what_is_read_is_json_that_nobody_stores(site: Site) -> None:
    timeline = got(site, f"/v1/packets/{DIGEST}")
    assert Timeline.from_json(timeline.body).states == {"us-dea": "offered"}
    assert got(site, f"/v1/packets/{DIGEST}/proof").status == 200
    topics = parse(got(site, "/v1/topics").body)
    assert topics == {"topics": [{"topic": "setu.us-dea.tip", "packets": 2, "unacknowledged": 1, "overdue": 0}]}
    assert parse(got(site, "/v1/schemas").body) == {"schemas": [{"kind": "tip", "versions": [1]}]}
    assert parse(got(site, "/v1/schemas/tip/1").body) == {"type": "object"}
    assert got(site, "/v1/directory/metadata/1.root.json").body == b'{"signed":{}}'
    assert site.fakes.published.calls == [("metadata/1.root.json",)]
    assert timeline.headers == {
        "content-type": "application/json",
        "cache-control": "no-store",
        "content-length": str(len(timeline.body)),
        "connection": "close",
    }


def test_clocks_are_listed_up_to_a_limit(site: Site) -> None:
    (clock,) = parse(got(site, "/v1/clocks").body)["clocks"]
    assert (clock["recipient"], clock["from"], clock["state"], clock["due"]) == ("us-dea", "in-ncb", "overdue", 60)
    got(site, "/v1/clocks?limit=2")
    assert site.fakes.clocks.calls == [("us-dea", 100), ("us-dea", 2)]
    assert got(site, "/v1/clocks?limit=0").code == "bad-query"


def test_the_log_is_served_as_the_formats_have_it(site: Site) -> None:
    note = site.gateway.wire.ask(site.auditor, head("GET", "/log/checkpoint", {"accept": "text/plain"}))
    tile = site.gateway.wire.ask(site.auditor, head("GET", "/log/tile/0/000"))
    assert note is not None
    assert tile is not None
    assert note.headers["content-type"].startswith("text/plain")
    assert tile.headers["content-type"] == "application/octet-stream"
    assert "immutable" in tile.headers["cache-control"]
    assert len(tile.body) == 64
    assert site.fakes.log.calls[-1] == ("in-audit", "tile/0/000")


def test_a_search_hands_every_filter_on_and_pages(site: Site) -> None:
    site.fakes.audit.found = [LoggedEntry(n, b'{"n":%d}' % n) for n in (4, 9)]
    since, until = "2026-01-01T00:00:00.000000Z", "2026-02-01T00:00:00.000000Z"
    path = (
        f"/v1/audit/entries?since={since}&until={until}&party=in-ncb&kind=tip&packet={DIGEST}&type=accepted"
        "&type=refused&code=policy-denied&exercise=false&after=3&limit=2"
    )
    found = parse(got(site, path).body)
    assert found == {"entries": [{"index": 4, "entry": {"n": 4}}, {"index": 9, "entry": {"n": 9}}], "next": 9}
    asked = EntryFilter(
        since=since,
        until=until,
        party="in-ncb",
        kind="tip",
        packet=DIGEST,
        types=[EntryType.ACCEPTED, EntryType.REFUSED],
        code="policy-denied",
        exercise=False,
        after=3,
        limit=2,
    )
    assert site.fakes.audit.calls[0][:2] == ("us-dea", asked)
    assert "next" not in parse(got(site, "/v1/audit/entries").body)


def test_a_question_about_outcomes_is_handed_on(site: Site) -> None:
    since = "2026-01-01T00:00:00.000000Z"
    found = parse(got(site, f"/v1/audit/outcomes?since={since}&agency=in-ncb&kind=tip&exercise=true").body)
    assert found == {"entries": 0, "rows": []}
    assert site.fakes.audit.calls[0][:2] == ("us-dea", since)


def test_a_question_about_precursors_is_handed_on(site: Site) -> None:
    since = "2026-01-01T00:00:00.000000Z"
    found = parse(got(site, f"/v1/watch/precursors?since={since}&facts=true").body)
    assert found == {"notices": [], "substances": [], "routes": [], "clusters": [], "unread": [], "facts": []}
    assert site.fakes.precursors.calls[0] == ("us-dea", since, None, True)


HIT = RuleHit(rule="releasable", recipient="us-cbp", sentence="It is not named.", remedy="Name it.")


@pytest.mark.parametrize(
    ("error", "status", "headers"),
    [
        pytest.param(MalformedError(Code.JSON_INVALID, "Expected JSON."), 400, {}, id="malformed"),
        pytest.param(MalformedError(Code.SCHEMA, "Expected a number.", pointer="/a/0"), 422, {}, id="schema"),
        pytest.param(SignatureError(Code.SIGNATURE_INVALID, "Expected two."), 401, {"www-authenticate": "setu1-signature"}, id="signature"),
        pytest.param(ConflictError(Code.ID_CONFLICT, "Expected a new id."), 409, {}, id="conflict"),
        pytest.param(PacketError(Code.CLOCK_SKEW, "Expected an earlier time."), 422, {}, id="clock"),
        pytest.param(PacketError(Code.SENDER_MISMATCH, "Expected the caller."), 403, {}, id="sender"),
        pytest.param(PolicyError("Expected a permit.", [HIT], advice="Change it."), 403, {}, id="policy"),
        pytest.param(CallerError(Code.FORBIDDEN, "Expected an auditor."), 403, {}, id="role"),
        pytest.param(UnavailableError("Expected room.", code=Code.BUSY, retry_after=3), 503, {"retry-after": "3"}, id="busy"),
        pytest.param(IntegrityError(Code.ROLLBACK, "Expected a newer head."), 503, {"retry-after": "30"}, id="integrity"),
    ],
)  # fmt: skip
def test_an_error_of_a_flow_becomes_its_problem_document(
    site: Site, error: SetuError, status: int, headers: dict[str, str]
) -> None:
    site.fakes.submit.error = error
    reply = site.ask(post(b"{}"))
    assert reply is not None
    problem = reply.problem()
    assert (reply.status, problem.status, problem.code) == (status, status, error.code)
    assert problem.detail == str(error)
    assert problem.pointer == error.pointer
    assert problem.rules == ((HIT,) if isinstance(error, PolicyError) else None)
    assert problem.trace == bytes(range(1, 17)).hex()
    assert headers.items() <= reply.headers.items()
    assert site.fakes.refusals.counted == ([("us-dea", Code.FORBIDDEN)] if error.code is Code.FORBIDDEN else [])


@pytest.mark.parametrize("error", [RuntimeError(SECRET), KeyError(SECRET), ValueError(SECRET), RecursionError()])
def test_an_unforeseen_error_says_nothing_but_its_trace(site: Site, error: Exception) -> None:
    site.fakes.submit.error = error
    reply = site.ask(post(b"{}"))
    assert reply is not None
    assert (reply.status, reply.code) == (500, "internal")
    assert reply.problem().trace == bytes(range(1, 17)).hex()
    assert SECRET.encode() not in reply.raw
    assert SECRET not in site.gateway.written.getvalue()
    logged = parse(site.gateway.lines[0].encode())
    assert logged["level"] == "error"
    assert logged["error"][0] == type(error).__name__
    assert any("fakes/flows.py" in frame for frame in logged["frames"])


def test_one_line_is_logged_for_a_request_and_holds_nothing_of_its_content(site: Site) -> None:
    site.ask(post(b'{"name":"s3cr3t"}', f"/v1/packets?{SECRET}", {"user-agent": SECRET, "x-key": SECRET}))
    (line,) = site.gateway.lines
    assert SECRET not in line
    logged = parse(line.encode())
    assert {"event": "request", "method": "POST", "agency": "us-dea", "bytes": 17}.items() <= logged.items()


@pytest.mark.parametrize(
    ("sent", "route", "status"),
    [
        pytest.param(post(b"{ }"), "/v1/packets", 201, id="packet"),
        pytest.param(post(b"{}", "/v1/acknowledgements"), "/v1/acknowledgements", 201, id="acknowledgement"),
        pytest.param(head("GET", "/v1/packets"), "/v1/packets", 405, id="method"),
        pytest.param(head("GET", f"/v1/packets/{DIGEST}"), "/v1/packets/{digest}", 200, id="digest"),
        pytest.param(head("GET", f"/v1/{SECRET}"), "none", 404, id="no-route"),
    ],
)
def test_log_and_figures_name_the_route_by_its_template(site: Site, sent: bytes, route: str, status: int) -> None:
    site.ask(sent)
    (line,) = site.gateway.lines
    assert {"route": route, "status": status}.items() <= parse(line.encode()).items()
    figures = site.gateway.metrics.render().decode()
    assert f'setu_requests_total{{route="{route}",status="{status}"}}' in figures
    assert SECRET not in figures
