"""One real Kafka for all tests of a session: started at its first use, ended with the session, on free ports."""

import asyncio
import atexit
import importlib.util
import shutil
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from broker.assembly.topics import make_certificates
from broker.cli.deployment import create
from broker.cli.served import free_port
from broker.crypto.certificates import Authority
from broker.transport.kafka import KafkaPublisher
from broker.transport.kafka_admin import KafkaAdministration
from broker.transport.place import Place
from broker.transport.port import Grant, TopicFacts

ROOT = Path(__file__).resolve().parents[2]
RELAY, ADMIN = "relay", "admin"
SETTINGS = {"retention.ms": "604800000", "cleanup.policy": "delete", "max.message.bytes": "4194304"}


@cache
def launcher():
    """deploy/kafka/run.py as a module."""
    spec = importlib.util.spec_from_file_location("setu_run_kafka", ROOT / "deploy" / "kafka" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Cluster:
    """A deployment with a node, its certificates, and who may do what."""

    def __init__(self) -> None:
        self.home = Path(tempfile.mkdtemp(prefix="setu-kafka-"))
        self.deployment = create(
            self.home / "deployment", demo=True, host="localhost", port=free_port(), operations_port=free_port()
        )
        self.folder = self.deployment.path / "kafka"
        make_certificates(self.deployment.gateway(), ("localhost",))
        self.authority = Authority.load(*(self.deployment.path / "ca" / "in" / name for name in ("ca.pem", "ca.key")))
        self.node = launcher().Kafka(self.folder, port=free_port(), controller=free_port())
        self.node.start()
        atexit.register(self.node.stop)  # should the session be cut short
        self.admin = KafkaAdministration(self.place(ADMIN))
        self.grant(RELAY, "setu.", unit="gateway", topic=("read", "write", "describe"))

    def issue(self, name: str, *, unit="agency", authority=None) -> None:
        made = (authority or self.authority).issue_client(name, 1, now=time.time(), unit=unit)
        made.save(self.folder / f"{name}.pem", self.folder / f"{name}.key")

    def place(self, name: str, **over) -> Place:
        """As this certificate's holder, who gets one where there is none."""
        if not (self.folder / f"{name}.pem").exists():
            self.issue(name)
        made = {
            "bootstrap": (self.node.bootstrap,),
            "ca": self.folder / "ca.pem",
            "certificate": self.folder / f"{name}.pem",
            "key": self.folder / f"{name}.key",
        }
        return Place(**{**made, **over})

    def grant(self, name: str, prefix: str, *, unit="agency", topic=("read", "describe"), group=()) -> None:
        wanted = [Grant(f"{unit}.{name}.g1", "topic", prefix, each) for each in topic]
        self.admin.give([*wanted, *(Grant(f"{unit}.{name}.g1", "group", prefix, each) for each in group)])

    def empty(self, *names: str) -> None:
        """These topics, made where there are none, without the records of earlier tests."""
        there = self.admin.topics(names)
        self.admin.create({name: TopicFacts(1, 1, SETTINGS) for name in names if name not in there})
        client = self.client()
        places = [TopicPartition(name, 0) for name in there]
        if places:
            ends = client.list_offsets({each: OffsetSpec.latest() for each in places})
            past = [TopicPartition(each.topic, 0, found.result().offset) for each, found in ends.items()]
            for done in client.delete_records(past).values():
                done.result()

    def drop(self, *names: str) -> None:
        client = self.client()  # held until it has answered
        for done in client.delete_topics(list(names)).values():
            done.result()

    def client(self, name: str = ADMIN) -> AdminClient:
        return AdminClient(self.librdkafka(name))

    def librdkafka(self, name: str, **over):
        """The settings of a plain Kafka client."""
        place = self.place(name)
        return {
            "bootstrap.servers": place.bootstrap[0],
            "security.protocol": "ssl",
            "ssl.ca.location": str(place.ca),
            "ssl.certificate.location": str(place.certificate),
            "ssl.key.location": str(place.key),
            "log_level": 0,
            **over,
        }


class Sender:
    """A relay's publisher for tests that are not asynchronous."""

    def __init__(self, place: Place) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._publisher = KafkaPublisher(place)
        self._do(self._publisher.renew())

    def send(self, topic, records) -> None:
        self._do(self._publisher.send(topic, records))

    def close(self) -> None:
        self._do(self._publisher.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(60)


@cache
def _started():
    try:
        return Cluster()
    except launcher().CannotRunError as error:
        return error


def cluster() -> Cluster:
    """The session's; skips where it cannot be had, which CI does not allow."""
    found = _started()
    if not isinstance(found, Cluster):
        pytest.skip(f"no real Kafka here: {found}")
    return found


@cache
def sender() -> Sender:
    return Sender(cluster().place(RELAY))


def stop() -> None:
    """End what was started; a conftest calls it when the session is over."""
    if sender.cache_info().currsize:
        sender().close()
        sender.cache_clear()
    if _started.cache_info().currsize:
        found = _started()
        _started.cache_clear()
        if isinstance(found, Cluster):
            found.node.stop()
            shutil.rmtree(found.home, ignore_errors=True)
