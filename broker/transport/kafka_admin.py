"""The only door to confluent-kafka: its admin client, for topics and ACLs (aiokafka's has no calls for ACLs)."""

import asyncio
from collections.abc import Collection, Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourcePatternType,
    ResourceType,
)

from broker.errors import IntegrityError, UnavailableError
from broker.transport.kafka_client import check_cluster, same_cluster, say_why, silent
from broker.transport.place import Place
from broker.transport.port import Grant, Operation, Resource, TopicFacts
from schemas.problem import Code

ASK_SECONDS = 15.0
_RESOURCES: Mapping[Resource, Any] = {
    "topic": ResourceType.TOPIC,
    "group": ResourceType.GROUP,
    "cluster": ResourceType.BROKER,
    "transactional-id": ResourceType.TRANSACTIONAL_ID,
}
_OPERATIONS: Mapping[Operation, Any] = {
    "all": AclOperation.ALL,
    "read": AclOperation.READ,
    "write": AclOperation.WRITE,
    "create": AclOperation.CREATE,
    "delete": AclOperation.DELETE,
    "alter": AclOperation.ALTER,
    "describe": AclOperation.DESCRIBE,
    "cluster-action": AclOperation.CLUSTER_ACTION,
    "describe-configs": AclOperation.DESCRIBE_CONFIGS,
    "alter-configs": AclOperation.ALTER_CONFIGS,
    "idempotent-write": AclOperation.IDEMPOTENT_WRITE,
}
_NEEDED = {
    AclOperation.DESCRIBE,
    AclOperation.ALTER,
    AclOperation.CREATE,
    AclOperation.DESCRIBE_CONFIGS,
    AclOperation.ALTER_CONFIGS,
}
"""What an administrator may do to the cluster."""

_USER = "User:"
_NO_LEAVE = (KafkaError.CLUSTER_AUTHORIZATION_FAILED, KafkaError.TOPIC_AUTHORIZATION_FAILED)


class KafkaAdministration:
    """The `broker.transport.port.Administration` of Kafka. `place` holds an administrator's certificate."""

    def __init__(self, place: Place) -> None:
        place.tls()
        self._place = place
        self._answered = False
        self._client = AdminClient(
            {
                "bootstrap.servers": ",".join(place.bootstrap),
                "security.protocol": "ssl",
                "ssl.ca.location": str(place.ca),
                "ssl.certificate.location": str(place.certificate),
                **(
                    {"ssl.key.location": str(place.key)}
                    if place.secret is None
                    else {"ssl.key.pem": place.secret.decode()}
                ),
                "socket.timeout.ms": int(ASK_SECONDS * 1000),
                "log_level": 0,
            }
        )

    def nodes(self) -> int:
        return len(self._cluster().nodes)

    def topics(self, names: Collection[str]) -> Mapping[str, TopicFacts]:
        self._cluster()
        try:
            there = self._client.list_topics(timeout=ASK_SECONDS).topics
        except KafkaException as error:
            raise self._said(error) from None
        found = {name: there[name].partitions for name in names if name in there}
        if not found:
            return {}
        resources = [ConfigResource(ConfigResource.Type.TOPIC, name) for name in found]
        answers = self._client.describe_configs(resources, request_timeout=ASK_SECONDS)
        settings = {
            resource.name: {name: str(entry.value) for name, entry in self._answer(future).items()}
            for resource, future in answers.items()
        }
        return {
            name: TopicFacts(len(partitions), min(len(each.replicas) for each in partitions.values()), settings[name])
            for name, partitions in found.items()
        }

    def create(self, topics: Mapping[str, TopicFacts]) -> None:
        new = [
            NewTopic(name, facts.partitions, facts.copies, config=dict(facts.settings))
            for name, facts in topics.items()
        ]
        if new:
            self._all(self._client.create_topics(new, operation_timeout=ASK_SECONDS, request_timeout=ASK_SECONDS))

    def set(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        resources = [
            ConfigResource(
                ConfigResource.Type.TOPIC,
                name,
                incremental_configs=[
                    ConfigEntry(key, value, incremental_operation=AlterConfigOpType.SET)
                    for key, value in settings.items()
                ],
            )
            for name, settings in topics.items()
        ]
        if resources:
            self._all(self._client.incremental_alter_configs(resources, request_timeout=ASK_SECONDS))

    def grants(self) -> frozenset[Grant]:
        every = AclBindingFilter(
            ResourceType.ANY,
            None,
            ResourcePatternType.ANY,
            None,
            None,
            AclOperation.ANY,
            AclPermissionType.ALLOW,
        )
        self._cluster()  # for whoever may not see them, the client finds no ACLs instead of an error
        found = self._answer(self._client.describe_acls(every, request_timeout=ASK_SECONDS))
        resources = {value: name for name, value in _RESOURCES.items()}
        operations = {value: name for name, value in _OPERATIONS.items()}
        return frozenset(
            Grant(
                each.principal.removeprefix(_USER),
                resources[each.restype],
                each.name,
                operations[each.operation],
                each.resource_pattern_type is ResourcePatternType.LITERAL,
            )
            for each in found
            if each.restype in resources and each.operation in operations
        )

    def give(self, grants: Collection[Grant]) -> None:
        if grants:
            self._all(self._client.create_acls([_binding(each) for each in grants], request_timeout=ASK_SECONDS))

    def take(self, grants: Collection[Grant]) -> None:
        if grants:
            filters = [_filter(each) for each in grants]
            self._all(self._client.delete_acls(filters, request_timeout=ASK_SECONDS))

    def _cluster(self) -> Any:
        """The cluster, once it is the one that was named and takes this certificate for an administrator's."""
        if not self._answered:
            # librdkafka would wait all its time before it said that nobody is there.
            _wait_for(check_cluster(self._place))
        found = self._answer(
            self._client.describe_cluster(include_authorized_operations=True, request_timeout=ASK_SECONDS)
        )
        self._answered = True
        same_cluster(self._place, str(found.cluster_id))
        if _NEEDED - set(found.authorized_operations or ()):
            raise self._no_leave()
        return found

    def _all(self, futures: Mapping[Any, Any]) -> None:
        for future in futures.values():
            self._answer(future)

    def _answer(self, future: Any) -> Any:
        try:
            return future.result(2 * ASK_SECONDS)
        except KafkaException as error:
            raise self._said(error) from None
        except TimeoutError:
            raise self._silent() from None

    def _said(self, error: KafkaException) -> UnavailableError | IntegrityError:
        code = error.args[0].code()
        if code in _NO_LEAVE:
            return self._no_leave()
        if code in (KafkaError._TRANSPORT, KafkaError._TIMED_OUT, KafkaError._ALL_BROKERS_DOWN):  # noqa: SLF001
            return self._silent()
        return UnavailableError(f"Expected Kafka to do as it was asked, found {error.args[0].name()}.")

    def _no_leave(self) -> IntegrityError:
        return IntegrityError(
            Code.CONFIG_INVALID,
            "Expected Kafka to take this certificate for an administrator's, found that it does not.",
            advice=f"Name {self._place.certificate}'s principal in `super.users` of the brokers.",
        )

    def _silent(self) -> UnavailableError | IntegrityError:
        try:
            _wait_for(say_why(self._place))
        except IntegrityError as error:
            return error
        return silent("answer", self._place)


def _wait_for(work: Coroutine[Any, Any, None]) -> None:
    # On a thread of its own: the one that asks may have an event loop running.
    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, work).result()


def _binding(grant: Grant) -> AclBinding:
    return AclBinding(*_pattern(grant, "*"))


def _filter(grant: Grant) -> AclBindingFilter:
    return AclBindingFilter(*_pattern(grant, None))


def _pattern(grant: Grant, host: str | None) -> tuple[Any, ...]:
    return (
        _RESOURCES[grant.resource],
        grant.prefix,
        ResourcePatternType.LITERAL if grant.literal else ResourcePatternType.PREFIXED,
        _USER + grant.principal,
        host,
        _OPERATIONS[grant.operation],
        AclPermissionType.ALLOW,
    )
