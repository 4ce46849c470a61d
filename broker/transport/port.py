"""What the relay and a subscriber ask of a log of records: topics of one partition, in the order they were sent."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

Headers = Sequence[tuple[str, bytes]]
Resource = Literal["topic", "group", "cluster", "transactional-id"]
Operation = Literal[
    "all",
    "read",
    "write",
    "create",
    "delete",
    "alter",
    "describe",
    "cluster-action",
    "describe-configs",
    "alter-configs",
    "idempotent-write",
]


@dataclass(frozen=True, slots=True)
class Record:
    """One record, before it has a place."""

    key: bytes
    value: bytes
    headers: Headers


@dataclass(frozen=True, slots=True)
class Kept(Record):
    """A record at its place in a topic. `key` and `value` are empty where it has none."""

    offset: int

    def header(self, name: str) -> bytes | None:
        """The one header of this name; None where there is none or more than one."""
        found = [value for key, value in self.headers if key == name]
        return found[0] if len(found) == 1 else None


class Tail(NamedTuple):
    """A topic's end. newest: records before it, newest first. ever: how many it was ever given, also those gone."""

    newest: Sequence[Kept]
    ever: int


class Publisher(Protocol):
    """The relay's side. Not safe to use for one topic by two tasks at a time.

    After any UnavailableError nothing is known of what was under way: `renew` before anything else is asked.
    """

    async def renew(self) -> None:
        """Throw away whatever is open and connect anew.

        Raises:
            UnavailableError: ask again.
            IntegrityError: code `config-invalid`: certificate, cluster.
        """
        ...

    async def tail(self, topic: str, most: int, below: int | None = None) -> Tail:
        """The last `most` records of a topic, or of what it holds below that offset; raises as `send`."""
        ...

    async def ends(self, topics: Collection[str]) -> Mapping[str, int]:
        """How many records each of these topics was ever given; raises as `send`."""
        ...

    async def send(self, topic: str, records: Sequence[Record]) -> int:
        """Append in order; every one is kept by the replicas it must be kept by when this returns.

        Returns the offset of the first.

        Raises:
            UnavailableError: some may have been appended, those first in order, or none.
            CallerError: code `forbidden`: no leave to write to this topic.
            IntegrityError: code `config-invalid`: there is no such topic.
        """
        ...

    async def close(self) -> None: ...


class RecordLog(Protocol):
    """A subscriber's side. Safe to use from several threads, one for each topic at a time."""

    def topics(self) -> Sequence[str]:
        """The names of the topics this certificate may read; raises as `read`, but for a topic that is not there."""
        ...

    def read(self, topic: str, offset: int, wait: float) -> Sequence[Kept]:
        """Records at `offset` and beyond, as many as are at hand; those that are gone are passed over.

        Where `offset` lies behind the topic's end: its records from the first.
        `wait`: seconds to wait for the first; afterwards the answer is empty.

        Raises:
            UnavailableError: read again.
            CallerError: code `forbidden`: no leave to read this topic.
            IntegrityError: code `config-invalid`: no such topic; or the certificate or cluster is wrong.
        """
        ...

    def mark(self, topic: str, offset: int) -> None:
        """Show whoever watches that everything below `offset` is done with. Returns at once, promises nothing."""
        ...

    def close(self) -> None: ...


class Grant(NamedTuple):
    """Leave for `principal` (`<unit>.<name>`, or `*` for all) to do `operation` on every `resource` whose name starts
    with `prefix`; with `literal`, on the one that is named so, or on all where that is `*`.
    """

    principal: str
    resource: Resource
    prefix: str
    operation: Operation
    literal: bool = False


@dataclass(frozen=True, slots=True)
class TopicFacts:
    """A topic as it stands: number of partitions, copies of each, and the settings it was asked for."""

    partitions: int
    copies: int
    settings: Mapping[str, str]


class Administration(Protocol):
    """Topics and grants of a cluster. Raises UnavailableError, and IntegrityError (code `config-invalid`) where the
    certificate is not the administrator's.
    """

    def nodes(self) -> int: ...

    def topics(self, names: Collection[str]) -> Mapping[str, TopicFacts]:
        """Those of these topics that there are."""
        ...

    def create(self, topics: Mapping[str, TopicFacts]) -> None: ...

    def set(self, topics: Mapping[str, Mapping[str, str]]) -> None:
        """Change settings of topics; those not named stay."""
        ...

    def grants(self) -> frozenset[Grant]:
        """Every grant to anybody, from whatever host."""
        ...

    def give(self, grants: Collection[Grant]) -> None: ...

    def take(self, grants: Collection[Grant]) -> None: ...
