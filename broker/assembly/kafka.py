"""Kafka for an agency that reads its topics there."""

from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path

from broker.assembly.agency import placed, stamp_of
from broker.assembly.keystore import keystore
from broker.config import AgencySettings, load
from broker.errors import IntegrityError, SetuError
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
    place = kafka_place(settings)
    place.tls()
    return KafkaLog(place, group=group, renewed=_Renewed(settings, place))


def kafka_place(settings: AgencySettings) -> Place:
    """Where an agency's Kafka is, and the certificate it goes there with.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    kafka = settings.kafka
    if kafka is None:
        raise no_kafka("agency.toml")
    key, keys = settings.at(settings.certificate_key), keystore()
    return Place(
        bootstrap=kafka.bootstrap,
        ca=settings.at(kafka.ca or settings.gateway_ca),
        certificate=settings.at(settings.certificate),
        key=keys.find(key),
        secret=keys.unsealed(key),
        cluster=kafka.cluster,
    )


def shown_topics(settings: AgencySettings) -> Sequence[str]:
    """The topics that Kafka shows to whoever has the certificate of these settings. Raises as `RecordLog.topics`."""
    with closing(KafkaLog(kafka_place(settings))) as log:
        return [each for each in log.topics() if each.startswith(prefix(settings.agency))]


class _Renewed:
    """Where Kafka is, with the certificate that the settings file names now; with the one before where that cannot be
    used.
    """

    def __init__(self, settings: AgencySettings, place: Place) -> None:
        self._settings = settings
        self._place = place
        self._stamp = stamp_of(settings)

    def __call__(self) -> Place:
        stamp = stamp_of(self._settings)
        if stamp != self._stamp:
            self._stamp = stamp
            with suppress(SetuError):
                place = kafka_place(placed(self._settings))
                place.tls()
                self._place = place
        return self._place


def no_kafka(file: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        "Expected settings for Kafka, found none.",
        advice=f'Write into {file}: [kafka] and bootstrap = ["localhost:9094"].',
    )
