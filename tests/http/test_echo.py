"""The practice partner: it opens, acknowledges and answers exercises, over a real gateway; what is real it never gets."""

import json
import subprocess
import sys
import time

import pytest

from broker.errors import PolicyError
from broker.sdk.echo import Echo
from schemas import registry
from schemas.problem import Code
from tests.http.live import Live

ECHO = "zz-echo"
HANDLING = registry.sample_handling() | {"releasable_to": [ECHO, "IND"], "tlp": "GREEN"}


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    made = Live(tmp_path_factory.mktemp("live"))
    yield made
    made.close()


def sample(kind):
    return next(iter(registry.samples(kind).values()))


def send(live, kind="tip", agency="in-ncb", to=ECHO, **options):
    handling = HANDLING | {"releasable_to": [to, "IND"]}
    return live.clients[agency].send(kind, to=to, payload=sample(kind), handling=handling, **options)


def taken(live, **options):
    """What the partner makes of all that is at hand."""
    partner = Echo(live.clients[ECHO], time.time)
    return [partner.take(each) for each in live.clients[ECHO].follow(drain=True, **options)]


def answers(live, agency="in-ncb"):
    found = []
    for each in live.clients[agency].follow(drain=True):
        each.acknowledge("opened")
        found.append(each)
    return found


@pytest.mark.parametrize("agency", ["in-ncb", "us-dea", "us-cbp"])
def test_an_exercise_is_opened_and_answered(live, agency):
    sent = send(live, agency=agency, exercise=True)
    (done,) = taken(live)
    assert (done.packet.digest, done.why) == (sent.digest, "")
    assert live.clients[agency].timeline(sent.digest).states == {ECHO: "opened"}
    (answer,) = answers(live, agency)
    assert (answer.header.kind, answer.header.from_, answer.header.exercise) == ("feedback", ECHO, True)
    assert (answer.header.in_reply_to, answer.header.thread) == (sent.digest, sent.header.thread)
    assert answer.payload.target.digest == sent.digest
    assert taken(live) == []


def test_questions_get_a_reply_to_each(live):
    sent = send(live, "rfi", exercise=True)
    taken(live)
    (answer,) = answers(live)
    assert (answer.header.kind, answer.payload.stage, answer.header.act.of) == ("rfi", "reply", sent.digest)
    assert [each.question for each in answer.payload.answers] == [each["id"] for each in sample("rfi")["questions"]]


def test_every_kind_that_begins_something_is_answered(live):
    begun = {}
    for kind in registry.kinds():
        handling = HANDLING | {"purpose": ["investigation"]}
        payload = sample(kind)
        if registry.check(kind, 1, payload).replies() or kind in ("feedback", "lifecycle"):
            continue
        sent = live.clients["in-ncb"].send(kind, to=ECHO, payload=payload, handling=handling, exercise=True)
        begun[sent.digest] = kind
    assert len(begun) >= 8
    done = taken(live)
    assert {each.packet.digest for each in done if each.sent is not None} == set(begun), [each.why for each in done]
    assert {each.header.in_reply_to for each in answers(live)} == set(begun)


def test_what_is_real_never_reaches_it_and_nothing_real_comes_from_it(live):
    for agency, to in (("in-ncb", ECHO), (ECHO, "in-ncb")):
        with pytest.raises(PolicyError) as refused:
            send(live, agency=agency, to=to)
        assert {each.rule for each in refused.value.rules} == {"12.exercise"}
        assert refused.value.code is Code.POLICY_DENIED
    assert taken(live) == []


def test_two_that_write_to_each_other_come_to_an_end(live):
    """An answer that reaches another partner is acknowledged, and answered by nobody."""
    send(live, agency="us-dea", exercise=True)
    taken(live)
    other = Echo(live.clients["us-dea"], time.time)
    done = [other.take(each) for each in live.clients["us-dea"].follow(drain=True)]
    assert [(each.sent, each.why) for each in done] == [(None, "it is an answer itself")]
    assert taken(live) == []


def test_its_own_packet_is_not_answered(live):
    send(live, agency=ECHO, to=ECHO, exercise=True)
    assert [(each.sent, each.why) for each in taken(live)] == [(None, "it is an answer itself")]


def test_a_packet_that_comes_twice_is_answered_once(live):
    sent = send(live, exercise=True)
    partner = Echo(live.clients[ECHO], time.time)
    (first,) = live.clients[ECHO].follow(drain=True)
    one = partner.take(first)
    time.sleep(1.1)  # the answer's own time is in it, so a second one is another packet of the same id
    assert partner.take(first).why == "it was answered before"
    assert one.sent is not None
    assert [each.header.in_reply_to for each in answers(live)] == [sent.digest]


def test_practice_is_kept_out_of_outcomes_and_found_by_its_mark(live):
    send(live, exercise=True)
    taken(live)
    answers(live)
    asked = live.clients["in-audit"]
    assert asked.outcomes(until="2100-01-01T00:00:00.000000Z").rows == ()
    practised = asked.outcomes(exercise=True).rows
    assert {(row.agency, row.kind) for row in practised} >= {("in-ncb", "tip"), (ECHO, "feedback")}
    assert list(asked.search(types=["accepted"], exercise=False)) == []


def test_the_command_answers_and_says_so(live):
    sent = send(live, exercise=True)
    words = [sys.executable, "-m", "broker", "echo", "--as", live.deployment.agencies[ECHO], "--once", "--json"]
    said = subprocess.run(words, capture_output=True, check=True, timeout=60)
    (told,) = [json.loads(line) for line in said.stdout.splitlines()]
    assert (told["digest"], told["from"], told["answered"], told["answer"]["kind"]) == (
        sent.digest, "in-ncb", True, "feedback",
    )  # fmt: skip
    assert len(answers(live)) == 1
