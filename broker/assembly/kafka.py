"""Kafka for an agency that reads its topics there."""

from pathlib import Path

from broker.assembly.keystore import keystore
from broker.config import AgencySettings, load
from broker.errors import IntegrityError
from broker.sdk.client import Client
from broker.sdk.cursors import Cursors
from broker.sdk.kafka import KafkaSource
from broker.transport.kafka_log import KafkaLog
from broker.transport.place import Place
from broker.transport.topics import prefix
from schemas.problem import Code


def kafka_source(profile: Path | str, client: Client, cursors: Cursors, *, name: str = "sdk") -> KafkaSource:
    """An agency's topics, read from the Kafka that its `agency.toml` names; gaps are filled through `client`.

    `name`: what Kafka's own tools show its place as, the group `setu.<agency>.<name>`.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    log = kafka_log(profile, group=f"{prefix(client.agency)}{name}")
    return KafkaSource(client.agency, log, cursors, client.check_receipt, client.source)


def kafka_log(profile: Path | str, *, group: str | None = None) -> KafkaLog:
    """The records of an agency's topics, as they stand in the Kafka that its `agency.toml` names.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    settings = load(AgencySettings, Path(profile))
    kafka = settings.kafka
    if kafka is None:
        raise no_kafka("agency.toml")
    key, keys = settings.at(settings.certificate_key), keystore()
    place = Place(
        bootstrap=kafka.bootstrap,
        ca=settings.at(kafka.ca or settings.gateway_ca),
        certificate=settings.at(settings.certificate),
        key=keys.find(key),
        secret=keys.unsealed(key),
        cluster=kafka.cluster,
    )
    place.tls()
    return KafkaLog(place, group=group)


def no_kafka(file: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        "Expected settings for Kafka, found none.",
        advice=f'Write into {file}: [kafka] and bootstrap = ["localhost:9094"].',
    )
