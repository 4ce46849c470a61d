"""Kafka for those who run it: the administrator's topics, the certificates of a node, the relay and its own."""

import time
from collections.abc import Callable

from broker.assembly.kafka import no_kafka
from broker.config import GatewayKafka, GatewaySettings
from broker.crypto.certificates import Authority
from broker.crypto.keyfile import read_secret
from broker.flows.topics import Topics
from broker.transport.kafka_admin import KafkaAdministration
from broker.transport.place import Place

RELAY, ADMIN, NODE = "relay", "admin", "node"
DAYS = 397


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
        raise no_kafka("setu.toml")
    return settings.kafka
