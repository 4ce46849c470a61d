"""Processes of a cluster: started, watched until they are ready, paused, killed, ended; none outlives its parent."""

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Self

from broker.cli.cluster import keeper
from broker.errors import UnavailableError

START_SECONDS = 60.0
STOP_SECONDS = 20.0
TAIL = 12


class Keeper:
    """Sees to it that what it holds ends with this process, even where this process is killed."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, str(keeper.__file__)], stdin=subprocess.PIPE, text=True, start_new_session=True
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self, pid: int) -> None:
        self._say(f"+{pid}\n")

    def release(self, pid: int) -> None:
        self._say(f"-{pid}\n")

    def close(self) -> None:
        """End what it still holds."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        self._process.wait()

    def _say(self, line: str) -> None:
        if self._process.stdin is not None:
            self._process.stdin.write(line)
            self._process.stdin.flush()


class Process:
    """One program of the cluster.

    Args:
        name: what people call it.
        module: a module of Python and its arguments.
        log: the file that takes what it prints.
        ready: true once it does its work.
    """

    def __init__(
        self, name: str, module: Sequence[str], log: Path, keeper: Keeper, ready: Callable[[], bool] = lambda: True
    ) -> None:
        self.name = name
        self.log = log
        self._command = [sys.executable, "-m", *module]
        self._keeper = keeper
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        """None where it does not run."""
        return None if self._process is None or self._process.poll() is not None else self._process.pid

    def launch(self) -> None:
        """Start it; `wait` for it then."""
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                self._command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        self._keeper.hold(self._process.pid)

    def wait(self, seconds: float = START_SECONDS) -> None:
        """Until it is ready; raises UnavailableError with the end of its log where it is not in time."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self.pid is not None:
            if self._ready():
                return
            time.sleep(0.05)
        raise UnavailableError(
            f"Expected {self.name} to be ready within {seconds:.0f} s, found that it is not.\n{tail(self.log)}",
            advice=f"Read {self.log}.",
        )

    def start(self) -> None:
        self.launch()
        self.wait()

    def run(self, seconds: float = START_SECONDS) -> None:
        """Start it and wait for its end; raises UnavailableError with the end of its log where that is none."""
        self.launch()
        try:
            found: int | None = self._process.wait(seconds) if self._process is not None else None
        except subprocess.TimeoutExpired:
            self.kill()
            found = None
        if found != 0:
            raise UnavailableError(
                f"Expected {self.name} to do its work, found that it did not.\n{tail(self.log)}",
                advice=f"Read {self.log}.",
            )

    def kill(self) -> None:
        """At once, as a crash does."""
        process = self._process
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()
            self._keeper.release(process.pid)

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        self._signal(signal.SIGCONT)

    def stop(self) -> int | None:
        """In order, by force where that takes too long; its exit status, None where it never ran."""
        process = self._process
        if process is None:
            return None
        if process.poll() is None:
            self._signal(signal.SIGTERM)
            self._signal(signal.SIGCONT)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            self._keeper.release(process.pid)
        return process.returncode

    def _signal(self, number: int) -> None:
        pid = self.pid
        if pid is not None:
            os.kill(pid, number)


def answers(url: str) -> Callable[[], bool]:
    """Whether an address of this machine answers with 200."""

    def ready() -> bool:
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - http on loopback
                return True
        except (OSError, urllib.error.URLError):
            return False

    return ready


def tail(log: Path) -> str:
    """The last lines of a log."""
    try:
        return "\n".join(log.read_text("utf-8", "replace").splitlines()[-TAIL:])
    except OSError:
        return ""
