import json

import httpx
import pytest

from broker.errors import CallerError, NotFoundError, UnavailableError
from broker.sdk.http import Http
from broker.sdk.lookups import Lookups
from broker.sdk.patience import Backoff, Persistence
from schemas.evidence import EntryType, Timeline, TimelineItem
from schemas.problem import Code
from tests.unit.sdk.answers import problem
from tests.unit.sdk.simulator import SimulatedGateway, send
from tests.unit.sdk.world import Clock, steady


class Asked:
    """A gateway that answers what a test says, in turn; keeps the requests."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.requests = []

    def __call__(self, request):
        self.requests.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        if isinstance(answer, httpx.Response):
            return httpx.Response(answer.status_code, headers=answer.headers, stream=httpx.ByteStream(answer.content))
        body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        return httpx.Response(200, stream=httpx.ByteStream(body))

    def lookups(self):
        clock = Clock()
        http = Http(httpx.Client(transport=httpx.MockTransport(self), base_url="https://gateway.test"))
        return Lookups(http, Persistence(Backoff(random=steady), 20.0, clock.sleep, clock))

    @property
    def queries(self):
        return [dict(request.url.params) for request in self.requests]


@pytest.fixture
def entry():
    gateway = SimulatedGateway()
    send(gateway)
    return json.loads(gateway.entries[0])


def test_topics_with_their_counts():
    asked = Asked({"topics": [{"topic": "setu.us-dea.tip", "packets": 3, "unacknowledged": 1}]})
    (found,) = asked.lookups().topics()
    assert (found.topic, found.packets, found.unacknowledged) == ("setu.us-dea.tip", 3, 1)


def test_clocks_with_the_packets_they_are_of():
    clock = {"recipient": "us-dea", "word": "answer", "due": 9, "state": "overdue"}
    answer = {"clocks": [{**clock, "digest": "A" * 64, "index": 3, "from": "in-ncb", "kind": "tip"}], "more": True}
    asked = Asked(answer)
    found = asked.lookups().clocks(5)
    assert (found.more, found.clocks[0].from_, found.clocks[0].state) == (True, "in-ncb", "overdue")
    assert (asked.requests[0].url.path, asked.queries) == ("/v1/clocks", [{"limit": "5"}])


def test_a_timeline_is_found_by_digest(entry):
    made = Timeline(
        digest="A" * 64,
        states={"us-dea": "opened"},
        items=(TimelineItem.from_object({"index": 0, "entry": entry}),),
    )
    asked = Asked(made.to_object())
    assert asked.lookups().timeline("A" * 64) == made
    assert asked.requests[0].url.path == f"/v1/packets/{'A' * 64}"


def test_what_is_not_there_is_not_found():
    asked = Asked(problem(NotFoundError(), status=404))
    with pytest.raises(NotFoundError):
        asked.lookups().proof("A" * 64)
    assert asked.requests[0].url.path == f"/v1/packets/{'A' * 64}/proof"


def test_a_digest_is_no_path():
    asked = Asked(problem(NotFoundError(), status=404))
    with pytest.raises(NotFoundError):
        asked.lookups().timeline("../audit/entries?x=1")
    assert asked.requests[0].url.raw_path == b"/v1/packets/..%2Faudit%2Fentries%3Fx%3D1"


def test_a_search_goes_on_to_its_end(entry):
    pages = [
        {"entries": [{"index": 1, "entry": entry}, {"index": 4, "entry": entry}], "next": 4},
        {"entries": [{"index": 9, "entry": entry}]},
    ]
    asked = Asked(*pages)
    found = list(
        asked.lookups().search(party="us-dea", exercise=False, types=[EntryType.ACCEPTED, EntryType.REFUSED], limit=2)
    )
    assert [each.index for each in found] == [1, 4, 9]
    assert asked.requests[0].url.params.get_list("type") == ["accepted", "refused"]
    first, second = asked.queries
    assert (first["party"], first["exercise"], first["limit"]) == ("us-dea", "false", "2")
    assert "after" not in first
    assert second["after"] == "4"


def test_a_search_that_is_not_allowed_says_so():
    asked = Asked(problem(CallerError(Code.FORBIDDEN, "Not you."), status=403))
    with pytest.raises(CallerError):
        list(asked.lookups().search())


@pytest.mark.parametrize("path", ["checkpoint", "tile/0/000", "tile/entries/x001/234.p/7"])
def test_files_of_the_log_are_fetched_as_they_are(path):
    asked = Asked(b"\x00raw")
    assert asked.lookups().log_fetch(path) == b"\x00raw"
    assert asked.requests[0].url.path == f"/log/{path}"


def test_published_files_are_fetched():
    asked = Asked(b"{}")
    assert asked.lookups().fetch("/v1/directory/metadata/timestamp.json") == b"{}"


def test_a_question_is_asked_again():
    asked = Asked(httpx.ConnectError("refused"), httpx.Response(503), {"topics": []})
    assert asked.lookups().topics() == ()
    assert len(asked.requests) == 3


@pytest.mark.parametrize("answer", [[], {}, {"topics": 1}, {"topics": [{"topic": 1}]}, {"entries": None}])
def test_an_answer_of_another_form_is_not_guessed_at(answer):
    with pytest.raises(UnavailableError):
        Asked(answer).lookups().topics()
    with pytest.raises(UnavailableError):
        list(Asked(answer).lookups().search())
