from typing import Annotated, Literal

import pytest
from pydantic import Field, StringConstraints, TypeAdapter, ValidationError

from schemas.base import Model
from schemas.explain import explain, pointer_to


class Cat(Model):
    kind: Literal["cat"]
    lives: Annotated[int, Field(le=9)]


class Dog(Model):
    kind: Literal["dog"]
    name: Annotated[str, Field(max_length=3)]


class Chip(Model):
    number: Annotated[str, StringConstraints(pattern=r"^[0-9]{3}$")]


class Owner(Model):
    pets: tuple[Annotated[Cat | Dog, Field(discriminator="kind")], ...]
    chip: Chip | None = None
    either: int | Literal["many"] = 0


@pytest.mark.parametrize(
    ("document", "pointer", "sentence"),
    [
        pytest.param({}, "/pets", "expected this member, found none; add it", id="missing"),
        pytest.param({"pets": [{"kind": "dog"}]}, "/pets/0/name", "expected this member, found none; add it", id="missing-in-a-union"),
        pytest.param({"pets": [{"kind": "cat", "lives": 10}]}, "/pets/0/lives", "expected less than or equal to 9; correct it", id="bound"),
        pytest.param({"pets": [{"kind": "dog", "name": "Rover"}]}, "/pets/0/name", "expected at most 3 characters; correct it", id="length"),
        pytest.param({"pets": [{"kind": "Zq7Marker"}]}, "/pets/0/kind", "expected one of 'cat', 'dog', found another; see the schema", id="tag"),
        pytest.param({"pets": [{}]}, "/pets/0/kind", "expected the member that names the form, found none; add it", id="no-tag"),
        pytest.param({"pets": [], "Zq7Marker": 1}, "", "expected only the members the schema names, found one or more others; remove them", id="extra"),
        pytest.param({"pets": "Zq7Marker"}, "/pets", "expected an array, found another type", id="type"),
        pytest.param({"pets": [], "either": "Zq7Marker"}, "/either", "expected an integer, found another type", id="plain-union"),
        pytest.param({"pets": [], "chip": {"number": "Zq7Marker"}}, "/chip/number", "expected text that matches ^[0-9]{3}$, found another form; write it that way", id="pattern"),
    ],
)  # fmt: skip
def test_a_fault(document: object, pointer: str, sentence: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Owner.from_object(document)
    found = explain(caught.value, document)[0]
    assert (found.pointer, found.sentence) == (pointer, sentence)


def test_a_pointer_is_escaped() -> None:
    assert pointer_to(["a/b", 0, "c~d"]) == "/a~1b/0/c~0d"
    assert pointer_to([]) == ""


def test_what_is_said_twice_of_one_place_is_said_once() -> None:
    document = {"pets": [], **{f"Zq7Marker{n}": n for n in range(5)}}
    with pytest.raises(ValidationError) as caught:
        Owner.from_object(document)
    assert len(caught.value.errors()) == 5
    assert [each.pointer for each in explain(caught.value, document)] == [""]


def test_no_more_than_sixteen() -> None:
    document = ["x"] * 40
    with pytest.raises(ValidationError) as caught:
        TypeAdapter(tuple[int, ...]).validate_python(document)
    assert len(explain(caught.value, document)) == 16
