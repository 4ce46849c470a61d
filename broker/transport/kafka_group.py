"""How far a reader is, told to a consumer group, for Kafka's own tools alone: nobody here reads it back."""

import asyncio
import logging

from aiokafka.client import AIOKafkaClient
from aiokafka.errors import for_code
from aiokafka.protocol.commit import OffsetCommitRequest
from aiokafka.protocol.coordination import FindCoordinatorRequest

from broker.errors import SetuError
from broker.transport.kafka_client import bounded, options, thrown_away
from broker.transport.place import Place

EVERY_SECONDS = 1.0
RETRY_SECONDS = 0.2
OFTEN = 5
_CONSUMER_GROUPS = 0
_NO_MEMBER = ("", -1)

_log = logging.getLogger(__name__)


class Marks:
    """The offsets of one group, committed as one that has no members. Used on one event loop."""

    def __init__(self, place: Place, group: str) -> None:
        self._place = place
        self._group = group
        self._due: dict[str, int] = {}
        self._client: AIOKafkaClient | None = None
        self._failures = 0

    def put(self, topic: str, offset: int) -> None:
        """Everything below `offset` is done with."""
        self._due[topic] = offset

    async def run(self) -> None:
        """For ever."""
        while True:
            await asyncio.sleep(EVERY_SECONDS)
            await self.flush()

    async def finish(self) -> None:
        """Tell what is left, again and again: the first commit of a new cluster finds no coordinator yet."""
        while True:
            if await self.flush():
                return
            await asyncio.sleep(RETRY_SECONDS)

    async def flush(self) -> bool:
        """Tell the group what is new. What fails is tried again the next time, and is said where it fails often."""
        due = self._due.copy()
        if not due:
            return True
        try:
            async with bounded(f"keep the place of {self._group}", self._place):
                await self._commit(due)
        except SetuError as error:
            await self.close()
            self._failures += 1
            if self._failures == OFTEN:
                _log.warning("place not shown to Kafka as %s: %s", self._group, error)
            return False
        self._failures = 0
        for topic, offset in due.items():
            if self._due[topic] == offset:
                del self._due[topic]
        return True

    async def move(self, place: Place) -> None:
        """From now on with another certificate."""
        self._place = place
        await self.close()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await thrown_away(client)

    async def _commit(self, due: dict[str, int]) -> None:
        client = self._client
        if client is None:
            client = self._client = AIOKafkaClient(**options(self._place))
            await client.bootstrap()
        found = await client.send(client.get_random_node(), FindCoordinatorRequest(self._group, _CONSUMER_GROUPS))
        _check(found.error_code)
        member, generation = _NO_MEMBER
        topics = [(topic, [(0, offset, "")]) for topic, offset in due.items()]
        asked = OffsetCommitRequest(self._group, generation, member, OffsetCommitRequest.DEFAULT_RETENTION_TIME, topics)
        answer = await client.send(found.coordinator_id, asked)
        for _, partitions in answer.topics:
            for _, code in partitions:
                _check(code)


def _check(code: int) -> None:
    if code:
        raise for_code(code)
