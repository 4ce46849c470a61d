"""Every problem code is one the product gives and one the specification explains."""

import re

from schemas.problem import Code
from tests.arch.tree import PRODUCT, ROOT, modules

# These only name codes or translate those that others raise; what the gateway answers by itself is an error with its sentence.
TRANSLATORS = {"schemas/problem.py", "broker/gateway/problems.py", "broker/sdk/problems.py"}
NAMED = re.compile(r"\bCode\.([A-Z_]+)\b")
BY_ITSELF = re.compile(r"Error\(\s*Code\.([A-Z_]+),")
GIVEN = {
    name
    for path, text in modules(*PRODUCT)
    for name in (BY_ITSELF if path.as_posix() in TRANSLATORS else NAMED).findall(text)
}
SPEC = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "schemas" / "spec").glob("*.md")))


def test_every_code_is_given_somewhere():
    assert sorted(code for code in Code if code.name not in GIVEN) == []


def test_every_code_is_explained():
    assert sorted(code for code in Code if f"`{code}`" not in SPEC) == []
