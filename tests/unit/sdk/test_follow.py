import itertools
import json
import threading

import httpx
import pytest

from broker.errors import CallerError, MalformedError, NotFoundError, OutcomeUnknownError, PacketError, UnavailableError
from broker.sdk.cursors import FileCursors, MemoryCursors
from broker.sdk.reading import Waiting
from schemas import registry
from schemas.canonical import unb64u
from schemas.payloads.tip import TipV1
from schemas.problem import Code
from tests.builders import NOW
from tests.unit.sdk.answers import problem
from tests.unit.sdk.simulator import HANDLING, TIP, Fault, SimulatedGateway, acknowledgements, follow, send

TOPIC = "/v1/topics/setu.us-dea.tip"


@pytest.fixture
def gateway():
    return SimulatedGateway()


@pytest.fixture(params=[False, True], ids=["poll", "stream"])
def stream(request):
    return request.param


def test_packets_come_verified_opened_and_in_order(gateway, stream):
    sent = send(gateway, 3)
    got = follow(gateway.client("us-dea"), stream=stream)
    assert [each.digest for each in got] == [each.digest for each in sent]
    assert [each.index for each in got] == [0, 1, 2]
    first = got[0]
    assert isinstance(first.payload, TipV1)
    assert first.as_object() == TIP
    assert first.header.from_ == "in-ncb"
    assert first.raw
    assert first.topic == "setu.us-dea.tip"
    assert not first.disputed


def test_pages_are_followed_by_their_cursors(gateway):
    sent = send(gateway, 5)
    gateway.page_limit = 2
    assert [each.digest for each in follow(gateway.client("us-dea"))] == [each.digest for each in sent]


def test_sealed_packets_are_judged_by_the_recipient(gateway):
    send(gateway, sealed=True)
    (got,) = follow(gateway.client("us-dea"))
    assert got.as_object() == TIP


@pytest.mark.parametrize("event", ["received", "opened"])
def test_an_acknowledgement_is_answered_with_its_receipt(gateway, event):
    send(gateway)
    (packet,) = follow(gateway.client("us-dea"))
    receipt = packet.acknowledge(event)
    assert receipt.index == 1
    (said,) = acknowledgements(gateway)
    assert (said.event, said.by, said.packet.digest, said.packet.index) == (event, "us-dea", packet.digest, 0)
    assert packet.acknowledge(event) == receipt


def test_a_program_may_reject_with_a_reason(gateway):
    send(gateway)
    (packet,) = follow(gateway.client("us-dea"))
    packet.acknowledge("rejected", "schema")
    assert acknowledgements(gateway)[0].reason is Code.SCHEMA


@pytest.mark.parametrize("said", [("rejected",), ("opened", "schema"), ("read",), ("rejected", "because")])
def test_a_statement_that_is_none_is_not_posted(gateway, said):
    send(gateway)
    (packet,) = follow(gateway.client("us-dea"))
    with pytest.raises((PacketError, ValueError)):
        packet.acknowledge(*said)
    assert acknowledgements(gateway) == []


def test_a_lost_answer_to_an_acknowledgement_is_asked_for_again(gateway):
    send(gateway)
    (packet,) = follow(gateway.client("us-dea"))
    gateway.faults = [Fault("/v1/ack", after=httpx.ReadError("cut")), Fault("/v1/ack", answer=httpx.Response(503))]
    packet.acknowledge("opened")
    assert len(gateway.acknowledged) == 1


def test_an_acknowledgement_without_answer_says_that_its_outcome_is_unknown(gateway):
    send(gateway)
    (packet,) = follow(gateway.client("us-dea", patience=5.0))
    gateway.faults = [Fault("/v1/ack", after=httpx.ReadError("cut")) for _ in range(99)]
    with pytest.raises(OutcomeUnknownError):
        packet.acknowledge("opened")


@pytest.mark.parametrize("over", [{"event": "received"}, {"actor": "us-cbp"}, {"type": "rejected_by_recipient"}])
def test_a_receipt_of_another_statement_is_none(gateway, over):
    send(gateway)
    (packet,) = follow(gateway.client("us-dea"))

    def mangle(receipt):
        return gateway.receipt(gateway.commit({**json.loads(unb64u(receipt["entry"])), **over}))

    gateway.mangle["/v1/acknowledgements"] = mangle
    with pytest.raises(PacketError) as caught:
        packet.acknowledge("opened")
    assert caught.value.code is Code.RECEIPT_INVALID


def test_a_reader_with_patience_says_how_long_and_gives_up(gateway):
    send(gateway)
    said = []
    gateway.faults = [Fault("/v1/topics", answer=httpx.Response(503)) for _ in range(99)]
    with pytest.raises(UnavailableError):
        list(gateway.client("us-dea").follow("tip", drain=True, patience=30.0, report=said.append))
    left = [each.left for each in said]
    assert left == sorted(left, reverse=True)
    assert 0 < left[-1] < left[0] <= 30


def test_a_misspelt_kind_is_no_topic_in_which_nothing_ever_comes(gateway):
    with pytest.raises(MalformedError) as caught:
        gateway.client("us-dea").follow("tip", "tips")
    assert caught.value.code is Code.KIND_UNKNOWN
    assert caught.value.message == f"Expected kinds among {', '.join(registry.kinds())}, found another."


# place


def test_a_new_run_goes_on_behind_what_was_done(gateway, stream, tmp_path):
    sent = send(gateway, 4)
    client = gateway.client("us-dea", cursors=FileCursors(tmp_path / "cursors"))
    first = [each.index for each in itertools.islice(client.follow("tip", stream=stream), 3)]
    assert first == [0, 1, 2]
    again = gateway.client("us-dea", cursors=FileCursors(tmp_path / "cursors"))
    # The third was handed out, but nothing said that it was done.
    assert [each.digest for each in follow(again, stream=stream)] == [each.digest for each in sent[2:]]
    assert follow(again, stream=stream) == []


@pytest.mark.parametrize(("event", "left"), [("opened", [1]), ("rejected", [1]), ("received", [0, 1])])
def test_the_last_word_on_a_packet_makes_it_done(gateway, event, left):
    send(gateway, 2)
    cursors = MemoryCursors()
    client = gateway.client("us-dea", cursors=cursors)
    for packet in client.follow("tip"):
        packet.acknowledge(event, "schema" if event == "rejected" else None)
        break
    assert [each.index for each in follow(client)] == left


def test_a_new_run_asks_for_what_is_behind_its_place_and_no_more(gateway):
    send(gateway, 4)
    gateway.page_limit = 2
    client = gateway.client("us-dea", cursors=MemoryCursors())
    follow(client)
    gateway.cursors.clear()
    follow(client)
    assert gateway.cursors == ["k1-3"]


def test_a_stream_is_resumed_at_its_last_event(gateway):
    send(gateway, 3)
    source = gateway.client("us-dea").source(stream=True)
    assert [each.index for _ in range(2) for each in source.read("setu.us-dea.tip", 0)] == [0, 1]
    gateway.cuts = 1
    with pytest.raises(UnavailableError):
        source.read("setu.us-dea.tip", 0)
    assert [each.index for each in source.read("setu.us-dea.tip", 0)] == [2]
    assert gateway.cursors == [None, "k1-1"]


def test_one_place_serves_poll_and_stream(gateway):
    send(gateway, 2)
    client = gateway.client("us-dea", cursors=MemoryCursors())
    assert len(follow(client)) == 2
    send(gateway, 1)
    assert [each.index for each in follow(client, stream=True)] == [2]
    send(gateway, 1)
    assert [each.index for each in follow(client)] == [3]


def test_a_gateway_that_lost_its_cursor_key_loses_no_place(gateway, stream):
    send(gateway, 3)
    client = gateway.client("us-dea", cursors=MemoryCursors())
    follow(client, stream=stream)
    gateway.epoch = "k2"
    send(gateway, 2)
    assert [each.index for each in follow(client, stream=stream)] == [3, 4]


def test_a_gateway_that_loses_its_cursor_key_while_it_is_read(gateway):
    send(gateway, 4)
    gateway.page_limit = 2
    seen = []
    for packet in gateway.client("us-dea").follow("tip", drain=True):
        seen.append(packet.index)
        gateway.epoch = "k2"
    assert seen == [0, 1, 2, 3]


# what a network does


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault(before=httpx.ConnectError("refused")), id="not connected"),
        pytest.param(Fault(after=httpx.ReadError("cut")), id="answer lost"),
        pytest.param(Fault(answer=httpx.Response(503)), id="503"),
        pytest.param(Fault(answer=problem(CallerError(Code.RATE_LIMITED, "Slow."), status=429)), id="429"),
        pytest.param(Fault(answer=httpx.Response(200, text='{"items":')), id="cut JSON"),
        pytest.param(Fault(mangle=lambda page: {**page, "items": [1]}), id="an item that is none"),
        pytest.param(Fault(mangle=lambda page: {**page, "items": [{"index": -1}]}), id="an index that is none"),
        pytest.param(Fault(mangle=lambda page: {"items": page["items"]}), id="no cursor"),
    ],
)
def test_a_failed_read_is_reported_and_repeated(gateway, fault):
    send(gateway, 2)
    gateway.faults = [Fault(TOPIC, fault.before, fault.after, fault.answer, fault.mangle)]
    events = []
    assert [each.index for each in follow(gateway.client("us-dea"), report=events.append)] == [0, 1]
    (event,) = events
    assert isinstance(event, Waiting)
    assert event.topic == "setu.us-dea.tip"


def test_an_outage_is_waited_out_for_as_long_as_it_takes(gateway):
    send(gateway)
    gateway.faults = [Fault(TOPIC, before=httpx.ConnectError("refused")) for _ in range(500)]
    assert len(follow(gateway.client("us-dea"), report=lambda _: None)) == 1
    assert gateway.clock.at - NOW > 3600


def test_a_stream_that_ends_is_opened_again_behind_the_last_event(gateway):
    send(gateway, 2)
    gateway.stream_rounds = 1
    packets = gateway.client("us-dea").follow("tip", stream=True, report=lambda _: None)
    assert [next(packets).index, next(packets).index] == [0, 1]
    send(gateway)
    assert next(packets).index == 2
    assert sum(path.endswith("/stream") for _, _, path, _ in gateway.seen) == 2


def test_a_suspended_agency_is_told(gateway):
    gateway.faults = [Fault(TOPIC, answer=problem(CallerError(Code.AGENCY_SUSPENDED, "Suspended."), status=403))]
    with pytest.raises(CallerError):
        follow(gateway.client("us-dea"))


def test_a_topic_of_somebody_else_is_not_there(gateway):
    gateway.faults = [Fault(TOPIC, answer=problem(NotFoundError(), status=404))]
    with pytest.raises(NotFoundError):
        follow(gateway.client("us-dea"))


def test_a_set_stop_ends_it(gateway):
    send(gateway, 2)
    stop = threading.Event()
    seen = []
    for packet in gateway.client("us-dea").follow("tip", stop=stop):
        seen.append(packet.index)
        stop.set()
    assert seen == [0]


# several topics


def test_all_kinds_come_each_in_order(gateway):
    send(gateway, 3)
    ncb = gateway.client("in-ncb")
    other = next(kind for kind in ("pen", "payment-trail") if _sample(kind))
    for _ in range(3):
        ncb.send(other, to="us-dea", payload=_sample(other), handling=HANDLING)
    got = follow(gateway.client("us-dea"), "tip", other)
    for kind in ("tip", other):
        assert len(indices := [each.index for each in got if each.header.kind == kind]) == 3
        assert indices == sorted(indices)
    assert len(list(gateway.client("us-dea").follow(drain=True))) == 6


def _sample(kind):
    return next(iter(registry.samples(kind).values()))
