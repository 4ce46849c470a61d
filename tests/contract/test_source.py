"""The contract of `broker.sdk.source.Source`: order, at least once, no gap, resume. Every engine passes all of it."""

import itertools
import threading
from collections import defaultdict
from contextlib import suppress

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from broker.errors import UnavailableError
from broker.sdk.cursors import Position
from tests.contract.engines import ENGINES, KINDS, SERIES

TIP = "setu.us-dea.tip"


@pytest.fixture(params=ENGINES, ids=lambda engine: engine.__name__)
def engine(request):
    return request.param()


def read_all(source, topic=TIP, *, patience=20):
    """Everything at hand; a failed read is repeated."""
    found = []
    while True:
        try:
            items = source.read(topic, 0.0)
        except UnavailableError:
            patience -= 1
            assert patience, "never answered"
            continue
        if not items:
            return found
        found.extend(items)


def position(item):
    return Position(token=item.token, index=item.index, digest=item.digest)


def digests(items):
    return [each.digest for each in items]


def test_topics_are_those_of_the_agency(engine):
    assert {TIP, "setu.us-dea.pen"} <= set(engine.source().topics())


def test_items_come_in_ledger_order_with_all_that_belongs_to_them(engine):
    sent = [engine.publish("tip") for _ in range(7)]
    items = read_all(engine.source())
    assert digests(items) == sent
    assert all(earlier.index < later.index for earlier, later in itertools.pairwise(items))
    for item in items:
        assert item.topic == TIP
        assert item.raw is not None
        assert item.receipt["index"] == item.index
        assert item.gone is None


def test_nothing_at_hand_is_an_empty_answer_and_no_end(engine):
    source = engine.source()
    assert list(source.read(TIP, 0.0)) == []
    sent = engine.publish("tip")
    assert digests(read_all(source)) == [sent]


def test_one_source_gives_nothing_twice(engine):
    source = engine.source()
    first = [engine.publish("tip") for _ in range(4)]
    assert digests(read_all(source)) == first
    second = [engine.publish("tip") for _ in range(4)]
    assert digests(read_all(source)) == second


def test_what_was_not_committed_comes_again(engine):
    sent = [engine.publish("tip") for _ in range(5)]
    read_all(engine.source())
    assert digests(read_all(engine.source())) == sent


@pytest.mark.parametrize("done", range(1, 8))
def test_a_new_source_goes_on_behind_what_was_committed(engine, done):
    sent = [engine.publish("tip") for _ in range(7)]
    source = engine.source()
    items = read_all(source)
    source.commit(TIP, position(items[done - 1]))
    assert digests(read_all(engine.source())) == sent[done:]


def test_topics_are_apart(engine):
    tips, pens = ([engine.publish(kind) for _ in range(3)] for kind in KINDS)
    source = engine.source()
    items = read_all(source)
    source.commit(TIP, position(items[-1]))
    again = engine.source()
    assert read_all(again) == []
    assert digests(read_all(again, "setu.us-dea.pen")) == pens
    assert digests(items) == tips


def test_a_failure_between_two_reads_passes_nothing_over(engine):
    sent = [engine.publish("tip") for _ in range(6)]
    source = engine.source()
    found = list(source.read(TIP, 0.0))
    engine.fail(5)
    with pytest.raises(UnavailableError):
        source.read(TIP, 0.0)
    found += read_all(source)
    assert list(dict.fromkeys(digests(found))) == sent


def test_a_withdrawn_packet_keeps_its_place(engine):
    sent = [engine.publish("tip") for _ in range(5)]
    engine.withdraw(sent[2])
    items = read_all(engine.source())
    assert digests(items) == sent
    assert [each.gone for each in items] == [None, None, "purged", None, None]
    assert items[2].raw is None
    assert items[2].receipt is None


def test_a_tombstone_may_be_committed(engine):
    sent = [engine.publish("tip") for _ in range(5)]
    engine.withdraw(sent[2])
    source = engine.source()
    source.commit(TIP, position(read_all(source)[2]))
    assert digests(read_all(engine.source())) == sent[3:]


def test_threads_may_read_a_topic_each(engine):
    sent = {kind: [engine.publish(kind) for _ in range(6)] for kind in KINDS}
    source = engine.source()
    found = {}
    threads = [
        threading.Thread(target=lambda kind=kind: found.update({kind: read_all(source, f"setu.us-dea.{kind}")}))
        for kind in KINDS
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {kind: digests(items) for kind, items in found.items()} == sent


def test_a_closed_source_leaves_its_places(engine):
    sent = [engine.publish("tip") for _ in range(4)]
    source = engine.source()
    source.commit(TIP, position(read_all(source)[1]))
    source.close()
    assert digests(read_all(engine.source())) == sent[2:]


class SourceMachine(RuleBasedStateMachine):
    """Any series of publishing, reading, failing, committing and restarting, held against lists."""

    engine_of = None

    def __init__(self):
        super().__init__()
        self.engine = type(self).engine_of()
        self.sent = defaultdict(list)
        self.read = defaultdict(list)
        self.done = defaultdict(int)
        self.source = self.engine.source()

    @rule(kind=st.sampled_from(KINDS), count=st.integers(1, 5))
    def publish(self, kind, count):
        self.sent[kind] += [self.engine.publish(kind) for _ in range(count)]

    @rule(kind=st.sampled_from(KINDS))
    def look(self, kind):
        with suppress(UnavailableError):
            self.read[kind] += self.source.read(f"setu.us-dea.{kind}", 0.0)

    @rule(times=st.integers(0, 3))
    def fail(self, times):
        self.engine.fail(times)

    @rule(kind=st.sampled_from(KINDS), back=st.integers(0, 3))
    def commit(self, kind, back):
        if len(self.read[kind]) > back:
            item = self.read[kind][-1 - back]
            place = self.sent[kind].index(item.digest) + 1
            if place > self.done[kind]:
                self.source.commit(f"setu.us-dea.{kind}", position(item))
                self.done[kind] = place

    @rule()
    def restart(self):
        self.source.close()
        self.source = self.engine.source()
        self.read.clear()

    @invariant()
    def in_order_without_gap_from_the_committed_place(self):
        for kind, items in self.read.items():
            found = digests(items)
            assert found == [digest for digest in self.sent[kind] if digest in set(found)]
            start = self.sent[kind].index(found[0]) if found else 0
            assert found == self.sent[kind][start : start + len(found)]
            assert start <= self.done[kind]

    def teardown(self):
        self.engine.fail(0)
        self.source.close()
        self.source = self.engine.source()
        for kind in KINDS:
            assert digests(read_all(self.source, f"setu.us-dea.{kind}")) == self.sent[kind][self.done[kind] :]


@pytest.mark.parametrize("engine_of", SERIES, ids=lambda engine: engine.__name__)
def test_any_series_of_steps(engine_of):
    machine = type("Machine", (SourceMachine,), {"engine_of": staticmethod(engine_of)})
    case = machine.TestCase
    case.settings = settings(max_examples=15, stateful_step_count=20)
    case().runTest()
