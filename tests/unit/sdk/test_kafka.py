"""Reading from a Kafka that lost records, lies about them, or has fewer than the gateway: a list stands for a topic."""

from dataclasses import replace

import pytest

from broker.sdk import kafka
from broker.sdk.cursors import MemoryCursors, Position
from broker.sdk.kafka import KafkaSource
from broker.transport.port import Kept
from broker.transport.records import FIRST, PREVIOUS, record
from schemas.evidence import Receipt
from tests.unit.sdk.simulator import SimulatedGateway

TIP = "setu.us-dea.tip"
PAGE = 8


class Log:
    """A `RecordLog` of one topic."""

    def __init__(self):
        self.kept = []

    def put(self, made):
        self.kept.append(Kept(made.key, made.value, made.headers, len(self.kept)))

    def topics(self):
        return [TIP]

    def read(self, topic, offset, wait):
        return self.kept[offset:]

    def mark(self, topic, offset):
        return

    def close(self):
        return


class Site:
    def __init__(self):
        self.gateway = SimulatedGateway()
        self.gateway.page_limit = PAGE
        self.client = self.gateway.client("us-dea")
        self.log = Log()
        self.cursors = MemoryCursors()
        self.source = self.anew()
        self.made = []

    def anew(self):
        return KafkaSource("us-dea", self.log, self.cursors, self.client.check_receipt, self.client.source)

    def accept(self, count):
        """Packets, and the record that an honest relay would make of each."""
        for _ in range(count):
            made = self.gateway.realm.sealed("in-ncb", ["us-dea"])
            self.gateway.transport("in-ncb").post("/v1/packets", content=made.raw)
            stored = self.gateway.packets[made.digest]
            previous = self.made[-1][0] if self.made else FIRST
            receipt = Receipt.from_object(self.gateway.receipt(stored.index))
            self.made.append((stored.index, record(stored.header, made.digest, stored.raw, receipt, previous=previous)))

    def put(self, *places, previous=None):
        for place in places:
            made = self.made[place][1]
            if previous is not None:
                said = str(previous).encode()
                made = replace(made, headers=[(key, said if key == PREVIOUS else old) for key, old in made.headers])
            self.log.put(made)

    def read(self, source=None):
        """Which of the packets come, each committed."""
        source, order = source or self.source, {index: place for place, (index, _) in enumerate(self.made)}
        items = source.read(TIP, 0.0)
        for each in items:
            source.commit(TIP, Position(token=each.token, index=each.index, digest=each.digest))
        return [order[each.index] for each in items]


@pytest.fixture
def site():
    return Site()


def test_a_gap_longer_than_is_held_comes_in_pieces_and_in_order(site):
    site.accept(3 * kafka.MOST)
    site.put(3 * kafka.MOST - 1)
    found = []
    while some := site.read():
        assert len(some) <= kafka.MOST
        # What is fetched of the gateway is what is handed on, and at most a page more.
        assert len(site.gateway.cursors) <= -(-(len(found) + len(some)) // PAGE) + 1
        found += some
    assert found == list(range(3 * kafka.MOST))


def test_a_new_source_goes_on_in_the_middle_of_a_gap(site):
    site.accept(2 * kafka.MOST)
    site.put(2 * kafka.MOST - 1)
    first = site.read()
    source = site.anew()
    rest = []
    while some := site.read(source):
        rest += some
    assert first + rest == list(range(2 * kafka.MOST))


@pytest.mark.parametrize("said", [pytest.param(FIRST, id="the first"), pytest.param(0, id="an index before")])
def test_who_says_that_another_place_came_before_is_not_believed(site, said):
    site.accept(4)
    site.put(0, 1)
    assert site.read() == [0, 1]
    site.put(3, previous=said)
    assert site.read() == [2, 3]


def test_what_was_hidden_by_saying_that_nothing_is_missing_comes_late_and_once(site):
    site.accept(5)
    site.put(0, 1)
    site.read()
    site.put(4, previous=site.made[1][0])
    assert site.read() == [4]
    site.put(2, 3, 4, 2)
    assert site.read() == [2, 3]
    assert site.cursors.read(TIP).index == site.made[4][0]
    assert site.read(site.anew()) == []


def test_what_an_earlier_run_finished_is_a_repeat(site):
    site.accept(3)
    site.put(0, 1, 2)
    site.read()
    site.put(0, 1, 2)
    assert site.read(site.anew()) == []


def test_a_bad_record_is_handed_on_once_also_behind_a_gap(site):
    site.accept(kafka.MOST)
    site.put(kafka.MOST - 2)
    bad = site.made[kafka.MOST - 1][1]
    site.log.put(replace(bad, headers=[]))
    seen = [each.index for each in site.source.read(TIP, 0.0)]
    seen += [each.index for each in site.source.read(TIP, 0.0)]
    assert len(seen) == kafka.MOST
