"""The relay of a gateway whose settings name a Kafka."""

from collections.abc import Callable

from broker.assembly.topics import RELAY, place_of
from broker.config import GatewaySettings
from broker.flows.inforce import InForce
from broker.flows.relay import Relay
from broker.ledger.port import Ledger, LedgerReader
from broker.transport.kafka import KafkaPublisher


def relay_of(
    settings: GatewaySettings,
    in_force: InForce,
    ledger: Ledger,
    reader: LedgerReader,
    *,
    now: Callable[[], float],
    probe: Callable[[str], None],
) -> Relay:
    """Raises IntegrityError (code `config-invalid`): the certificate or its key is not there."""
    place = place_of(settings, RELAY)
    place.tls()
    return Relay(in_force, ledger, reader, KafkaPublisher(place), now=now, probe=probe)
