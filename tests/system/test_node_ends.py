"""What a killed program leaves behind: no Kafka."""

import signal
import subprocess
import sys
import time
from pathlib import Path

from tests.arch.tree import ROOT

# A program that has a node, here a process that sleeps, and is killed before it can end it.
KILLED = """
import importlib.util, subprocess, sys
spec = importlib.util.spec_from_file_location("run", sys.argv[1])
run = importlib.util.module_from_spec(spec)
spec.loader.exec_module(run)
node = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
run.end_with_us(node.pid)
print(node.pid, flush=True)
import time; time.sleep(60)
"""


def runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_node_ends_with_the_program_that_started_it_also_where_that_is_killed():
    command = [sys.executable, "-c", KILLED, str(ROOT / "deploy" / "kafka" / "run.py")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as program:
        node = int(program.stdout.readline())
        time.sleep(0.5)
        assert runs(node)
        program.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 10
    while runs(node) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not runs(node)
