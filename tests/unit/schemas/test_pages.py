"""The pages of the kinds say all that their models say."""

import json
import re
from typing import Any, Literal, Self

import pytest
from pydantic import model_validator

from schemas import registry
from schemas.base import Line, Model
from schemas.handling import Handling
from schemas.pages.kinds import pages
from schemas.pages.rules import Rule, rules
from schemas.pages.table import members
from schemas.pages.walk import common, parts, stages
from schemas.payloads import pen, tip
from schemas.payloads.parts import Evaluation, Payload, unique_refs
from schemas.payloads.shape import wrong
from schemas.wire import published

PAGES = pages()
KINDS = [(kind, version) for kind in registry.kinds() for version in registry.versions(kind)]


class Ruled(Model):
    refs: tuple[Line, ...] = ()
    first: int
    last: int
    kind: Line

    @model_validator(mode="after")
    def _one(self) -> Self:
        unique_refs("refs", self.refs)
        self._ordered("first", "last")
        for place, each in enumerate(self.refs):
            at, limit = f"refs/{place}", 5
            if len(each) > limit:
                wrong(at, f"expected at most {limit} letters, found more; cut it")
        absent = "first" if self.first else "last"
        if self.kind == "x":
            wrong(absent, "expected another number: x has none; correct it")
        return self

    def _ordered(self, low: str, high: str) -> None:
        if getattr(self, low) > getattr(self, high):
            wrong(high, "expected a number not below first; x needs none")


class Extended(Ruled):
    @model_validator(mode="after")
    def _two(self) -> Self:
        if self.first == self.last:
            wrong("last", "expected another number than first, found the same; correct it")
        return self


def test_rules_are_read_from_validators_and_what_they_call() -> None:
    own = (
        Rule(("refs",), "each local name once"),
        Rule(("last",), "a number not below first; x needs none"),
        Rule(("refs/*",), "at most ... letters"),
        Rule(("first", "last"), "another number: x has none"),
    )
    assert rules(Ruled) == own
    assert rules(Extended) == (*own, Rule(("last",), "another number than first"))
    assert rules(tip.TipV1) == (
        Rule(("observed_until",), "a time at or after observed_at"),
        Rule(("parties",), "each local name once"),
    )


def test_stages_parts_and_what_stages_share() -> None:
    classes = stages(pen.PenV1)
    assert [each.__name__ for each in classes][:2] == ["PenNotifyV1", "PenAcknowledgeV1"]
    assert common(classes) is pen.PenStage
    assert (stages(tip.TipV1), common(stages(tip.TipV1))) == ((tip.TipV1,), tip.TipV1)
    assert {"Trader", "Address", "Substance", "Quantity"} <= {each.__name__ for each in parts(pen.PenV1)}


@pytest.mark.parametrize(
    ("annotation", "said"),
    [
        pytest.param(Line, "one line of text in any script, 1 to 200 characters", id="line"),
        pytest.param(tuple[Line, ...], "list of any number: one line of text in any script, 1 to 200 characters", id="list"),
        pytest.param(Literal["a", "b"], "`a`, `b`", id="list-of-values"),
        pytest.param(Literal["a"], "`a`", id="value"),
        pytest.param(bool, "true or false", id="boolean"),
        pytest.param(Handling, "<Handling>", id="part"),
        pytest.param(Evaluation, "<Admiralty> or <Europol> or <Uk352>, by `scheme`", id="union"),
    ],
)  # fmt: skip
def test_what_a_member_holds_in_words(annotation: Any, said: str) -> None:
    made = type("M", (Model,), {"__annotations__": {"member": annotation}})
    schema = published(made, identity="urn:x", title="T")
    line = list(members(schema, schema.get("$defs", {}), lambda name: f"<{name}>"))[-1]
    assert line == f"| `member` | yes | {said} |"


@pytest.mark.parametrize(("kind", "version"), KINDS)
def test_a_page_has_every_member_docstring_rule_and_sample(kind: str, version: int) -> None:
    page, shared = PAGES[f"{kind}.md"], PAGES["parts.md"]
    model = registry.model(kind, version)
    everything = page + shared
    for each in (*stages(model), *parts(model)):
        for name, field in each.model_fields.items():
            assert f"| `{field.alias or name}` |" in everything or name in Payload.model_fields
        for line in (vars(each).get("__doc__") or "").splitlines():
            assert line.strip() in everything
        for rule in rules(each):
            assert rule.expected in everything
    blocks = [json.loads(block) for block in re.findall(r"^```json\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)]
    assert [each for each in registry.samples(kind, version).values() if each not in blocks] == []


@pytest.mark.parametrize("name", PAGES)
def test_links_of_a_page_lead_to_headings(name: str) -> None:
    headings = {
        page: {
            line.lstrip("# ").replace("`", "").lower().replace(" ", "-")
            for line in text.splitlines()
            if line[:1] == "#"
        }
        for page, text in PAGES.items()
    }
    for page, anchor in re.findall(r"\]\(([\w-]*\.md|)#([\w-]+)\)", PAGES[name]):
        assert anchor in headings[page or name]


def test_the_index_has_every_kind() -> None:
    assert re.findall(r"^\| \[([a-z-]+)\]\(\1\.md\) \|", PAGES["README.md"], re.MULTILINE) == list(registry.kinds())


class Asking(Payload):
    def act(self, in_reply_to: str | None) -> Any:
        """Due a day after it was sent."""
        from schemas.act import Answers, Asks  # noqa: PLC0415

        return Asks(does="asks", due=1) if in_reply_to is None else Answers(does="answers", of=in_reply_to)

    def replies(self) -> bool:
        return True

    def sanitisation_due(self) -> str | None:
        return None


def test_what_a_payload_says_of_its_packet_is_told() -> None:
    from schemas.pages.kinds import _packet  # noqa: PLC0415 - shipped kinds need not have all of it

    _, told = _packet(Asking)
    assert told.splitlines() == [
        "- The header's `act`: `asks` or `answers`. Due a day after it was sent.",
        "- An answer: the header's `in_reply_to` names the packet that it answers.",
        "- It may demand the handling flag `sanitised` (rule `9.sanitised`).",
    ]
