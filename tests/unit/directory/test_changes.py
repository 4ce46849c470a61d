"""What a key holder is shown: every difference, in words that nobody else's text can rewrite."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from broker.directory.changes import changes, readable, said
from tests.unit.directory.realm import document

scalars = st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.floats(0, 1)
rows = st.lists(st.fixed_dictionaries({"id": st.sampled_from("abc")}, optional={"x": scalars}), max_size=3)
values: st.SearchStrategy[Any] = st.recursive(
    scalars | rows,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)


@given(values, values)
def test_no_difference_is_left_out_and_none_is_made_up(before: Any, after: Any) -> None:
    same = json.dumps(before, sort_keys=True) == json.dumps(after, sort_keys=True)
    assert (list(changes(before, after)) == []) == same


@given(values, values)
def test_lines_are_printable_ascii(before: Any, after: Any) -> None:
    assert all(line.isascii() and line.isprintable() for line in changes(before, after))


AGENCY = {"id": "in-ncb", "state": "active", "mandates": ["border"]}
LINES = [
    pytest.param(
        [AGENCY], [{**AGENCY, "state": "suspended"}], ['in-ncb state: "active" becomes "suspended"'], id="one"
    ),
    pytest.param([AGENCY], [], ['in-ncb: removed, was {"mandates": ["border"], "state": "active"}'], id="leaves"),
    pytest.param([], [{"id": "us-dea"}], ["us-dea: added, {}"], id="joins"),
    pytest.param(
        [AGENCY],
        [{**AGENCY, "mandates": ["regulatory"]}],
        ['in-ncb mandates: without "border"', 'in-ncb mandates: with "regulatory"'],
        id="values",
    ),
    pytest.param(["a", "b"], ["b", "a"], ["all of it: another order, or one more often than before"], id="order"),
    pytest.param([AGENCY, {"id": "b"}], [{"id": "b"}, AGENCY], ["all of it: another order"], id="order-of-rows"),
    pytest.param(1, True, ["all of it: 1 becomes true"], id="one-is-not-true"),
    pytest.param({"a\x1b[2J": 1}, {}, ['"a\\u001b[2J": removed, was 1'], id="an-escape-in-a-name"),
]


@pytest.mark.parametrize(("before", "after", "lines"), LINES)
def test_in_words(before: Any, after: Any, lines: list[str]) -> None:
    assert list(changes(before, after)) == lines


def test_long_texts_are_told_by_their_hash_and_differ_in_it() -> None:
    assert said("x" * 1000) != said("x" * 999 + "y")
    assert said("x" * 1000).startswith("1000 characters, SHA-256 ")


def test_what_is_readable_loses_nothing_but_what_an_id_stands_for() -> None:
    made = document().to_object()
    changed = json.loads(json.dumps(made))
    changed["agencies"][0]["keys"][0]["not_after"] += 1
    before, after = (readable({"directory": each}) for each in (made, changed))
    (line,) = changes(before, after)
    assert line.startswith("directory agencies in-ncb keys ")
    assert "not_after" in line
