"""Several workers: a dead one comes back, one that cannot start ends all, and none outlives who started it."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from broker.config import GatewaySettings, Listen

PARENT = """
import sys, time
from broker.cli.workers import Workers
clock = time.monotonic
if len(sys.argv) > 2:
    begun = clock()
    clock = lambda: time.monotonic() + (1e6 if time.monotonic() - begun > float(sys.argv[2]) else 0)
sys.exit(Workers(lambda number: [sys.executable, "-c", sys.argv[1], str(number)], 2, monotonic=clock).run())
"""
CHILD = """
import os, pathlib, signal, sys, time
from broker.cli.workers import end_with_parent
end_with_parent()
pathlib.Path(f"worker-{sys.argv[1]}").write_text(str(os.getpid()))
time.sleep(60)
"""


@pytest.fixture
def started(tmp_path):
    processes = []

    def start(child, *arguments):
        made = subprocess.Popen(
            [sys.executable, "-c", PARENT, child, *arguments],
            cwd=tmp_path,
            stderr=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[3])},
        )
        processes.append(made)
        return made

    yield start
    for each in processes:
        each.kill()
        each.communicate()


def pids(folder, old=()):
    """The workers' process ids, once both have said them and none of `old` is among them."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        found = [int(text) for path in sorted(folder.glob("worker-*")) if (text := path.read_text())]
        if len(found) == 2 and not set(found) & set(old):
            return found
        time.sleep(0.05)
    raise AssertionError("the workers did not start")


def gone(pid):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            if "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text():
                return True
        except FileNotFoundError:
            return True
        time.sleep(0.05)
    return False


def test_they_end_in_order_together(started, tmp_path):
    parent = started(CHILD)
    workers = pids(tmp_path)
    parent.terminate()
    assert parent.wait(20) == 0
    assert all(map(gone, workers))


def test_a_dead_one_is_started_again(started, tmp_path):
    started(CHILD)
    first, second = pids(tmp_path)
    os.kill(second, signal.SIGKILL)
    again, other = pids(tmp_path, old=[second])
    assert again == first
    assert other != second


def test_none_outlives_a_parent_that_was_killed(started, tmp_path):
    parent = started(CHILD)
    workers = pids(tmp_path)
    parent.kill()
    assert all(map(gone, workers))


def test_one_that_cannot_start_ends_all_with_its_status(started):
    parent = started("import sys; sys.exit(3 if sys.argv[1] == '1' else __import__('time').sleep(60))")
    _, said = parent.communicate(timeout=30)
    assert parent.returncode == 3
    assert b"Worker 1 does not start" in said


FAILING_LATER = CHILD.replace(
    "time.sleep(60)",
    """
path = pathlib.Path(f"tries-{sys.argv[1]}")
tries = path.stat().st_size if path.exists() else 0
path.open("a").write(".")
while tries == 0 and sys.argv[1] == "1":
    time.sleep(0.1)
    if pathlib.Path("away").exists():
        sys.exit(1)
if sys.argv[1] == "1" and pathlib.Path("away").exists():
    sys.exit(1)
time.sleep(60)
""",
)


def test_once_they_have_stood_one_that_does_not_start_is_tried_on_while_the_others_go_on(started, tmp_path):
    parent = started(FAILING_LATER, "1.5")
    first, second = pids(tmp_path)
    time.sleep(2)
    (tmp_path / "away").touch()
    deadline = time.monotonic() + 30
    while (tmp_path / "tries-1").stat().st_size < 5:
        assert time.monotonic() < deadline
        assert parent.poll() is None
        time.sleep(0.05)
    (tmp_path / "away").unlink()
    again, _ = pids(tmp_path, old=[second])
    assert again == first
    assert (tmp_path / "tries-0").stat().st_size == 1


def test_each_worker_has_an_operations_address_and_a_socket_of_its_own():
    settings = GatewaySettings(gateway="in-setu", listen=Listen(operations="127.0.0.1:9443"))
    assert settings.worker(2).listen.operations == "127.0.0.1:9445"
    behind = Listen(identity="client-cert", socket=Path("run/setu.sock"))
    settings = GatewaySettings(gateway="in-setu", listen=behind)
    assert [str(settings.worker(number).listen.socket) for number in (0, 1)] == ["run/setu.sock", "run/setu-1.sock"]
