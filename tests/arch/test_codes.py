"""Every problem code is one the product gives and one the specification explains."""

import re

from schemas.problem import Code
from tests.arch.tree import PRODUCT, ROOT, modules

# These two only translate codes that others raise.
TRANSLATORS = {"schemas/problem.py", "broker/gateway/problems.py", "broker/sdk/problems.py"}
GIVEN = {
    name
    for path, text in modules(*PRODUCT)
    if path.as_posix() not in TRANSLATORS
    for name in re.findall(r"\bCode\.([A-Z_]+)\b", text)
}
SPEC = "\n".join(path.read_text("utf-8") for path in sorted((ROOT / "schemas" / "spec").glob("*.md")))


def test_every_code_is_given_somewhere():
    assert sorted(code for code in Code if code.name not in GIVEN) == []


def test_every_code_is_explained():
    assert sorted(code for code in Code if f"`{code}`" not in SPEC) == []
