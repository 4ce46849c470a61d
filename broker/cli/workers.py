"""Several processes of one gateway on one port: each has a socket of its own, and the kernel shares out connections."""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from broker.cli.output import note

LOOK = 0.2
SOON = 10.0
"""Seconds; a worker that ends sooner after its start did not start."""

TRIES = 3
PAUSE = 2.0
"""Seconds before one that did not start is tried again."""

STOP_SECONDS = 60.0
Command = Callable[[int], Sequence[str]]


def worker_command(config: Path) -> Command:
    """`setu serve` as the worker of a number."""
    return lambda number: [sys.executable, "-m", "broker", "serve", "--config", str(config), "--worker", str(number)]


class Workers:
    """Starts `count` workers, starts those again that end, and ends them all when told to (SIGTERM, SIGINT).

    Where none has run for ten seconds yet, one that ends sooner three times in a row ends them all: its own words say
    why. Later it is tried for ever, for then it is a database that is away, and the others go on.
    """

    def __init__(self, command: Command, count: int, *, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._command = command
        self._monotonic = monotonic
        self._stop = threading.Event()
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self._begun: dict[int, float] = {}
        self._failures = dict.fromkeys(range(count), 0)
        self._due: dict[int, float] = {}
        self._stood = False

    def run(self) -> int:
        """Until told to end; the exit status: 0, or a worker's that cannot start."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, lambda *_: self._stop.set())
        try:
            for number in self._failures:
                self._start(number)
            while not self._stop.wait(LOOK):
                status = self._look()
                if status:
                    return status
            return 0
        finally:
            self._end()

    def _start(self, number: int) -> None:
        # The worker reads its standard input, which ends when this process does.
        self._running[number] = subprocess.Popen(self._command(number), stdin=subprocess.PIPE)  # noqa: S603 - our own
        self._begun[number] = self._monotonic()

    def _look(self) -> int:
        now = self._monotonic()
        for number, process in list(self._running.items()):
            soon = now - self._begun[number] < SOON
            status = process.poll()
            if status is None:
                self._stood |= not soon
                continue
            _close(process)
            del self._running[number]
            self._failures[number] = self._failures[number] + 1 if soon else 0
            if self._failures[number] == TRIES and not self._stood:
                note(f"Worker {number} does not start; the others are ended too.", "red")
                return status if status > 0 else 1
            note(f"Worker {number} ended with status {status}; it is started again.", "yellow")
            self._due[number] = now + (PAUSE if soon else 0.0)
        for number in [number for number, due in self._due.items() if due <= now]:
            del self._due[number]
            self._start(number)
        return 0

    def _end(self) -> None:
        for process in self._running.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        deadline = self._monotonic() + STOP_SECONDS
        for process in self._running.values():
            try:
                process.wait(max(0.0, deadline - self._monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process)


def end_with_parent() -> None:
    """Ends this process in order once its standard input does, which is when the process that started it is gone."""

    def watch() -> None:
        while os.read(0, 1):
            continue
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, name="parent", daemon=True).start()


def _close(process: subprocess.Popen[Any]) -> None:
    if process.stdin is not None:
        process.stdin.close()
