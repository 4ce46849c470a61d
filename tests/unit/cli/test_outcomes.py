"""`setu outcomes` in a mirror."""

import pytest

from broker.merkle.tiles import write_bundle
from broker.merkle.tree import leaf_hash
from schemas.canonical import canonical
from tests.builders import NOW
from tests.unit.cli.exchange import Exchange
from tests.unit.merkle.trees import mth


@pytest.fixture
def mirror(tmp_path):
    exchange = Exchange()
    told = exchange.entries[1]
    of = told["packet"]["digest"]
    act = {"does": "reports", "of": of, "outcome": "false-positive", "lawful": True, "held_hours": 26}
    word = exchange.entry(
        "accepted", NOW + 7201, "us-dea", act=act, packet={**told["packet"], "from": "us-dea", "digest": "f" * 64}
    )
    raw = [canonical(each) for each in [*exchange.entries, word]]
    hashes = [leaf_hash(each) for each in raw]
    for name, content in {
        "checkpoint": exchange.signer.sign(len(raw), mth(hashes)),
        f"tile/0/000.p/{len(raw)}": b"".join(hashes),
        f"tile/entries/000.p/{len(raw)}": write_bundle(raw),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content)
    return tmp_path


def test_counts_offline(setu, mirror):
    found = setu("outcomes", mirror, "--agency", "in-ncb", "--json").json()
    (row,) = found["rows"]
    assert (found["entries"], row["packets"], row["outcomes"]) == (2, 1, {"false-positive": 1})
    assert (row["false_positive_rate"], row["held_hours"], row["median_answer_seconds"]) == ("1.000", 26, 7200)
    shown = setu("outcomes", mirror).out
    assert "false-positive 1" in shown
    assert "1 (1.000)" in shown
    assert "26 h, median 26 h" in shown


def test_wants_one_place_to_count_in(setu, mirror):
    assert "expected either a mirror" in setu("outcomes").err
    assert "expected a day or time" in setu("outcomes", mirror, "--since", "yesterday").err
