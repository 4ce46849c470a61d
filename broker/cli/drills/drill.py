"""Conducts a drill: a cluster, load on it, one fault after the other, and the checker over all that was seen."""

import json
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from broker.assembly.agency import connect
from broker.cli.cluster.cluster import Cluster
from broker.cli.drills import history
from broker.cli.drills.adapters import Dropped
from broker.cli.drills.afresh import read_afresh
from broker.cli.drills.checker import Checker, Findings
from broker.cli.drills.faults import Check, Fault, Window, lasting
from broker.cli.drills.history import History, clock
from broker.cli.drills.orders import Helper
from broker.cli.drills.sender import KINDS
from broker.cli.drills.watcher import Watcher
from broker.errors import UnavailableError
from broker.ledger.mirror import files_in, mirror
from broker.ledger.port import EntryFilter
from broker.ledger.search import search_mirror
from broker.merkle.note import parse_checkpoint
from schemas.evidence import EntryType

SENDERS = ("in-ncb",)
WATCHING, AUDITING = "in-nia", "us-audit"
BY_KAFKA, BY_ADAPTER, BY_HTTPS = "us-dea", "us-cbp", "us-hsi"
RECIPIENTS = (BY_KAFKA, BY_ADAPTER, BY_HTTPS)
FAULT_SECONDS = 9.0
"""What a fault with its recovery takes at least; few packets are spread over it."""

SLOWEST = 4.0
"""Packets per second that are sent at least."""

AHEAD = 64
"""Packets, or batches, that a sender is let go ahead with; so that it stops soon."""

MANY, BATCH = 5000, 64
"""From so many packets on they are posted in batches of so many."""

STILL = 45.0
"""Seconds without anything new after which what has not arrived counts as lost."""

Moved = Callable[[int, int | None], None]


@dataclass(slots=True)
class Drilled:
    """What a drill found. seconds: of the load; checks: of each fault."""

    checks: list[tuple[Fault, float, Check]] = field(default_factory=list)
    findings: Findings = field(default_factory=Findings)
    counts: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    size: int = 0
    root: str = ""
    trouble: list[str] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        return not self.findings.count and not self.trouble and all(check.ok for _, _, check in self.checks)

    @property
    def late(self) -> bool:
        """Not ok, and for a limit of time alone."""
        return (
            not self.ok
            and not self.findings.count
            and not self.trouble
            and all(check.ok or check.timed for _, _, check in self.checks)
        )


class Drill:
    """One drill on a running cluster.

    Args:
        packets: how many to send, at least.
        told: is told each check as it is made.
    """

    def __init__(
        self,
        cluster: Cluster,
        faults: Sequence[Fault],
        packets: int,
        *,
        told: Callable[[Fault, float, Check], None] = lambda *_: None,
        say: Callable[[str], None] = lambda _: None,
        moved: Moved = lambda *_: None,
    ) -> None:
        self._cluster = cluster
        self._faults = faults
        self._packets = packets
        self._batch = BATCH if packets >= MANY else 1
        self._told = told
        self._say = say
        self._moved = moved
        self._folder = cluster.folder / "drill"
        self._result = Drilled()

    def run(self) -> Drilled:
        """Raises UnavailableError where a client of the drill or a part of the cluster does not start (again)."""
        self._folder.mkdir()
        agencies = self._cluster.deployment.agencies
        with ExitStack() as stack:
            dropped = Dropped(BY_ADAPTER, self._cluster.adapters[BY_ADAPTER].log)
            receivers = [self._receiver(stack, BY_KAFKA, "kafka"), self._receiver(stack, BY_HTTPS, "https")]
            senders = [self._sender(stack, each) for each in SENDERS]
            for each in (*receivers, *senders):
                each.wait_ready(60)
            watcher = Watcher(
                agencies[WATCHING], agencies[AUDITING], [BY_KAFKA, BY_ADAPTER], self._folder / "watcher.jsonl"
            )
            own = stack.enter_context(History(self._folder / "drill.jsonl"))
            begun = clock()
            with watcher, self._load(senders) as progress:
                for number, fault in enumerate(self._faults):
                    progress.wait_for(self._packets * (number + 1) // (len(self._faults) + 1))
                    self._one(fault, watcher, own)
                progress.finish()
            self._result.seconds = clock() - begun
            self._ended(senders)
            self._say("waiting until everything has arrived")
            self._drain(receivers, dropped)
            self._ended(receivers)
            dropped.write(self._folder / "adapter.jsonl")
            self._say("reading Kafka's topics afresh")
            for agency in sorted(self._cluster.shape.readers):
                self._afresh(agency)
        self._say("checking")
        self._check()
        return self._result

    def _one(self, fault: Fault, watcher: Watcher, own: History) -> None:
        self._say(fault.title)
        own.add(history.Fault(fault.name, "begins", clock()))
        began, ended, relayed = lasting(fault, self._cluster)
        own.add(history.Fault(fault.name, "ends", clock()))
        window = Window(began, ended, watcher.between(began, ended), relayed)
        for check in fault.checks(self._cluster, window):
            self._result.checks.append((fault, ended - began, check))
            self._told(fault, ended - began, check)
        self._recovered(fault, watcher)

    def _recovered(self, fault: Fault, watcher: Watcher) -> None:
        """Until every gateway accepts again, and what they accept is brought to Kafka."""
        since, deadline = clock(), clock() + STILL
        _, before = self._cluster.relayed()
        while clock() < deadline:
            answers = watcher.between(since, clock())
            accepting = {each.at for each in answers if each.outcome == "ok"}
            if accepting >= set(range(len(self._cluster.gateways))) and self._cluster.relayed()[1] > before:
                return
            time.sleep(0.2)
        self._result.trouble.append(f"{STILL:.0f} s after the fault {fault.name} not all was as before")

    def _sender(self, stack: ExitStack, agency: str) -> Helper:
        profile = self._cluster.deployment.agencies[agency]
        words = [str(profile), str(self._folder / f"{agency}.jsonl"), *RECIPIENTS, "--batch", str(self._batch)]
        return self._helper(stack, f"sender {agency}", "broker.cli.drills.sender", *words)

    def _receiver(self, stack: ExitStack, agency: str, via: str) -> Helper:
        profile = self._cluster.deployment.agencies[agency]
        places = self._folder / f"{agency}-places"
        words = [str(profile), str(self._folder / f"{agency}.jsonl"), str(places), "--via", via]
        return self._helper(stack, f"receiver {agency}", "broker.cli.drills.receiver", *words)

    def _helper(self, stack: ExitStack, name: str, *module: str) -> Helper:
        log = self._cluster.logs / f"{name.replace(' ', '-')}.log"
        made = Helper(name, module, log, held=self._cluster.hold)
        stack.callback(made.stop)
        return made

    def _ended(self, helpers: Sequence[Helper]) -> None:
        self._result.trouble.extend(
            f"{each.name} ended with status {status}; read {each.log}" for each in helpers if (status := each.stop())
        )

    @contextmanager
    def _load(self, senders: Sequence[Helper]) -> Iterator["_Load"]:
        least = max(self._packets / (FAULT_SECONDS * (len(self._faults) + 1)), SLOWEST)
        load = _Load(senders, self._packets, least, AHEAD * self._batch, self._moved)
        try:
            yield load
        finally:
            load.close()

    def _drain(self, receivers: Sequence[Helper], dropped: Dropped) -> None:
        """Until every consumer has what the log holds for its agency, or nothing comes any more."""
        with connect(self._cluster.deployment.agencies[AUDITING]) as auditor:
            self._mirror(auditor)
            wanted = dict.fromkeys(RECIPIENTS, 0)
            for entry in self._entries(EntryFilter(types=[EntryType.ACCEPTED], limit=10**9)):
                for agency in entry["packet"]["to"]:
                    wanted[agency] = wanted.get(agency, 0) + 1
            last, still = -1, clock()
            while clock() < still + STILL:
                have = {BY_KAFKA: receivers[0].done, BY_HTTPS: receivers[1].done, BY_ADAPTER: dropped.look()}
                self._moved(sum(have.values()), sum(wanted[each] for each in have))
                if all(have[each] >= wanted[each] for each in have):
                    break
                if sum(have.values()) != last:
                    last, still = sum(have.values()), clock()
                time.sleep(0.2)

    def _afresh(self, agency: str) -> None:
        # Imported where it is wanted: reading by HTTPS needs no Kafka client.
        from broker.assembly.kafka import kafka_log  # noqa: PLC0415

        profile = self._cluster.deployment.agencies[agency]
        with (
            connect(profile) as client,
            closing(kafka_log(profile)) as log,
            History(self._folder / f"{agency}-topics.jsonl") as history,
        ):
            read_afresh(client, log, KINDS, history)

    def _check(self) -> None:
        checker = Checker()
        checker.events(history.read(sorted(self._folder.glob("*.jsonl"))))
        with connect(self._cluster.deployment.agencies[AUDITING]) as auditor:
            self._await(auditor, checker.largest)
            found = self._mirror(auditor)
        self._result.size, self._result.root = found.size, found.root.hex()
        for logged in search_mirror(files_in(self._copy), EntryFilter(limit=10**9)):
            checker.entry(logged.index, logged.entry, json.loads(logged.entry))
        self._result.findings = checker.close()
        self._result.counts = dict(checker.counts)

    @property
    def _copy(self) -> Path:
        return self._folder / "log"

    def _mirror(self, auditor: Any) -> Any:
        """Bring the copy of the log up to date, every entry, tile and head of it checked."""
        self._copy.mkdir(exist_ok=True)
        known = auditor.directory.current().log(self._cluster.deployment.gateway().gateway)
        return mirror(auditor.log_fetch, self._copy, known)

    def _await(self, auditor: Any, size: int) -> None:
        """The published checkpoint follows within a second or so."""
        deadline = clock() + 10
        while clock() < deadline and parse_checkpoint(auditor.log_fetch("checkpoint")).size < size:
            time.sleep(0.1)

    def _entries(self, what: EntryFilter) -> Iterator[dict[str, Any]]:
        return (json.loads(each.entry) for each in search_mirror(files_in(self._copy), what))


class _Load:
    """Lets the senders go on: at a pace that lasts as long as the faults do, as fast as they can afterwards."""

    def __init__(self, senders: Sequence[Helper], packets: int, pace: float, ahead: int, moved: Moved) -> None:
        self._senders = senders
        self._ahead = ahead * len(senders)
        self._packets = packets
        self._pace = pace
        self._moved = moved
        self._allowed = 0
        self._hurry = threading.Event()
        self._stop = threading.Event()
        self._failure: UnavailableError | None = None
        self._thread = threading.Thread(target=self._run, name="load")
        self._thread.start()

    @property
    def done(self) -> int:
        return sum(each.done for each in self._senders)

    def wait_for(self, done: int) -> None:
        while self.done < done:
            self._pause()

    def finish(self) -> None:
        """The rest, without a pace."""
        self._hurry.set()
        self.wait_for(self._packets)

    def close(self) -> None:
        self._stop.set()
        self._thread.join()

    def _pause(self) -> None:
        if self._failure is not None:
            raise self._failure
        ended = [each for each in self._senders if each.ended]
        if ended:
            raise UnavailableError(f"Expected {ended[0].name} to go on, found its end.", advice=f"Read {ended[0].log}.")
        time.sleep(0.1)

    def _run(self) -> None:
        begun = clock()
        while not self._stop.wait(0.05):
            done = self.done
            self._moved(min(done, self._packets), self._packets)
            # The pace goes on beyond the number of packets, so that no fault is without load.
            due = self._packets if self._hurry.is_set() else int((clock() - begun) * self._pace)
            more = min(due, done + self._ahead) - self._allowed
            if more > 0:
                self._allowed += more
                self._let(more)

    def _let(self, more: int) -> None:
        share, rest = divmod(more, len(self._senders))
        try:
            for number, each in enumerate(self._senders):
                each.more(share + (number < rest))
        except UnavailableError as error:
            self._failure = error
            self._stop.set()
