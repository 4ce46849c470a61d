import itertools
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from broker.errors import (
    CallerError,
    ConflictError,
    MalformedError,
    NotFoundError,
    OutcomeUnknownError,
    PacketError,
    PolicyError,
    SignatureError,
    UnavailableError,
)
from broker.policy.cedar import CedarPolicy
from broker.policy.load import default_rules
from broker.policy.port import Decision
from schemas import registry
from schemas.problem import Code
from tests.builders import NOW, uuid7
from tests.unit.sdk.answers import problem
from tests.unit.sdk.simulator import HANDLING, TIP, Fault, SimulatedGateway
from tests.unit.sdk.world import Clock, SimulatedDirectory, steady


@pytest.fixture
def gateway():
    return SimulatedGateway()


def send(client, **over):
    return client.send("tip", **{"to": ["us-dea"], "payload": TIP, "handling": HANDLING, **over})


def posts(gateway):
    return [body for _, method, path, body in gateway.seen if (method, path) == ("POST", "/v1/packets")]


def test_a_packet_is_accepted_with_a_receipt_that_was_verified(gateway):
    with gateway.client("in-ncb") as setu:
        sent = send(setu)
    assert sent.index == 0
    assert sent.digest in gateway.packets
    assert gateway.packets[sent.digest].raw == sent.raw
    assert sent.id == sent.header.id
    assert sent.header.open


def test_one_recipient_may_be_given_as_a_text(gateway):
    sent = send(gateway.client("in-ncb"), to="us-dea")
    assert [each.agency for each in sent.header.to] == ["us-dea", "in-setu"]


def test_sealed_leaves_the_gateway_out(gateway):
    assert not send(gateway.client("in-ncb", trust_gateway=False)).header.open
    assert not send(gateway.client("in-ncb"), sealed=True).header.open
    assert send(gateway.client("in-ncb", trust_gateway=False), sealed=False).header.open


def test_options_stand_in_the_header(gateway):
    client = gateway.client("in-ncb")
    first = send(client)
    sent = send(
        client,
        precedence="FLASH",
        exercise=True,
        thread=first.header.thread,
        in_reply_to=first.digest,
        lifetime=60,
        id=uuid7(7),
    )
    header = sent.header
    assert (header.precedence, header.exercise, header.thread) == ("FLASH", True, first.header.thread)
    assert (header.in_reply_to, header.exp - header.iat, header.id) == (first.digest, 60, uuid7(7))


LOST = [
    pytest.param(Fault(after=httpx.ReadError("cut")), id="answer lost"),
    pytest.param(Fault(after=httpx.ReadTimeout("late")), id="answer late"),
    pytest.param(Fault(before=httpx.ConnectError("refused")), id="not connected"),
    pytest.param(Fault(before=httpx.RemoteProtocolError("eof")), id="connection closed"),
    pytest.param(Fault(answer=httpx.Response(503)), id="503 without a document"),
    pytest.param(Fault(answer=httpx.Response(502, text="<html>bad gateway</html>")), id="502 of a proxy"),
    pytest.param(Fault(answer=problem(UnavailableError("Busy.", code=Code.BUSY))), id="503 busy"),
    pytest.param(Fault(answer=problem(PacketError(Code.INTERNAL, "Failed."), status=500)), id="500"),
    pytest.param(Fault(answer=problem(PacketError(Code.TIMEOUT, "Late."), status=408)), id="408"),
    pytest.param(Fault(answer=problem(CallerError(Code.RATE_LIMITED, "Slow down."), status=429)), id="429"),
    pytest.param(Fault(answer=httpx.Response(429)), id="429 without a document"),
    pytest.param(Fault(answer=httpx.Response(201, text="not json")), id="answer that is no JSON"),
    pytest.param(Fault(answer=httpx.Response(201, headers={"content-encoding": "gzip"})), id="encoded answer"),
]


@pytest.mark.parametrize("fault", LOST)
def test_what_is_not_answered_is_sent_again_with_the_same_bytes(gateway, fault):
    gateway.faults = [Fault("/v1/packets", fault.before, fault.after, fault.answer)]
    sent = send(gateway.client("in-ncb"))
    first, second = posts(gateway)
    assert first == second == sent.raw
    assert len(gateway.entries) == 1


@pytest.mark.parametrize(
    ("header", "least"),
    [
        ("7", 7),
        (format_datetime(datetime.fromtimestamp(NOW, UTC) + timedelta(seconds=9), usegmt=True), 9),
        (None, 0),
        ("soon", 0),
        ("-3", 0),
        ("9" * 40, 0),
    ],
)
def test_retry_after_is_a_floor(gateway, header, least):
    busy = problem(UnavailableError("Busy.", code=Code.BUSY), retry_after=header)
    gateway.faults = [Fault("/v1/packets", answer=busy)]
    send(gateway.client("in-ncb"))
    (slept,) = gateway.clock.slept
    assert least <= slept <= least + 0.25


def test_waits_double_up_to_a_cap(gateway):
    gateway.faults = [Fault("/v1/packets", before=httpx.ConnectError("refused")) for _ in range(12)]
    send(gateway.client("in-ncb", patience=1000.0, random=steady))
    waits = gateway.clock.slept
    assert all(later > earlier for earlier, later in itertools.pairwise(waits[:7]))
    assert max(waits) <= 30


def test_at_the_deadline_the_outcome_is_unknown_and_the_bytes_are_handed_back(gateway):
    gateway.faults = [Fault("/v1/packets", after=httpx.ReadError("cut")) for _ in range(100)]
    client = gateway.client("in-ncb", patience=20.0)
    with pytest.raises(OutcomeUnknownError) as caught:
        send(client)
    assert gateway.clock.at - NOW <= 20
    assert caught.value.posted == posts(gateway)[0]
    gateway.faults.clear()
    assert client.post(caught.value.posted).index == 0
    assert len(gateway.entries) == 1


def test_a_wait_longer_than_the_deadline_is_not_begun(gateway):
    gateway.faults = [Fault("/v1/packets", answer=problem(UnavailableError("Busy."), retry_after="3600"))]
    with pytest.raises(OutcomeUnknownError):
        send(gateway.client("in-ncb", patience=30.0))
    assert gateway.clock.slept == []


REFUSED = [
    pytest.param(PolicyError("No.", []), PolicyError, id="policy"),
    pytest.param(ConflictError(Code.ID_CONFLICT, "Used."), ConflictError, id="id used"),
    pytest.param(SignatureError(Code.KEY_UNKNOWN, "No key."), SignatureError, id="key"),
    pytest.param(MalformedError(Code.SCHEMA, "No.", pointer="/x"), MalformedError, id="schema"),
    pytest.param(CallerError(Code.AGENCY_SUSPENDED, "No."), CallerError, id="suspended"),
    pytest.param(PacketError(Code.EXPIRED, "Late."), PacketError, id="expired"),
    pytest.param(NotFoundError(), NotFoundError, id="not found"),
]


@pytest.mark.parametrize(("error", "kind"), REFUSED)
def test_a_refusal_is_an_error_of_its_class_and_is_not_repeated(gateway, error, kind):
    gateway.faults = [Fault("/v1/packets", answer=problem(error, status=422))]
    with pytest.raises(kind) as caught:
        send(gateway.client("in-ncb"))
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.pointer) == (error.code, error.pointer)
    assert len(posts(gateway)) == 1


@pytest.mark.parametrize(
    ("kind", "payload", "options", "pointer"),
    [
        pytest.param("rfi", "reply", {"in_reply_to": "abc"}, "/in_reply_to", id="answer-to-no-digest"),
        pytest.param("tip", "bengali-market", {"in_reply_to": "abc"}, "/in_reply_to", id="tip-in-reply-to-no-digest"),
        pytest.param("tip", "bengali-market", {"thread": "abc"}, "/thread", id="thread-that-is-no-uuid"),
        pytest.param("tip", "bengali-market", {"sources": ["abc"]}, "/sources/0", id="source-that-is-no-digest"),
        pytest.param("tip", "bengali-market", {"handling": {}}, "/handling/classification", id="empty-handling"),
    ],
)
def test_what_does_not_fit_the_header_is_said_of_the_header_and_never_sent(gateway, kind, payload, options, pointer):
    with pytest.raises(MalformedError) as caught:
        gateway.client("in-ncb").send(
            kind, **{"to": "us-dea", "payload": registry.samples(kind)[payload], "handling": HANDLING, **options}
        )
    assert (caught.value.code, caught.value.pointer) == (Code.SCHEMA, pointer)
    assert caught.value.message.startswith("In the header: expected ")
    assert caught.value.advice
    assert posts(gateway) == []


def test_a_policy_refusal_says_which_rules(gateway):
    gateway.denied = {"us-cbp": "2.tlp-red"}
    with pytest.raises(PolicyError) as caught:
        send(gateway.client("in-ncb"), to=["us-dea", "us-cbp"])
    (hit,) = caught.value.rules
    assert (hit.rule, hit.recipient, hit.remedy) == ("2.tlp-red", "us-cbp", "Leave it out.")


def test_a_problem_documents_text_cannot_drive_a_terminal(gateway):
    gateway.faults = [Fault("/v1/packets", answer=problem(PacketError(Code.EXPIRED, "\x1b[2Jgone\u202e")))]
    with pytest.raises(PacketError) as caught:
        send(gateway.client("in-ncb"))
    assert "\x1b" not in str(caught.value)
    assert "\u202e" not in str(caught.value)


def test_an_answer_that_is_no_gateways_is_no_refusal_of_the_packet(gateway):
    gateway.faults = [Fault("/v1/packets", answer=httpx.Response(302, headers={"location": "https://evil.test/"}))]
    with pytest.raises(Exception, match="HTTP status 302") as caught:
        send(gateway.client("in-ncb"))
    assert caught.value.code is Code.BAD_REQUEST
    assert len(gateway.seen) == 1


# local judgement


@pytest.mark.parametrize(
    ("over", "code", "pointer"),
    [
        pytest.param({"payload": {**TIP, "surprise": 1}}, Code.SCHEMA, "", id="payload with an extra member"),
        pytest.param({"payload": {**TIP, "title": None}}, Code.SCHEMA, "/title", id="null in a payload"),
        pytest.param({"payload": {**TIP, "title": 1.5}}, Code.SCHEMA, "/title", id="float in a payload"),
        pytest.param({"payload": {**TIP, "title": {1, 2}}}, Code.SCHEMA, None, id="payload that is no JSON"),
        pytest.param({"handling": {**HANDLING, "tlp": "PINK"}}, Code.SCHEMA, "/handling/tlp", id="handling"),
        pytest.param({"kind_version": 99}, Code.KIND_UNKNOWN, None, id="unknown version"),
        pytest.param({"to": ["us-dea", "us-nobody"]}, Code.RECIPIENT_UNKNOWN, "/to/1", id="unknown recipient"),
        pytest.param({"to": ["in-audit"]}, Code.RECIPIENT_UNKNOWN, "/to/0", id="an auditor as recipient"),
        pytest.param({"to": []}, Code.ENVELOPE_INVALID, "/to", id="no recipient"),
        pytest.param({"to": ["us-dea", "us-dea"]}, Code.ENVELOPE_INVALID, "/to", id="a recipient twice"),
        pytest.param({"precedence": "NOW"}, Code.SCHEMA, "/precedence", id="unknown precedence"),
        pytest.param({"id": "1"}, Code.SCHEMA, "/id", id="id that is no UUIDv7"),
    ],
)
def test_what_cannot_be_accepted_is_refused_before_it_is_sent(gateway, over, code, pointer):
    with pytest.raises(PacketError) as caught:
        send(gateway.client("in-ncb"), **over)
    assert caught.value.code is code
    if pointer is not None:
        assert caught.value.pointer == pointer
    assert gateway.seen == []


def test_a_human_source_is_not_sealed_unsanitised(gateway):
    handling = {**HANDLING, "flags": {"personal_data": True, "sanitised": False}}
    with pytest.raises(PolicyError):
        send(gateway.client("in-ncb"), payload={**TIP, "discipline": "HUMINT"}, handling=handling)
    assert gateway.seen == []


class Readers:
    """A policy that permits or denies the gateway as a reader and keeps what it was asked."""

    version = "0" * 64

    def __init__(self, decision):
        self.decision = decision
        self.asked = []

    def decide(self, question):
        self.asked.append(question)
        return self.decision if question.via == "reader" else Decision(permit=True, rules=("x",))


def test_the_gateway_is_judged_as_a_reader_before_anything_is_sealed(gateway):
    policy = Readers(Decision(permit=False, rules=()))
    with pytest.raises(PolicyError) as caught:
        send(gateway.client("in-ncb", policy=policy))
    assert [(hit.rule, hit.recipient) for hit in caught.value.rules] == [("no-permit", "in-setu")]
    assert gateway.seen == []
    assert [(each.via, each.sender.id, each.recipient.id, each.at) for each in policy.asked] == [
        ("https", "in-ncb", "us-dea", NOW),
        ("reader", "in-ncb", "in-setu", NOW),
    ]
    assert not send(gateway.client("in-ncb", policy=policy), sealed=True).header.open
    assert len(policy.asked) == 3


def test_each_recipient_is_judged_before_anything_is_sealed(gateway):
    rules = default_rules()
    ncb = gateway.client("in-ncb", policy=CedarPolicy(rules.rules, rules.schema))
    handling = {**HANDLING, "releasable_to": ["IND", "us-dea"], "tlp": "GREEN"}
    with pytest.raises(PolicyError) as caught:
        send(ncb, to=["us-dea", "us-cbp"], handling=handling, sealed=True)
    assert [(hit.rule, hit.recipient) for hit in caught.value.rules] == [("1.releasable", "us-cbp")]
    assert caught.value.rules[0].remedy == "Add us-cbp or its country to releasable_to, if you may release to it."
    assert gateway.seen == []
    assert send(ncb, to=["us-dea"], handling=handling, sealed=True).index == 0


def test_a_gateway_that_may_read_is_a_reader(gateway):
    assert send(gateway.client("in-ncb", policy=Readers(Decision(permit=True, rules=("x",))))).header.open


# the directory


def test_a_sender_looks_for_a_newer_directory_now_and_then(gateway):
    directory = SimulatedDirectory(gateway.realm.snapshot)
    client = gateway.client("in-ncb", directory=directory)
    send(client)
    send(client)
    assert directory.refreshed == 1
    gateway.clock.sleep(301)
    send(client)
    assert directory.refreshed == 2


def test_a_directory_that_cannot_be_refreshed_is_used_as_it_is(gateway):
    directory = SimulatedDirectory(gateway.realm.snapshot)
    directory.unreachable = True
    assert send(gateway.client("in-ncb", directory=directory)).index == 0


def test_a_refusal_for_a_stale_key_makes_the_next_packet_look_again(gateway):
    directory = SimulatedDirectory(gateway.realm.snapshot)
    client = gateway.client("in-ncb", directory=directory)
    gateway.faults = [Fault("/v1/packets", answer=problem(PacketError(Code.RECIPIENT_UNKNOWN, "Old key.")))]
    with pytest.raises(PacketError):
        send(client)
    send(client)
    assert directory.refreshed == 2


def test_time_and_randomness_are_injected():
    sent = [send(SimulatedGateway(clock=Clock(NOW + 5)).client("in-ncb", random=steady)).header for _ in range(2)]
    assert sent[0] == sent[1]
    assert sent[0].iat == NOW + 5


def test_an_unknown_recipient_is_answered_with_its_place_and_those_there_are(gateway):
    with pytest.raises(PacketError) as caught:
        send(gateway.client("in-ncb"), to=["us-dea", "us-deaf"])
    assert caught.value.message == (
        "Expected an active agency of this realm at position 2 of `to`, found none in directory version 1."
    )
    assert caught.value.advice == "Choose among in-ncb, us-cbp, us-dea; others have to be enrolled first."
    assert "us-deaf" not in str(caught.value)


def test_an_unknown_kind_is_said_once_and_points_nowhere(gateway):
    with pytest.raises(MalformedError) as caught:
        send(gateway.client("in-ncb"), kind_version=99)
    assert caught.value.message.startswith("Expected a kind and version of this registry (")
    assert caught.value.pointer is None
