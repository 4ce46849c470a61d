"""Kafka's topics as they stand in the end, held against the log."""

import json
from dataclasses import replace

import pytest

from broker.cli.drills.afresh import read_afresh
from broker.cli.drills.checker import DUPLICATE, LOST, PHANTOM, REORDERED, SKIPPED, UNLOGGED_DELIVERY, Checker
from broker.cli.drills.history import History, Sealed, read
from broker.transport.records import RECEIPT
from tests.unit.sdk.test_kafka import Site

COUNT = 6


@pytest.fixture
def site():
    made = Site()
    made.accept(COUNT)
    return made


def violations(site, path, *, offered=range(COUNT), channels=("kafka",)):
    """What the checker says of a topic with these records, where each packet has its entries by these channels."""
    with History(path) as history:
        read_afresh(site.client, site.log, ["tip"], history)
    checker = Checker()
    gateway = site.gateway
    for digest, stored in gateway.packets.items():
        to = tuple(each.agency for each in stored.header.to)
        checker.event(Sealed(stored.header.from_, digest, stored.header.id, stored.header.kind, to))
    checker.events(read([path]))
    entries = list(gateway.entries)
    for place in offered:
        accepted = json.loads(entries[site.made[place][0]])
        entries += [
            json.dumps(
                {"type": "delivered", "packet": accepted["packet"], "recipient": "us-dea", "channel": each}
            ).encode()
            for each in channels
        ]
    for index, raw in enumerate(entries):
        checker.entry(index, raw, json.loads(raw))
    return dict(checker.close().count), checker.counts


def test_a_topic_with_everything_in_order_is_content_also_with_repeats(site, tmp_path):
    site.put(0, 1, 2, 1, 2, 3, 4, 5)
    found, counts = violations(site, tmp_path / "h", channels=("kafka", "https"))
    assert not found
    assert (counts["records"], counts["record repeats"], counts["received"]) == (8, 2, 0)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        pytest.param([0, 1, 2, 3, 4], {LOST: 1}, id="the-last-one-never-came-back"),
        pytest.param([0, 1, 3, 4, 5], {SKIPPED: 1}, id="one-in-the-middle-is-missing"),
        pytest.param([0, 1, 3, 2, 4, 5], {REORDERED: 1}, id="two-changed-places"),
        pytest.param([], {LOST: COUNT}, id="an-empty-topic"),
    ],
)
def test_what_a_topic_lacks_is_named(site, tmp_path, places, expected):
    site.put(*places)
    assert violations(site, tmp_path / "h")[0] == expected


def test_a_record_without_a_receipt_that_holds_is_nobodys_packet(site, tmp_path):
    site.put(*range(COUNT))
    good = site.made[2][1]
    other = dict(site.made[3][1].headers)[RECEIPT]
    site.log.put(replace(good, headers=[(key, other if key == RECEIPT else old) for key, old in good.headers]))
    found, _ = violations(site, tmp_path / "h")
    assert found[PHANTOM] == 1


def test_a_record_without_an_entry_that_says_so_is_named(site, tmp_path):
    site.put(*range(COUNT))
    assert violations(site, tmp_path / "h", offered=range(1, COUNT))[0] == {UNLOGGED_DELIVERY: 1}


def test_two_entries_by_one_channel_are_still_too_many(site, tmp_path):
    site.put(*range(COUNT))
    assert violations(site, tmp_path / "h", channels=("kafka", "kafka"))[0] == {DUPLICATE: COUNT}
