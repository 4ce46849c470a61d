"""The figures an operator watches, in a registry of their own. No label holds anything a caller chose."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from schemas.problem import Code

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 31.0)
CONTENT_TYPE = CONTENT_TYPE_LATEST


class Metrics:
    """Safe to call from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        accepted = Counter("setu_accepted", "Packets accepted", ["repeat"], registry=self._registry)
        self._fresh = accepted.labels("no")
        self._repeat = accepted.labels("yes")
        self._refused = Counter("setu_refused", "Requests refused, by code", ["code"], registry=self._registry)
        self._codes = {code: self._refused.labels(code.value) for code in Code}
        self._requests = Counter("setu_requests", "Requests", ["route", "status"], registry=self._registry)
        self._seconds = Histogram(
            "setu_request_seconds", "From head to answer", ["route"], buckets=SECONDS, registry=self._registry
        )
        self._open = Gauge("setu_open_reads", "Long polls and streams open now", ["route"], registry=self._registry)
        self._queue = Gauge("setu_queue", "Entries that wait to be committed", registry=self._registry)
        self._counts: dict[tuple[str, int], Counter] = {}
        self._times: dict[str, Histogram] = {}

    def accepted(self, *, fresh: bool) -> None:
        (self._fresh if fresh else self._repeat).inc()

    def refused(self, code: Code) -> None:
        """A packet of a batch was refused, or the rest of a batch."""
        self._codes[code].inc()

    def answered(self, route: str, status: int, code: Code | None, seconds: float) -> None:
        """A request is over. `route`: the path's template; `status`: 499 where nobody was left to answer."""
        count = self._counts.get((route, status))
        if count is None:
            count = self._counts[route, status] = self._requests.labels(route, str(status))
        count.inc()
        times = self._times.get(route)
        if times is None:
            times = self._times[route] = self._seconds.labels(route)
        times.observe(seconds)
        if code is not None:
            self._codes[code].inc()

    @contextmanager
    def opened(self, route: str) -> Iterator[None]:
        """While a long poll or stream is open."""
        gauge = self._open.labels(route)
        gauge.inc()
        try:
            yield
        finally:
            gauge.dec()

    def watch_queue(self, depth: Callable[[], float]) -> None:
        """Ask `depth` for the queue's length whenever the figures are read."""
        self._queue.set_function(depth)

    def render(self) -> bytes:
        return generate_latest(self._registry)
