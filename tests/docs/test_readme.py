"""Everything README.md tells a stranger to type, typed: in order, in an empty folder, against a real gateway."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.arch.tree import ROOT
from tests.builders import handling

BLOCK = re.compile(r"^```(sh|python|toml)\n(.*?)^```", re.MULTILINE | re.DOTALL)
BLOCKS = [(hit[1], hit[2]) for hit in BLOCK.finditer((ROOT / "README.md").read_text("utf-8"))]
PREAMBLE = "import json\ntip = json.load(open('tip.json'))\nhandling = json.load(open('handling.json'))\n"
PATIENCE = 30


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def end(process: "subprocess.Popen[str]") -> None:
    process.terminate()
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


class Stranger:
    """Types what stands in a block. Programs that do not end by themselves are left running until the end."""

    def __init__(self, folder: Path, leaving: ExitStack) -> None:
        self.folder = folder
        self.leaving = leaving
        self.operations = free_port()
        self.ports = f"--port {free_port()} --operations-port {self.operations}"
        self.env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1", "HOME": str(folder)}
        programs = folder / ".venv" / "bin"
        programs.mkdir(parents=True)
        for name, words in (("setu", "-m broker "), ("python", "")):
            (programs / name).write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {words}"$@"\n', "utf-8")
            (programs / name).chmod(0o755)

    def start(self, *words: str) -> "subprocess.Popen[str]":
        log = self.leaving.enter_context((self.folder / "started.log").open("a"))
        process = subprocess.Popen(words, cwd=self.folder, env=self.env, stdout=subprocess.PIPE, stderr=log, text=True)
        self.leaving.enter_context(process)
        self.leaving.callback(end, process)
        return process

    def end(self, *words: str) -> str:
        done = subprocess.run(
            words, cwd=self.folder, env=self.env, capture_output=True, text=True, timeout=PATIENCE, check=False
        )
        assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def shell(self, line: str) -> None:
        if line.startswith("make "):
            return  # that the targets exist is tested beside; running them here would run this test again
        if " serve " in line:
            self.start("bash", "-c", f"exec {line}")
            self.until_ready()
        elif " adapters run " in line:
            self.start("bash", "-c", f"exec {line}")
        else:
            self.end("bash", "-c", f"{line} {self.ports}" if " init " in line else line)

    def until_ready(self) -> None:
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.operations}/readyz", timeout=2):
                    return
            except OSError:
                assert time.monotonic() < deadline, (self.folder / "started.log").read_text("utf-8")
                time.sleep(0.05)

    def python(self, text: str) -> str:
        """Run a program to its end, or to its first line where it follows; returns that line."""
        program = self.folder / "example.py"
        program.write_text(PREAMBLE + text, "utf-8")
        if "follow(" not in text:
            return self.end(sys.executable, "example.py")
        self.following = self.start(sys.executable, "example.py")
        assert self.following.stdout is not None
        return self.following.stdout.readline()

    def settings(self, text: str) -> None:
        """Write a file whose first line, a comment, says where."""
        named, rest = text.split("\n", 1)
        (self.folder / named.removeprefix("# ")).write_text(rest, "utf-8")


@pytest.fixture(scope="module")
def typed(tmp_path_factory):
    """A stranger who has typed everything; (the stranger, what each Python program printed)."""
    with ExitStack() as leaving:
        folder = tmp_path_factory.mktemp("readme")
        stranger = Stranger(folder, leaving)
        (folder / "handling.json").write_bytes(handling().canonical())
        (folder / "tip.json").write_text(
            stranger.end(sys.executable, "-m", "broker", "schema", "sample", "tip"), "utf-8"
        )
        printed = []
        for language, text in BLOCKS:
            if language == "python":
                printed.append(stranger.python(text))
            elif language == "toml":
                stranger.settings(text)
            else:
                for line in filter(
                    None, (part.partition(" #")[0].strip() for part in text.replace("\\\n", " ").splitlines())
                ):
                    stranger.shell(line)
        yield stranger, printed


def test_all_of_it_can_be_typed(typed):
    _, (sent, _followed) = typed
    assert re.fullmatch(r"\d+ [\w-]{64}\n", sent)


def test_the_packet_that_was_sent_is_the_one_that_comes_and_is_acknowledged(typed):
    stranger, (sent, followed) = typed
    assert followed.startswith("in-ncb ")
    asks = (
        "from broker.assembly import connect\n"
        "with connect('deployment/agencies/in-ncb/agency.toml') as setu:\n"
        f"    print(setu.timeline({sent.split()[1]!r}).states['us-dea'])\n"
    )
    deadline = time.monotonic() + PATIENCE
    while "opened" not in (seen := stranger.python(asks)):
        assert time.monotonic() < deadline, seen
        time.sleep(0.1)


def test_the_adapter_drops_what_comes(typed):
    stranger, _ = typed
    drop = stranger.folder / "deployment" / "agencies" / "us-dea" / "drop"
    deadline = time.monotonic() + PATIENCE
    while not list(drop.glob("*.json")):
        assert time.monotonic() < deadline, (stranger.folder / "started.log").read_text("utf-8")
        time.sleep(0.1)


def test_ctrl_c_ends_the_program_that_follows_without_a_word(typed):
    stranger, _ = typed
    stranger.following.send_signal(signal.SIGINT)
    assert stranger.following.wait(PATIENCE) == 0
    assert "Traceback" not in (stranger.folder / "started.log").read_text("utf-8")


def test_git_ignores_what_is_left_in_a_clone(typed):
    stranger, _ = typed
    left = {each.name for each in stranger.folder.iterdir()} - {"example.py", "started.log"}
    ignored = subprocess.run(
        ["git", "check-ignore", *(f"{each}/" if (stranger.folder / each).is_dir() else each for each in left)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert {each.rstrip("/") for each in ignored.stdout.split()} == left


def test_the_two_programs_are_as_short_as_they_are_said_to_be():
    programs = [text for language, text in BLOCKS if language == "python"]
    lengths = [len([line for line in text.splitlines() if line.strip()]) for text in programs]
    assert [length <= most for length, most in zip(lengths, (5, 6), strict=True)] == [True, True]
