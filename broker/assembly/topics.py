"""Kafka for those who run it: the administrator's topics, the certificates of a node, the relay and its own."""

import time
from collections.abc import Callable
from pathlib import Path

from broker.assembly.kafka import no_kafka
from broker.assembly.keystore import keystore
from broker.config import GatewayKafka, GatewaySettings
from broker.crypto.certificates import Authority, pem_to_der, uri_of
from broker.errors import IntegrityError
from broker.flows.topics import Topics
from broker.transport.kafka_admin import KafkaAdministration
from broker.transport.place import Place
from schemas.problem import Code

RELAY, ADMIN, NODE = "relay", "admin", "node"
DAYS = 397


def place_of(settings: GatewaySettings, name: str) -> Place:
    """Kafka as the relay or the administrator comes to it; raises IntegrityError (code `config-invalid`)."""
    kafka = _of(settings)
    folder = settings.at(kafka.folder)
    ca, certificate, key = (folder / file for file in ("ca.pem", f"{name}.pem", f"{name}.key"))
    keys = keystore()
    missing = [each.name for each in (ca, certificate, key) if not keys.find(each).exists()]
    if missing:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected Kafka's CA and the certificate and key of its {name} in {folder}, found no {missing[0]}.",
            advice="Make them with `setu topics certificates`, or name their folder in `kafka.folder`.",
        )
    return Place(kafka.bootstrap, ca, certificate, keys.find(key), kafka.cluster, keys.unsealed(key))


def topics_of(settings: GatewaySettings, *, now: Callable[[], float] = time.time) -> Topics:
    """The administrator's hand; raises IntegrityError (code `config-invalid`)."""
    kafka = _of(settings)
    admin = KafkaAdministration(place_of(settings, ADMIN))
    return Topics(admin, now=now, days=kafka.days, generation=kafka.generation)


def make_certificates(
    settings: GatewaySettings, hosts: tuple[str, ...], *, now: Callable[[], float] = time.time
) -> list[str]:
    """Certificates for a node, the relay and the administrator, by the CA of the gateway's country in the deployment.

    Those that there are stay. Returns the names of those made. Raises IntegrityError (code `config-invalid`), also
    where one that there is has another generation than the settings say.
    """
    kafka = settings.kafka or GatewayKafka(bootstrap=("localhost:9094",))
    folder = settings.at(kafka.folder)
    home = settings.base / "ca" / settings.gateway[:2]
    authority = Authority.load(home / "ca.pem", home / "ca.key", keystore().read)
    folder.mkdir(mode=0o700, exist_ok=True)
    (folder / "ca.pem").write_bytes(settings.at(settings.paths.clients_ca).read_bytes())
    made = []
    for name in (NODE, RELAY, ADMIN):
        if (folder / f"{name}.pem").exists():
            if name != NODE:
                _check_generation(folder / f"{name}.pem", kafka.generation)
            continue
        if name == NODE:
            issued = authority.issue_node("n1", hosts, now=now(), days=DAYS)
        else:
            issued = authority.issue_client(name, kafka.generation, now=now(), unit="gateway", days=DAYS)
        issued.save(folder / f"{name}.pem", folder / f"{name}.key")
        made.append(name)
    return made


def _check_generation(path: Path, generation: int) -> None:
    found = uri_of(pem_to_der(path.read_bytes())).rpartition(":g")[2]
    if found != str(generation):
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected {path.name} of generation {generation}, found one of generation {found}.",
            advice=f"Move {path} and its key away, or mend `kafka.generation` in the settings.",
        )


def _of(settings: GatewaySettings) -> GatewayKafka:
    if settings.kafka is None:
        raise no_kafka("setu.toml")
    return settings.kafka
