"""The figures an operator watches, in a registry of their own. No label holds anything a caller chose.

Named by the conventions of Prometheus: a unit at the end, `_total` for what only grows, seconds and entries.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Literal

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from schemas.problem import Code

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 10.0, 31.0)
ENTRIES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)
CONTENT_TYPE = CONTENT_TYPE_LATEST

Watched = Literal[
    "setu_queue_entries",
    "setu_queue_limit_entries",
    "setu_ledger_stopped",
    "setu_ledger_size_entries",
    "setu_checkpoint_age_seconds",
    "setu_delivery_age_seconds",
    "setu_clocks_overdue",
    "setu_purge_age_seconds",
    "setu_store_trouble",
    "setu_guard_size_entries",
    "setu_directory_version",
    "setu_directory_age_seconds",
    "setu_directory_trouble",
    "setu_wrap_key_expiry_timestamp_seconds",
    "setu_certificate_expiry_timestamp_seconds",
    "setu_work_waiting",
    "setu_work_threads",
    "setu_relay_active",
    "setu_relay_trouble",
    "setu_relay_last_success_timestamp_seconds",
]

HELP: Mapping[Watched, str] = {
    "setu_queue_entries": "Entries that wait to be committed",
    "setu_queue_limit_entries": "Entries that may wait before a gateway says that it is busy",
    "setu_ledger_stopped": "1 once this process's ledger takes no entries any more",
    "setu_ledger_size_entries": "Entries of the newest head",
    "setu_checkpoint_age_seconds": "Since the first entry that the published checkpoint does not cover; 0: it has all",
    "setu_delivery_age_seconds": "Since the oldest packet was accepted that a recipient was not offered yet; 0: none",
    "setu_clocks_overdue": "Answers and attestations that recipients owe and did not give in time",
    "setu_purge_age_seconds": "Since the first packet's bytes should have been purged that still are there; 0: none",
    "setu_store_trouble": "1 while the store does not answer",
    "setu_guard_size_entries": "Entries of the newest head in the guard",
    "setu_directory_version": "Version of the directory in force",
    "setu_directory_age_seconds": "Since the directory was last found to verify",
    "setu_directory_trouble": "1 while the newest directory cannot be used",
    "setu_wrap_key_expiry_timestamp_seconds": "When the last key to wrap to for the gateway ends, unix time",
    "setu_certificate_expiry_timestamp_seconds": "When the first of the process's own certificates ends, unix time",
    "setu_work_waiting": "Submissions that wait for a thread to check them",
    "setu_work_threads": "Threads that check submissions",
    "setu_relay_active": "1 in the one process that relays to Kafka",
    "setu_relay_trouble": "1 while something is not relayed that should be",
    "setu_relay_last_success_timestamp_seconds": "When Kafka last kept a record, or had all there were, unix time",
}


class Figures:
    """One page of figures. Safe to call from several threads."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)

    def watch(self, name: Watched, ask: Callable[[], float]) -> None:
        """Ask for a gauge whenever the figures are read. `ask` must not block; NaN: not known."""
        Gauge(name, HELP[name], registry=self._registry).set_function(ask)

    def watch_topics(self, ask: Callable[[], Mapping[str, float]]) -> None:
        """As `watch`, for `setu_relay_lag_entries`: topic -> entries that the ledger has and Kafka has not."""
        self._registry.register(_Lag(ask))

    def watch_deny_lists(self, ask: Callable[[], Mapping[str, float]]) -> None:
        """As `watch`, for `setu_deny_list_expiry_timestamp_seconds`: list -> when it ends."""
        self._registry.register(_DenyLists(ask))

    def render(self) -> bytes:
        return generate_latest(self._registry)


class Metrics(Figures):
    """The page of a process with a ledger; a gateway's requests are in it."""

    def __init__(self) -> None:
        super().__init__()
        own = self._registry
        accepted = Counter(
            "setu_accepted", "Packets accepted; a repeat got its receipt again", ["repeat"], registry=own
        )
        self._fresh = accepted.labels("no")
        self._repeat = accepted.labels("yes")
        self._refused = Counter("setu_refused", "Requests refused, by code", ["code"], registry=own)
        self._codes = {code: self._refused.labels(code.value) for code in Code}
        self._requests = Counter("setu_requests", "Requests", ["route", "status"], registry=own)
        self._seconds = Histogram(
            "setu_request_duration_seconds", "From head to answer", ["route"], buckets=SECONDS, registry=own
        )
        self._open = Gauge("setu_open_reads", "Long polls and streams open now", ["route"], registry=own)
        self._batches = Histogram("setu_batch_entries", "Entries of one commit", buckets=ENTRIES, registry=own)
        self._guarded = Histogram(
            "setu_guard_write_seconds", "Until the rollback guard kept a head", buckets=SECONDS, registry=own
        )
        self._trouble = Gauge("setu_guard_trouble", "1 while the rollback guard does not take a head", registry=own)
        self._unguarded = Counter("setu_guard_failures", "Heads that the guard did not take", registry=own)
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

    def committed(self, entries: int) -> None:
        """One transaction added so many entries to the log."""
        self._batches.observe(entries)

    def guarded(self, seconds: float, *, kept: bool) -> None:
        """The rollback guard was given a head. `kept`: whether it took it."""
        self._trouble.set(not kept)
        if kept:
            self._guarded.observe(seconds)
        else:
            self._unguarded.inc()


class GuardFigures(Figures):
    """The page of a shared rollback guard."""

    def __init__(self) -> None:
        super().__init__()
        self._answers = Counter("setu_guard_answers", "Answers, by HTTP status", ["status"], registry=self._registry)
        for status in (200, 409):
            self._answers.labels(str(status))

    def answered(self, status: int) -> None:
        """409: the head that was brought does not begin where the guard's ends."""
        self._answers.labels(str(status)).inc()


class _DenyLists(Collector):
    def __init__(self, ask: Callable[[], Mapping[str, float]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = GaugeMetricFamily(
            "setu_deny_list_expiry_timestamp_seconds",
            "When a deny list is to be signed anew at the latest, unix time; 0: none was found to be sound",
            labels=["list"],
        )
        for name, end in sorted(self._ask().items()):
            found.add_metric([name], end)
        yield found


class _Lag(Collector):
    def __init__(self, ask: Callable[[], Mapping[str, float]]) -> None:
        self._ask = ask

    def collect(self) -> Iterator[GaugeMetricFamily]:
        found = GaugeMetricFamily(
            "setu_relay_lag_entries", "Packets of a topic that the ledger has and Kafka has not", labels=["topic"]
        )
        for topic, entries in sorted(self._ask().items()):
            found.add_metric([topic], entries)
        yield found
