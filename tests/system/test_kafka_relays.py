"""Two relays beside a gateway, on real parts: one relays, the other takes over, and a stopped one writes no more."""

import json
import time
import urllib.request
from itertools import pairwise

import pytest
from confluent_kafka import Consumer, TopicPartition

from broker.assembly import connect
from broker.cli.cluster.cluster import Cluster, Shape
from broker.errors import UnavailableError
from schemas import registry

pytestmark = pytest.mark.long

READER = "us-dea"
TIP = f"setu.{READER}.tip"
TAKE_OVER = 10.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    folder = tmp_path_factory.mktemp("relays") / "cluster"
    try:
        with Cluster(folder, Shape(gateways=1, relays=2, readers=frozenset({READER}), adapters=())) as made:
            yield made
    except UnavailableError as error:
        if "Expected the package" not in str(error):
            raise
        pytest.skip(f"no cluster here: {error}")


@pytest.fixture
def relays(cluster):
    """Both run, one is active."""
    cluster.resume_relays()
    cluster.start_relays()
    active = cluster.active_relay()
    return active, next(each for each in cluster.relays if each is not active)


def send(cluster, count=1):
    sample = next(iter(registry.samples("tip").values()))
    with connect(cluster.deployment.agencies["in-ncb"]) as client:
        return [
            client.send("tip", to=READER, payload=sample, handling=registry.sample_handling()).index
            for _ in range(count)
        ]


class Topic:
    """What Kafka holds, as its administrator reads it."""

    def __init__(self, cluster):
        folder = cluster.deployment.path / "kafka"
        self._consumer = Consumer(
            {
                "bootstrap.servers": cluster.deployment.gateway().kafka.bootstrap[0],
                "security.protocol": "ssl",
                "ssl.ca.location": str(folder / "ca.pem"),
                "ssl.certificate.location": str(folder / "admin.pem"),
                "ssl.key.location": str(folder / "admin.key"),
                "group.id": "look",
                "enable.auto.commit": False,
                "log_level": 0,
            }
        )
        self._consumer.assign([TopicPartition(TIP, 0, 0)])
        self.indices = []

    def look(self):
        """The ledger indices of all records so far, in their order."""
        while (message := self._consumer.poll(0.3)) is not None:
            if message.error() is None:
                self.indices.append(int(dict(message.headers())["setu-index"]))
        return self.indices


@pytest.fixture
def topic(cluster):
    made = Topic(cluster)
    yield made
    made._consumer.close()


def until(holds, seconds=30.0):
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < seconds, "not in time"
        time.sleep(0.05)
    return time.monotonic() - began


def figures(relay):
    port = relay._command[-1]
    with urllib.request.urlopen(f"http://{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {
        name: float(value) for name, _, value in (line.rpartition(" ") for line in lines) if name.startswith("setu")
    }


def in_order(indices):
    """Without repeats, which a consumer drops."""
    seen = list(dict.fromkeys(indices))
    return all(before < after for before, after in pairwise(seen))


def test_a_killed_relay_is_replaced_within_ten_seconds(cluster, relays, topic):
    active, other = relays
    before = send(cluster, 3)
    until(lambda: set(before) <= set(topic.look()))
    active.kill()
    began = time.monotonic()
    after = send(cluster, 3)
    until(lambda: set(after) <= set(topic.look()))
    took = time.monotonic() - began
    assert cluster.active_relay() is other
    assert took < TAKE_OVER
    assert in_order(topic.indices)


def test_a_stopped_relay_is_replaced_and_once_awake_writes_no_position_and_no_entry(cluster, relays, topic):
    active, other = relays
    first = send(cluster, 2)
    until(lambda: set(first) <= set(topic.look()))
    active.pause()
    began = time.monotonic()
    second = send(cluster, 5)
    until(lambda: set(second) <= set(topic.look()))
    assert time.monotonic() - began < TAKE_OVER
    written = state(cluster)
    active.resume()
    time.sleep(3)
    assert state(cluster) == written
    assert cluster.active_relay() is other
    until(lambda: figures(active)["setu_relay_active"] == 0)
    assert figures(other)["setu_relay_active"] == 1
    assert in_order(topic.look())
    third = send(cluster, 2)
    until(lambda: set(third) <= set(topic.look()))
    assert in_order(topic.look())


def state(cluster):
    """The relay's lease, its positions, and the entries that it wrote."""
    asked = (
        "SELECT holder, epoch FROM leases WHERE name = 'relay'",
        "SELECT * FROM positions ORDER BY 1",
        "SELECT count(*) FROM entries WHERE type = 'delivered'",
    )
    return [cluster._sql(each) for each in asked]


def test_a_relay_that_ends_in_order_gives_its_lease_back_at_once(cluster, relays, topic):
    active, other = relays
    assert active.stop() == 0
    began = time.monotonic()
    until(lambda: figures(other)["setu_relay_active"] == 1)
    assert time.monotonic() - began < 2
    sent = send(cluster, 1)
    until(lambda: set(sent) <= set(topic.look()))


def test_it_says_who_is_active_and_how_far_kafka_is_behind(cluster, relays, topic):
    active, other = relays
    until(lambda: figures(active)["setu_relay_active"] == 1)
    sent = send(cluster, 1)
    until(lambda: set(sent) <= set(topic.look()))
    for relay, role in ((active, True), (other, False)):
        with urllib.request.urlopen(f"http://{relay._command[-1]}/readyz", timeout=5) as answer:
            found = json.load(answer)
        assert (len(found.pop("log_keys")), found) == (1, {"ready": True, "active": role, "directory": 1})
        until(lambda relay=relay: figures(relay)[f'setu_relay_lag_entries{{topic="{TIP}"}}'] == 0)
        assert figures(relay)["setu_relay_trouble"] == 0
