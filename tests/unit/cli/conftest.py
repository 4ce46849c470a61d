"""A deployment with agencies, made once, copied for tests that change it; and `setu` as a function."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from broker.cli.app import app
from broker.cli.deployment import Deployment, create
from tests.unit.cli.ceremonies import Ceremony, begun


@dataclass(frozen=True)
class Said:
    status: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> Deployment:
    """For reading only."""
    return create(tmp_path_factory.mktemp("deployment") / "d", demo=True)


@pytest.fixture
def own(made, tmp_path) -> Deployment:
    """A copy to break."""
    folder = tmp_path / "deployment"
    shutil.copytree(made.path, folder)
    agencies = {each: folder / path.relative_to(made.path) for each, path in made.agencies.items()}
    return Deployment(folder, folder / "setu.toml", made.url, made.operations, agencies, made.now)


def run(*words: object, stdin: str | bytes | None = None) -> Said:
    done = CliRunner().invoke(app, [str(word) for word in words], input=stdin, env={"COLUMNS": "200"})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Said(done.exit_code, done.stdout, done.stderr)


@pytest.fixture
def setu():
    return run


@pytest.fixture(scope="session")
def founded(tmp_path_factory) -> Ceremony:
    """A realm founded by two countries, whose signatures are good for 30 days; for reading only."""
    ceremony = begun(run, tmp_path_factory.mktemp("ceremony") / "c")
    ceremony.found("--days", "30")
    return ceremony


@pytest.fixture
def realm(founded, tmp_path) -> Ceremony:
    """A copy to go on with."""
    shutil.copytree(founded.path, tmp_path / "c")
    return Ceremony(run, tmp_path / "c")


@pytest.fixture
def write(tmp_path):
    def write(name: str, content: object) -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())
        return path

    return write
