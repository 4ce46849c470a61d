"""What a drill says to a client of its own, a program that it started: lines on the client's stdin and stdout.

To the client: `+N` lets it do N more; the end of stdin, also by the drill's death, is the order to stop.
From the client: a number, how many it has done.
"""

import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TextIO

from broker.errors import UnavailableError

READY = "ready\n"
STOP_SECONDS = 60.0
LOOK = 0.2
"""Seconds between two looks at whether to stop, of a client that waits to be let go on."""


PAUSE = 0.5


def soon(seconds: float) -> float:
    """Less than a program should wait, so that a drill sees at once that all is well again."""
    return min(seconds, PAUSE)


class Stop(threading.Event):
    """Waits no longer than `soon`."""

    def wait(self, timeout: float | None = None) -> bool:
        return super().wait(None if timeout is None else soon(timeout))


class Orders:
    """The client's side."""

    def __init__(self, orders: TextIO, told: TextIO) -> None:
        self.stop = Stop()
        self._more = threading.Semaphore(0)
        self._orders = orders
        self._told = told
        self._lock = threading.Lock()
        self._done = 0
        threading.Thread(target=self._read, name="orders", daemon=True).start()

    def ready(self) -> None:
        self._say(READY)

    def take(self, most: int = 1) -> int:
        """Wait until one more is wanted; how many to do, at most so many, and 0 once it is time to stop."""
        while not self.stop.is_set():
            if self._more.acquire(timeout=LOOK):
                count = 1
                while count < most and self._more.acquire(blocking=False):
                    count += 1
                return count
        return 0

    def done(self, count: int = 1) -> None:
        with self._lock:
            self._done += count
            self._say(f"{self._done}\n")

    def _read(self) -> None:
        for line in self._orders:
            self._more.release(int(line[1:]))
        self.stop.set()

    def _say(self, line: str) -> None:
        try:
            self._told.write(line)
            self._told.flush()
        except OSError:
            self.stop.set()


class Helper:
    """The drill's side: one client, running.

    Args:
        module: a module of Python and its arguments.
        log: the file that takes what it says beyond its numbers.
        held: is told its process's id, and ends it should the drill itself be killed: told to stop by nothing but the
            end of its orders, a client still asks for some minutes whoever owes it an answer.
    """

    def __init__(
        self, name: str, module: Sequence[str], log: Path, *, held: Callable[[int], object] = lambda _: None
    ) -> None:
        self.name = name
        self.done = 0
        self.log = log
        self._ready = threading.Event()
        with log.open("ab") as errors:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", *module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                start_new_session=True,
            )
        held(self._process.pid)
        self._reader = threading.Thread(target=self._read, name=f"of {name}", daemon=True)
        self._reader.start()

    @property
    def ended(self) -> bool:
        return self._process.poll() is not None

    def wait_ready(self, seconds: float) -> None:
        """Raises UnavailableError."""
        if not self._ready.wait(seconds) or self.ended:
            raise UnavailableError(f"Expected {self.name} to begin, found that it did not.", advice=f"Read {self.log}.")

    def more(self, count: int) -> None:
        """Let it do so many more; raises UnavailableError where it has ended."""
        stdin = self._process.stdin
        try:
            if stdin is not None and count > 0:
                stdin.write(f"+{count}\n")
                stdin.flush()
        except OSError:
            raise UnavailableError(
                f"Expected {self.name} to go on, found its end.", advice=f"Read {self.log}."
            ) from None

    def stop(self) -> int:
        """Let it finish what it has in hand, and end it; its exit status."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
        self._process.wait()
        self._reader.join()
        if self._process.stdout is not None:
            self._process.stdout.close()
        return self._process.returncode

    def _read(self) -> None:
        for line in self._process.stdout or ():
            if line == READY:
                self._ready.set()
            else:
                self.done = int(line)
        self._ready.set()
