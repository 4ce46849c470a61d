"""Many packets in batches: what is answered is settled, what is not is asked again, and nothing else is."""

import json

import httpx
import pytest

from broker.errors import ConflictError, IntegrityError, MalformedError, OutcomeUnknownError, PacketError, PolicyError
from broker.sdk.many import ManyPoster
from broker.sdk.outbox import Outbox
from broker.sdk.posting import Sent
from schemas.problem import Code
from tests.builders import uuid7
from tests.unit.sdk.answers import problem
from tests.unit.sdk.simulator import HANDLING, TIP, Fault, SimulatedGateway

SEND = {"to": ["us-dea"], "handling": HANDLING}
BATCH = "/v1/packets:batch"


@pytest.fixture
def gateway():
    return SimulatedGateway()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "outbox"


def client(gateway, folder):
    return gateway.client("in-ncb", outbox=Outbox(folder, "in-ncb"), patience=60.0)


def lines(gateway):
    """How many packets each batch had."""
    return [body.count(b"\n") for _, _, path, body in gateway.seen if path == BATCH]


def kept(folder):
    return len(list(folder.iterdir()))


def test_many_are_accepted_in_one_request_each_with_its_verified_receipt(gateway, folder):
    found = client(gateway, folder).send_many("tip", payloads=[TIP] * 5, **SEND)
    assert [each.index for each in found] == [0, 1, 2, 3, 4]
    assert {each.digest for each in found} == set(gateway.packets)
    assert (lines(gateway), kept(folder)) == ([5], 0)


def test_none_is_none(gateway, folder):
    assert client(gateway, folder).send_many("tip", payloads=[], **SEND) == []
    assert gateway.seen == []


def test_an_id_is_one_packets(gateway, folder):
    with pytest.raises(ValueError, match="no id"):
        client(gateway, folder).send_many("tip", payloads=[TIP], id=uuid7(1), **SEND)


def test_a_payload_that_is_wrong_is_seen_before_anything_is_posted(gateway, folder):
    with pytest.raises(MalformedError):
        client(gateway, folder).send_many("tip", payloads=[TIP, {"title": 1}], **SEND)
    assert gateway.seen == []


@pytest.mark.parametrize("answered", [0, 1, 4, 5])
def test_only_what_has_no_answer_is_posted_again_after_a_cut_one(gateway, folder, answered):
    gateway.answered = answered
    found = client(gateway, folder).send_many("tip", payloads=[TIP] * 5, **SEND)
    assert [type(each) for each in found] == [Sent] * 5
    # With all five answered the last line alone is missing: nothing is unknown then.
    assert lines(gateway) == ([5, 5 - answered] if answered < 5 else [5])
    assert (len(gateway.packets), kept(folder)) == (5, 0)


LOST = [
    pytest.param(Fault(BATCH, before=httpx.ConnectError("refused")), id="no-connection"),
    pytest.param(Fault(BATCH, after=httpx.ReadError("reset")), id="answer-lost"),
    pytest.param(Fault(BATCH, answer=httpx.Response(503, headers={"retry-after": "2"})), id="503"),
    pytest.param(Fault(BATCH, answer=httpx.Response(200, content=b"{}\n")), id="an-answer-that-is-none"),
    pytest.param(Fault(BATCH, answer=httpx.Response(200, content=b"no json\n")), id="no-json"),
    pytest.param(Fault(BATCH, answer=httpx.Response(200, content=b"")), id="nothing"),
    pytest.param(Fault(BATCH, answer=httpx.Response(200, content=b'{"done":5')), id="half-a-last-line"),
]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_asked_for_again_with_the_same_bytes(gateway, folder, fault):
    gateway.faults = [fault]
    found = client(gateway, folder).send_many("tip", payloads=[TIP] * 5, **SEND)
    assert [type(each) for each in found] == [Sent] * 5
    first, second = (body for _, _, path, body in gateway.seen if path == BATCH)
    assert first == second
    assert (len(gateway.packets), kept(folder)) == (5, 0)


def test_each_packet_has_its_own_outcome(gateway, folder):
    setu = client(gateway, folder)
    first = setu.send("tip", payload=TIP, **SEND)
    gateway.denied["us-cbp"] = "tip-to-border"
    made = [
        setu.seal("tip", payload=TIP, **SEND).raw,
        first.raw,
        setu.seal("tip", payload=TIP, id=first.id, **SEND).raw,
        setu.seal("tip", payload=TIP, **{**SEND, "to": ["us-cbp"]}).raw,
        b"no packet",
        setu.seal("tip", payload=TIP, **SEND).raw,
    ]
    found = setu.post_many(made)
    assert [type(each) for each in found] == [Sent, Sent, ConflictError, PolicyError, MalformedError, Sent]
    assert found[1].receipt == first.receipt
    assert found[3].rules[0].rule == "tip-to-border"
    assert (lines(gateway), kept(folder)) == ([5], 0)


def test_what_has_no_answer_in_time_is_unknown_and_stays_in_the_outbox(gateway, folder):
    gateway.faults = [Fault(BATCH, before=httpx.ConnectError("refused")) for _ in range(100)]
    setu = client(gateway, folder)
    found = setu.send_many("tip", payloads=[TIP] * 3, **SEND)
    assert [type(each) for each in found] == [OutcomeUnknownError] * 3
    assert kept(folder) == 3
    gateway.faults.clear()
    assert [each.raw for each in setu.resend()] == [each.posted for each in found]
    assert kept(folder) == 0


def test_a_receipt_that_proves_nothing_settles_nothing(gateway, folder):
    made = [client(gateway, folder).seal("tip", payload=TIP, **SEND).raw for _ in range(2)]
    one = client(gateway, folder).post(made[0])
    forged = b"".join(b'{"receipt":%b,"status":201}\n' % one.receipt.canonical() for _ in made)
    gateway.faults = [Fault(BATCH, answer=httpx.Response(200, content=forged + b'{"done":2}\n'))]
    first, second = client(gateway, folder).post_many(made)
    assert isinstance(first, Sent)
    assert isinstance(second, PacketError | IntegrityError)
    assert second.code is Code.RECEIPT_INVALID
    assert kept(folder) == 1


@pytest.mark.parametrize("limit", [1, 2, 3])
def test_a_gateway_that_takes_fewer_lines_is_given_fewer(gateway, folder, limit):
    gateway.batch_limit = limit
    found = client(gateway, folder).send_many("tip", payloads=[TIP] * 5, **SEND)
    assert [type(each) for each in found] == [Sent] * 5
    assert max(lines(gateway)[1:]) <= limit


def test_a_gateway_that_refuses_so_large_a_body_is_given_less(gateway, folder):
    refusal = problem(PacketError(Code.TOO_LARGE, "Expected less, found more."))
    gateway.faults = [Fault(BATCH, answer=refusal)]
    found = client(gateway, folder).send_many("tip", payloads=[TIP] * 4, **SEND)
    assert [type(each) for each in found] == [Sent] * 4
    assert lines(gateway) == [4, 2, 2]


def test_a_refusal_of_the_whole_is_each_ones_and_they_stay_in_the_outbox(gateway, folder):
    gateway.faults = [Fault(BATCH, answer=problem(PacketError(Code.AGENCY_SUSPENDED, "Expected another standing.")))]
    found = client(gateway, folder).send_many("tip", payloads=[TIP] * 2, **SEND)
    assert [each.code for each in found] == [Code.AGENCY_SUSPENDED] * 2
    assert kept(folder) == 2


def test_batches_are_bounded_in_lines_and_in_bytes(gateway):
    setu = gateway.client("in-ncb")
    made = [setu.seal("tip", payload=TIP, **SEND).raw for _ in range(5)]
    by_lines = ManyPoster(setu._http, setu._persistence, setu._verifier, outbox=None, now=gateway.clock, lines=2)
    by_size = ManyPoster(
        setu._http, setu._persistence, setu._verifier, outbox=None, now=gateway.clock, size=3 * len(made[0]) + 10
    )
    for poster in (by_lines, by_size):
        assert [type(each) for each in poster.post(made)] == [Sent] * 5
    assert lines(gateway) == [2, 2, 1, 3, 2]


def test_a_packet_of_several_lines_is_one_line_of_a_batch(gateway, folder):
    """Else its rest would be answered as if it were the packet behind it."""
    setu = client(gateway, folder)
    made = [setu.seal("tip", payload=TIP, **SEND) for _ in range(3)]
    raws = [json.dumps(json.loads(made[0].raw), indent=2).encode() + b"\n", made[1].raw + b"\n", made[2].raw]
    found = setu.post_many(raws)
    assert [each.digest for each in found] == [each.digest for each in made]
    assert (lines(gateway), kept(folder)) == ([3], 0)
