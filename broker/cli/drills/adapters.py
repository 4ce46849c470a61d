"""What an adapter's own log says that it delivered, as a consumer's history."""

import json
from pathlib import Path
from typing import Any

from broker.cli.drills.history import History, Joined, Received

VIA = "adapter"


class Dropped:
    """Args: log: what the adapter prints, a JSON line for each event; only lines from now on count."""

    def __init__(self, agency: str, log: Path) -> None:
        self._agency = agency
        self._log = log
        self._begin = self._place = log.stat().st_size
        self._seen: set[str] = set()

    def look(self) -> int:
        """How many packets it has delivered and answered by now."""
        with self._log.open("rb") as file:
            file.seek(self._place)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                self._place += len(line)
                event = _delivered(line)
                if event is not None:
                    self._seen.add(event["digest"])
        return len(self._seen)

    def write(self, path: Path) -> None:
        """All of it, as a history."""
        with self._log.open("rb") as file, History(path) as history:
            history.add(Joined(self._agency, VIA, answers=True))
            file.seek(self._begin)
            for line in file:
                event = _delivered(line)
                if event is not None:
                    history.add(Received(self._agency, VIA, event["topic"], event["digest"], event["index"], 0.0))


def _delivered(line: bytes) -> dict[str, Any] | None:
    if b'"delivered"' not in line or not line.endswith(b"\n"):
        return None
    found: dict[str, Any] = json.loads(line)
    return found if found["event"] == "delivered" else None
