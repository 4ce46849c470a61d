"""The access matrix: every route of the document, asked by every kind of caller, of a real gateway.

Each answer has the status and code that the route is described with, and an answer to whoever has no part in a packet
holds nothing of it.
"""

import json
import ssl

import httpx
import pytest

from broker.gateway import openapi
from broker.gateway.describe import lookups
from broker.gateway.describe.callers import AGENCIES, READERS, STANDS, Access, Stand
from broker.gateway.heads import BATCH, LINES
from broker.gateway.problems import TABLE
from schemas.problem import Code
from tests.http.stands import AGENCY, NARRATIVE, OUTSIDERS, PUBLISHED, Standing

ABSENT = "A" * 64
"""A digest that no packet has."""
TOPIC = f"setu.{AGENCY[Stand.RECIPIENT]}.tip"
OPERATIONS = {each.name: each for each in openapi.OPERATIONS}
DOCUMENT = openapi.document()
ACTIVE = tuple(each for each in Stand if each not in (Stand.NONE, Stand.UNKNOWN, Stand.SUSPENDED))


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    made = Standing(tmp_path_factory.mktemp("stands"))
    yield made
    made.close()


def stream(site, stand):
    with site.http[AGENCY[stand]].stream("GET", f"/v1/topics/{TOPIC}/stream") as answer:
        if not answer.is_success:
            answer.read()
            return answer
        begun = next(answer.iter_text())
        return httpx.Response(answer.status_code, text=begun)


def batch(site, stand):
    return site.post(stand, BATCH, site.packet(stand) + b"\n", LINES)


def target(site, stand):
    found = sorted((site.deployment.path / "directory/targets").iterdir())
    return site.ask(stand, "GET", f"/v1/directory/targets/{found[0].name}")


def get(path, **given):
    return lambda site, stand: site.ask(
        stand, "GET", path.format(digest=site.sent.digest, topic=TOPIC), params={n: v(site) for n, v in given.items()}
    )


ASKED = {
    "submitPacket": lambda site, stand: site.post(stand, "/v1/packets", site.packet(stand)),
    "submitBatch": batch,
    "checkPacket": lambda site, stand: site.post(stand, "/v1/packets:check", site.packet(stand)),
    "getTimeline": get("/v1/packets/{digest}"),
    "getProof": get("/v1/packets/{digest}/proof"),
    "listTopics": get("/v1/topics"),
    "listClocks": get("/v1/clocks"),
    "getPage": get("/v1/topics/{topic}/packets"),
    "streamTopic": stream,
    "acknowledge": lambda site, stand: site.post(stand, "/v1/acknowledgements", site.acknowledgement(stand)),
    "getMetadata": get("/v1/directory/metadata/1.root.json"),
    "getTarget": target,
    "putDenyList": lambda site, stand: site.post(stand, "/v1/directory/deny", site.deny_list(stand)),
    "listSchemas": get("/v1/schemas"),
    "getSchema": get("/v1/schemas/tip/1"),
    "getOpenApi": get("/v1/openapi.json"),
    "getAsyncApi": get("/v1/asyncapi.json"),
    "searchEntries": get("/v1/audit/entries", packet=lambda site: site.sent.digest),
    "countOutcomes": get("/v1/audit/outcomes", agency=lambda _: AGENCY[Stand.SENDER]),
    "watchPrecursors": get("/v1/watch/precursors", facts=lambda _: "true"),
    "getCheckpoint": get("/log/checkpoint"),
    "getTile": get("/log/tile/entries/000.p/1"),
}
"""Operation -> how it is asked about the packet. A new route needs its row here, and its callers in its description."""


def code_of(operation, answer):
    """The problem code of an answer, also of one that stands in a batch's line; None for an answer that is no refusal."""
    if operation.path == BATCH and answer.is_success:
        first = json.loads(answer.content.splitlines()[0])
        return first["problem"]["code"] if "problem" in first else None
    return None if answer.is_success else answer.json()["code"]


def test_every_route_says_who_may_call_and_is_asked():
    assert set(ASKED) == set(OPERATIONS)
    for methods in DOCUMENT["paths"].values():
        for operation in methods.values():
            if isinstance(operation, dict):
                assert set(operation["x-setu-callers"]) == {each.value for each in Stand} == {*STANDS}
    for each in openapi.OPERATIONS:
        refusals = {verdict for verdict in each.who.verdicts.values() if isinstance(verdict, Code)}
        assert refusals <= {*each.codes, *each.in_lines, Code.UNKNOWN_AGENCY, Code.AGENCY_SUSPENDED, Code.FORBIDDEN}


@pytest.mark.parametrize("stand", [each for each in Stand if each is not Stand.NONE])
@pytest.mark.parametrize("name", OPERATIONS)
def test_the_answer_is_as_declared(site, name, stand):
    operation = OPERATIONS[name]
    verdict = operation.who.verdicts[stand]
    answer = ASKED[name](site, stand)
    code = code_of(operation, answer)
    if isinstance(verdict, Code):
        assert code == verdict
        in_a_line = operation.path == BATCH and verdict in operation.in_lines and stand in ACTIVE
        assert answer.status_code == (200 if in_a_line else TABLE[verdict][0])
    else:
        assert verdict is not Access.CLOSED
        assert code is None, answer.text
        assert answer.status_code in operation.answers
    if stand in OUTSIDERS:
        nothing_of_it(site, name, answer, stand)


def nothing_of_it(site, name, answer, stand):
    said = answer.text + str(answer.headers)
    for secret in (site.sent.digest, site.sent.id, site.sent.header.thread, NARRATIVE):
        assert secret not in said
    path = answer.request.url.path if name != "streamTopic" else ""
    if answer.is_success and path in PUBLISHED:
        assert answer.content == site.unsent[stand][path], "the same as before there was the packet"
    elif name != "getTarget":  # the directory, which names all agencies to all
        for party in (AGENCY[Stand.SENDER], AGENCY[Stand.RECIPIENT], AGENCY[Stand.SUSPENDED]):
            assert party not in said or party == AGENCY[stand]


@pytest.mark.parametrize("name", OPERATIONS)
def test_without_a_certificate_there_is_no_answer(site, name):
    assert OPERATIONS[name].who.verdicts[Stand.NONE] is Access.CLOSED
    settings = site.deployment.agency(AGENCY[Stand.SENDER])
    context = ssl.create_default_context(cafile=str(settings.at(settings.gateway_ca)))
    with httpx.Client(base_url=settings.url[0], verify=context, trust_env=False) as client:
        operation = OPERATIONS[name]
        with pytest.raises((httpx.ReadError, httpx.RemoteProtocolError, httpx.ConnectError)):
            client.request(operation.method, operation.path.replace("{digest}", site.sent.digest))


@pytest.mark.parametrize("stand", ACTIVE)
@pytest.mark.parametrize("path", [each.path for each in lookups.OPERATOR])
def test_the_second_listeners_paths_are_not_on_the_first(site, path, stand):
    answer = site.ask(stand, "GET", path)
    assert (answer.status_code, answer.json()["code"]) == (404, lookups.OPERATOR[0].who.verdicts[stand])
    assert httpx.get(f"{site.deployment.operations}{path}").is_success


def test_the_first_listeners_paths_are_not_on_the_second(site):
    for operation in openapi.OPERATIONS:
        answer = httpx.request(operation.method, f"{site.deployment.operations}{operation.path}")
        assert answer.status_code in (404, 405)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "DELETE"])
@pytest.mark.parametrize("suffix", ["", "/proof"])
def test_a_method_that_a_path_has_not_says_nothing_of_what_is_there(site, suffix, method):
    for stand, status in ((Stand.UNKNOWN, 403), (Stand.SUSPENDED, 403), (Stand.OTHER, 405), (Stand.WITNESS, 405)):
        paths = [f"/v1/packets/{digest}{suffix}" for digest in (site.sent.digest, ABSENT)]
        foreign, absent = (site.ask(stand, method, path) for path in paths)
        assert (foreign.status_code, absent.status_code) == (status, status)
        assert "access-control-allow-origin" not in foreign.headers
        if method == "HEAD":
            assert (foreign.content, absent.content) == (b"", b"")
        else:
            without_trace(foreign, absent)


@pytest.mark.parametrize("stand", [Stand.OTHER, Stand.WITNESS, Stand.OPERATOR, Stand.GATEWAY])
@pytest.mark.parametrize("suffix", ["", "/proof"])
def test_a_foreign_digest_answers_like_one_that_nothing_has(site, suffix, stand):
    foreign, absent = (site.ask(stand, "GET", f"/v1/packets/{digest}{suffix}") for digest in (site.sent.digest, ABSENT))
    assert_same(foreign, absent)


@pytest.mark.parametrize("stand", [each for each in ACTIVE if each is not Stand.RECIPIENT])
@pytest.mark.parametrize("suffix", ["/packets", "/stream", "/packets?wait=0.1", "/packets?cursor=AAAA"])
def test_a_foreign_topic_answers_like_one_that_is_none(site, suffix, stand):
    foreign, absent = (site.ask(stand, "GET", f"/v1/topics/{topic}{suffix}") for topic in (TOPIC, "setu.us-nobody.tip"))
    if stand in AGENCIES:
        assert_same(foreign, absent)
    else:
        assert [answer.json()["code"] for answer in (foreign, absent)] == ["forbidden", "forbidden"]
        without_trace(foreign, absent)


@pytest.mark.parametrize("stand", [Stand.OTHER, Stand.SENDER, *READERS])
def test_an_acknowledgement_of_a_foreign_packet_answers_as_of_none(site, stand):
    said = (site.acknowledgement(stand), site.acknowledgement(stand, digest=ABSENT))
    assert_same(*(site.post(stand, "/v1/acknowledgements", raw) for raw in said))


@pytest.mark.parametrize(
    "path",
    [
        "/v1/audit/entries?packet={}",
        "/v1/audit/entries?packet={}&type=accepted&type=delivered",
        "/v1/audit/entries?packet={}&party=us-dea&kind=tip",
    ],
)
def test_a_search_for_a_foreign_packet_finds_what_one_for_none_finds(site, path):
    foreign, absent = (site.ask(Stand.OTHER, "GET", path.format(digest)) for digest in (site.sent.digest, ABSENT))
    assert_same(foreign, absent)
    assert foreign.json() == {"entries": []}


@pytest.mark.parametrize("stand", [each for each in ACTIVE if each is not Stand.SENDER])
@pytest.mark.parametrize("path", ["/v1/packets", "/v1/packets:check", BATCH, "/v1/acknowledgements"])
def test_what_another_has_signed_is_refused_whoever_brings_it(site, path, stand):
    acknowledged = path == "/v1/acknowledgements"
    other = AGENCY[Stand.SENDER if stand is Stand.RECIPIENT else Stand.RECIPIENT]
    raw = site.acknowledgement(stand, by=other) if acknowledged else site.packet(Stand.SENDER)
    answer = site.post(stand, path, raw, LINES if path == BATCH else "application/json")
    operation = next(each for each in openapi.OPERATIONS if each.path == path)
    assert code_of(operation, answer) == Code.SENDER_MISMATCH


def test_a_recipient_is_shown_its_own_part_alone(site):
    timeline = site.ask(Stand.RECIPIENT, "GET", f"/v1/packets/{site.sent.digest}").json()
    assert set(timeline["states"]) == {AGENCY[Stand.RECIPIENT]}
    recipients = {each["entry"].get("recipient") for each in timeline["items"]} - {None}
    assert recipients <= {AGENCY[Stand.RECIPIENT]}
    whole = site.ask(Stand.SENDER, "GET", f"/v1/packets/{site.sent.digest}").json()
    assert set(whole["states"]) == {AGENCY[Stand.RECIPIENT], AGENCY[Stand.SUSPENDED]}


def test_an_auditor_is_shown_all_of_it(site):
    """What is answered to everybody with nothing in it would be no answer."""
    found = site.ask(Stand.AUDITOR, "GET", f"/v1/audit/entries?packet={site.sent.digest}").json()["entries"]
    assert {each["entry"]["type"] for each in found} >= {"accepted", "delivered"}
    rows = site.ask(Stand.AUDITOR, "GET", "/v1/audit/outcomes?agency=in-ncb").json()["rows"]
    assert [row["packets"] for row in rows if row["kind"] == "tip"]
    for operation in ("getTimeline", "getProof"):
        assert site.sent.digest in ASKED[operation](site, Stand.AUDITOR).text
    assert set(ASKED["getTimeline"](site, Stand.AUDITOR).json()["states"]) == {"us-dea", "us-hsi"}


def assert_same(one, other):
    assert one.status_code == other.status_code
    assert one.content == other.content
    assert one.headers == other.headers


def without_trace(one, other):
    assert {**one.json(), "trace": ""} == {**other.json(), "trace": ""}
