"""`python -m adapters run` against a real gateway, killed again and again: every packet is delivered, none half."""

import random
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from broker.assembly import connect
from broker.cli.deployment import create
from broker.cli.served import free_port
from schemas import registry
from schemas.canonical import parse
from tests.system.killing import start

ROOT = Path(__file__).parents[2]
PACKETS = 24
DEATHS = 4
SETTINGS = """
profile = "{profile}"
kinds = ["tip", "pen"]
stream = {stream}

[filedrop]
folder = "drop"
form = "{form}"
"""


@pytest.fixture(scope="module")
def deployment(tmp_path_factory):
    folder = tmp_path_factory.mktemp("adapter")
    made = create(folder / "deployment", demo=True, host="localhost", port=free_port(), operations_port=free_port())
    serving = start(made.config, folder / "gateway.log")
    _until(lambda: _ready(made))
    yield made
    serving.kill()
    serving.join()


def settings(deployment, folder, form, stream):
    (folder / "drop").mkdir()
    path = folder / "adapter.toml"
    path.write_text(SETTINGS.format(profile=deployment.agencies["us-dea"], form=form, stream=stream))
    return path


@contextmanager
def running(path, *options):
    command = [sys.executable, "-m", "adapters", "run", str(path), *options]
    with _log(path).open("ab") as out, subprocess.Popen(command, cwd=ROOT, stderr=out) as process:
        try:
            yield process
        finally:
            process.kill()


def send(deployment, count):
    handling = registry.sample_handling()
    with connect(deployment.agencies["in-ncb"]) as setu:
        return [
            setu.send(kind, to="us-dea", payload=next(iter(registry.samples(kind).values())), handling=handling)
            for kind, _ in zip(("tip", "pen") * count, range(count), strict=False)
        ]


@pytest.mark.parametrize(("form", "stream"), [("opened", "false"), ("sealed", "true")])
def test_an_adapter_that_dies_again_and_again_delivers_everything(deployment, tmp_path, form, stream):
    chance = random.Random(24)
    path = settings(deployment, tmp_path, form, stream)
    sent = {each.digest: each for each in send(deployment, PACKETS)}
    drop = tmp_path / "drop"

    def delivered():
        return {each["digest"]: each for each in map(_whole, drop.glob("packet-*.json")) if each["digest"] in sent}

    for _ in range(DEATHS):
        before = len(list(drop.iterdir()))
        with running(path):
            _until(lambda before=before: len(list(drop.iterdir())) > before)
            time.sleep(chance.uniform(0, 0.02))
        if len(delivered()) == PACKETS:
            break
    with running(path, "--once") as last:
        assert last.wait(60) == 0, _log(path).read_text()

    found = delivered()
    assert found.keys() == sent.keys()
    for digest, each in found.items():
        assert each["index"] == sent[digest].index
        assert ("payload" in each, "packet" in each) == (form == "opened", form == "sealed")
    assert [each.name for each in drop.iterdir() if each.suffix != ".json"] == []
    with connect(deployment.agencies["in-ncb"]) as setu:
        for digest in sent:
            timeline = setu.timeline(digest)
            assert timeline.states == {"us-dea": "opened" if form == "opened" else "received"}
            assert sum(each.entry.type == "acknowledged" for each in timeline.items) == 1


def test_an_adapter_ends_when_it_is_told_to(deployment, tmp_path):
    path = settings(deployment, tmp_path, "opened", "false")
    (sent,) = send(deployment, 1)
    with running(path) as process:
        _until((tmp_path / "drop" / f"packet-{sent.digest}.json").exists)
        process.terminate()
        assert process.wait(30) == 0, _log(path).read_text()


def _log(path):
    return path.with_suffix(".log")


def _whole(path):
    return parse(path.read_bytes())


def _ready(deployment):
    try:
        return httpx.get(f"{deployment.operations}/readyz").is_success
    except httpx.TransportError:
        return False


def _until(holds, seconds=30.0):
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "not in time"
        time.sleep(0.01)
