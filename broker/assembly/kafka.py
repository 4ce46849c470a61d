"""Kafka for those who read or run it: an agency's source, the administrator's topics, the certificates of a node."""

import time
from collections.abc import Callable

from broker.config import AgencySettings, GatewayKafka, GatewaySettings
from broker.crypto.certificates import Authority
from broker.crypto.keyfile import read_secret
from broker.errors import IntegrityError
from broker.flows.topics import Topics
from broker.sdk.client import Client
from broker.sdk.cursors import Cursors
from broker.sdk.kafka import KafkaSource
from broker.transport.kafka import KafkaLog
from broker.transport.kafka_admin import KafkaAdministration
from broker.transport.place import Place
from schemas.problem import Code

RELAY, ADMIN, NODE = "relay", "admin", "node"
DAYS = 397


def kafka_source(settings: AgencySettings, client: Client, cursors: Cursors) -> KafkaSource:
    """An agency's topics, read from Kafka with its own certificate; gaps are filled through `client`.

    Raises:
        IntegrityError: code `config-invalid`.
    """
    kafka = settings.kafka
    if kafka is None:
        raise _none("agency.toml")
    key = settings.at(settings.certificate_key)
    read_secret(key)
    place = Place(
        bootstrap=kafka.bootstrap,
        ca=settings.at(kafka.ca or settings.gateway_ca),
        certificate=settings.at(settings.certificate),
        key=key,
        cluster=kafka.cluster,
    )
    place.tls()
    return KafkaSource(settings.agency, KafkaLog(place), cursors, client.check_receipt, client.source)


def place_of(settings: GatewaySettings, name: str) -> Place:
    """Kafka as the relay or the administrator comes to it; raises IntegrityError (code `config-invalid`)."""
    kafka = _of(settings)
    folder = settings.at(kafka.folder)
    read_secret(folder / f"{name}.key")
    return Place(kafka.bootstrap, folder / "ca.pem", folder / f"{name}.pem", folder / f"{name}.key", kafka.cluster)


def topics_of(settings: GatewaySettings, *, now: Callable[[], float] = time.time) -> Topics:
    """The administrator's hand; raises IntegrityError (code `config-invalid`)."""
    return Topics(KafkaAdministration(place_of(settings, ADMIN)), now=now, days=_of(settings).days)


def make_certificates(
    settings: GatewaySettings, hosts: tuple[str, ...], *, now: Callable[[], float] = time.time
) -> list[str]:
    """Certificates for a node, the relay and the administrator, by the CA of the gateway's country in the deployment.

    Those that there are stay. Returns the names of those made. Raises IntegrityError (code `config-invalid`).
    """
    folder = settings.at((settings.kafka or GatewayKafka(bootstrap=("localhost:9094",))).folder)
    home = settings.base / "ca" / settings.gateway[:2]
    authority = Authority.load(home / "ca.pem", home / "ca.key")
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "ca.pem").write_bytes(settings.at(settings.paths.clients_ca).read_bytes())
    made = []
    for name in (NODE, RELAY, ADMIN):
        if (folder / f"{name}.pem").exists():
            continue
        if name == NODE:
            issued = authority.issue_node("n1", hosts, now=now(), days=DAYS)
        else:
            issued = authority.issue_client(name, 1, now=now(), unit="gateway", days=DAYS)
        issued.save(folder / f"{name}.pem", folder / f"{name}.key")
        made.append(name)
    return made


def _of(settings: GatewaySettings) -> GatewayKafka:
    if settings.kafka is None:
        raise _none("setu.toml")
    return settings.kafka


def _none(file: str) -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        "Expected settings for Kafka, found none.",
        advice=f'Write into {file}: [kafka] and bootstrap = ["localhost:9094"].',
    )
