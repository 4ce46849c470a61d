"""An adapter and its surroundings, in tests of the runner."""

import threading

from adapters.runner import Runner
from broker.sdk.cursors import MemoryCursors


class Shelf:
    """An adapter that keeps what it was given, and first raises what a test put into `failures`."""

    def __init__(self, *failures, opened=True):
        self.opened = opened
        self.failures = list(failures)
        self.calls = []
        self.taken = []
        self.closed = False

    def deliver(self, parcel):
        self.calls.append(parcel.index)
        if self.failures:
            failure = self.failures.pop(0)
            if failure is not None:
                raise failure
        self.taken.append(parcel)

    def close(self):
        self.closed = True


class World:
    """An adapter's surroundings, which outlive its crashes."""

    def __init__(self, gateway, folder):
        self.gateway = gateway
        self.folder = folder
        self.cursors = MemoryCursors()
        self.events = []

    def runner(self, adapter, *, cursors=None, stop=None, **over):
        # A stop that never waits keeps simulated time moving.
        stopping = stop or Unhurried(self.gateway.clock)
        client = self.gateway.client("us-dea", patience=2.0, **over)
        return Runner(
            client,
            client.source(cursors or self.cursors),
            adapter,
            self.folder / "quarantine",
            stop=stopping,
            report=self.events.append,
        )

    def run(self, adapter, *kinds, **over):
        self.runner(adapter, **over).run(*(kinds or ("tip",)), drain=True)
        return adapter

    def of(self, kind):
        return [each for each in self.events if isinstance(each, kind)]

    @property
    def quarantined(self):
        return sorted((self.folder / "quarantine").iterdir())


class Unhurried(threading.Event):
    """An event whose waits pass on the simulated clock."""

    def __init__(self, clock):
        super().__init__()
        self.clock = clock

    def wait(self, timeout=None):
        self.clock.sleep(timeout)
        return self.is_set()
