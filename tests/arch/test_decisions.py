"""Decisions take one page each and have one shape."""

import re

import pytest

from tests.arch.tree import ROOT

FOLDER = ROOT / "broker" / "decisions"
DECISIONS = sorted(FOLDER.glob("[0-9]*.md"))
HEADINGS = ["Context", "Decision", "Consequences", "Rejected options"]
PAGE = 60


def test_they_are_numbered_without_a_gap():
    assert [path.name[:5] for path in DECISIONS] == [f"{number:04}-" for number in range(1, len(DECISIONS) + 1)]


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_has_the_four_headings(path):
    text = path.read_text("utf-8")
    assert re.findall(r"^## (.+)$", text, re.MULTILINE) == HEADINGS
    assert re.match(rf"# {int(path.name[:4])}\. \S", text)


@pytest.mark.parametrize("path", DECISIONS, ids=lambda path: path.stem)
def test_a_decision_is_quotable_and_fits_on_a_page(path):
    text = path.read_text("utf-8")
    decision = text.partition("## Decision\n")[2].partition("\n## ")[0]
    assert re.search(r"^> \S", decision, re.MULTILINE), "the decision in a sentence or two, quoted with >"
    assert len(text.splitlines()) <= PAGE


def test_the_index_names_each():
    index = (FOLDER / "README.md").read_text("utf-8")
    assert re.findall(r"\]\((\d{4}-[a-z0-9-]+\.md)\)", index) == [path.name for path in DECISIONS]
