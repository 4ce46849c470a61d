"""A command that is told to end does so in order."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from broker.cli.folders import place_for_mirror, working_folder

PROGRAM = """
import sys, time
from broker.cli.folders import working_folder
with working_folder(None, "setu-test-") as folder:
    try:
        print(folder, flush=True)
        time.sleep(60)
    finally:
        print("ended", flush=True)
"""


def test_told_to_end_it_ends_what_it_started_and_its_folder_goes():
    process = subprocess.Popen([sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, text=True)
    folder = process.stdout.readline().strip()
    assert Path(folder).is_dir()
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=60)
    assert (said, process.returncode) == ("ended\n", 128 + signal.SIGTERM)
    assert not Path(folder).exists()


def test_afterwards_signals_mean_what_they_did_before(tmp_path):
    before = signal.getsignal(signal.SIGTERM)
    with working_folder(tmp_path / "kept", ""), pytest.raises(SystemExit):
        signal.getsignal(signal.SIGTERM)(signal.SIGTERM, None)
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.parametrize(
    "files",
    [
        pytest.param([], id="none"),
        pytest.param(["tile/0/000.p/3", "checkpoint.new"], id="an-interrupted-first-run"),
        pytest.param(["checkpoint", "notes.txt"], id="a-mirror-and-its-owner's-notes"),
    ],
)
def test_where_a_mirror_may_be_made(tmp_path, files):
    for each in files:
        (tmp_path / "log" / each).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "log" / each).write_bytes(b"")
    assert place_for_mirror(tmp_path / "log").is_dir()
