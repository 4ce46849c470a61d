"""Clusters for tests: whether this machine has what one is made of, and the commands that start one."""

import json
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from broker.cli.cluster.engines import launcher

ROOT = Path(__file__).parents[2]


@cache
def _missing():
    kafka, postgres = launcher("kafka"), launcher("postgres")
    try:
        kafka.java()
        kafka.jars(kafka.default_cache())
        postgres.programs()
    except (kafka.CannotRunError, postgres.CannotRunError) as error:
        return str(error)
    return None


def setu(*words, seconds):
    """The one JSON document that a command on a cluster prints, and its exit status; skips where there can be none."""
    if _missing() is not None:
        pytest.skip(f"no cluster here: {_missing()}")
    command = [sys.executable, "-m", "broker", *words, "--json"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False)
    assert done.stdout, done.stderr
    return json.loads(done.stdout), done.returncode


def processes_with(word):
    """Command lines of this machine's processes that name something."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        except OSError:
            continue
        if word in line:
            found.append(line)
    return found
