"""The faults of the drill, each with what must hold while it lasts (the fault matrix of the design).

A fault is put in, held for some seconds and taken away; its checks look at what the watcher was answered meanwhile.
"""

import itertools
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from broker.cli.cluster.cluster import Cluster
from broker.cli.drills.history import Posted, clock

TAKE_OVER = 10.0
"""Seconds within which another relay has taken over."""

DELAY = 2.0
"""Seconds by which a stopped gateway may delay the others at most."""

SETTLED = 0.5
"""Seconds around a fault's edges in which an answer may still be of before or after it."""

UNAVAILABLE = 503
LOOK = 0.1


@dataclass(frozen=True, slots=True)
class Check:
    """What had to hold, what was found, and whether it did. timed: it can fail where the machine is overloaded."""

    expected: str
    found: str
    ok: bool
    timed: bool = False


@dataclass(frozen=True, slots=True)
class Window:
    """What is known of a fault when it is over. answers: of posts that began while it lasted; times as `clock`.

    relayed: seconds after which another relay had brought packets to Kafka; None: never.
    """

    began: float
    ended: float
    answers: Sequence[Posted]
    relayed: float | None

    def answered(self, gateway: int | None = None) -> list[Posted]:
        return [each for each in self.answers if each.outcome == "ok" and gateway in (None, each.at)]


@dataclass(frozen=True, slots=True)
class Fault:
    """hold: seconds; takes_over: also wait until another relay brings packets to Kafka before it is taken away."""

    name: str
    title: str
    hold: float
    put: Callable[[Cluster], None]
    take: Callable[[Cluster], None]
    checks: Callable[[Cluster, Window], Iterator[Check]]
    takes_over: bool = False


def accepting(_: Cluster, window: Window) -> Iterator[Check]:
    """Accepting goes on."""
    found = window.answered()
    longest = _longest_silence(found, window)
    yield Check(
        "accepting goes on",
        f"{len(found)} of {len(window.answers)} posts accepted, never silent for more than {longest:.1f} s",
        bool(found) and longest <= 2 * DELAY,
        timed=bool(found),
    )


def refusing(_: Cluster, window: Window) -> Iterator[Check]:
    """Nothing is accepted, and every answer says when to ask again."""
    inside = [each for each in window.answers if window.began + SETTLED < each.began < window.ended - SETTLED]
    told = [each for each in inside if each.status == UNAVAILABLE and each.wait is not None]
    others = sorted({f"{each.status or each.code}" for each in inside if each not in told and each.status is not None})
    silent = sum(each.status is None for each in inside)
    yield Check(
        "503 with Retry-After, nothing accepted",
        f"{len(told)} times 503 with Retry-After, {silent} without an answer"
        + (f", and also {', '.join(others)}" if others else ""),
        bool(told) and not others,
    )


def others_go_on(_: Cluster, window: Window) -> Iterator[Check]:
    """The other gateway is hardly delayed."""
    found = window.answered(1)
    worst = max((each.ended - each.began for each in found), default=float("inf"))
    yield Check(
        f"the other gateway answers, delayed by {DELAY:.0f} s at most",
        f"{len(found)} posts accepted there, the slowest in {worst:.2f} s",
        bool(found) and worst <= DELAY + SETTLED,
        timed=bool(found),
    )


def taken_over(_: Cluster, window: Window) -> Iterator[Check]:
    """The other relay takes over."""
    after = window.relayed
    yield Check(
        f"the other relay takes over within {TAKE_OVER:.0f} s",
        "nothing came to Kafka" if after is None else f"packets come to Kafka again after {after:.1f} s",
        after is not None and after <= TAKE_OVER,
        timed=after is not None,
    )


def _longest_silence(answered: Sequence[Posted], window: Window) -> float:
    moments = sorted([window.began, *(each.ended for each in answered), window.ended])
    return max(later - sooner for sooner, later in itertools.pairwise(moments))


def _kill_kafka(cluster: Cluster) -> None:
    cluster.kafka.kill()


def _lose_tail(cluster: Cluster) -> None:
    cluster.kafka.kill()
    for log in sorted(cluster.kafka_data().glob("setu.*/*.log")):
        cut(log)


def cut(log: Path, part: float = 0.7) -> None:
    """Take a segment's end away, as a machine loses it whose disk had not yet got what Kafka acknowledged."""
    size = log.stat().st_size
    os.truncate(log, int(size * part))
    for index in log.parent.glob(f"{log.stem}.*index"):
        index.unlink()


def _stop_first_with_lock(cluster: Cluster) -> None:
    """Stop the first gateway, if that can be had while it is within a transaction of the store."""
    for _ in range(TRIES):
        cluster.gateways[0].pause()
        if cluster.held():
            return
        cluster.gateways[0].resume()
        time.sleep(random.uniform(0.01, 0.05))  # noqa: S311 - any moment
    cluster.gateways[0].pause()


TRIES = 40

MATRIX: tuple[Fault, ...] = (
    Fault(
        "kafka-killed", "Kafka is killed", 4, _kill_kafka, lambda cluster: cluster.kafka.start(), accepting
    ),
    Fault(
        "kafka-paused", "Kafka hangs", 5,
        lambda cluster: cluster.kafka.pause(), lambda cluster: cluster.kafka.resume(), accepting,
    ),
    Fault(
        "kafka-tail-lost", "Kafka is killed and comes back without the end of its topics", 3,
        _lose_tail, lambda cluster: cluster.kafka.start(), accepting,
    ),
    Fault(
        "store-killed", "PostgreSQL is killed", 4,
        lambda cluster: cluster.postgres.kill(), lambda cluster: cluster.postgres.start(), refusing,
    ),
    Fault(
        "gateway-killed", "a gateway is killed", 4,
        lambda cluster: cluster.gateways[0].kill(), lambda cluster: cluster.gateways[0].start(), others_go_on,
    ),
    Fault(
        "gateway-stopped", "a gateway hangs, within a transaction", 5,
        _stop_first_with_lock, lambda cluster: cluster.gateways[0].resume(), others_go_on,
    ),
    Fault(
        "relay-killed", "the active relay is killed", 2,
        lambda cluster: cluster.active_relay().kill(), lambda cluster: cluster.start_relays(), taken_over, True,
    ),
    Fault(
        "relay-stopped", "the active relay hangs, and comes back after another took over", 2,
        lambda cluster: cluster.active_relay().pause(), lambda cluster: cluster.resume_relays(), taken_over, True,
    ),
    Fault(
        "guard-killed", "the rollback guard is killed", 3,
        lambda cluster: cluster.guard.kill(), lambda cluster: cluster.guard.start(), refusing,
    ),
)  # fmt: skip


def chosen(names: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of these names, in the matrix's order; all where none is named."""
    return tuple(each for each in MATRIX if not names or each.name in names)


def lasting(fault: Fault, cluster: Cluster) -> tuple[float, float, float | None]:
    """Put it in, hold it, take it away: when it began and ended, and the seconds until another relay relayed."""
    before = cluster.relayed() if fault.takes_over else None
    fault.put(cluster)
    began, relayed = clock(), None
    taken: int | None = None
    deadline = began + (2 * TAKE_OVER if fault.takes_over else fault.hold)
    while clock() < deadline:
        time.sleep(LOOK)
        if before is None:
            continue
        epoch, places = cluster.relayed()
        if epoch > before[0] and taken is None:
            taken = places
        if relayed is None and taken is not None and places > taken:
            relayed = clock() - began
        if relayed is not None and clock() >= began + fault.hold:
            break
    ended = clock()
    fault.take(cluster)
    return began, ended, relayed
