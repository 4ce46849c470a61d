"""Python examples in documents and docstrings run and give what they say. (README's are run by test_readme.)"""

import pytest
from sybil import Sybil
from sybil.document import Document
from sybil.example import SybilFailure
from sybil.parsers.markdown import PythonCodeBlockParser, SkipParser
from sybil.parsers.rest import DocTestParser

from tests.arch.tree import PRODUCT, ROOT, modules
from tests.docs.documents import DOCUMENTS, text_of

IN_PROSE = Sybil([PythonCodeBlockParser(), SkipParser()])
IN_CODE = Sybil([DocTestParser()], document_types={".py": Document})
PROSE = [path for path in DOCUMENTS if path.name != "README.md" and "```python" in text_of(path)]
CODE = [path for path, text in modules(*PRODUCT) if ">>> " in text]


def run(sybil, path):
    examples = list(sybil.parse(path).examples())
    for example in examples:
        example.evaluate()
    return len(examples)


def test_examples_hold():
    assert [path for path in PROSE if not run(IN_PROSE, ROOT / path)] == []
    assert [path for path in CODE if not run(IN_CODE, ROOT / path)] == []


@pytest.mark.parametrize(
    ("sybil", "name", "text"),
    [
        pytest.param(IN_PROSE, "wrong.md", "```python\nassert 1 + 1 == 3\n```\n", id="in-a-document"),
        pytest.param(IN_CODE, "wrong.py", '"""Adds.\n\n>>> 1 + 1\n3\n"""\n', id="in-a-docstring"),
    ],
)
def test_a_wrong_example_is_noticed(tmp_path, sybil, name, text):
    (tmp_path / name).write_text(text, "utf-8")
    with pytest.raises((AssertionError, SybilFailure)):
        run(sybil, tmp_path / name)
