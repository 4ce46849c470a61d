"""`setu drill faults`: a real cluster under load is killed, stopped and damaged; nothing is lost, doubled or unlogged."""

import os

import pytest

from broker.cli.drills.checker import VIOLATIONS
from broker.cli.drills.faults import MATRIX
from tests.system.clusters import processes_with, setu

MAIN = ("kafka-tail-lost", "store-killed", "gateway-stopped", "relay-killed")
MANY = 3_000


def overloaded():
    """More than two programs want each processor: what takes seconds then says nothing about us."""
    return os.getloadavg()[0] > 2 * os.cpu_count()


def checked(folder, packets, faults, seconds):
    words = [word for name in faults for word in ("--fault", name)]
    found, status = setu("drill", "faults", "--packets", str(packets), "--keep", str(folder), *words, seconds=seconds)
    assert found["violations"] == dict.fromkeys(VIOLATIONS, 0), found
    assert found["trouble"] == []
    late = [each for each in found["faults"] if not each["ok"]]
    assert [each for each in late if not each["timed"] or not overloaded()] == []
    assert [each["name"] for each in found["faults"]] == [each.name for each in MATRIX if each.name in faults]
    assert (found["ok"], status) == (not late, 1 if late else 0)
    counts = found["packets"]
    assert counts["sealed"] >= packets
    assert counts["accepted"] > 0.9 * packets
    assert counts["refused"] > 0
    # Every packet has at least one recipient; accepted, delivered and acknowledged are entries of the log.
    assert counts["received"] >= counts["accepted"]
    # What they name is also in Kafka's topics, which were read afresh.
    assert counts["records"] - counts.get("record repeats", 0) >= counts["accepted"] / 2
    assert found["log"]["size"] >= 3 * counts["accepted"]
    assert processes_with(str(folder)) == []
    return found


@pytest.mark.long
@pytest.mark.timeout(400)
def test_the_main_faults_break_nothing(tmp_path):
    found = checked(tmp_path / "drill", 200, MAIN, 380)
    assert found["packets"]["unknown"] > 0  # the store was away under load


@pytest.mark.long
@pytest.mark.timeout(2400)
def test_no_fault_breaks_anything_in_many_packets(tmp_path):
    checked(tmp_path / "drill", MANY, [each.name for each in MATRIX], 2300)


@pytest.mark.timeout(60)
def test_a_fault_that_there_is_not_is_refused_before_anything_starts(tmp_path):
    with pytest.raises(AssertionError, match="expected faults among"):
        setu("drill", "faults", "--fault", "earthquake", seconds=50)
