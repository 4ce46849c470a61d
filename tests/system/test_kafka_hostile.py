"""Records that are not what they say, on a real Kafka: each is answered or reported, and the stream goes on."""

import json
from dataclasses import replace

import pytest

from broker.sdk.cursors import MemoryCursors
from broker.sdk.reading import Rejected
from broker.transport.port import Record
from broker.transport.records import FIRST, INDEX, PREVIOUS, RECEIPT
from schemas.evidence import AckEvent
from schemas.problem import Code
from tests.contract import kafka
from tests.system.kafka import sender
from tests.unit.sdk.simulator import acknowledgements

TIP, PEN = "setu.us-dea.tip", "setu.us-dea.pen"


@pytest.fixture
def engine():
    yield kafka.Kafka()
    kafka.close()


def with_header(record, name, value):
    return replace(record, headers=[(key, value if key == name else old) for key, old in record.headers])


def without_header(record, name):
    return replace(record, headers=[(key, old) for key, old in record.headers if key != name])


def garbage(engine, good, first):
    return Record(b"?", b"no packet", [("setu-index", b"-7"), ("ce_id", b"\xff")])


def empty(engine, good, first):
    return Record(b"", b"", [])


def no_receipt(engine, good, first):
    return without_header(good, RECEIPT)


def receipt_of_another(engine, good, first):
    return with_header(good, RECEIPT, dict(first.headers)[RECEIPT])


def forged_receipt(engine, good, first):
    receipt = json.loads(dict(good.headers)[RECEIPT])
    return with_header(good, RECEIPT, json.dumps({**receipt, "index": 999}).encode())


def forged_index(engine, good, first):
    return with_header(good, INDEX, b"999999")


def index_said_twice(engine, good, first):
    return replace(good, headers=[*good.headers, (INDEX, b"3")])


def bytes_changed(engine, good, first):
    return replace(good, value=good.value.replace(b"A", b"B", 1))


def replayed_from_another_topic(engine, good, first):
    digest = engine.publish("pen")
    return engine.record(digest, FIRST)


def replayed_from_another_agency(engine, good, first):
    made = engine.gateway.realm.sealed("in-ncb", ["us-cbp"], "tip")
    engine.gateway.transport("in-ncb").post("/v1/packets", content=made.raw)
    return engine.record(made.digest, FIRST)


UNANSWERABLE = {garbage, empty}
"""There is nothing in them that the gateway would know a packet by."""


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param(each, id=each.__name__.replace("_", "-"))
        for each in (
            garbage,
            empty,
            no_receipt,
            receipt_of_another,
            forged_receipt,
            forged_index,
            index_said_twice,
            bytes_changed,
            replayed_from_another_topic,
            replayed_from_another_agency,
        )
    ],
)
def test_a_bad_record_is_rejected_and_the_stream_goes_on(engine, bad):
    sent = [engine.publish("tip") for _ in range(3)]
    places = [engine.gateway.packets[digest].index for digest in sent]
    good = [engine.record(digest, before) for digest, before in zip(sent, [FIRST, *places], strict=False)]
    engine._relayed = {TIP: 3, PEN: 1}
    sender().send(TIP, [good[0], bad(engine, good[1], good[0]), good[1], good[2]])
    reported = []
    cursors = MemoryCursors()
    client = engine.gateway.client("us-dea")
    received = client.follow("tip", drain=True, report=reported.append, source=engine.source(cursors))
    assert [each.digest for each in received] == sent
    assert [type(each) for each in reported] == [Rejected]
    assert reported[0].code in (Code.RECEIPT_INVALID, Code.NOT_FOR_ME, Code.SIGNATURE_INVALID, Code.ENVELOPE_INVALID)
    answers = [each for each in acknowledgements(engine.gateway) if each.event is AckEvent.REJECTED]
    assert [each.reason for each in answers] == [reported[0].code] * len(answers)
    assert reported[0].answered == (bad not in UNANSWERABLE)
    # the place that was kept is behind all of it
    assert list(client.follow("tip", drain=True, report=reported.append, source=engine.source(cursors))) == []
    assert len(reported) == 1


def test_an_exact_repeat_is_dropped_without_a_word(engine):
    sent = [engine.publish("tip") for _ in range(3)]
    places = [engine.gateway.packets[digest].index for digest in sent]
    good = [engine.record(digest, before) for digest, before in zip(sent, [FIRST, *places], strict=False)]
    engine._relayed = {TIP: 3, PEN: 0}
    sender().send(TIP, [good[0], good[0], good[1], good[0], good[2], good[1]])
    reported = []
    client = engine.gateway.client("us-dea")
    received = client.follow("tip", drain=True, report=reported.append, source=engine.source())
    assert [each.digest for each in received] == sent
    assert reported == []


@pytest.mark.parametrize("kept", [(0, 3), (3,), (1, 3)], ids=["middle", "start", "start-and-middle"])
@pytest.mark.parametrize("said", ["previous", "nothing"])
def test_what_kafka_lost_comes_from_the_gateway_in_its_order(engine, kept, said):
    sent = [engine.publish("tip") for _ in range(4)]
    places = [engine.gateway.packets[digest].index for digest in sent]
    good = [engine.record(digest, before) for digest, before in zip(sent, [FIRST, *places], strict=False)]
    if said == "nothing":
        good = [without_header(each, PREVIOUS) for each in good]
    engine._relayed = {TIP: 4, PEN: 0}
    sender().send(TIP, [good[each] for each in kept])
    client = engine.gateway.client("us-dea")
    assert [each.digest for each in client.follow("tip", drain=True, source=engine.source())] == sent
