"""The rules of tests/conftest.py are themselves tried: on a small session in a folder of its own."""

import os
import subprocess
import sys

import pytest

from tests.arch.tree import ROOT

PASSES = "def test_passes():\n    assert True\n"
SKIPS = "import pytest\n\ndef test_skips():\n    pytest.skip('no runtime here')\n"
MODULE_SKIPS = "import pytest\n\npytest.skip('no library here', allow_module_level=True)\n"
CONNECTS = "import socket\n\ndef test_connects():\n    socket.socket().bind(('127.0.0.1', 0))\n"
SAYS_SO = CONNECTS.replace("def", "import pytest\n\n@pytest.mark.sockets\ndef")


def session(folder, text, ci, *options):
    (folder / "conftest.py").write_bytes((ROOT / "tests" / "conftest.py").read_bytes())
    (folder / "test_it.py").write_text(text, "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    sockets: opens sockets\n", "utf-8")
    env = {name: value for name, value in os.environ.items() if not name.startswith(("CI", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options],
        cwd=folder,
        env={**env, **({"CI": ci} if ci else {})},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("text", "ci", "status", "said"),
    [
        pytest.param(PASSES, "true", 0, "1 passed", id="nothing-skipped-on-ci"),
        pytest.param(SKIPS, None, 0, "1 skipped", id="a-skip-at-home"),
        pytest.param(SKIPS, "true", 1, "test_skips: Skipped: no runtime here", id="a-skip-on-ci"),
        pytest.param(PASSES + MODULE_SKIPS, "true", 1, "no library here", id="a-module-skipped-on-ci"),
        pytest.param(CONNECTS, None, 1, "opens a socket", id="a-socket-nobody-spoke-of"),
        pytest.param(SAYS_SO, None, 0, "1 passed", id="a-socket-the-test-says-it-opens"),
    ],
)
def test_a_session(tmp_path, text, ci, status, said):
    done = session(tmp_path, text, ci)
    assert done.returncode == status, done.stdout + done.stderr
    assert said in done.stdout


def test_a_skip_on_ci_is_seen_through_several_processes(tmp_path):
    done = session(tmp_path, SKIPS, "true", "-n", "1")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "no runtime here" in done.stdout
