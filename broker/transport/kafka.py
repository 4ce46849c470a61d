"""The relay's side of Kafka. Every await is bounded; after a failure a client is thrown away, never mended."""

import asyncio
from collections.abc import Collection, Mapping, Sequence

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from broker.transport.kafka_client import (
    LARGEST,
    START_SECONDS,
    bounded,
    check_cluster,
    kept,
    not_open,
    options,
    require_topic,
    thrown_away,
)
from broker.transport.place import Place
from broker.transport.port import Kept, Record, Tail

BATCH_BYTES = 256 * 1024
SEND_SECONDS = 4.0
"""For which the producer is let repeat what is not acknowledged. A broker that was killed and comes back without its
end must not be given that at once, behind what it lost: it takes longer than this to start.
"""

FETCH_WAIT_MS = 20


class KafkaPublisher:
    """The `broker.transport.port.Publisher` of Kafka."""

    def __init__(self, place: Place) -> None:
        self._place = place
        self._producer: AIOKafkaProducer | None = None
        self._reader: AIOKafkaConsumer | None = None
        self._one_reader = asyncio.Lock()

    async def renew(self) -> None:
        await self.close()
        place = self._place
        await check_cluster(place)
        settings = options(place)
        producer = AIOKafkaProducer(
            **settings,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=LARGEST,
            linger_ms=0,
            compression_type=None,  # ciphertext does not compress
        )
        # A short wait, for what is asked next on the connection waits behind it: with Kafka's own half second a relay
        # that takes over spends seconds on looking where its topics stand.
        reader = AIOKafkaConsumer(
            **settings, enable_auto_commit=False, max_partition_fetch_bytes=LARGEST, fetch_max_wait_ms=FETCH_WAIT_MS
        )
        self._producer, self._reader = producer, reader
        try:
            async with bounded("take a producer", place, START_SECONDS):
                await producer.start()
                await reader.start()
        except BaseException:
            await self.close()
            raise

    async def tail(self, topic: str, most: int, below: int | None = None) -> Tail:
        async with self._one_reader:
            return await self._tail(topic, most, below)

    async def _tail(self, topic: str, most: int, below: int | None) -> Tail:
        reader = self._reader
        if reader is None:
            raise not_open()
        partition = TopicPartition(topic, 0)
        async with bounded(f"show the end of {topic}", self._place):
            await require_topic(reader, topic)
            reader.assign([partition])
            begin = (await reader.beginning_offsets([partition]))[partition]
            ever = (await reader.end_offsets([partition]))[partition]
            end = ever if below is None else min(below, ever)
            start = max(begin, end - most)
            newest: list[Kept] = []
            if start < end:
                reader.seek(partition, start)
                while start < end:
                    found = (await reader.getmany(partition, timeout_ms=1000)).get(partition, [])
                    newest.extend(kept(each) for each in found if each.offset < end)
                    start = await reader.position(partition)
                reader.pause(partition)
            return Tail(newest[::-1], ever)

    async def ends(self, topics: Collection[str]) -> Mapping[str, int]:
        async with self._one_reader:
            if self._reader is None:
                raise not_open()
            async with bounded("say where its topics end", self._place):
                found = await self._reader.end_offsets([TopicPartition(topic, 0) for topic in topics])
            return {partition.topic: end for partition, end in found.items()}

    async def send(self, topic: str, records: Sequence[Record]) -> int:
        producer = self._producer
        if producer is None:
            raise not_open()
        # One batch on the wire at a time: a later one must not be kept where an earlier one failed.
        first = -1
        left = list(reversed(records))
        while left:
            batch = producer.create_batch()
            while left:
                each = left[-1]
                headers = list(each.headers)
                if batch.append(timestamp=None, key=each.key, value=each.value, headers=headers) is None:
                    break
                left.pop()
            async with bounded(f"take records for {topic}", self._place, SEND_SECONDS):
                kept = await (await producer.send_batch(batch, topic, partition=0))
            first = kept.offset if first < 0 else first
        return first

    async def close(self) -> None:
        producer, reader = self._producer, self._reader
        self._producer = self._reader = None
        for each in (producer, reader):
            if each is not None:
                await thrown_away(each)
