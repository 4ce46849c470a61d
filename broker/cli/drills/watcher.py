"""Watches a cluster as a drill goes on: one packet posted to every gateway at once, and the heads each one shows."""

import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Self

import httpx

from broker.assembly.agency import connect, transport_of
from broker.cli.drills.history import Head, History, Outcome, Posted, Sealed, clock
from broker.cli.drills.sender import drill_handling, made, pause
from broker.config import AgencySettings, load
from broker.envelope.seal import Sealed as Packet
from broker.errors import SetuError
from broker.merkle.note import parse_checkpoint, verify_head
from schemas import registry
from schemas.evidence import Receipt
from schemas.packet import MEDIA_TYPE
from schemas.problem import Problem

PATIENCE = 3.0
EVERY = 0.2
OK = (200, 201)


class Watcher:
    """`with Watcher(...)`: it watches inside.

    Args:
        sender, auditor: profiles; both gateways' addresses are the sender's.
        recipients: of the packets it posts.
        history: a new file.
    """

    def __init__(self, sender: Path, auditor: Path, recipients: Sequence[str], history: Path) -> None:
        self._sender = sender
        self._auditor = auditor
        self._recipients = list(recipients)
        self._path = history
        self._stop = threading.Event()
        self._threads: list[threading.Thread] = []
        self._stack = ExitStack()
        self.answers: list[Posted] = []
        """Every answer, or none, as it came; for each packet one of each gateway."""

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._history = stack.enter_context(History(self._path))
            self._lock = threading.Lock()
            for work in (self._post, self._look):
                self._threads.append(threading.Thread(target=work, name="watcher"))
            for thread in self._threads:
                thread.start()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()
        self._stack.close()

    def between(self, began: float, ended: float) -> list[Posted]:
        """The answers to posts that began in that time."""
        with self._lock:
            return [each for each in self.answers if began <= each.began < ended]

    def _post(self) -> None:
        """Each packet to every gateway at once; one that has not answered the last ones yet misses the next."""
        settings = load(AgencySettings, self._sender)
        with ExitStack() as stack:
            client = stack.enter_context(connect(self._sender, sleep=pause))
            gateways = [stack.enter_context(transport_of(settings)) for _ in settings.url]
            pools = [stack.enter_context(ThreadPoolExecutor(1)) for _ in gateways]
            calls: list[Future[None] | None] = [None] * len(gateways)
            for turn in itertools.count():
                if self._stop.wait(EVERY):
                    return
                to = self._recipients[turn % len(self._recipients)]
                payload = next(iter(registry.samples("tip").values()))
                packet = client.seal("tip", to=to, payload=payload, handling=drill_handling())
                self._add(made(packet))
                for number, (gateway, pool) in enumerate(zip(gateways, pools, strict=True)):
                    call = calls[number]
                    if call is None or call.done():
                        calls[number] = pool.submit(self._ask, gateway, settings.url[number], number, packet)

    def _ask(self, gateway: httpx.Client, url: str, number: int, packet: Packet) -> None:
        found = _once(gateway, url, number, packet)
        self._add(found)
        with self._lock:
            self.answers.append(found)

    def _look(self) -> None:
        settings = load(AgencySettings, self._auditor)
        with connect(self._auditor, sleep=pause) as client, transport_of(settings) as transport:
            log = client.directory.current().log(settings.gateway)
            last: Counter[int] = Counter()
            while not self._stop.wait(EVERY * 2):
                for number, url in enumerate(settings.url):
                    with suppress(httpx.TransportError):
                        answer = transport.get(f"{url}/log/checkpoint", timeout=PATIENCE)
                        if answer.status_code not in OK:
                            continue
                        head = verify_head(answer.content, log)
                        if head.size != last[number]:
                            last[number] = head.size
                            self._add(Head(settings.agency, number, head.size, head.root.hex(), clock()))

    def _add(self, *events: Sealed | Posted | Head) -> None:
        with self._lock:
            self._history.add(*events)


def _once(gateway: httpx.Client, url: str, number: int, packet: Packet) -> Posted:
    by, digest, began = packet.header.from_, packet.digest, clock()
    try:
        answer = gateway.post(
            f"{url}/v1/packets", content=packet.raw, headers={"content-type": MEDIA_TYPE}, timeout=PATIENCE
        )
        if answer.status_code in OK:
            receipt = Receipt.from_json(answer.content)
            head = parse_checkpoint(receipt.checkpoint.encode())
            return Posted(
                by, digest, began, clock(), "ok", receipt.index, head.size, head.root.hex(), at=number,
                status=answer.status_code,
            )  # fmt: skip
        outcome: Outcome = "unknown" if answer.status_code >= 500 or answer.status_code == 429 else "refused"  # noqa: PLR2004
        asked = answer.headers.get("retry-after", "")
        return Posted(
            by, digest, began, clock(), outcome, code=str(Problem.from_json(answer.content).code),
            status=answer.status_code, wait=int(asked) if asked.isdecimal() else None, at=number,
        )  # fmt: skip
    except (httpx.TransportError, ValueError, SetuError) as error:
        return Posted(by, digest, began, clock(), "unknown", code=type(error).__name__, at=number)
