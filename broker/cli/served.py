"""A gateway of one's own for a while: `setu serve` as a real process, on loopback, ended when done."""

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from broker.cli.deployment import Deployment
from broker.errors import UnavailableError

START_SECONDS = 30
STOP_SECONDS = 20

LOOPBACK = "127.0.0.1"
CONNECTIONS = Path("/proc/sys/net/ipv4/ip_local_port_range")
LOWEST, ROOM = 15_000, 1_000
TRIES = 200


def free_ports(count: int, *, chance: Callable[[int], int] = secrets.randbelow) -> list[int]:
    """So many ports of this machine that were free a moment ago, each another.

    Below those that the kernel gives to outgoing connections, where there is room: else one of those could sit on a
    port while the program that it belongs to is started again.
    """
    below = _first_for_connections() - LOWEST
    with ExitStack() as held:
        found: list[int] = []
        tries = TRIES if below > ROOM else 0
        while len(found) < count:
            taken = held.enter_context(socket.socket())
            tries -= 1
            try:
                taken.bind((LOOPBACK, LOWEST + chance(below) if tries >= 0 else 0))
            except OSError:
                if tries < 0:
                    raise
                continue
            found.append(int(taken.getsockname()[1]))
        return found


def free_port() -> int:
    """One of `free_ports`."""
    return free_ports(1)[0]


def _first_for_connections() -> int:
    try:
        return int(CONNECTIONS.read_text("ascii").split()[0])
    except (OSError, ValueError, IndexError):
        return 0


def cpu_seconds_of(pid: int) -> float:
    """Processor seconds, user and system, that a process has used so far (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Served:
    """`with Served(deployment, log)`: the gateway answers /readyz inside, and has ended outside.

    Args:
        log: the file that takes what the process prints.
        env: what its environment has besides this process's.
    """

    def __init__(self, deployment: Deployment, log: Path, env: Mapping[str, str] | None = None) -> None:
        self._env = {**os.environ, **(env or {})}
        self._config = deployment.config
        self._ready = f"{deployment.operations}/readyz"
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(  # noqa: S603 - our own program
                [sys.executable, "-m", "broker", "serve", "--config", str(self._config)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=self._env,
            )
        try:
            self._wait(self._process)
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def pid(self) -> int:
        if self._process is None:
            raise UnavailableError("Expected a running gateway, found none.")
        return self._process.pid

    def cpu_seconds(self) -> float:
        """Processor seconds, user and system, that the gateway has used so far (Linux)."""
        return cpu_seconds_of(self.pid)

    def stop(self) -> int:
        """End it gracefully; returns its exit status."""
        process = self._process
        if process is None:
            return 0
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
        return process.wait()

    def _wait(self, process: subprocess.Popen[bytes]) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if process.poll() is not None:
                break
            try:
                with urllib.request.urlopen(self._ready, timeout=2):  # noqa: S310 - http on loopback
                    return
            except (OSError, urllib.error.URLError):
                time.sleep(0.05)
        raise UnavailableError(
            f"Expected the gateway to be ready within {START_SECONDS} s, found that it is not.",
            advice=f"Read {self._log}.",
        )
