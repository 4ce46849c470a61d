"""What may take the place of a schema under the same version, and what may not: each with models, from both sides."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field

from schemas import formats, registry
from schemas.base import Line, Model
from schemas.compatible import Change, incompatible
from schemas.payloads.shape import Shape
from schemas.wire import published


class Part(Model):
    name: Line


class WiderPart(Model):
    name: Line
    note: Line | None = None


class NarrowerPart(Model):
    name: Line
    note: Line


class One(Model):
    stage: Literal["one"]
    when: Line


class OneMore(Model):
    stage: Literal["one"]
    when: Line
    where: Line | None = None


class OneLess(Model):
    stage: Literal["one"]


class Two(Model):
    stage: Literal["two"]


class Tree(Model):
    name: Line
    below: tuple["Tree", ...] = ()


class GreaterTree(Model):
    name: Line
    note: Line | None = None
    below: tuple["GreaterTree", ...] = ()


class LesserTree(Model):
    name: Annotated[Line, Field(max_length=10)]
    below: tuple["LesserTree", ...] = ()


def model(**members: Any) -> Any:
    """A model with these members: a type, or a type and a default."""
    fields = {name: each if isinstance(each, tuple) else (each, ...) for name, each in members.items()}
    return type("M", (Model,), {"__annotations__": {n: t for n, (t, _) in fields.items()}, **{n: d for n, (_, d) in fields.items() if d is not ...}})  # fmt: skip


def text(pattern: str) -> Any:
    return Annotated[str, Shape(pattern, "a text")]


def number(**limits: int) -> Any:
    return Annotated[int, Field(**limits)]


def stages(*forms: Any) -> Any:
    found = forms[0]
    for each in forms[1:]:
        found = found | each
    return Annotated[found, Field(discriminator="stage")] if len(forms) > 1 else found


def changes(old: Any, new: Any) -> tuple[Change, ...]:
    return incompatible(
        *(published(each, identity="urn:x", title=f"T{place}") for place, each in enumerate((old, new)))
    )


OPTIONAL = (Line | None, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(model(a=Line), model(a=Line), id="nothing"),
        pytest.param(model(a=Line), model(a=Line, b=OPTIONAL), id="an-optional-member"),
        pytest.param(model(a=Line), model(a=Line, b=(tuple[Line, ...], ())), id="an-optional-list"),
        pytest.param(model(a=Literal["x", "y"]), model(a=Literal["z", "y", "x"]), id="a-wider-list"),
        pytest.param(model(a=Literal["x"]), model(a=Literal["x", "y"]), id="a-second-value"),
        pytest.param(model(a=number(ge=1, le=5)), model(a=number(ge=0, le=6)), id="looser-limits"),
        pytest.param(model(a=number(ge=1, le=5)), model(a=int), id="no-limits"),
        pytest.param(model(a=Annotated[Line, Field(max_length=5)]), model(a=Line), id="longer-text"),
        pytest.param(
            model(a=Annotated[tuple[Line, ...], Field(min_length=2, max_length=3)]),
            model(a=Annotated[tuple[Line, ...], Field(min_length=1, max_length=9)]),
            id="longer-lists",
        ),
        pytest.param(model(a=text("x")), model(a=text("x|y")), id="an-alternative-at-the-end-of-a-pattern"),
        pytest.param(model(a=text("x")), model(a=str), id="no-pattern"),
        pytest.param(model(a=Part), model(a=WiderPart), id="an-optional-member-of-a-part"),
        pytest.param(stages(One, Two), stages(OneMore, Two), id="an-optional-member-of-a-stage"),
        pytest.param(stages(One, Two), stages(Two, One), id="stages-in-another-order"),
        pytest.param(model(a=stages(OneLess, Two)), model(a=stages(OneLess, Two, type("Three", (Model,), {"__annotations__": {"stage": Literal["three"]}}))), id="a-stage"),
        pytest.param(model(a=int | Part), model(a=WiderPart | int | bool), id="a-form"),
        pytest.param(model(a=dict[Literal["x"], int]), model(a=dict[Literal["x", "y"], int]), id="a-name-of-free-members"),
        pytest.param(Tree, GreaterTree, id="a-part-of-itself"),
    ],
)  # fmt: skip
def test_may_follow(old: Any, new: Any) -> None:
    assert changes(old, new) == ()


@pytest.mark.parametrize(
    ("old", "new", "member", "sentence"),
    [
        pytest.param(model(a=Line, b=Line), model(a=Line), "/b", "was removed", id="a-member-removed"),
        pytest.param(model(a=Line, b=OPTIONAL), model(a=Line), "/b", "was removed", id="an-optional-member-removed"),
        pytest.param(model(a=Line), model(a=Line, b=Line), "/b", "new and required", id="a-required-member"),
        pytest.param(model(a=OPTIONAL), model(a=Line), "/a", "is required", id="required-now"),
        pytest.param(model(a=Line), model(a=OPTIONAL), "/a", "may be absent", id="required-no-longer"),
        pytest.param(model(a=Literal["x", "y"]), model(a=Literal["x"]), "/a", "no longer admits y", id="narrower-list"),
        pytest.param(model(a=str), model(a=Literal["x", "y"]), "/a", "those of a list", id="a-list-where-none-was"),
        pytest.param(model(a=number(le=5)), model(a=number(le=4)), "/a", "4, where 5 was", id="a-lower-limit"),
        pytest.param(model(a=number(ge=0)), model(a=number(ge=1)), "/a", "1, where 0 was", id="a-higher-least"),
        pytest.param(model(a=int), model(a=number(le=5)), "/a", "where none was", id="a-limit-where-none-was"),
        pytest.param(model(a=Line), model(a=Annotated[Line, Field(max_length=9)]), "/a", "length", id="shorter-text"),
        pytest.param(
            model(a=tuple[Line, ...]), model(a=Annotated[tuple[Line, ...], Field(max_length=3)]), "/a", "items", id="shorter-lists"
        ),
        pytest.param(model(a=text("x|y")), model(a=text("x")), "/a", "another pattern", id="a-pattern-cut"),
        pytest.param(model(a=text("x")), model(a=text("y|x")), "/a", "another pattern", id="a-pattern-put-before"),
        pytest.param(model(a=text("x")), model(a=text("xy|z")), "/a", "another pattern", id="a-pattern-grown-on"),
        pytest.param(model(a=str), model(a=text("x")), "/a", "another pattern", id="a-pattern-where-none-was"),
        pytest.param(model(a=str), model(a=int), "/a", "was of type string and is of type integer", id="a-type"),
        pytest.param(model(a=Line), model(a=tuple[Line, ...]), "/a", "of type array", id="a-list-for-a-text"),
        pytest.param(model(a=tuple[str, ...]), model(a=tuple[int, ...]), "/a/*", "of type integer", id="an-item's-type"),
        pytest.param(model(a=tuple[str, str]), model(a=tuple[str, str, str]), "/a", "places", id="a-place"),
        pytest.param(model(a=tuple[str, str]), model(a=tuple[str, int]), "/a/1", "integer", id="a-place's-type"),
        pytest.param(model(a=(Line, "x")), model(a=(Line, "y")), "/a", "its default", id="a-default"),
        pytest.param(model(a=Part), model(a=NarrowerPart), "/a/note", "new and required", id="a-part"),
        pytest.param(model(a=tuple[WiderPart, ...]), model(a=tuple[Part, ...]), "/a/*/note", "removed", id="a-part-in-a-list"),
        pytest.param(stages(One, Two), stages(OneLess, Two), "/(stage=one)/when", "was removed", id="a-member-of-a-stage"),
        pytest.param(stages(One, Two), One, "", "told apart", id="a-stage-alone"),
        pytest.param(model(a=stages(One, Two)), model(a=stages(Two, type("Six", (Model,), {"__annotations__": {"stage": Literal["six"]}}))), "/a/(stage=one)", "was removed", id="a-stage-removed"),
        pytest.param(One, stages(One, Two), "", "told apart", id="stages-where-none-were"),
        pytest.param(model(a=int | Part), model(a=int), "/a", "one of its forms", id="a-form-removed"),
        pytest.param(model(a=int | Part), model(a=int | NarrowerPart), "/a", "one of its forms", id="a-form-narrower"),
        pytest.param(model(a=dict[str, str]), model(a=dict[str, int]), "/a/*", "integer", id="values-of-free-members"),
        pytest.param(model(a=dict[Literal["x", "y"], int]), model(a=dict[Literal["x"], int]), "/a/(name)", "admits y", id="names-of-free-members"),
        pytest.param(Tree, LesserTree, "/name", "length", id="a-part-of-itself"),
    ],
)  # fmt: skip
def test_may_not_follow(old: Any, new: Any, member: str, sentence: str) -> None:
    found = changes(old, new)
    assert {each.member for each in found} == {member}
    assert any(sentence in each.sentence for each in found)


def test_every_change_is_told_once() -> None:
    old, new = model(a=Line, b=Literal["x", "y"], c=Part), model(b=Literal["x"], c=NarrowerPart)
    assert {each.member for each in changes(old, new)} == {"/a", "/b", "/c/note"}
    shared = changes(model(a=Part, b=Part), model(a=NarrowerPart, b=NarrowerPart))
    assert [each.member for each in shared] == ["/a/note", "/b/note"]


def test_a_keyword_that_it_does_not_know_is_not_waved_through() -> None:
    (found,) = incompatible({"type": "string"}, {"type": "string", "not": {"const": "x"}})
    assert found.sentence == "has a keyword that cannot be judged: not"


def test_every_schema_of_ours_is_judged_and_may_follow_itself() -> None:
    schemas = [registry.json_schema(kind, each) for kind in registry.kinds() for each in registry.versions(kind)]
    for schema in [*schemas, *map(formats.json_schema, formats.FORMATS)]:
        assert incompatible(schema, schema) == ()
