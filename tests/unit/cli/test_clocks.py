"""`setu clocks`: what is shown of what is due."""

import pytest

from broker.cli.clocks import _distance, _moment, _show
from broker.cli.output import console
from schemas.evidence import OpenClocks
from tests.builders import NOW


def clock(**over):
    packet = {"digest": "A" * 64, "index": 3, "from": "in-ncb", "kind": "rfi"}
    return {"recipient": "us-dea", "word": "answer", "due": NOW, "state": "running", **packet, **over}


def shown(capsys, *clocks, more=False, now=NOW):
    found = OpenClocks.from_object({"clocks": list(clocks), "more": more})
    _show(console(), "us-dea", found, now)
    said = capsys.readouterr()
    return said.out, said.err


def test_who_owes_whom_what_until_when(capsys):
    owed = clock(state="overdue", word="destruction")
    awaited = clock(**{"from": "us-dea"}, recipient="us-cbp", due=NOW + 7300)
    out, err = shown(capsys, owed, awaited, now=NOW + 60)
    first, second = out.splitlines()[1:3]
    said = ("1 min ago", "this agency", "its destruction, attested to in-ncb", "rfi 3")
    assert [each for each in said if each not in first] == []
    assert "in 2 h" in second
    assert "us-cbp" in second
    assert "an answer to this agency" in second
    assert err == ""


def test_that_nothing_is_due_is_said(capsys):
    assert shown(capsys)[0] == "Nothing is due to this agency or from it.\n"


def test_that_there_are_more_is_said(capsys):
    assert "--limit" in shown(capsys, clock(), more=True)[1]


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "a moment ago"), (59, "in a moment"), (-60, "1 min ago"), (7199, "in 1 h"), (-200_000, "2 d ago")],
)
def test_how_far_away_it_is(seconds, said):
    assert _distance(seconds) == said


def test_a_time_beyond_the_calendar_is_shown_as_it_stands():
    assert _moment(2**53 - 1) == "9007199254740991 s"
