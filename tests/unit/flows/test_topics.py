"""Which of a cluster's grants are Setu's to judge, however they are spelled."""

import pytest

from broker.directory.deny import Listed
from broker.directory.lookup import Snapshot
from broker.flows.topics import Topics, ours
from broker.transport.port import Grant
from schemas.deny import Denial, DenyList, genesis
from tests.builders import NOW, Realm

FOREIGN = [
    pytest.param(Grant("agency.us-deaf.g1", "topic", "setu.us-dea.", "read"), id="another-agencys-topics"),
    pytest.param(Grant("agency.us-dea.g1", "topic", "setu.us-dea", "read"), id="prefix-without-the-separator"),
    pytest.param(Grant("agency.us-deaf.g1", "topic", "setu.us-dea.tip", "read", literal=True), id="one-topic"),
    pytest.param(Grant("agency.us-dea.g1", "topic", "*", "read", literal=True), id="every-topic"),
    pytest.param(Grant("agency.us-dea.g1", "topic", "setu.us-dea.", "write"), id="write"),
    pytest.param(Grant("agency.us-dea.g1", "topic", "setu.us-dea.", "all"), id="all"),
    pytest.param(Grant("agency.us-dea.g1", "cluster", "kafka-cluster", "alter", literal=True), id="acls"),
    pytest.param(Grant("*", "topic", "setu.us-dea.tip", "read", literal=True), id="everybody"),
    pytest.param(Grant("*", "topic", "", "read"), id="everybody-everything"),
]
OTHERS = [
    pytest.param(
        Grant("gateway.relay.g1", "cluster", "kafka-cluster", "create", literal=True), id="more-for-the-relay"
    ),
    pytest.param(Grant("backup", "topic", "se", "read"), id="short-prefix"),
    pytest.param(Grant("backup", "topic", "*", "read", literal=True), id="reads-everything"),
    pytest.param(Grant("backup", "group", "setu.us-dea.x", "read", literal=True), id="one-group"),
]
LEFT = [
    pytest.param(Grant("monitoring", "topic", "*", "describe", literal=True), id="sees-everything"),
    pytest.param(Grant("monitoring", "cluster", "kafka-cluster", "describe", literal=True), id="sees-the-cluster"),
    pytest.param(Grant("billing", "topic", "billing.", "write"), id="topics-of-others"),
    pytest.param(Grant("billing", "topic", "setup", "write", literal=True), id="a-name-like-ours"),
]


class Cluster:
    """An `Administration` that holds grants in a set."""

    def __init__(self, *held):
        self.held = set(held)

    def nodes(self):
        return 1

    def topics(self, names):
        return {}

    def grants(self):
        return frozenset(self.held)

    def give(self, grants):
        self.held |= set(grants)

    def take(self, grants):
        self.held -= set(grants)


def test_who_a_deny_list_suspends_may_read_no_more():
    before = snapshot()
    cluster = Cluster()
    topics = Topics(cluster, now=lambda: NOW)
    cluster.give(topics.plan(before).give)
    assert topics.cut_off(before) == frozenset()
    certificate = before.agency("us-dea").certificates[0].sha256
    for over in ({}, {"certificate": certificate}):
        entries = (Denial(agency="us-dea", at=NOW, **over),)
        made = DenyList(realm=before.realm, list="USA", base=genesis(before.realm, "USA"), denials=entries)
        lists = (Listed("USA", 1, NOW + 1, made, made.places()),)
        after = Snapshot(before.signed, raw=before.raw, realm=before.realm, lists=lists)
        cluster.give(topics.plan(before).give)
        assert {each.principal for each in topics.cut_off(after)} == {"agency.us-dea.g1"}
    assert {each.principal for each in cluster.held} == {"gateway.relay.g1"}


def snapshot():
    realm = Realm().with_(agencies={"us-dea": {"channels": ("https", "kafka")}})
    return Snapshot(realm.directory, raw=realm.directory.canonical(), realm=realm.realm)


@pytest.mark.parametrize("grant", FOREIGN)
def test_what_an_agency_or_everybody_may_too_much_is_shown_and_cut_off(grant):
    cluster = Cluster(grant)
    topics = Topics(cluster, now=lambda: NOW)
    assert topics.plan(snapshot()).take == {grant}
    assert topics.cut_off(snapshot()) == {grant}
    assert not cluster.held


@pytest.mark.parametrize("grant", OTHERS)
def test_what_others_may_do_with_our_topics_is_shown_and_left(grant):
    cluster = Cluster(grant)
    topics = Topics(cluster, now=lambda: NOW)
    assert topics.plan(snapshot()).take == {grant}
    assert not topics.cut_off(snapshot())
    assert cluster.held == {grant}


@pytest.mark.parametrize("grant", LEFT)
def test_what_is_not_ours_is_not_spoken_of(grant):
    assert not ours([grant])


def test_a_relays_earlier_certificate_loses_its_grants():
    cluster = Cluster()
    cluster.give(Topics(cluster, now=lambda: NOW).plan(snapshot()).give)
    found = Topics(cluster, now=lambda: NOW, generation=2).plan(snapshot())
    assert {each.principal for each in found.take} == {"gateway.relay.g1"}
    assert {each.principal for each in found.give} == {"gateway.relay.g2"}


def test_no_record_stays_for_longer_than_the_days_it_is_to_stay_and_one_more():
    found = Topics(Cluster(), now=lambda: NOW, days=3).plan(snapshot()).create
    assert found
    for facts in found.values():
        assert int(facts.settings["retention.ms"]) + int(facts.settings["segment.ms"]) == 4 * 86_400_000
        assert facts.settings["message.timestamp.type"] == "LogAppendTime"


def test_what_the_directory_calls_for_stays():
    cluster = Cluster()
    topics = Topics(cluster, now=lambda: NOW)
    cluster.give(topics.plan(snapshot()).give)
    held = frozenset(cluster.held)
    assert held
    assert not topics.plan(snapshot()).take
    assert not topics.cut_off(snapshot())
    assert cluster.held == held
