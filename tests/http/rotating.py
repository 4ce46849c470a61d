"""Senders, a follower and a reader of pages that go on while keys are exchanged under them, and what they were told."""

import threading
import time
from contextlib import ExitStack
from dataclasses import dataclass

from broker.assembly import connect
from broker.assembly.agency import transport_of
from broker.config import AgencySettings, load
from broker.merkle.receipt import verify_receipt
from broker.sdk.cursors import MemoryCursors
from schemas import registry
from schemas.evidence import Receipt
from schemas.packet import MEDIA_TYPE

TIP = next(iter(registry.samples("tip").values()))
HANDLING = registry.sample_handling() | {"tlp": "GREEN", "purpose": ["investigation"]}
RECIPIENT = "us-dea"
PAGES = f"/v1/topics/setu.{RECIPIENT}.tip/packets"
PATIENCE = 60


@dataclass(frozen=True)
class Answer:
    """To a packet that was posted once: no program asked again for its sender."""

    digest: str
    status: int
    body: dict

    @property
    def receipt(self):
        return Receipt.from_object(self.body)


class Load:
    """`with Load(profiles, senders, urls)`: it goes on inside. `profiles`: agency -> its settings' file.

    answers: to every packet posted. refused: whatever else than 200 or 201 anybody was told. read: ledger indices as
    the follower got them, each verified by the SDK.
    """

    def __init__(self, profiles, senders, urls):
        self._profiles = profiles
        self._stop = threading.Event()
        self._stack = ExitStack()
        self._lock = threading.Lock()
        self.answers, self.refused, self.read, self.failed = [], [], [], []
        works = [lambda each=each, url=url: self._send(each, url) for each, url in zip(senders, urls, strict=True)]
        works += [self._follow, self._page]
        self._threads = [threading.Thread(target=self._run, args=(work,)) for work in works]

    def __enter__(self):
        for each in self._threads:
            each.start()
        self.wait(5)
        return self

    def __exit__(self, *_):
        self._stop.set()
        for each in self._threads:
            each.join(PATIENCE)
        self._stack.close()

    def wait(self, count):
        """Until so many more packets were answered."""
        deadline, begun = time.monotonic() + PATIENCE, len(self.answers)
        while len(self.answers) < begun + count:
            assert time.monotonic() < deadline, (self.failed, self.refused)
            assert not self.failed, self.failed
            time.sleep(0.02)

    def _run(self, work):
        try:
            work()
        except Exception as error:  # noqa: BLE001 - told by the test's own thread
            self.failed.append(error)

    def _http(self, agency, url=None):
        made = transport_of(load(AgencySettings, self._profiles[agency]))
        if url is not None:
            made.base_url = url
        return made

    def _send(self, agency, url):
        with connect(self._profiles[agency]) as client, self._http(agency, url) as http:
            while not self._stop.is_set():
                sealed = client.seal("tip", to=RECIPIENT, payload=TIP, handling=HANDLING)
                said = http.post("/v1/packets", content=sealed.raw, headers={"content-type": MEDIA_TYPE})
                with self._lock:
                    self.answers.append(Answer(sealed.digest, said.status_code, said.json()))
                    if said.status_code != 201:
                        self.refused.append(said.text)
                time.sleep(0.01)

    def _follow(self):
        with connect(self._profiles[RECIPIENT]) as client:
            cursors = MemoryCursors()
            while True:
                last = self._stop.is_set()
                for each in client.follow("tip", cursors=cursors, drain=True, wait=0):
                    self.read.append(each.index)
                if last:
                    return
                time.sleep(0.05)

    def _page(self):
        """As a program that keeps cursors: each is used a second time later on, also one from the very beginning."""
        with self._http(RECIPIENT) as http:
            first = cursor = None
            while not self._stop.is_set():
                for each in (first, cursor):
                    said = http.get(PAGES, params={"limit": 20, **({"cursor": each} if each else {})})
                    if said.status_code != 200:
                        self.refused.append(said.text)
                        continue
                    cursor = said.json()["cursor"]
                    first = first or cursor
                time.sleep(0.05)


def all_verify(answers, row):
    """Every receipt, under one row of the log."""
    for each in answers:
        assert verify_receipt(each.receipt, row).packet.digest == each.digest
