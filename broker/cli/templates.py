"""The files of a fresh kind, as texts: a small kind that holds together, to be changed into what is wanted."""

import json
import textwrap
from string import Template

WIDTH = 120

_MODULE = Template('''\
"""Kind `$kind`: one module, one model for each version."""

from typing import Self

from pydantic import model_validator

from schemas.base import Line, Text
from schemas.payloads.kind import PayloadKind
from schemas.payloads.parts import Evaluation, Payload
from schemas.payloads.shape import wrong
from schemas.payloads.values import Time


class $model(Payload):
    """$about.

$source
    """

    title: Line
    narrative: Text
    evaluation: Evaluation
    observed_at: Time
    observed_until: Time | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.observed_until is not None and self.observed_until < self.observed_at:
            wrong("observed_until", "expected a time at or after observed_at; exchange or correct the two")
        return self


$declared
''')

_STRATEGY = Template('''\
"""Valid payloads of kind `$kind`."""

from hypothesis import strategies as st

from tests.property.kinds.parts import COMMON, EVALUATION, LINE, TEXT, TIMES, joined, record

OBSERVED = st.one_of(
    record({"observed_at": TIMES}),
    st.tuples(TIMES, TIMES).map(lambda found: {"observed_at": min(found), "observed_until": max(found)}),
)
PAYLOADS = joined(record({"title": LINE, "narrative": TEXT, "evaluation": EVALUATION}), OBSERVED, COMMON)
''')

_TEST = Template("""\
from typing import Any

import pytest

from schemas import registry
from tests.unit.schemas.refusals import GONE, changed, fault


@pytest.mark.parametrize(
    ("pointer", "value", "at", "sentence"),
    [
        pytest.param("/title", GONE, "/title", "found none; add it", id="no-title"),
        pytest.param("/evaluation", GONE, "/evaluation", "found none", id="no-evaluation"),
        pytest.param("/observed_at", "2026-02-30T00:00:00Z", "/observed_at", "does not exist", id="no-such-day"),
        pytest.param("/observed_until", "2025-01-01T00:00:00Z", "/observed_until", "at or after", id="times-exchanged"),
    ],
)
def test_is_refused(pointer: str, value: Any, at: str, sentence: str) -> None:
    found = fault("$kind", changed("$kind", "first", pointer, value))
    assert found.pointer == at
    assert sentence in found.sentence


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        pytest.param("/observed_until", GONE, id="an-instant"),
        pytest.param("/observed_until", "2026-02-10T13:40:00Z", id="the-same-instant"),
    ],
)
def test_is_taken(pointer: str, value: Any) -> None:
    document = changed("$kind", "first", pointer, value)
    assert registry.check("$kind", 1, document).to_object() == document
""")

_SAMPLE = {
    "title": "A vehicle stopped near Bengali Market, New Delhi",
    "narrative": "On 10 February 2026 officers stopped a hatchback near Bengali Market. All details are invented.",
    "evaluation": {"scheme": "admiralty", "source": "B", "information": "2"},
    "observed_at": "2026-02-10T13:40:00Z",
    "observed_until": "2026-02-10T14:05:00Z",
}


def module_of(kind: str) -> str:
    return kind.replace("-", "_")


def files(kind: str, about: str, source: str) -> dict[str, str]:
    """Path below the root of a source tree -> text."""
    module, model = module_of(kind), "".join(part.capitalize() for part in kind.split("-")) + "V1"
    words = {
        "kind": kind,
        "model": model,
        "about": about,
        "source": textwrap.fill(
            f"Source: {source}.", WIDTH, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False
        ),
        "declared": _declared(kind, about, model),
    }
    return {
        f"schemas/payloads/{module}.py": _MODULE.substitute(words),
        f"schemas/payloads/samples/{kind}.1.1.first.json": json.dumps(_SAMPLE, indent=2) + "\n",
        f"tests/property/kinds/{module}.py": _STRATEGY.substitute(words),
        f"tests/unit/schemas/payloads/test_{module}.py": _TEST.substitute(words),
    }


def _declared(kind: str, about: str, model: str) -> str:
    """As the formatter would lay it out."""
    arguments = [f'"{kind}"', f'"{about}"', f"{{1: {model}}}"]
    line = f"KIND = PayloadKind({', '.join(arguments)})"
    if len(line) <= WIDTH:
        return line
    inner = f"    {', '.join(arguments)}"
    if len(inner) <= WIDTH:
        return f"KIND = PayloadKind(\n{inner}\n)"
    return "KIND = PayloadKind(\n" + "".join(f"    {each},\n" for each in arguments) + ")"


def next_steps(kind: str) -> list[str]:
    module = module_of(kind)
    schema = f"schemas/spec/schemas/{kind}.1.schema.json"
    return [
        f"Write members, rules, sources in schemas/payloads/{module}.py; what a reader must know is in the docstrings.",
        f"Make the sample real, one for each stage: schemas/payloads/samples/{kind}.1.1.first.json.",
        f"Say in tests/property/kinds/{module}.py what is valid.",
        f"Test each rule from both sides in tests/unit/schemas/payloads/test_{module}.py.",
        f"Then run setu schema publish; where it refuses a change and nobody uses the kind yet, remove {schema} first.",
        "Run make check and make test; write a line into CHANGELOG.md.",
    ]
