"""Who reaches what on a real Kafka, with the grants that `setu topics` makes; and what is said where something is wrong."""

import time
from types import SimpleNamespace

import pytest
from confluent_kafka import Consumer, KafkaError, Producer, TopicPartition

from broker.crypto.certificates import Authority
from broker.errors import CallerError, IntegrityError, UnavailableError
from broker.flows.topics import Topics
from broker.transport.kafka_log import KafkaLog
from broker.transport.port import Grant, Record
from schemas.directory import AgencyState, Channel
from tests.builders import NOW, Realm
from tests.system.kafka import cluster, sender

DEA, DEAF = "us-dea", "us-deaf"
KINDS_OF = "setu.{}.tip"


def rows(realm, **states):
    """us-dea and us-deaf, both reading Kafka."""
    dea = realm.snapshot.agency(DEA).model_copy(update={"channels": (Channel.HTTPS, Channel.KAFKA)})
    certificate = dea.certificates[0].model_copy(
        update={"uri": "urn:setu:agency:us-deaf:g1", "sha256": "0" * 64, "not_after": NOW * 2}
    )
    deaf = dea.model_copy(update={"id": DEAF, "keys": (), "certificates": (certificate,)})
    return {
        each.id: each.model_copy(update={"state": states.get(each.id.replace("-", "_"), AgencyState.ACTIVE)})
        for each in (dea, deaf)
    }


def snapshot(**states):
    realm = Realm()
    agencies = [each for each in realm.directory.agencies if each.id != DEA]
    document = realm.directory.model_copy(update={"agencies": (*agencies, *rows(realm, **states).values())})
    return SimpleNamespace(document=document)


@pytest.fixture(scope="module")
def applied():
    """A cluster with the topics and grants of a directory in which both read Kafka."""
    made = cluster()
    topics = Topics(made.admin, now=lambda: NOW)
    found = topics.plan(snapshot())
    topics.apply(found, take=True)
    sender().send(KINDS_OF.format(DEA), [Record(b"k", b"for dea", [])])
    sender().send(KINDS_OF.format(DEAF), [Record(b"k", b"for deaf", [])])
    return made, topics, found


def consume(made, name, topic, group):
    """The first record by a plain client, or the error Kafka gives it."""
    settings = {"group.id": group, "auto.offset.reset": "earliest", "enable.auto.commit": False}
    consumer = Consumer(made.librdkafka(name, **settings))
    consumer.subscribe([topic])
    try:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            message = consumer.poll(1.0)
            if message is None:
                continue
            error = message.error()
            if error is None:
                return message
            if error.code() != KafkaError._TRANSPORT:
                return error.code()
        raise AssertionError("neither a record nor an error came")
    finally:
        consumer.close()


def test_the_plan_names_everything_once_and_is_empty_when_it_was_applied(applied):
    made, topics, first = applied
    assert {KINDS_OF.format(DEA), KINDS_OF.format(DEAF)} <= set(
        made.admin.topics([*first.create, KINDS_OF.format(DEA), KINDS_OF.format(DEAF)])
    )
    again = topics.plan(snapshot())
    assert again.none
    assert not again.odd


def test_an_agency_reads_its_own_topics(applied):
    made, *_ = applied
    assert consume(made, DEA, KINDS_OF.format(DEA), f"setu.{DEA}.adapters").value() is not None
    log = KafkaLog(made.place(DEA))
    try:
        names = log.topics()
        assert KINDS_OF.format(DEA) in names
        assert all(name.startswith("setu.us-dea.") for name in names)
    finally:
        log.close()


@pytest.mark.parametrize(
    ("who", "topic", "group", "refusal"),
    [
        pytest.param(DEA, DEAF, DEA, KafkaError.TOPIC_AUTHORIZATION_FAILED, id="dea-reads-deaf"),
        pytest.param(DEAF, DEA, DEAF, KafkaError.TOPIC_AUTHORIZATION_FAILED, id="deaf-reads-dea"),
        pytest.param(DEA, DEA, DEAF, KafkaError.GROUP_AUTHORIZATION_FAILED, id="dea-joins-a-group-of-deaf"),
        pytest.param(DEAF, DEAF, DEA, KafkaError.GROUP_AUTHORIZATION_FAILED, id="deaf-joins-a-group-of-dea"),
        pytest.param("us-cbp", DEA, "us-cbp", KafkaError.TOPIC_AUTHORIZATION_FAILED, id="somebody-without-grants"),
    ],
)
def test_what_is_another_agencys_is_refused(applied, who, topic, group, refusal):
    made, *_ = applied
    found = consume(made, who, KINDS_OF.format(topic), f"setu.{group}.adapters")
    assert found in (refusal, KafkaError.GROUP_AUTHORIZATION_FAILED if who == "us-cbp" else refusal)


@pytest.mark.parametrize("topic", [KINDS_OF.format(DEA), KINDS_OF.format(DEAF)], ids=["own", "foreign"])
def test_no_agency_may_produce(applied, topic):
    made, *_ = applied
    said = []
    producer = Producer(made.librdkafka(DEA, **{"message.timeout.ms": 10_000}))
    producer.produce(topic, b"forged", on_delivery=lambda error, _: said.append(error.code()))
    producer.flush(15)
    assert said == [KafkaError.TOPIC_AUTHORIZATION_FAILED]


def test_the_relay_writes_nothing_but_topics_of_setu(applied):
    with pytest.raises(CallerError, match="Expected leave to have Kafka take records for other"):
        sender().send("other", [Record(b"k", b"v", [])])


def test_an_agency_that_is_suspended_loses_its_grants_within_a_second_and_a_live_reader_stops(applied):
    made, topics, _ = applied
    consumer = Consumer(made.librdkafka(DEAF, **{"group.id": f"setu.{DEAF}.live", "enable.auto.commit": False}))
    consumer.assign([TopicPartition(KINDS_OF.format(DEAF), 0, 0)])
    try:
        while (message := consumer.poll(5.0)) is None or message.error() is not None:
            assert message is None or message.error().code() == KafkaError._TRANSPORT
        began = time.monotonic()
        gone = topics.cut_off(snapshot(us_deaf=AgencyState.SUSPENDED))
        assert {each.principal for each in gone} == {"agency.us-deaf.g1"}
        while (message := consumer.poll(0.1)) is None or message.error() is None:
            assert time.monotonic() < began + 10
        # its group, which it asks for beside the topic, is closed to it just the same
        closed = (KafkaError.TOPIC_AUTHORIZATION_FAILED, KafkaError.GROUP_AUTHORIZATION_FAILED)
        assert message.error().code() in closed
        assert time.monotonic() - began < 1.5
        sender().send(KINDS_OF.format(DEAF), [Record(b"k", b"after", [])])
        later = [consumer.poll(0.1) for _ in range(10)]
        assert [each.value() for each in later if each is not None and each.error() is None] == []
        assert topics.plan(snapshot(us_deaf=AgencyState.SUSPENDED)).none
    finally:
        consumer.close()
        topics.apply(topics.plan(snapshot()), take=True)


@pytest.mark.parametrize(
    "foreign",
    [
        pytest.param(Grant("agency.us-deaf.g1", "topic", "setu.us-dea.", "read"), id="another-agencys-topics"),
        pytest.param(Grant("agency.us-deaf.g1", "topic", "setu.us-dea.tip", "read", literal=True), id="one-topic"),
        pytest.param(Grant("agency.us-deaf.g1", "group", "*", "all", literal=True), id="every-group"),
        pytest.param(Grant("agency.us-deaf.g1", "cluster", "kafka-cluster", "alter", literal=True), id="the-acls"),
        pytest.param(Grant("*", "topic", "s", "read"), id="everybody"),
    ],
)
def test_a_grant_that_nobody_should_have_is_shown_and_left_until_it_is_asked_for(applied, foreign):
    made, topics, _ = applied
    made.admin.give([foreign])
    found = topics.plan(snapshot())
    assert found.take == {foreign}
    topics.apply(found, take=False)
    assert topics.plan(snapshot()).take == {foreign}
    topics.apply(found, take=True)
    assert topics.plan(snapshot()).none


def test_a_topics_settings_are_mended_and_no_topic_is_deleted(applied):
    made, topics, _ = applied
    name = KINDS_OF.format(DEA)
    made.admin.set({name: {"retention.ms": "1000000"}})
    found = topics.plan(snapshot())
    assert found.set == {name: {"retention.ms": "604800000"}}
    topics.apply(found, take=False)
    assert topics.plan(snapshot()).none
    topics.apply(topics.plan(SimpleNamespace(document=Realm().directory)), take=False)
    assert name in made.admin.topics([name])


def wrong_certificate(made):
    made.issue("us-stranger", authority=Authority.create("UTO", now=time.time()))
    return made.place("us-stranger")


def wrong_subject(made):
    made.issue("us-visitor", unit="visitor")
    return made.place("us-visitor")


def wrong_ca(made):
    path = made.folder / "other-ca.pem"
    path.write_bytes(Authority.create("UTO", now=time.time()).issued.certificate)
    return made.place(DEA, ca=path)


@pytest.mark.parametrize(
    ("place", "topic", "error", "said"),
    [
        pytest.param(
            lambda made: made.place(DEA, cluster="another"),
            DEA,
            IntegrityError,
            "Expected the Kafka cluster another at",
            id="wrong-cluster",
        ),
        pytest.param(wrong_ca, DEA, IntegrityError, "Expected a Kafka whose certificate our CA issued", id="wrong-ca"),
        pytest.param(
            wrong_certificate,
            DEA,
            IntegrityError,
            "to take our certificate, found that it does not",
            id="wrong-certificate",
        ),
        pytest.param(
            wrong_subject, DEA, IntegrityError, "to take our certificate, found that it does not", id="wrong-subject"
        ),
        pytest.param(
            lambda made: made.place(DEA),
            DEAF,
            CallerError,
            "Expected leave to have Kafka show setu.us-deaf.tip, found none",
            id="missing-acl",
        ),
        pytest.param(
            lambda made: made.place(DEA, bootstrap=("localhost:1",)),
            DEA,
            UnavailableError,
            "found no answer",
            id="nobody-there",
        ),
    ],
)
def test_what_is_wrong_at_start_is_one_sentence_with_what_to_do(applied, place, topic, error, said):
    made, *_ = applied
    log = KafkaLog(place(made))
    try:
        with pytest.raises(error, match=said) as caught:
            log.read(KINDS_OF.format(topic), 0, 0.0)
        assert caught.value.advice
        assert "\n" not in str(caught.value)
    finally:
        log.close()


def test_a_missing_topic_is_one_sentence_with_what_to_do(applied):
    made, *_ = applied
    log = KafkaLog(made.place(DEA))
    try:
        with pytest.raises(IntegrityError, match=r"there is no such topic\. Have the operator run `setu topics apply`"):
            log.read("setu.us-dea.no-such-kind", 0, 0.0)
    finally:
        log.close()
