"""`setu demo --cluster`: the whole story on a real Kafka and PostgreSQL, with a relay and a gateway killed on the way."""

import re

import pytest

from tests.system.clusters import processes_with, setu

STORY = (
    "tip-accepted", "trail-accepted", "notice-accepted", "repeat-same-receipt", "refused-by-policy", "refused-tampered",
    "refused-replayed", "refused-id-reused", "refused-other-realm", "refused-two-plaintexts", "nothing-for-outsiders",
    "received-and-opened", "sender-sees-it",
)  # fmt: skip
PROVED = ("log-mirrored", "exchange-found", "verified-offline", "proof-verified", "deletion-detected")
KILLED = ("adapter-delivers", "relay-killed", "gateway-killed", "gateway-returns")


@pytest.mark.timeout(400)
def test_the_story_holds_on_a_cluster_of_which_parts_are_killed(tmp_path):
    folder = tmp_path / "kept"
    said, status = setu("demo", "--cluster", "--keep", str(folder), seconds=380)
    steps = {each["name"]: each for each in said["steps"]}
    assert [name for name, each in steps.items() if not each["ok"]] == [], said
    assert tuple(steps) == ("cluster-runs", *STORY, *KILLED, *PROVED, "cluster-stops")
    assert (said["ok"], status) == (True, 0)

    assert "from Kafka" in steps["received-and-opened"]["detail"]
    assert re.search(r"took over: .* after [0-9.]+ s", steps["relay-killed"]["detail"])

    # What is kept verifies by itself, and nothing of the cluster is left running.
    assert {each.name for each in (folder / "log").iterdir()} >= {"checkpoint", "tile", "vkeys"}
    assert (folder / "logs" / "relay-1.log").stat().st_size > 0
    assert processes_with(str(folder)) == []
