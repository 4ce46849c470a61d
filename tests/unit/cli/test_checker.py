"""The checker of drills: a good history is content, and each doctored one is found by the name of what was done to it."""

import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.cli.drills import checker as names
from broker.cli.drills.checker import VIOLATIONS
from broker.cli.drills.heads import Heads
from broker.cli.drills.history import Head, History, Joined, Posted, Received, Sealed, line, parse, read
from broker.merkle.tree import Edge, leaf_hash
from tests.unit.cli.told import ALL, World

# Each takes a good world and does one thing to it; heads are recomputed where only the tree would tell otherwise.


def in_both(world):
    """A packet of the middle that goes to both agencies, and is neither the first nor the last of its topics."""
    for sealed in world.sealed()[2:-3]:
        later = [each for each in world.sealed() if each.digest > sealed.digest and each.kind == sealed.kind]
        if sealed.to == ALL and any(
            isinstance(each, Received) and each.digest == sealed.digest for each in world.events
        ):
            reached = {
                each.by
                for each in world.events
                if isinstance(each, Received) and each.digest in {x.digest for x in later}
            }
            if reached == set(ALL):
                return sealed
    raise AssertionError("none")


def last_of_topic(world):
    return [each for each in world.events if isinstance(each, Received) and each.via == "https"][-1]


def reheaded(world):
    """The same story with the heads of the log as it is now."""
    heads = {size: world.head(size)[1] for size in range(1, len(world.entries) + 1)}
    world.events = [
        replace(each, root=heads[each.size]) if getattr(each, "size", None) in heads else each for each in world.events
    ]


def skipped(world):
    world.without(Received, by="us-cbp", digest=in_both(world).digest)


def lost(world):
    last = last_of_topic(world)
    world.without(Received, by=last.by, via="https", digest=last.digest)


def never_acknowledged(world):
    world.entries = [
        {"type": "ledger_read", "actor": "us-audit"}
        if each["type"] == "acknowledged"
        and each["packet"]["digest"] == in_both(world).digest
        and each["actor"] == "us-dea"
        else each
        for each in world.entries
    ]
    reheaded(world)


def accepted_twice(world):
    index = world.accepted()[3]
    world.entries.append(world.entries[index])


def id_for_two_packets(world):
    first, second = world.accepted()[2:4]
    world.entries[second] = json.loads(json.dumps(world.entries[second]))
    world.entries[second]["packet"]["id"] = world.entries[first]["packet"]["id"]
    reheaded(world)


def delivered_twice(world):
    world.entries.append(next(each for each in world.entries if each["type"] == "delivered"))


def out_of_order(world):
    places = [
        place
        for place, each in enumerate(world.events)
        if isinstance(each, Received) and each.by == "us-cbp" and each.topic.endswith("tip")
    ]
    one = places[0]
    other = next(place for place in places if world.events[place].digest != world.events[one].digest)
    for place in [each for each in places if world.events[each].digest == world.events[one].digest][1:]:
        world.events[place] = Joined("us-cbp", "kafka", answers=True)  # a repeat in between would hide nothing
    world.events[one], world.events[other] = world.events[other], world.events[one]


def behind_what_came_later(world):
    """Answered before the other was begun, and yet behind it in the log."""
    early, late = world.accepted()[1], world.accepted()[4]
    began = 1000.0
    world.events = [
        replace(each, began=began, ended=began + 1)
        if isinstance(each, Posted) and each.digest == world.digest(early)
        else each
        for each in world.events
    ]
    assert late > early


def to_another_agency(world):
    sealed = next(each for each in world.sealed() if each.to == ALL[:1])
    topic = f"setu.us-cbp.{sealed.kind}"
    world.events.append(Received("us-cbp", "kafka", topic, sealed.digest, 0, world.tick()))


def in_another_topic(world):
    place, each = world.first(Received, by="us-dea")
    kind = "pen" if each.topic.endswith("tip") else "tip"
    world.events[place] = replace(each, topic=f"setu.us-dea.{kind}")


def in_anothers_topic(world):
    world.change(Received, {"topic": "setu.us-deaf.tip"}, by="us-dea")


def entry_names_others(world):
    index = world.accepted()[2]
    world.entries[index] = json.loads(json.dumps(world.entries[index]))
    world.entries[index]["packet"]["to"] = ["us-fincen"]
    reheaded(world)


def nobody_sealed_it(world):
    world.events.append(Received("us-dea", "kafka", "setu.us-dea.tip", "f" * 64, 10_000, world.tick()))


def entry_of_nobodys(world):
    ghost = {"from": "in-ncb", "id": "id-ghost", "digest": "e" * 64, "kind": "tip", "to": []}
    world.entries.append({"type": "accepted", "actor": "in-ncb", "packet": ghost})


def refused_and_read(world):
    _, refused = world.first(Posted, outcome="refused")
    sealed = world.first(Sealed, digest=refused.digest)[1]
    topic = f"setu.{sealed.to[0]}.{sealed.kind}"
    world.events.append(Received(sealed.to[0], "kafka", topic, sealed.digest, 10_000, world.tick()))


def receipt_without_entry(world):
    sealed = Sealed("in-ncb", "d" * 64, "id-d", "tip", ())
    world.events += [sealed, Posted("in-ncb", sealed.digest, world.tick(), world.tick(), "ok", 10_000)]


def delivered_without_entry(world):
    digest = in_both(world).digest
    world.entries = [
        {"type": "ledger_read", "actor": "us-audit"}
        if each["type"] == "delivered" and each["packet"]["digest"] == digest and each["recipient"] == "us-cbp"
        else each
        for each in world.entries
    ]
    reheaded(world)


def read_without_acceptance(world):
    sealed = Sealed("in-ncb", "c" * 64, "id-c", "tip", ("us-dea",))
    world.events += [sealed, Posted("in-ncb", sealed.digest, world.tick(), world.tick(), "unknown")]
    world.events.append(Received("us-dea", "kafka", "setu.us-dea.tip", sealed.digest, 10_000, world.tick()))


def head_of_another_log(world):
    world.events.append(Head("in-audit", 1, 5, "ab" * 32, world.tick()))
    world.without(Head, by="us-audit")
    world.events = [
        replace(each, size=None) if getattr(each, "size", None) == 5 and not isinstance(each, Head) else each
        for each in world.events
    ]


def head_beyond_the_end(world):
    world.events.append(Head("in-audit", 1, len(world.entries) + 7, "ab" * 32, world.tick()))


def rewritten_entry(world):
    world.entries[1] = {**world.entries[1], "note": "changed afterwards"}


def two_heads_of_one_size(world):
    place, head = world.first(Head, at=0)
    world.events.insert(place + 1, replace(head, at=1, root="cd" * 32))


def two_receipts(world):
    place, posted = world.first(Posted, outcome="ok")
    world.events.insert(place + 1, replace(posted, size=posted.size + 1, root=world.head(posted.size + 1)[1]))


def other_index_at_a_consumer(world):
    place, received = world.first(Received, by="us-dea", via="https")
    world.events[place] = replace(received, index=received.index + 1)


def other_index_in_the_log(world):
    digest = in_both(world).digest
    world.events = [
        replace(each, index=each.index + 1, size=None)
        if isinstance(each, Posted | Received) and each.digest == digest and each.index is not None
        else each
        for each in world.events
    ]


DOCTORED = [
    pytest.param(skipped, names.SKIPPED, id="a-place-passed-over"),
    pytest.param(lost, names.LOST, id="the-last-never-came"),
    pytest.param(never_acknowledged, names.LOST, id="answer-not-logged"),
    pytest.param(accepted_twice, names.DUPLICATE, id="accepted-twice"),
    pytest.param(id_for_two_packets, names.DUPLICATE, id="an-id-twice"),
    pytest.param(delivered_twice, names.DUPLICATE, id="delivered-twice"),
    pytest.param(out_of_order, names.REORDERED, id="topic-out-of-order"),
    pytest.param(behind_what_came_later, names.REORDERED, id="ledger-against-real-time"),
    pytest.param(to_another_agency, names.MISROUTED, id="to-another-agency"),
    pytest.param(in_another_topic, names.MISROUTED, id="in-another-kind's-topic"),
    pytest.param(in_anothers_topic, names.MISROUTED, id="in-another-agency's-topic"),
    pytest.param(entry_names_others, names.MISROUTED, id="entry-names-others"),
    pytest.param(nobody_sealed_it, names.PHANTOM, id="received-from-nobody"),
    pytest.param(entry_of_nobodys, names.PHANTOM, id="accepted-from-nobody"),
    pytest.param(refused_and_read, names.ABORTED, id="refused-and-delivered"),
    pytest.param(receipt_without_entry, names.UNLOGGED_ACCEPT, id="receipt-without-entry"),
    pytest.param(delivered_without_entry, names.UNLOGGED_DELIVERY, id="delivered-without-entry"),
    pytest.param(read_without_acceptance, names.UNLOGGED_DELIVERY, id="delivered-and-not-accepted"),
    pytest.param(head_of_another_log, names.FORK, id="head-of-another-log"),
    pytest.param(head_beyond_the_end, names.FORK, id="head-beyond-the-end"),
    pytest.param(rewritten_entry, names.FORK, id="entry-rewritten"),
    pytest.param(two_heads_of_one_size, names.SPLIT, id="two-heads-of-one-size"),
    pytest.param(two_receipts, names.SPLIT, id="two-receipts"),
    pytest.param(other_index_at_a_consumer, names.SPLIT, id="other-index-at-a-consumer"),
    pytest.param(other_index_in_the_log, names.SPLIT, id="other-index-in-the-log"),
]


@pytest.mark.parametrize(("doctor", "name"), DOCTORED)
def test_each_doctored_history_is_found_by_name(doctor, name):
    world = World(packets=30)
    assert world.check()[0].count == {}
    doctor(world)
    found, _ = world.check()
    assert name in found.count, found
    assert found.examples[name][0]


def test_a_gap_in_the_log_is_found():
    world = World()
    entries = list(enumerate(world.entries))
    del entries[4]
    found, _ = world.check(entries)
    assert names.GAP in found.count


def test_every_violation_has_a_doctored_history():
    assert {each.values[1] for each in DOCTORED} | {names.GAP} == set(VIOLATIONS)


@given(st.integers(0, 2**32), st.integers(1, 40))
def test_a_broker_without_faults_is_content(seed, packets):
    found, counts = World(packets, seed).check()
    assert found.count == {}
    assert counts["sealed"] == packets
    assert counts["accepted"] + counts["refused"] == packets


@given(st.integers(0, 2**32), st.data())
def test_whatever_one_receipt_lacks_is_lost_or_skipped(seed, data):
    world = World(25, seed)
    received = sorted({(e.by, e.via, e.digest) for e in world.events if isinstance(e, Received)})
    if received:
        by, via, digest = data.draw(st.sampled_from(received))
        world.without(Received, by=by, via=via, digest=digest)
        assert set(world.check()[0].count) & {names.LOST, names.SKIPPED}


@given(st.integers(0, 2**32), st.data())
def test_whichever_entry_is_changed_the_heads_show_it(seed, data):
    world = World(10, seed)
    index = data.draw(st.integers(0, len(world.entries) - 2))
    world.entries[index] = {**world.entries[index], "note": "changed"}
    assert names.FORK in world.check()[0].count


@given(st.lists(st.binary(max_size=8), max_size=70))
def test_heads_are_the_trees(entries):
    heads = Heads()
    for size in range(len(entries) + 1):
        root = Edge.empty().extended(leaf_hash(each) for each in entries[:size]).root().hex()
        heads.shown(size, root, "somebody")
    for each in entries:
        heads.extend(each)
    assert list(heads.forked()) == []


def test_a_closed_packet_need_not_arrive():
    world = World(packets=30)
    last = last_of_topic(world)
    world.without(Received, by=last.by, digest=last.digest)
    assert names.LOST in world.check()[0].count
    world.log("withheld", last.digest, recipient=last.by)
    assert names.LOST not in world.check()[0].count


def test_an_example_is_shown_for_few_and_all_are_counted():
    world = World(packets=60)
    world.without(Received, by="us-dea")
    found, _ = world.check()
    assert found.count[names.LOST] > 5
    assert len(found.examples[names.LOST]) == 5


# lines


def test_events_survive_their_lines(tmp_path):
    world = World(5)
    with History(tmp_path / "history.jsonl") as history:
        history.add(*world.events)
    assert list(read([tmp_path / "history.jsonl"])) == world.events
    assert all(parse(line(each)) == each for each in world.events)


def test_a_line_cut_by_a_kill_is_none(tmp_path):
    path = tmp_path / "history.jsonl"
    whole = line(Joined("us-dea", "kafka"))
    path.write_text(whole + whole[:-9])
    assert list(read([path])) == [Joined("us-dea", "kafka")]
