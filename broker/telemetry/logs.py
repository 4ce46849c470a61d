"""The log: one line of ASCII JSON for each event, redacted. Constructed and passed on; nothing of it is global."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog
from structlog.typing import EventDict

from broker.telemetry.redaction import describe, redact, redact_named

OWN = frozenset({"event", "level", "time"})

_ENCODER = json.JSONEncoder(ensure_ascii=True, separators=(",", ":"))


class Log:
    """Writes events to a stream. A value is escaped so that it can neither end its line nor move a terminal's cursor.

    Args:
        now: unix seconds.
    """

    def __init__(self, stream: TextIO, now: Callable[[], float]) -> None:
        def stamp(_: object, level: str, event: EventDict) -> EventDict:
            moment = datetime.fromtimestamp(now(), UTC).isoformat(timespec="microseconds")
            return {"time": moment, "level": level, **event}

        self._logger = structlog.wrap_logger(
            structlog.WriteLogger(stream),
            processors=[stamp, _redacted, _rendered],
            wrapper_class=structlog.BoundLoggerBase,
            context_class=dict,
        ).bind()

    def info(self, event: str, **members: Any) -> None:
        self._write("info", event, members)

    def warning(self, event: str, **members: Any) -> None:
        self._write("warning", event, members)

    def failure(self, event: str, error: BaseException, **members: Any) -> None:
        """An error that nobody foresaw: its type and the places it passed, without its message."""
        self._write("error", event, {**members, **describe(error)})

    def _write(self, level: str, event: str, members: dict[str, Any]) -> None:
        self._logger._proxy_to_logger(level, event, **members)  # noqa: SLF001 - structlog's way to name the level


ROOMS = ("broker", "adapters")
_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def _plain(value: object) -> str | int | float:
    return value if isinstance(value, int | float) else str(value)


class Bridge(logging.Handler):
    """Passes what libraries and our own rooms say by `logging` on to the log; of ours with their `extra`."""

    def __init__(self, log: Log, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        try:
            members: dict[str, Any] = {"logger": record.name, "said": record.getMessage()}
        except (TypeError, ValueError):
            members = {"logger": record.name, "said": "[unreadable]"}
        if record.name.partition(".")[0] in ROOMS:
            members |= {name: _plain(value) for name, value in vars(record).items() if name not in _STANDARD}
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            self._log.failure("library", error, **members)
        elif record.levelno >= logging.WARNING:
            self._log.warning("library", **members)
        else:
            self._log.info("library", **members)


@contextmanager
def heard(log: Log) -> Iterator[None]:
    """Meanwhile, what libraries and rooms say by `logging` goes into the log, from warnings up."""
    bridge, root = Bridge(log, logging.WARNING), logging.getLogger()
    root.addHandler(bridge)
    try:
        yield
    finally:
        root.removeHandler(bridge)


def _redacted(_: object, __: str, event: EventDict) -> EventDict:
    return {
        name: redact(value) if name in OWN else redact_named(name, value)
        for name, value in event.items()
        if value is not None
    }


def _rendered(_: object, __: str, event: EventDict) -> str:
    return _ENCODER.encode(event).replace("\x7f", "\\u007f")
