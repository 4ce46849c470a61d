"""A client of a drill that sends: `python -m broker.cli.drills.sender PROFILE HISTORY RECIPIENT...`."""

import argparse
import itertools
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from broker.assembly.agency import connect
from broker.cli.drills.history import History, Outcome, Posted, Sealed, clock
from broker.cli.drills.orders import Orders, soon
from broker.envelope.seal import Sealed as Packet
from broker.errors import CallerError, PacketError, SetuError, UnavailableError
from broker.merkle.note import parse_checkpoint
from broker.sdk.client import Client
from broker.sdk.posting import Sent
from schemas import registry
from schemas.problem import Code

KINDS = ("tip", "pen")
PATIENCE = 8.0
"""Seconds after which an answer that did not come is written down as unknown; then the same bytes are posted again."""

REFUSED_ONE_IN = 25


class Sender:
    """Seals, writes down what it will post, posts until it is answered, writes down every answer.

    Args:
        recipients: of each packet one, of some two.
        batch: packets posted at a time, at most.
    """

    def __init__(
        self, client: Client, history: History, recipients: Sequence[str], orders: Orders, *, batch: int = 1
    ) -> None:
        self._batch = batch
        self._client = client
        self._history = history
        self._recipients = list(recipients)
        self._orders = orders
        self._numbers = itertools.count()

    def run(self) -> None:
        """One thread's work; several may run."""
        while count := self._orders.take(self._batch):
            packets = [self._seal(next(self._numbers)) for _ in range(count)]
            self._history.add(*(made(each) for each in packets))
            while packets:
                packets = self._post(packets)
                if self._orders.stop.is_set():
                    break  # perhaps nothing is left that could ever answer
            self._orders.done(count)

    def _seal(self, number: int) -> Packet:
        kind = KINDS[number % len(KINDS)]
        first = number // len(KINDS) % len(self._recipients)
        to = [self._recipients[first]]
        if number % 5 == 0:
            to.append(self._recipients[(first + 1) % len(self._recipients)])
        handling = drill_handling()
        if number % REFUSED_ONE_IN == REFUSED_ONE_IN - 1:
            handling["releasable_to"] = ["IND"]
        payload = next(iter(registry.samples(kind).values()))
        return self._client.seal(kind, to=to, payload=payload, handling=handling)

    def _post(self, packets: Sequence[Packet]) -> list[Packet]:
        """Post them and write down the answers; those whose outcome is unknown."""
        by, began = self._client.agency, clock()
        if len(packets) == 1:
            answers = [self._one(packets[0].raw)]
        else:
            answers = self._client.post_many([each.raw for each in packets])
        ended = clock()
        unknown: list[Packet] = []
        for packet, answer in zip(packets, answers, strict=True):
            if isinstance(answer, Sent):
                self._history.add(answered(by, answer, began, ended))
                continue
            refused = not isinstance(answer, UnavailableError) and answer.code is not Code.RATE_LIMITED
            outcome: Outcome = "refused" if refused else "unknown"
            self._history.add(Posted(by, packet.digest, began, ended, outcome, code=str(answer.code)))
            if not refused:
                unknown.append(packet)
        return unknown

    def _one(self, raw: bytes) -> Sent | SetuError:
        try:
            return self._client.post(raw)
        except (UnavailableError, PacketError, CallerError) as error:
            return error


def drill_handling() -> dict[str, Any]:
    """Markings under which every agency of the demonstration may receive the samples."""
    return {**registry.sample_handling(), "purpose": ["officer-safety"], "tlp": "GREEN"}


def made(packet: Packet) -> Sealed:
    """A packet, as a line of the history; its readers in the header's order, which is the one the ledger has."""
    header = packet.header
    return Sealed(header.from_, packet.digest, header.id, header.kind, tuple(each.agency for each in header.to))


def answered(by: str, sent: Sent, began: float, ended: float) -> Posted:
    """A receipt, as a line of the history."""
    head = parse_checkpoint(sent.receipt.checkpoint.encode())
    return Posted(by, sent.digest, began, ended, "ok", sent.index, head.size, head.root.hex())


def pause(seconds: float) -> None:
    time.sleep(soon(seconds))


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="Sends for a drill; its orders come on stdin.")
    parser.add_argument("profile", type=Path)
    parser.add_argument("history", type=Path)
    parser.add_argument("recipients", nargs="+")
    parser.add_argument("--threads", type=int, default=4)
    parser.add_argument("--batch", type=int, default=1, help="packets posted at a time")
    given = parser.parse_args(arguments)
    orders = Orders(sys.stdin, sys.stdout)
    with (
        connect(given.profile, judging=False, patience=PATIENCE, sleep=pause) as client,
        History(given.history) as history,
    ):
        sender = Sender(client, history, given.recipients, orders, batch=given.batch)
        threads = [threading.Thread(target=sender.run, name=f"sender {n}") for n in range(given.threads)]
        for each in threads:
            each.start()
        orders.ready()
        for each in threads:
            each.join()
    return 0


if __name__ == "__main__":
    sys.exit(main())
