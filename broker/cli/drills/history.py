"""What clients of a cluster saw, as they saw it: JSON lines, written by each of them, read by the checker.

Times are seconds of one machine's monotonic clock. An answer that did not come is `unknown`, never a failure.
"""

import json
import threading
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, Self, TextIO

Outcome = Literal["ok", "refused", "unknown"]

TOPIC = "topic"
"""The `via` of a topic itself, as it stands in Kafka in the end."""


@dataclass(frozen=True, slots=True)
class Sealed:
    """`by` made a packet and is about to post it."""

    by: str
    digest: str
    id: str
    kind: str
    to: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Posted:
    """One answer, or none, to one post.

    ok: `index`, and the head (`size`, `root` in hex) that the receipt shows. code, status, wait: of another answer;
    `wait` is its Retry-After. at: the gateway's number, None where the program let the SDK choose.
    """

    by: str
    digest: str
    began: float
    ended: float
    outcome: Outcome
    index: int | None = None
    size: int | None = None
    root: str | None = None
    code: str | None = None
    status: int | None = None
    wait: int | None = None
    at: int | None = None


@dataclass(frozen=True, slots=True)
class Joined:
    """A consumer began: it is to receive everything that is `by`'s, and `answers` each packet or none."""

    by: str
    via: str
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """A consumer was given a packet; its receipt verified, and shows this index and head."""

    by: str
    via: str
    topic: str
    digest: str
    index: int
    time: float
    size: int | None = None
    root: str | None = None


@dataclass(frozen=True, slots=True)
class Head:
    """An auditor was shown this signed checkpoint."""

    by: str
    at: int
    size: int
    root: str
    time: float


@dataclass(frozen=True, slots=True)
class Fault:
    """What the drill did, and when."""

    name: str
    phase: Literal["begins", "ends"]
    time: float


Event = Sealed | Posted | Joined | Received | Head | Fault
_KINDS: dict[str, type[Any]] = {each.__name__.lower(): each for each in (Sealed, Posted, Joined, Received, Head, Fault)}


class History:
    """Writes events to a file, each line whole when the call returns. Safe to call from several threads."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._file: TextIO = path.open("a", encoding="utf-8")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def add(self, *events: Event) -> None:
        lines = "".join(line(each) for each in events)
        with self._lock:
            self._file.write(lines)
            self._file.flush()


def line(event: Event) -> str:
    members = {name: value for name, value in asdict(event).items() if value is not None}
    return json.dumps({"event": type(event).__name__.lower(), **members}, separators=(",", ":")) + "\n"


def read(paths: Iterable[Path]) -> Iterator[Event]:
    """The events of these files, one at a time. A last line that was cut, by a kill, is none."""
    for path in paths:
        with path.open(encoding="utf-8") as file:
            for text in file:
                if text.endswith("\n"):
                    yield parse(text)


def parse(text: str) -> Event:
    members = json.loads(text)
    kind = _KINDS[members.pop("event")]
    if "to" in members:
        members["to"] = tuple(members["to"])
    event: Event = kind(**members)
    return event


def clock() -> float:
    """One clock for all processes of a machine."""
    return time.monotonic()
