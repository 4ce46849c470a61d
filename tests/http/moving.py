"""Traffic that goes on while something is done to the realm: senders, followers of both ways, and an adapter."""

import threading
import time
from itertools import cycle

from adapters.assembly import run
from adapters.runner import Delivered
from broker.assembly import connect
from broker.sdk.cursors import MemoryCursors
from broker.sdk.reading import Waiting
from schemas import registry

PATIENCE = 40


class Traffic:
    """Each of `senders` sends tips to `to`; `followers` read by long poll, `streams` by server-sent events, `adapters`
    through a file drop. Whatever is refused, or fails, is in `wrong`; that a stream ended and went on, in `ended`.
    """

    def __init__(self, live, folder, *, senders, to, followers, streams=(), adapters=()):
        self._live = live
        self._to = to
        self.sent = {each: [] for each in senders}
        self.read = {each: [] for each in (*followers, *streams)}
        self.delivered = {each: [] for each in adapters}
        self.wrong, self.ended = [], []
        self._sending, self._reading = threading.Event(), threading.Event()
        self._senders = [self._thread(self._send, each) for each in senders]
        self._readers = [self._thread(self._follow, each, each in streams) for each in self.read]
        self._readers += [self._thread(self._adapt, each, folder) for each in adapters]

    def __enter__(self):
        for each in (*self._readers, *self._senders):
            each.start()
        return self

    def __exit__(self, kind, error, trace):
        self._sending.set()
        for each in self._senders:
            each.join(PATIENCE)
        if kind is None:
            # All that was sent has to be read.
            count = sum(len(each) for each in self.sent.values())
            self.until(lambda: all(len(each) >= count for each in (*self.read.values(), *self.delivered.values())))
        self._reading.set()
        for each in self._readers:
            each.join(PATIENCE)

    def until(self, holds):
        deadline = time.monotonic() + PATIENCE
        while not holds():
            assert not self.wrong, self.wrong
            assert time.monotonic() < deadline, "it did not come to pass"
            time.sleep(0.05)

    def more(self, count=3):
        """Wait until each sender has sent, and each reader read, so many more."""
        lists = [*self.sent.values(), *self.read.values(), *self.delivered.values()]
        before = [len(each) for each in lists]
        self.until(lambda: all(len(each) >= had + count for each, had in zip(lists, before, strict=True)))

    def _thread(self, work, *words):
        def guarded():
            try:
                work(*words)
            except BaseException as error:  # noqa: BLE001 - the test shows it
                self.wrong.append(f"{work.__name__} {words[0]}: {error!r}")

        return threading.Thread(target=guarded, name=f"{work.__name__} {words[0]}", daemon=True)

    def _send(self, agency):
        payloads = cycle(registry.samples("tip").values())
        handling = registry.sample_handling() | {"tlp": "GREEN", "purpose": ["investigation"]}
        with connect(self._live.deployment.agencies[agency]) as client:
            while not self._sending.wait(0.1):
                made = client.send("tip", to=self._to, payload=next(payloads), handling=handling)
                self.sent[agency].append(made)

    def _follow(self, agency, stream):
        with connect(self._live.deployment.agencies[agency]) as client:
            following = client.follow(
                "tip", stream=stream, wait=3, stop=self._reading, report=self._told, cursors=MemoryCursors()
            )
            for packet in following:
                packet.acknowledge("opened")
                self.read[agency].append(packet)

    def _told(self, event):
        # A stream ends with the certificate that it was opened with, and goes on after the next one's.
        ended = isinstance(event, Waiting) and event.error.message.endswith("found its end.")
        (self.ended if ended else self.wrong).append(event)

    def _adapt(self, agency, folder):
        home = folder / f"adapter-{agency}"
        (home / "drop").mkdir(parents=True)
        profile = self._live.deployment.agencies[agency]
        text = f'profile = "{profile}"\nkinds = ["tip"]\n\n[filedrop]\nfolder = "drop"\n'
        (home / "adapter.toml").write_text(text, "utf-8")

        def report(event):
            if isinstance(event, Delivered) and event.answered:
                self.delivered[agency].append(event.digest)
            else:
                self.wrong.append(event)

        run(home / "adapter.toml", stop=self._reading, report=report)
