import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.filedrop import FileDrop
from broker.sdk.cursors import FileCursors, MemoryCursors
from schemas.canonical import parse
from tests.unit.adapters.world import World
from tests.unit.sdk.simulator import Fault, SimulatedGateway, send


class Killed(BaseException):
    """The program ends here."""


@pytest.fixture
def gateway():
    return SimulatedGateway()


class Dying(MemoryCursors):
    """Positions that outlive the program; a crash comes before or after one is kept."""

    def __init__(self, kept, at):
        super().__init__()
        self.kept, self.at = kept, at

    def read(self, topic):
        return self.kept.read(topic)

    def write(self, topic, position):
        if self.at.pop("before commit", None):
            raise Killed
        self.kept.write(topic, position)
        if self.at.pop("after commit", None):
            raise Killed


class Mortal:
    """A file drop; a crash comes before or after a delivery."""

    def __init__(self, drop, at, log):
        self.drop, self.at, self.log = drop, at, log
        self.opened = True

    def deliver(self, parcel):
        if self.at.pop("before delivery", None):
            raise Killed
        self.drop.deliver(parcel)
        self.log.append(parcel.index)
        if self.at.pop("after delivery", None):
            raise Killed

    def close(self):
        self.drop.close()


PLACES = ["before delivery", "after delivery", "before answer", "answer lost", "before commit", "after commit"]


def live(world, crash):
    """One life of the program, with a crash at a place or none; True where it came to its end."""
    at = {crash: True} if crash else {}
    world.gateway.faults = [
        *([Fault("/v1/ack", before=Killed())] if at.pop("before answer", None) else []),
        *([Fault("/v1/ack", after=Killed())] if at.pop("answer lost", None) else []),
    ]
    drop = FileDrop(world.folder / "drop", opened=True)
    try:
        world.run(Mortal(drop, at, world.delivered), cursors=Dying(world.kept, at))
    except Killed:
        return False
    finally:
        world.gateway.faults = []
    return True


def outlived(gateway, folder):
    world = World(gateway, folder)
    world.kept, world.delivered = FileCursors(folder / "cursors"), []
    (folder / "drop").mkdir()
    return world


def check(world, sent):
    """Nothing lost, in order but for repeats of the one in hand, one file and one entry for each packet."""
    firsts = list(dict.fromkeys(world.delivered))
    assert firsts == [each.index for each in sent]
    assert all(later >= earlier for earlier, later in itertools.pairwise(world.delivered))
    files = {path.name for path in (world.folder / "drop").iterdir()}
    assert files == {f"packet-{each.digest}.json" for each in sent}
    assert sorted(world.gateway.acknowledged) == sorted((each.digest, "us-dea", "opened") for each in sent)
    entries = [json.loads(each) for each in world.gateway.entries]
    assert sum(each["type"] == "acknowledged" for each in entries) == len(sent)


@pytest.mark.parametrize("place", PLACES)
def test_a_crash_at_any_place_loses_nothing(gateway, tmp_path, place):
    world = outlived(gateway, tmp_path)
    sent = send(gateway, 3)
    assert not live(world, place)
    assert live(world, None)
    check(world, sent)


@settings(max_examples=20)
@given(st.lists(st.sampled_from([*PLACES, None]), max_size=12))
def test_any_series_of_crashes_loses_nothing(tmp_path_factory, crashes):
    gateway = SimulatedGateway()
    world = outlived(gateway, tmp_path_factory.mktemp("world"))
    sent = send(gateway, 4)
    for crash in crashes:
        live(world, crash)
    assert live(world, None)
    check(world, sent)


ROOT = Path(__file__).parents[3]
SCRIPT = """
import sys
from adapters.filedrop import FileDrop
from tests.unit.adapters.test_filedrop import parcel
from schemas.canonical import b64u
from pathlib import Path

drop = FileDrop(Path(sys.argv[1]), opened=True)
print("ready", flush=True)
for number in range(10**9):
    name = b64u(number.to_bytes(48, "big"))
    drop.deliver(parcel(digest=name, payload={"text": "x" * 50_000}))
"""


def test_kill_9_in_the_middle_of_a_delivery_leaves_whole_files_or_none(tmp_path):
    random = Random(9)
    for _ in range(4):
        with subprocess.Popen([sys.executable, "-c", SCRIPT, tmp_path], cwd=ROOT, stdout=subprocess.PIPE) as child:
            assert child.stdout.readline() == b"ready\n"
            time.sleep(random.uniform(0.01, 0.2))
            child.kill()
    FileDrop(tmp_path, opened=True)
    names = list(tmp_path.iterdir())
    assert names
    for path in names:
        assert path.suffix == ".json"
        assert len(parse(path.read_bytes())["payload"]["text"]) == 50_000
