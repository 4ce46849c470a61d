"""The only door to aiokafka. Every await is bounded; after a failure a client is thrown away, never mended."""

import asyncio
import contextlib
import ssl
import struct
import threading
from collections.abc import AsyncIterator, Coroutine, Sequence
from concurrent.futures import TimeoutError as FutureTimeoutError
from typing import Any, TypeVar

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from broker.errors import CallerError, IntegrityError, SetuError, UnavailableError
from broker.transport.place import Place
from broker.transport.port import Kept, Record, Tail
from schemas.problem import Code

BATCH_BYTES = 256 * 1024
LARGEST = 4 * 2**20
"""Bytes of a record: a packet of the size cap, its receipt and its headers."""

ASK_SECONDS = 10.0
START_SECONDS = 15.0
STOP_SECONDS = 3.0
HANDSHAKE_SECONDS = 3.0
MOST = 200
"""Records handed on at a time."""

_WHICH_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""An ApiVersions request, version 0, without a client id."""

T = TypeVar("T")


async def check_cluster(place: Place) -> None:
    """That somebody answers there, takes this certificate, and is the cluster that was named.

    Raises:
        UnavailableError: nobody answers.
        IntegrityError: code `config-invalid`.
    """
    client = AIOKafkaAdminClient(**_options(place))
    async with _bounded("say which cluster it is", place):
        try:
            await client.start()
            found = await client.describe_cluster()
        finally:
            await client.close()
    if place.cluster is not None and found["cluster_id"] != place.cluster:
        raise _wrong(
            f"Expected the Kafka cluster {place.cluster} at {', '.join(place.bootstrap)}, found {found['cluster_id']}.",
            "Mend `kafka.bootstrap` or `kafka.cluster` in the settings; nothing was read or written.",
        )


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
        options = _options(place)
        producer = AIOKafkaProducer(
            **options,
            acks="all",
            enable_idempotence=True,
            max_batch_size=BATCH_BYTES,
            max_request_size=LARGEST,
            linger_ms=0,
            compression_type=None,  # ciphertext does not compress
        )
        reader = AIOKafkaConsumer(**options, enable_auto_commit=False, max_partition_fetch_bytes=LARGEST)
        self._producer, self._reader = producer, reader
        try:
            async with _bounded("take a producer", place, START_SECONDS):
                await producer.start()
                await reader.start()
        except BaseException:
            await self.close()
            raise

    async def tail(self, topic: str, most: int) -> Tail:
        async with self._one_reader:
            return await self._tail(topic, most)

    async def _tail(self, topic: str, most: int) -> Tail:
        reader = self._reader
        if reader is None:
            raise _not_open()
        partition = TopicPartition(topic, 0)
        async with _bounded(f"show the end of {topic}", self._place):
            await _require_topic(reader, topic)
            reader.assign([partition])
            begin = (await reader.beginning_offsets([partition]))[partition]
            end = (await reader.end_offsets([partition]))[partition]
            start = max(begin, end - most)
            newest: list[Kept] = []
            if start < end:
                reader.seek(partition, start)
                while start < end:
                    found = (await reader.getmany(partition, timeout_ms=1000)).get(partition, [])
                    newest.extend(_kept(each) for each in found if each.offset < end)
                    start = await reader.position(partition)
            return Tail(newest[::-1], end)

    async def send(self, topic: str, records: Sequence[Record]) -> None:
        producer = self._producer
        if producer is None:
            raise _not_open()
        # One batch on the wire at a time: a later one must not be kept where an earlier one failed.
        left = list(reversed(records))
        while left:
            batch = producer.create_batch()
            while left:
                each = left[-1]
                headers = list(each.headers)
                if batch.append(timestamp=None, key=each.key, value=each.value, headers=headers) is None:
                    break
                left.pop()
            async with _bounded(f"take records for {topic}", self._place):
                await (await producer.send_batch(batch, topic, partition=0))

    async def close(self) -> None:
        producer, reader = self._producer, self._reader
        self._producer = self._reader = None
        for each in (producer, reader):
            if each is not None:
                await _thrown_away(each)


class KafkaLog:
    """The `broker.transport.port.RecordLog` of Kafka: a consumer for each topic, on an event loop of its own.

    Places are kept by who reads, beside the digest of what was read there, so no consumer group is joined.

    Args:
        fetch_wait: seconds for which a node may hold a request for records of which there are none yet; a look for
            what is at hand waits as long.
    """

    def __init__(self, place: Place, *, fetch_wait: float = 0.25) -> None:
        self._place = place
        self._fetch_wait = fetch_wait
        self._consumers: dict[str, AIOKafkaConsumer] = {}
        self._checked = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="setu kafka", daemon=True)
        self._thread.start()

    def topics(self) -> Sequence[str]:
        return self._run(self._topics(), START_SECONDS + ASK_SECONDS)

    def read(self, topic: str, offset: int, wait: float) -> Sequence[Kept]:
        return self._run(self._read(topic, offset, wait), 2 * START_SECONDS + 2 * ASK_SECONDS + wait)

    def close(self) -> None:
        if self._thread.is_alive():
            with contextlib.suppress(UnavailableError):
                self._run(self._close(), STOP_SECONDS * (len(self._consumers) + 1))
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T], seconds: float) -> T:
        if not self._thread.is_alive():
            work.close()
            raise _not_open()
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result(seconds)
        except FutureTimeoutError:
            future.cancel()
            raise _silent("answer", self._place) from None

    async def _topics(self) -> Sequence[str]:
        consumer = await self._open()
        try:
            async with _bounded("list topics", self._place):
                return sorted(await consumer.topics())
        finally:
            await _thrown_away(consumer)

    async def _read(self, topic: str, offset: int, wait: float) -> Sequence[Kept]:
        try:
            return await self._found(topic, offset, wait)
        except BaseException:
            consumer = self._consumers.pop(topic, None)
            if consumer is not None:
                await _thrown_away(consumer)
            raise

    async def _found(self, topic: str, offset: int, wait: float) -> Sequence[Kept]:
        partition = TopicPartition(topic, 0)
        consumer = self._consumers.get(topic)
        if consumer is None:
            consumer = self._consumers[topic] = await self._open()
            async with _bounded(f"show {topic}", self._place):
                await _require_topic(consumer, topic)
                consumer.assign([partition])
                consumer.seek(partition, offset)
        async with _bounded(f"give records of {topic}", self._place, ASK_SECONDS + wait):
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
                    return [_kept(each) for each in found]
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
            **_options(self._place),
            enable_auto_commit=False,
            auto_offset_reset="none",
            max_partition_fetch_bytes=LARGEST,
            fetch_max_wait_ms=int(self._fetch_wait * 1000),
        )
        try:
            async with _bounded("take a consumer", self._place, START_SECONDS):
                await consumer.start()
        except BaseException:
            await _thrown_away(consumer)
            raise
        return consumer

    async def _close(self) -> None:
        consumers, self._consumers = self._consumers, {}
        await asyncio.gather(*(_thrown_away(each) for each in consumers.values()))


def _options(place: Place) -> dict[str, Any]:
    return {
        "bootstrap_servers": list(place.bootstrap),
        "security_protocol": "SSL",
        "ssl_context": place.tls(),
        "request_timeout_ms": int(ASK_SECONDS * 1000),
    }


def _kept(found: ConsumerRecord[bytes | None, bytes | None]) -> Kept:
    return Kept(
        key=found.key or b"",
        value=found.value or b"",
        headers=[(str(name), bytes(value or b"")) for name, value in found.headers],
        offset=found.offset,
    )


async def _require_topic(consumer: AIOKafkaConsumer, topic: str) -> None:
    """Raises IntegrityError or CallerError. aiokafka itself would wait for a topic that is not there."""
    if topic not in await consumer.topics():
        # The list leaves out what may not be seen; asked for by name, Kafka says which of the two it is.
        client = consumer._client  # noqa: SLF001
        client.add_topic(topic)
        await client.force_metadata_update()
        if topic in client.cluster.unauthorized_topics:
            raise TopicAuthorizationFailedError
        if topic not in client.cluster.topics():
            raise UnknownTopicOrPartitionError


async def _thrown_away(client: AIOKafkaProducer | AIOKafkaConsumer) -> None:
    with contextlib.suppress(Exception):
        await asyncio.wait_for(client.stop(), STOP_SECONDS)


@contextlib.asynccontextmanager
async def _bounded(what: str, place: Place, seconds: float = ASK_SECONDS) -> AsyncIterator[None]:
    """At most so long, and aiokafka's errors in our own."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except SetuError:
        raise
    except TimeoutError:
        raise _silent(what, place) from None
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        raise CallerError(
            Code.FORBIDDEN,
            f"Expected leave to have Kafka {what}, found none for this certificate.",
            advice="Have the operator run `setu topics plan`: is the agency active, and kafka among its channels?",
        ) from None
    except UnknownTopicOrPartitionError:
        raise _wrong(
            f"Expected Kafka to {what}, found that there is no such topic.",
            "Have the operator run `setu topics apply`; topics are never made by themselves.",
        ) from None
    except KafkaConnectionError:
        await _say_why(place)
        raise _silent(what, place) from None
    except (KafkaError, OSError) as error:
        raise UnavailableError(f"Expected Kafka to {what}, found {type(error).__name__}.") from None


async def _say_why(place: Place) -> None:
    """Where nodes answer and TLS is what fails: raises IntegrityError (code `config-invalid`)."""
    context = place.tls()
    for address in place.bootstrap:
        host, _, port = address.rpartition(":")
        try:
            async with asyncio.timeout(HANDSHAKE_SECONDS):
                stream, writer = await asyncio.open_connection(host, int(port), ssl=context)
                try:
                    # A refused client hears of it when it has asked something and reads.
                    writer.write(_WHICH_VERSIONS)
                    gone = await stream.read(1) == b""
                finally:
                    writer.close()
        except ssl.SSLCertVerificationError:
            raise _wrong(
                f"Expected a Kafka whose certificate our CA issued at {address}, found another.",
                f"Is it the right cluster? Mend `kafka.bootstrap`, or put its CA in {place.ca}.",
            ) from None
        except (ssl.SSLError, ConnectionResetError):
            gone = True
        except (OSError, TimeoutError):
            gone = False
        if gone:
            raise _wrong(
                f"Expected the Kafka at {address} to take our certificate, found that it does not.",
                f"Check {place.certificate}: its issuer, its dates, and a subject CN=...,OU=...,O=Setu.",
            )


def _silent(what: str, place: Place) -> UnavailableError:
    return UnavailableError(f"Expected Kafka at {', '.join(place.bootstrap)} to {what}, found no answer.")


def _not_open() -> UnavailableError:
    return UnavailableError("Expected an open connection to Kafka, found none.")


def _wrong(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)
