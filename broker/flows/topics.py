"""What a Kafka cluster must hold for a directory: topics and grants; and the difference to what it holds."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from broker.directory.lookup import Snapshot
from broker.flows.relay import reads_kafka
from broker.transport.port import Administration, Grant, TopicFacts
from broker.transport.topics import everything, prefix, topic
from schemas import registry
from schemas.directory import KeyState

AGENCIES, GATEWAYS, ANYBODY = "agency.", "gateway.", "*"
RELAY = "gateway.relay.g{}"
"""The principal that writes, of each generation of the certificate `setu topics certificates` makes for the relay."""

COPIES = 3
LARGEST = 4 * 2**20
DAY = 86_400


@dataclass(frozen=True, slots=True)
class Difference:
    """What is to be done. odd: topics that cannot be mended here, with what is odd about them."""

    create: Mapping[str, TopicFacts]
    set: Mapping[str, Mapping[str, str]]
    give: frozenset[Grant]
    take: frozenset[Grant]
    odd: Mapping[str, str]

    @property
    def none(self) -> bool:
        return not (self.create or self.set or self.give or self.take)


class Topics:
    """Args:
    now: unix seconds.
    generation: of the relay's certificate.
    days: for which Kafka keeps a record; a day longer at most.
    """

    def __init__(self, admin: Administration, *, now: Callable[[], float], days: int = 7, generation: int = 1) -> None:
        self._admin = admin
        self._generation = generation
        self._now = now
        self._days = days

    def plan(self, snapshot: Snapshot) -> Difference:
        """What the cluster lacks and has too much; raises as `Administration`."""
        wanted = self._wanted_topics(snapshot)
        found = self._admin.topics(wanted)
        settings = {
            name: {key: value for key, value in facts.settings.items() if found[name].settings.get(key) != value}
            for name, facts in wanted.items()
            if name in found
        }
        grants, given = self._wanted_grants(snapshot), ours(self._admin.grants())
        return Difference(
            create={name: facts for name, facts in wanted.items() if name not in found},
            set={name: changed for name, changed in settings.items() if changed},
            give=grants - given,
            take=given - grants,
            odd={
                name: f"{facts.partitions} partitions, expected one: it gives no order. Make it anew."
                for name, facts in found.items()
                if facts.partitions != 1
            },
        )

    def apply(self, difference: Difference, *, take: bool) -> None:
        """Make what is missing; with `take`, also take away grants that nobody should have. No topic is deleted."""
        self._admin.create(difference.create)
        self._admin.set(difference.set)
        self._admin.give(difference.give)
        if take:
            self._admin.take(difference.take)

    def cut_off(self, snapshot: Snapshot) -> Collection[Grant]:
        """Take the grants of agencies and certificates that may not read any more, and of everybody; returns them."""
        grants = ours(self._admin.grants()) - self._wanted_grants(snapshot)
        gone = frozenset(each for each in grants if each.principal == ANYBODY or each.principal.startswith(AGENCIES))
        self._admin.take(gone)
        return gone

    def _wanted_topics(self, snapshot: Snapshot) -> dict[str, TopicFacts]:
        copies = COPIES if self._admin.nodes() >= COPIES else 1
        settings = {
            "cleanup.policy": "delete",
            "retention.ms": str(self._days * DAY * 1000),
            # A segment goes as a whole, once its newest record is that old; a record's own time is its writer's word.
            "segment.ms": str(DAY * 1000),
            "message.timestamp.type": "LogAppendTime",
            "max.message.bytes": str(LARGEST),
            "min.insync.replicas": "2" if copies == COPIES else "1",
        }
        return {
            topic(agency.id, kind): TopicFacts(1, copies, settings)
            for agency in snapshot.document.agencies
            if reads_kafka(agency)
            for kind in registry.kinds()
        }

    def _wanted_grants(self, snapshot: Snapshot) -> frozenset[Grant]:
        return wanted_grants(snapshot, int(self._now()), RELAY.format(self._generation))


def wanted_grants(snapshot: Snapshot, now: int, relay: str) -> frozenset[Grant]:
    """Each agency that reads Kafka reads its own topics and groups, by its active certificates alone; the relay writes
    every topic, and reads how far it came.
    """
    grants = {Grant(relay, "topic", everything(), operation) for operation in ("read", "write", "describe")}
    for agency in snapshot.document.agencies:
        if not reads_kafka(agency):
            continue
        for certificate in agency.certificates:
            if certificate.state is not KeyState.ACTIVE or now >= certificate.not_after:
                continue
            generation = certificate.uri.rpartition(":")[2]
            principal = f"{AGENCIES}{agency.id}.{generation}"
            own = prefix(agency.id)
            grants |= {
                Grant(principal, "topic", own, "read"),
                Grant(principal, "topic", own, "describe"),
                Grant(principal, "group", own, "read"),
            }
    return frozenset(grants)


def ours(grants: Collection[Grant]) -> frozenset[Grant]:
    """Those that reach Setu's topics and groups, or are given to its agencies and gateways, or to everybody."""
    return frozenset(
        each for each in grants if each.principal.startswith((AGENCIES, GATEWAYS, ANYBODY)) or _reaches_ours(each)
    )


def _reaches_ours(grant: Grant) -> bool:
    if grant.resource not in ("topic", "group"):
        return False
    if grant.prefix.startswith(everything()):
        return True
    # Somebody who watches a whole cluster may see that our topics are there, and no more.
    wide = grant.prefix == "*" if grant.literal else everything().startswith(grant.prefix)
    return wide and grant.operation not in ("describe", "describe-configs")
