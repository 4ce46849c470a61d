"""Reads Kafka's topics afresh, from their first records and without anybody's place: what stands in them in the end."""

from collections.abc import Sequence

from broker.cli.drills.history import TOPIC, History, Joined, Received, clock
from broker.merkle.note import parse_checkpoint
from broker.sdk.client import Client
from broker.sdk.kafka import proven
from broker.transport import records
from broker.transport.port import Kept, RecordLog
from broker.transport.topics import topic

WAIT = 1.0


def read_afresh(client: Client, log: RecordLog, kinds: Sequence[str], history: History) -> None:
    """Write down each record of an agency's topics of these kinds, in the order in which they stand there.

    One without a receipt that holds is written down by a name of its own, which the log cannot know.

    Raises:
        UnavailableError: Kafka does not answer.
    """
    history.add(Joined(client.agency, TOPIC))
    for kind in kinds:
        name, offset = topic(client.agency, kind), 0
        while found := log.read(name, offset, WAIT):
            history.add(*(_seen(client, name, kind, kept) for kept in found))
            offset = found[-1].offset + 1


def _seen(client: Client, name: str, kind: str, kept: Kept) -> Received:
    receipt = proven(kept, client.check_receipt, agency=client.agency, kind=kind)
    digest = records.digest_of(kept)
    if receipt is None or digest is None:
        return Received(client.agency, TOPIC, name, records.name_of(kept), records.index_of(kept) or 0, clock())
    head = parse_checkpoint(receipt.checkpoint.encode())
    return Received(client.agency, TOPIC, name, digest, receipt.index, clock(), head.size, head.root.hex())
