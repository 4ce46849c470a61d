"""What a runbook quotes, a program says; and each tells all that somebody needs who is woken by an alert."""

import ast
import re

import pytest

from tests.arch.tree import ROOT

FOLDER = ROOT / "deploy" / "runbooks"
BOOKS = sorted(FOLDER.glob("*.md"))
QUOTED = re.compile(r"`((?: is not relayed|relay(?: begins again)?|Expected [a-zA-Z]+ [a-zA-Z]+)\b[^`\n]*)`")
BLOCK = re.compile(r"^```\n((?:rollback|log-invalid): .+)\n```$", re.MULTILINE)
PLACE = r"\S.*?"
LETTERS = 20
"""A text with fewer of its own says nothing that could be recognised."""


def said():
    """Every text in the program, as a pattern: what is filled in may be anything."""
    found = []
    for path in [*(ROOT / "broker").rglob("*.py"), *(ROOT / "adapters").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.JoinedStr):
                parts = [
                    re.escape(str(part.value)) if isinstance(part, ast.Constant) else PLACE for part in node.values
                ]
                found.append("".join(parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(PLACE.join(re.escape(part) for part in re.split(r"%[sd]", node.value)))
    return found


PATTERNS = said()
TELLING = [each for each in PATTERNS if len(re.sub(r"[^a-z]", "", each)) >= LETTERS]


def quotes(text):
    return [hit.partition(": ")[2] for hit in BLOCK.findall(text)] + QUOTED.findall(text)


def is_said(quote):
    """Does the program say this, or something that begins so where the quote ends in dots?"""
    if not quote.endswith("..."):
        return any(re.fullmatch(pattern, quote, re.DOTALL) for pattern in TELLING)
    begins = re.escape(quote.removesuffix("...").strip())
    return any(begins in pattern for pattern in PATTERNS)


@pytest.mark.parametrize("book", BOOKS, ids=lambda book: book.name)
def test_what_it_quotes_is_said(book):
    assert [quote for quote in quotes(book.read_text()) if not is_said(quote)] == []


def test_quotes_are_found_and_others_would_be_missed():
    assert sum(len(quotes(book.read_text())) for book in BOOKS) > 10
    assert not is_said("Expected tea, found coffee.")
    assert not is_said("Expected the tea ...")


@pytest.mark.parametrize("name", ["ceremony.md", "kafka-lost.md", "store-lost.md", "suspected-compromise.md"])
def test_it_says_when_what_how_and_what_not(name):
    text = (FOLDER / name).read_text()
    assert re.search(r"^\*\*When\*\*", text, re.MULTILINE)
    assert re.search(r"^\*\*It worked\*\* when", text, re.MULTILINE)
    assert re.search(r"^## What not to do$", text, re.MULTILINE)
    assert re.search(r"^1\. |^```sh$", text, re.MULTILINE)
