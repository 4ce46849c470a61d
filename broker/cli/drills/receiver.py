"""A client of a drill that receives: `python -m broker.cli.drills.receiver PROFILE HISTORY FOLDER --via kafka`."""

import argparse
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

from broker.assembly.agency import connect
from broker.cli.drills.history import History, Joined, Received, clock
from broker.cli.drills.orders import Orders
from broker.cli.drills.sender import KINDS, pause
from broker.errors import SetuError
from broker.merkle.note import parse_checkpoint
from broker.sdk.client import Client
from broker.sdk.cursors import FileCursors
from broker.sdk.source import Source
from schemas.evidence import Receipt

WAIT = 2.0
ANSWERING = 16
"""Answers under way at a time: each waits for a commit, and the next packet need not."""


def receive(
    client: Client, source: Source | None, cursors: FileCursors, via: str, history: History, orders: Orders
) -> None:
    """Follow until told to stop: write down each packet as it is given out, and answer it, several at a time.

    Raises:
        SetuError: an alarm, or an answer that was refused.
    """
    history.add(Joined(client.agency, via, answers=True))
    seen: set[str] = set()
    answering: deque[Future[Receipt]] = deque()
    with ThreadPoolExecutor(ANSWERING) as pool:
        for packet in client.follow(*KINDS, cursors=cursors, source=source, wait=WAIT, stop=orders.stop):
            head = parse_checkpoint(packet.receipt.checkpoint.encode())
            history.add(
                Received(
                    client.agency, via, packet.topic, packet.digest, packet.index, clock(), head.size, head.root.hex()
                )
            )
            answering.append(pool.submit(packet.acknowledge, "received"))
            if len(answering) > 2 * ANSWERING:
                answering.popleft().result()
            if packet.digest not in seen:
                seen.add(packet.digest)
                orders.done()
        for each in answering:
            each.result()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Receives for a drill; the end of stdin ends it.")
    parser.add_argument("profile", type=Path)
    parser.add_argument("history", type=Path)
    parser.add_argument("folder", type=Path, help="where its places are kept")
    parser.add_argument("--via", choices=["https", "kafka"], default="https")
    given = parser.parse_args(arguments)
    orders = Orders(sys.stdin, sys.stdout)
    with ExitStack() as stack:
        client = stack.enter_context(connect(given.profile, patience=600.0, sleep=pause))
        history = stack.enter_context(History(given.history))
        cursors = FileCursors(given.folder)
        source: Source | None = None
        if given.via == "kafka":
            # Imported where it is wanted: reading by HTTPS needs no Kafka client.
            from broker.assembly.kafka import kafka_source  # noqa: PLC0415

            source = kafka_source(given.profile, client, cursors)
        orders.ready()
        try:
            receive(client, source, cursors, given.via, history, orders)
        except SetuError as error:
            sys.stderr.write(f"{error}\n")
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
