"""Processes of a cluster: ready, paused, killed, ended; and none is left behind, however their parent ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from broker.cli.cluster.keeper import hold
from broker.cli.cluster.process import Keeper, Process
from broker.errors import UnavailableError

SLEEPS = ("timeit", "-n", "1", "-r", "1", "import time; time.sleep(60)")
FAILS = ("timeit", "-n", "1", "-r", "1", "raise SystemExit(3)")
PARENT = f"""
import sys, time
from pathlib import Path
from broker.cli.cluster.process import Keeper, Process
with Keeper() as keeper:
    process = Process("a sleeper", {SLEEPS!r}, Path(sys.argv[1]), keeper)
    process.start()
    print(process.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def keeper():
    with Keeper() as made:
        yield made


def state(pid):
    """The kernel's letter for what a process does; None where there is none or it is dead."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if found in "ZX" else found


def until(holds, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)


def test_a_process_is_paused_resumed_and_ended(tmp_path, keeper):
    process = Process("a sleeper", SLEEPS, tmp_path / "log", keeper)
    assert process.pid is None
    process.start()
    pid = process.pid
    process.pause()
    until(lambda: state(pid) == "T")
    process.resume()
    until(lambda: state(pid) in {"S", "R"})
    process.pause()
    assert process.stop() == -signal.SIGTERM
    assert (process.pid, state(pid)) == (None, None)


def test_a_killed_process_can_be_started_again(tmp_path, keeper):
    process = Process("a sleeper", SLEEPS, tmp_path / "log", keeper)
    process.start()
    first = process.pid
    process.kill()
    assert process.pid is None
    process.start()
    assert process.pid not in (None, first)
    process.kill()


def test_what_is_never_ready_is_told_with_the_end_of_its_log(tmp_path, keeper):
    log = tmp_path / "log"
    process = Process("a sleeper", SLEEPS, log, keeper, ready=lambda: False)
    process.launch()
    log.write_text("what it said last\n")
    with pytest.raises(UnavailableError, match=r"a sleeper to be ready(.|\n)*what it said last"):
        process.wait(0.2)
    process.kill()


def test_what_ends_instead_of_being_ready_is_not_waited_for(tmp_path, keeper):
    process = Process("a failure", FAILS, tmp_path / "log", keeper, ready=lambda: False)
    begun = time.monotonic()
    process.launch()
    with pytest.raises(UnavailableError):
        process.wait(30)
    assert time.monotonic() - begun < 20


def test_work_that_fails_is_told(tmp_path, keeper):
    with pytest.raises(UnavailableError, match="Expected a failure to do its work"):
        Process("a failure", FAILS, tmp_path / "log", keeper).run()


def test_nothing_outlives_a_parent_that_is_killed(tmp_path):
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        pid = int(parent.stdout.readline())
        assert state(pid) is not None
        parent.kill()
    until(lambda: state(pid) is None)


def test_the_keeper_ends_what_it_holds_and_nothing_that_it_let_go():
    held, freed = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    gone = subprocess.Popen(["true"])
    gone.wait()
    hold([f"+{held.pid}\n", f"+{freed.pid}\n", f"-{freed.pid}\n", f"+{gone.pid}\n", f"-{os.getpid()}\n"])
    assert held.wait(10) == -signal.SIGKILL
    assert freed.poll() is None
    freed.kill()
    freed.wait()
