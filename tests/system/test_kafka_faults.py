"""Kafka killed, paused and restarted with its tail lost, while packets are accepted: none lost, none out of order."""

import os
import signal
import threading
import time

import pytest
from confluent_kafka import Consumer, TopicPartition

from broker.assembly import connect
from broker.assembly.kafka import kafka_source
from broker.sdk.cursors import MemoryCursors
from schemas import registry
from tests.system import kafka_site
from tests.system.kafka_site import READER, TIP, serving, until

pytestmark = [pytest.mark.long, pytest.mark.timeout(400)]

PAUSE = 20.0
AWAY = 4.0


@pytest.fixture(scope="module")
def site():
    return kafka_site.site()


@pytest.fixture(scope="module")
def served(site, tmp_path_factory):
    with serving(tmp_path_factory.mktemp("faults")) as deployment:
        yield deployment


class Traffic:
    """A sender that never stops, and a reader of Kafka beside it; what each saw, by ledger index."""

    def __init__(self, deployment):
        self._deployment = deployment
        self._stop = threading.Event()
        self.sent = []
        self.read = []
        self.errors = []
        self.slowest = 0.0
        self._threads = [threading.Thread(target=self._guarded, args=(each,)) for each in (self._send, self._read)]

    def __enter__(self):
        for each in self._threads:
            each.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for each in self._threads:
            each.join(60)

    def settled(self, upto):
        """The reader has everything up to there."""
        return not self.errors and upto <= len(self.read)

    def _guarded(self, work):
        try:
            work()
        except Exception as error:
            self.errors.append(error)
            raise

    def _send(self):
        sample = next(iter(registry.samples("tip").values()))
        handling = {**registry.sample_handling(), "purpose": ["investigation"]}
        with connect(self._deployment.agencies["in-ncb"]) as client:
            while not self._stop.wait(0.1):
                began = time.monotonic()
                self.sent.append(client.send("tip", to=READER, payload=sample, handling=handling).index)
                self.slowest = max(self.slowest, time.monotonic() - began)

    def _read(self):
        profile = self._deployment.agencies[READER]
        with connect(profile) as client:
            source = kafka_source(profile, client, MemoryCursors())
            for each in client.follow("tip", source=source, stop=self._stop, wait=0.5, report=lambda _: None):
                self.read.append(each.index)


@pytest.fixture
def traffic(served):
    with Traffic(served) as made:
        until(lambda: len(made.sent) >= 5 and made.settled(5), 60)
        yield made


def finish(traffic, before):
    """Some more packets after the fault, then all that was accepted is read, each once, in ledger order."""
    assert traffic.errors == []
    known = len(traffic.sent)
    assert known > before, "nothing was accepted while Kafka was away"
    until(lambda: len(traffic.sent) >= known + 5, 30)
    wanted = list(traffic.sent)
    until(lambda: wanted[-1] in traffic.read or traffic.errors, 90)
    assert traffic.errors == []
    read = traffic.read[: traffic.read.index(wanted[-1]) + 1]
    assert read == sorted(set(read)), "out of order or twice"
    assert set(wanted) <= set(read), "lost"
    assert traffic.slowest < 5.0


def segment(site):
    return site.folder / "data" / f"{TIP}-0" / f"{0:020}.log"


def test_killed_and_started_again(site, traffic):
    before = len(traffic.sent)
    site.node.kill()
    time.sleep(AWAY)
    site.node.start()
    finish(traffic, before)


def test_paused_for_twenty_seconds(site, traffic):
    before = len(traffic.sent)
    os.kill(site.node.pid, signal.SIGSTOP)
    try:
        time.sleep(PAUSE)
    finally:
        os.kill(site.node.pid, signal.SIGCONT)
    finish(traffic, before)


def test_killed_and_started_with_its_tail_lost(site, traffic):
    before = len(traffic.sent)
    until(lambda: traffic.settled(before))
    site.node.kill()
    size = segment(site).stat().st_size
    os.truncate(segment(site), size * 2 // 3)
    time.sleep(AWAY)
    site.node.start()
    finish(traffic, before)
    until(lambda: holds(site) >= set(traffic.sent[:before]), 60)


def test_a_tail_that_was_lost_while_nothing_was_sent_is_sent_again(site, served):
    sent = kafka_site.send(served, 5)
    until(lambda: holds(site) >= {each.index for each in sent}, 60)
    site.node.kill()
    os.truncate(segment(site), segment(site).stat().st_size // 2)
    site.node.start()
    until(lambda: holds(site) >= {each.index for each in sent}, 60)


def holds(site):
    """The ledger indices of what Kafka holds in the topic."""
    consumer = Consumer(site.librdkafka("admin", **{"group.id": "look", "enable.auto.commit": False}))
    _, end = consumer.get_watermark_offsets(TopicPartition(TIP, 0), timeout=10)
    consumer.assign([TopicPartition(TIP, 0, 0)])
    found, offset = set(), -1
    try:
        while offset < end - 1:
            message = consumer.poll(5.0)
            assert message is not None, "Kafka gave less than it holds"
            if message.error() is None:
                offset = message.offset()
                found.add(int(dict(message.headers())["setu-index"]))
    finally:
        consumer.close()
    return found
