"""What every client of Kafka here shares: its settings, its bounds, and Kafka's errors in our own words."""

import asyncio
import contextlib
import logging
import ssl
import struct
from collections.abc import AsyncIterator
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.client import AIOKafkaClient
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    TopicAuthorizationFailedError,
    UnknownTopicOrPartitionError,
)

from broker.errors import CallerError, IntegrityError, SetuError, UnavailableError
from broker.transport.place import Place
from broker.transport.port import Kept
from schemas.problem import Code

LARGEST = 4 * 2**20
"""Bytes of a record: a packet of the size cap, its receipt and its headers."""

ASK_SECONDS = 10.0
START_SECONDS = 15.0
STOP_SECONDS = 3.0
HANDSHAKE_SECONDS = 3.0
LOOKS, LOOK_SECONDS = 4, 0.5
"""How often a node must cut a client off, and how far apart, before that counts as its answer."""

# Of a node that is away it tells several times a second; we say it once, in our own words.
logging.getLogger("aiokafka").setLevel(logging.CRITICAL)

_WHICH_VERSIONS = struct.pack(">ihhih", 10, 18, 0, 1, -1)
"""An ApiVersions request, version 0, without a client id."""


class NotTakenError(IntegrityError):
    """The node cut this client off again and again."""


async def check_cluster(place: Place) -> None:
    """That somebody answers there, takes this certificate, and is the cluster that was named.

    Raises:
        UnavailableError: nobody answers.
        IntegrityError: code `config-invalid`.
    """
    client = AIOKafkaAdminClient(**options(place))
    async with bounded("say which cluster it is", place):
        try:
            await client.start()
            found = await client.describe_cluster()
        finally:
            await thrown_away(client)
    same_cluster(place, found["cluster_id"])


def same_cluster(place: Place, found: str) -> None:
    """Raises IntegrityError (code `config-invalid`) where another cluster was named."""
    if place.cluster is not None and found != place.cluster:
        raise wrong(
            f"Expected the Kafka cluster {place.cluster} at {', '.join(place.bootstrap)}, found {found}.",
            "Mend `kafka.bootstrap` or `kafka.cluster` in the settings; nothing was read or written.",
        )


def options(place: Place) -> dict[str, Any]:
    return {
        "bootstrap_servers": list(place.bootstrap),
        "security_protocol": "SSL",
        "ssl_context": place.tls(),
        "request_timeout_ms": int(ASK_SECONDS * 1000),
    }


async def require_topic(consumer: AIOKafkaConsumer, topic: str) -> None:
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


async def thrown_away(client: AIOKafkaProducer | AIOKafkaConsumer | AIOKafkaAdminClient | AIOKafkaClient) -> None:
    """Close it, however that ends. What a producer still holds is not sent any more."""
    if isinstance(client, AIOKafkaProducer):
        # Its own `stop` first sends what it holds, for ever where a node refuses it.
        sender = client._sender.sender_task  # noqa: SLF001
        if sender is not None:
            sender.cancel()
        client._closed = True  # noqa: SLF001
        ending = client.client.close()
    elif isinstance(client, AIOKafkaConsumer):
        ending = client.stop()
    else:
        ending = client.close()
    closing = asyncio.ensure_future(ending)
    await asyncio.wait({closing}, timeout=STOP_SECONDS)
    if not closing.done():
        closing.cancel()  # and not waited for: it may take that for no reason to end
    elif not closing.cancelled():
        closing.exception()


@contextlib.asynccontextmanager
async def bounded(what: str, place: Place, seconds: float = ASK_SECONDS) -> AsyncIterator[None]:
    """At most so long, and aiokafka's errors in our own."""
    try:
        async with asyncio.timeout(seconds):
            yield
    except SetuError:
        raise
    except TimeoutError:
        raise silent(what, place) from None
    except asyncio.CancelledError:
        # Its own tasks' cancellation comes through to us, too: only what somebody asked of us ends us.
        task = asyncio.current_task()
        if task is not None and task.cancelling():
            raise
        raise silent(what, place) from None
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        raise CallerError(
            Code.FORBIDDEN,
            f"Expected leave to have Kafka {what}, found none for this certificate.",
            advice="Have the operator run `setu topics plan`: is the agency active, and kafka among its channels?",
        ) from None
    except UnknownTopicOrPartitionError:
        raise wrong(
            f"Expected Kafka to {what}, found that there is no such topic.",
            "Have the operator run `setu topics apply`; topics are never made by themselves.",
        ) from None
    except KafkaConnectionError:
        await say_why(place)
        raise silent(what, place) from None
    except (KafkaError, OSError) as error:
        raise UnavailableError(f"Expected Kafka to {what}, found {type(error).__name__}.") from None


async def say_why(place: Place) -> None:
    """Where nodes answer and TLS is what fails: raises IntegrityError (code `config-invalid`)."""
    for address in place.bootstrap:
        # A node that is dying or starting cuts connections too, for some moments.
        for look in range(LOOKS):
            if not await _cuts_us_off(place, address):
                break
            await asyncio.sleep(LOOK_SECONDS if look + 1 < LOOKS else 0)
        else:
            raise NotTakenError(
                Code.CONFIG_INVALID,
                f"Expected the Kafka at {address} to take our certificate, found that it does not.",
                advice=f"Check {place.certificate}: its issuer, its dates, and a subject CN=...,OU=...,O=Setu.",
            )


async def _cuts_us_off(place: Place, address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        async with asyncio.timeout(HANDSHAKE_SECONDS):
            stream, writer = await asyncio.open_connection(host, int(port), ssl=place.tls())
            try:
                # A refused client hears of it when it has asked something and reads.
                writer.write(_WHICH_VERSIONS)
                return await stream.read(1) == b""
            finally:
                writer.close()
    except ssl.SSLCertVerificationError:
        raise wrong(
            f"Expected a Kafka whose certificate our CA issued at {address}, found another.",
            f"Is it the right cluster? Mend `kafka.bootstrap`, or put its CA in {place.ca}.",
        ) from None
    except (ssl.SSLError, ConnectionResetError):
        return True
    except (OSError, TimeoutError):
        return False


def kept(found: ConsumerRecord[bytes | None, bytes | None]) -> Kept:
    return Kept(
        key=found.key or b"",
        value=found.value or b"",
        headers=[(str(name), bytes(value or b"")) for name, value in found.headers],
        offset=found.offset,
    )


def silent(what: str, place: Place) -> UnavailableError:
    return UnavailableError(
        f"Expected Kafka at {', '.join(place.bootstrap)} to {what}, found no answer.",
        advice="Does it run, and does its log say why not? What waits is not lost; it is tried again.",
    )


def not_open() -> UnavailableError:
    return UnavailableError("Expected an open connection to Kafka, found none.")


def wrong(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)
