"""A subscriber's side of Kafka. Every await is bounded; after a failure a consumer is thrown away, never mended."""

import asyncio
import contextlib
import threading
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import CancelledError as FutureCancelledError
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, TopicPartition
from aiokafka.errors import OffsetOutOfRangeError

from broker.errors import UnavailableError
from broker.transport.kafka_client import (
    ASK_SECONDS,
    LARGEST,
    START_SECONDS,
    STOP_SECONDS,
    NotTakenError,
    bounded,
    check_cluster,
    kept,
    not_open,
    options,
    require_topic,
    silent,
    thrown_away,
)
from broker.transport.kafka_group import Marks
from broker.transport.place import Place
from broker.transport.port import Kept

MOST = 200
"""Records handed on at a time."""

T = TypeVar("T")


class KafkaLog:
    """The `broker.transport.port.RecordLog` of Kafka: a consumer for each topic, on an event loop of its own.

    Places are kept by who reads, beside the digest of what was read there, so no consumer group is joined.

    Args:
        group: the consumer group that shows Kafka's tools how far the reader is; None to show nothing.
        renewed: where it is now, with the certificate that is in place now: what was opened with another is opened anew
            before it is read again. None where that never changes.
        fetch_wait: seconds for which a node may hold a request for records of which there are none yet; a look for
            what is at hand waits as long.
    """

    def __init__(
        self,
        place: Place,
        *,
        group: str | None = None,
        renewed: Callable[[], Place] | None = None,
        fetch_wait: float = 0.25,
    ) -> None:
        self._place = place
        self._renewed = renewed
        self._marks = None if group is None else Marks(place, group)
        self._marking: asyncio.Task[None] | None = None
        self._fetch_wait = fetch_wait
        self._consumers: dict[str, AIOKafkaConsumer] = {}
        self._opened: dict[str, Place] = {}
        self._checked = False
        self._taken = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="setu kafka", daemon=True)
        self._thread.start()

    def topics(self) -> Sequence[str]:
        return self._run(self._topics(), START_SECONDS + ASK_SECONDS)

    def read(self, topic: str, offset: int, wait: float) -> Sequence[Kept]:
        return self._run(self._read(topic, offset, wait), 2 * START_SECONDS + 2 * ASK_SECONDS + wait)

    def mark(self, topic: str, offset: int) -> None:
        if self._marks is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._mark, self._marks, topic, offset)

    def close(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(UnavailableError):
                self._run(self._close(), STOP_SECONDS * (len(self._consumers) + 2))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        if not self._thread.is_alive():
            work.close()
            raise not_open()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds)
        except FutureTimeoutError:
            future.cancel()
            raise silent("answer", self._place) from None
        except FutureCancelledError:
            raise silent("answer", self._place) from None

    async def _topics(self) -> Sequence[str]:
        consumer = await self._open()
        try:
            async with bounded("list topics", self._place):
                return sorted(await consumer.topics())
        finally:
            await thrown_away(consumer)

    async def _read(self, topic: str, offset: int, wait: float) -> Sequence[Kept]:
        try:
            found = await self._found(topic, offset, wait)
        except BaseException as error:
            self._checked = False
            self._opened.pop(topic, None)
            consumer = self._consumers.pop(topic, None)
            if consumer is not None:
                await thrown_away(consumer)
            if self._taken and isinstance(error, NotTakenError):
                # It took the certificate before: a node that starts anew, not one that is not ours.
                raise UnavailableError(error.message, advice=error.advice) from None
            raise
        self._taken = True
        return found

    async def _look(self, topic: str) -> None:
        """Take up another certificate that was put in place."""
        if self._renewed is not None and (place := self._renewed()) != self._place:
            self._place = place
            if self._marks is not None:
                await self._marks.move(place)
        if self._opened.get(topic, self._place) != self._place:
            await thrown_away(self._consumers.pop(topic))
            del self._opened[topic]

    async def _found(self, topic: str, offset: int, wait: float) -> Sequence[Kept]:
        await self._look(topic)
        partition = TopicPartition(topic, 0)
        consumer = self._consumers.get(topic)
        if consumer is None:
            place = self._place
            consumer = self._consumers[topic] = await self._open()
            self._opened[topic] = place
            async with bounded(f"show {topic}", self._place):
                await require_topic(consumer, topic)
                consumer.assign([partition])
                consumer.seek(partition, offset)
        async with bounded(f"give records of {topic}", self._place, ASK_SECONDS + wait):
            if await consumer.position(partition) != offset:
                consumer.seek(partition, offset)
            deadline = self._loop.time() + wait
            while True:
                # A little even where nothing is to be waited for: what is at hand is still at the node.
                patience = max(deadline - self._loop.time(), 0.02)
                try:
                    found = (await consumer.getmany(partition, timeout_ms=int(patience * 1000), max_records=MOST)).get(
                        partition
                    )
                except OffsetOutOfRangeError:
                    # The topic's tail was lost, or its oldest records are gone: from its first on.
                    await consumer.seek_to_beginning(partition)
                    continue
                if found:
                    return [kept(each) for each in found]
                end = (await consumer.end_offsets([partition]))[partition]
                place = await consumer.position(partition)
                if place > end:
                    await consumer.seek_to_beginning(partition)
                elif place == end and self._loop.time() >= deadline:
                    return []

    async def _open(self) -> AIOKafkaConsumer:
        if not self._checked:
            await check_cluster(self._place)
            self._checked = True
        consumer = AIOKafkaConsumer(
            **options(self._place),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=LARGEST,
            fetch_max_wait_ms=int(self._fetch_wait * 1000),
        )
        try:
            async with bounded("take a consumer", self._place, START_SECONDS):
                await consumer.start()
        except BaseException:
            await thrown_away(consumer)
            raise
        return consumer

    def _mark(self, marks: Marks, topic: str, offset: int) -> None:
        marks.put(topic, offset)
        if self._marking is None:
            self._marking = self._loop.create_task(marks.run())

    async def _close(self) -> None:
        consumers, self._consumers = self._consumers, {}
        if self._marks is not None:
            if self._marking is not None:
                self._marking.cancel()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._marks.finish(), STOP_SECONDS)
            await self._marks.close()
        await asyncio.gather(*(thrown_away(each) for each in consumers.values()))
