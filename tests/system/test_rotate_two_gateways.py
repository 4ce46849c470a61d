"""The log's keys exchanged under two gateways on one PostgreSQL and one guard, each with a keys folder of its own."""

import shutil
import time

import httpx
import pytest

from broker.assembly import connect
from broker.cli.sharing import GUARD
from broker.directory.logs import row_of
from broker.ledger.fsck import check_log
from broker.ledger.mirror import files_in, mirror
from tests.http.rotating import Load, all_verify
from tests.system.pair import Pair
from tests.unit.cli.conftest import run

pytestmark = pytest.mark.long

FAST = {"rate": 100_000.0, "burst": 100_000.0}
SOME = 10


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    with Pair(tmp_path_factory.mktemp("pair"), limits=FAST, own_keys=True) as made:
        yield made


def rotate(pair, *words, both=True):
    configs = [pair.deployment.config, *(path for path, _, _ in pair.deployment.further)][: 2 if both else 1]
    named = [word for each in configs for word in ("--config", each)]
    return run("rotate", "log", *named, *words, "--patience", "4", "--json")


def bring(pair):
    """The new files, to the second gateway's machine."""
    for path in (pair.deployment.path / "keys").glob("log-*.key"):
        target = pair.deployment.path / "keys-2" / path.name
        if not target.exists():
            shutil.copy2(path, target)


def tell_guard(pair, row):
    """Both pairs into the guard's settings, while it runs."""
    toml = pair.deployment.path / GUARD / "guard.toml"
    lines = [line for line in toml.read_text().splitlines() if not line.startswith("vkeys")]
    vkeys = [key for each in row.pairs for key in (each.ed25519, each.mldsa44)]
    beside = toml.with_name("guard.toml.new")
    beside.write_text("\n".join([*lines, "vkeys = [" + ", ".join(f'"{each}"' for each in vkeys) + "]", ""]))
    beside.replace(toml)


def until(holds, what, seconds=20):
    deadline = time.monotonic() + seconds
    while not (found := holds()):
        assert time.monotonic() < deadline, what
        time.sleep(0.1)
    return found


def row(pair):
    with connect(pair.deployment.agencies["us-audit"]) as auditor:
        return row_of(auditor.directory.refresh().document, "in-setu")


def ready(pair, number):
    return httpx.get(f"{pair.operations[number]}/readyz").json()


def test_both_gateways_and_the_guard_go_over_to_another_pair(pair, tmp_path):
    copy = tmp_path / "mirror"
    with Load(pair.deployment.agencies, ["in-ncb", "in-nia"], pair.urls) as load:
        with connect(pair.deployment.agencies["us-audit"]) as auditor:
            mirror(auditor.log_fetch, copy, row(pair))
        said = rotate(pair)
        assert (said.status, "1 of 2 does not" in said.err) == (1, True), said.err
        bring(pair)
        begun = rotate(pair)
        assert begun.status == 0, begun.err
        load.wait(SOME)
        said = rotate(pair, "--finish")
        assert (said.status, "shared guard" in said.err) == (1, True), said.err
        load.wait(SOME)
        tell_guard(pair, row(pair))
        until(lambda: rotate(pair, "--finish").status == 0, "the guard takes up what its settings say")
        load.wait(SOME)
    assert (load.refused, load.failed) == ([], [])
    assert {each.status for each in load.answers} == {201}
    assert len(load.read) == len(set(load.read)) == len({each.digest for each in load.answers}) == len(load.answers)
    newest = row(pair)
    assert [each.size is None for each in newest.pairs] == [True, False]
    all_verify(load.answers, newest)
    with connect(pair.deployment.agencies["us-audit"]) as auditor:
        assert mirror(auditor.log_fetch, copy, newest).before > 0
    assert check_log(files_in(copy), newest).size > len(load.answers)
    for each in pair.operations:
        assert len(httpx.get(f"{each}/readyz").json()["log_keys"]) == 1
    done = run("rotate", "log", "--finish", "--config", pair.deployment.further[0][0], "--json")
    assert len(done.json()["destroyed"]) == 2
    assert not (pair.deployment.path / "keys-2" / "log-ed25519.key").exists()


def test_a_gateway_that_lacks_the_new_pair_accepts_nothing_until_it_has_it(pair):
    assert rotate(pair, both=False).status == 0
    # For a moment it may only have seen that the first one went on.
    until(lambda: "setu rotate log" in ready(pair, 1).get("detail", ""), "the second says what it lacks")
    assert ready(pair, 1)["ready"] is False
    assert ready(pair, 0)["ready"] is True
    bring(pair)
    until(lambda: ready(pair, 1)["ready"], "the second goes on")
    assert ready(pair, 1)["log_keys"] == ready(pair, 0)["log_keys"]
