import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.errors import SetuError
from broker.ledger.entries import draft, parties, text_of
from schemas.canonical import canonical
from schemas.evidence import MAX_ENTRY
from schemas.problem import Code
from tests.unit.ledger.ledgers import START, accepted, digest, entry, packet_ref

TIME = "2026-01-31T12:00:00.000001Z"


@given(st.text(max_size=50), st.lists(st.text(max_size=20), max_size=3), st.integers(0, 2**53 - 1))
def test_entries_are_canonical(text: str, rules: list[str], count: int):
    found = entry(
        "refused_many",
        event=text,
        decision={"outcome": "deny", "rules": rules},
        count=count,
        packet=packet_ref(1),
    )
    try:
        expected = canonical({**found, "time": TIME})
    except ValueError:
        with pytest.raises(SetuError):
            draft(found)
        return
    assert draft(found).at(TIME) == expected


def test_the_time_is_the_member_and_no_text_that_looks_like_it():
    text = '"time":"1970-01-01T00:00:00.000000Z"'
    raw = draft(entry(event=text)).at(TIME)
    assert json.loads(raw)["time"] == TIME
    assert json.loads(raw)["event"] == text


@pytest.mark.parametrize(
    "bad",
    [
        pytest.param({}, id="empty"),
        pytest.param(entry(time=TIME), id="a time of its own"),
        pytest.param(entry("invented"), id="an unknown type"),
        pytest.param(entry(payload="x"), id="an unknown member"),
        pytest.param(entry(count=-1), id="a negative count"),
        pytest.param(entry(count=2**53), id="an integer beyond 2^53"),
        pytest.param(entry(packet=packet_ref(1, kind_version=2**53)), id="a version beyond 2^53"),
        pytest.param(entry(count=1.5), id="a fraction"),
        pytest.param(entry(count=float("nan")), id="not a number"),
        pytest.param(entry(note=b"bytes"), id="bytes"),
        pytest.param(entry(event="\ud800"), id="a lone surrogate"),
        pytest.param(entry(event="x" * MAX_ENTRY), id="too long"),
        pytest.param(entry(**{"nul\0": 1}), id="a strange name"),
        pytest.param({1: 2}, id="a name that is no text"),
    ],
)
def test_what_is_no_entry(bad: dict[str, object]):
    with pytest.raises(SetuError, match="Expected a ledger entry") as caught:
        draft(bad)
    assert caught.value.code is Code.INTERNAL


def test_the_longest_entry():
    empty = len(draft(entry(event="")).at(TIME))
    assert len(draft(entry(event="x" * (MAX_ENTRY - empty))).at(TIME)) == MAX_ENTRY


def test_columns():
    found = draft(accepted(7, ("us-dea", "us-cbp"), exercise=True).entry)
    assert (found.type, found.actor, found.kind, found.digest) == ("accepted", "in-ncb", "tip", digest(7))
    assert (found.code, found.exercise) == (None, True)
    assert dict(found.parties) == {"in-ncb": True, "us-dea": False, "us-cbp": False}


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        pytest.param(entry(), {"in-setu": True}, id="the actor alone"),
        pytest.param(
            entry("delivered", packet=packet_ref(1, ["us-dea", "us-cbp"]), recipient="us-dea"),
            {"in-setu": True, "in-ncb": True, "us-dea": False},
            id="one recipient of two",
        ),
        pytest.param(
            entry("acknowledged", "us-dea", packet=packet_ref(1), recipient="us-dea"),
            {"us-dea": True, "in-ncb": True},
            id="a recipient that acts",
        ),
        pytest.param(
            entry("refused", "in-ncb", packet=packet_ref(1)), {"in-ncb": True, "us-dea": False}, id="a refusal"
        ),
    ],
)
def test_parties(found: dict[str, object], expected: dict[str, bool]):
    assert parties(found) == expected


def test_times_are_instants():
    assert text_of(START + 0.25) == "2026-09-21T14:13:20.250000Z"
