"""Reading topics for as long as it takes: waits out failures, and brings several topics into one stream."""

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

from broker.errors import CallerError, SetuError, UnavailableError
from broker.sdk.patience import Backoff, may_ask_again, retry_after
from broker.sdk.source import Item, Source
from schemas.problem import Code

T = TypeVar("T")
_log = logging.getLogger("setu.sdk")


@dataclass(frozen=True, slots=True)
class Waiting:
    """The gateway, or something on the way to it, does not answer; the reader asks again in `seconds`, for `left` more
    seconds (None: for as long as it takes).
    """

    topic: str
    error: SetuError
    seconds: float
    left: float | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A packet that failed verification. `answered`: whether the signed rejection has its receipt."""

    topic: str
    index: int
    digest: str
    code: Code
    message: str
    answered: bool


@dataclass(frozen=True, slots=True)
class Gone:
    """A place of the topic where there is no packet any more: withheld, purged, retracted or expired."""

    topic: str
    index: int
    digest: str
    why: str


Report = Callable[[Waiting | Rejected | Gone], None]


def log(event: Waiting | Rejected | Gone) -> None:
    """The report for programs that bring none: a line of Python's logging, logger `setu.sdk`."""
    match event:
        case Waiting(topic, error, seconds):
            _log.warning("%s: asking again in %.1f s: %s", topic, seconds, error.message)
        case Rejected(topic, index, _, code, message, answered):
            said = "answered" if answered else "could not be answered"
            _log.warning("%s: packet %d rejected (%s, %s): %s", topic, index, code, said, message)
        case Gone(topic, index, _, why):
            _log.info("%s: packet %d is %s", topic, index, why)


@dataclass(frozen=True, slots=True)
class Pace:
    """How a reader waits. `pause(seconds)` may end early; `stopped()` then says whether to go on. `total`: seconds for
    which one call is repeated; None for as long as it takes.
    """

    pause: Callable[[float], object]
    stopped: Callable[[], bool]
    backoff: Backoff
    report: Report
    total: float | None = None
    monotonic: Callable[[], float] = time.monotonic

    def persist(self, topic: str, call: Callable[[], T]) -> T | None:
        """`call()`, at least once, and again after each failure that may pass by itself; None where stopped before.

        Raises:
            SetuError: what `call` raised, where asking again cannot help or no time is left for it.
        """
        deadline = None if self.total is None else self.monotonic() + self.total
        attempt = 0
        while True:
            try:
                return call()
            except (UnavailableError, CallerError) as error:
                if not may_ask_again(error):
                    raise
                if self.stopped():
                    return None
                seconds = self.backoff.wait(attempt, retry_after(error))
                left = None if deadline is None else deadline - self.monotonic()
                if left is not None and seconds >= left:
                    raise
                self.report(Waiting(topic, error, seconds, left))
            attempt += 1
            self.pause(seconds)
            if self.stopped():
                return None


def items_of(source: Source, topic: str, pace: Pace, *, wait: float, drain: bool) -> Iterator[Item]:
    """A topic's items, until stopped, or with `drain` until none is at hand.

    Raises:
        IntegrityError, CallerError: as `Source.read`; the first to keep apart from what asking again can cure.
    """
    while not pace.stopped():
        found = pace.persist(topic, lambda: source.read(topic, wait))
        if found is None or (drain and not found):
            return
        for item in found:
            if pace.stopped():
                return
            yield item


class _End:
    pass


def merged(topics: Sequence[str], one: Callable[[str, Callable[[], bool]], Iterator[Item]]) -> Iterator[Item]:
    """The items of several topics as they come, each topic in its order, read by a thread for each.

    `one` gives the items of one topic; it is given a function that says when to stop. What it raises for any topic is
    raised here.
    """
    stop = threading.Event()
    coming: queue.Queue[Item | BaseException | _End] = queue.Queue(maxsize=len(topics))

    def put(found: Item | BaseException | _End) -> None:
        while not stop.is_set():
            try:
                coming.put(found, timeout=0.2)
            except queue.Full:
                continue
            return

    def read(topic: str) -> None:
        try:
            for item in one(topic, stop.is_set):
                put(item)
                if stop.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - it is raised again where the items are read
            put(error)
        else:
            put(_End())

    for topic in topics:
        threading.Thread(target=read, args=(topic,), name=f"setu {topic}", daemon=True).start()
    open_topics = len(topics)
    try:
        while open_topics:
            found = coming.get()
            if isinstance(found, BaseException):
                raise found
            if isinstance(found, _End):
                open_topics -= 1
            else:
                yield found
    finally:
        stop.set()
