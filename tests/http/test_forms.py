"""The forms of routes and topics as the gateway serves them, and what its routes read beside what they are told to."""

import json
import re
from importlib.resources import files

import pytest

from broker.flows.published import Published
from broker.gateway import openapi
from schemas.canonical import canonical, parse
from tests.fakes.flows import DIGEST
from tests.http.conftest import Site
from tests.http.harness import Reply, head

QUERIED = [
    (path, operation)
    for path, methods in openapi.document()["paths"].items()
    for method, operation in methods.items()
    if method == "get" and "400" in operation["responses"]
    and "bad-query" in json.dumps(operation["responses"]["400"])
]  # fmt: skip


def got(site: Site, path: str) -> Reply:
    reply = site.ask(head("GET", path))
    assert reply is not None
    return reply


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
def test_a_form_is_served_to_every_agency(site: Site, name: str) -> None:
    reply = got(site, f"/v1/{name}")
    assert (reply.status, reply.headers["content-type"]) == (200, "application/json")
    assert parse(reply.body) == {"form": True}
    assert site.fakes.published.calls == [(name,)]


@pytest.mark.parametrize("name", ["openapi.json", "asyncapi.json"])
async def test_what_is_served_is_what_is_published(name: str) -> None:
    published = Published(lambda _: b"")
    found = await published.form(name)
    committed = json.loads(files("schemas").joinpath("spec", name).read_text("utf-8"))
    assert found == canonical(committed)


def test_a_route_reads_a_query_where_it_says_so() -> None:
    assert [path for path, _ in QUERIED] == [
        "/v1/clocks",
        "/v1/topics/{topic}/packets",
        "/v1/topics/{topic}/stream",
        "/v1/audit/entries",
        "/v1/audit/outcomes",
        "/v1/watch/precursors",
    ]


@pytest.mark.parametrize(("path", "operation"), QUERIED, ids=lambda each: each if isinstance(each, str) else "")
def test_a_route_reads_the_parameters_it_is_described_with(site: Site, path: str, operation: dict) -> None:
    reply = got(site, path.replace("{topic}", "setu.us-dea.tip") + "?zz=1")
    assert reply.code == "bad-query"
    detail = reply.problem().detail
    expected = re.search(r"Expected only ([\w, ]*),? ?found", detail)
    assert expected is not None
    named = {each for each in expected[1].replace(",", " ").split() if each}
    assert named == {each["name"] for each in operation["parameters"] if each["in"] == "query"}


VALUES = {
    "since": ["2026-01-01T00:00:00.000000Z"],
    "until": ["2026-01-01T00:00:00.000000Z"],
    "party": ["in-ncb"],
    "agency": ["in-ncb"],
    "kind": ["tip"],
    "packet": [DIGEST],
    "type": ["accepted", "refused&type=conflict"],
    "code": ["policy-denied"],
    "exercise": ["true", "false"],
    "facts": ["true", "false"],
    "after": ["0", "9007199254740991"],
    "limit": ["1", "500"],
    "cursor": ["abc"],
    "wait": ["0", "0.5"],
}


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        (path, each["name"], value)
        for path, operation in QUERIED
        for each in operation["parameters"]
        if each["in"] == "query"
        for value in VALUES[each["name"]]
    ],
)
def test_a_value_of_the_form_described_is_read(site: Site, path: str, name: str, value: str) -> None:
    assert got(site, f"{path.replace('{topic}', 'setu.us-dea.tip')}?{name}={value}").status == 200


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/v1/audit/entries", "since", "2026-01-01"),
        ("/v1/audit/entries", "packet", "abc"),
        ("/v1/audit/entries", "type", "brewed"),
        ("/v1/audit/entries", "exercise", "yes"),
        ("/v1/audit/entries", "limit", "501"),
        ("/v1/audit/entries", "after", "9007199254740992"),
        ("/v1/topics/setu.us-dea.tip/packets", "limit", "0"),
        ("/v1/topics/setu.us-dea.tip/packets", "wait", "31"),
    ],
)
def test_a_value_of_another_form_is_refused(site: Site, path: str, name: str, value: str) -> None:
    assert got(site, f"{path}?{name}={value}").code == "bad-query"
