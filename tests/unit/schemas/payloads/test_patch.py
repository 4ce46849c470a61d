"""JSON Patch: the examples of RFC 6902, appendix A, that add, remove, replace and test; and what is refused."""

import copy
from typing import Any

import pytest
from pydantic import TypeAdapter

from schemas import registry
from schemas.payloads.patch import Operation, PatchError, applied

PATCH: TypeAdapter[tuple[Operation, ...]] = TypeAdapter(tuple[Operation, ...])


def patched(document: dict[str, Any], *operations: dict[str, Any]) -> dict[str, Any]:
    before = copy.deepcopy(document)
    try:
        return applied(PATCH.validate_python(operations), document)
    finally:
        assert document == before


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [
        pytest.param({"foo": "bar"}, [("add", "/baz", "qux")], {"baz": "qux", "foo": "bar"}, id="A.1"),
        pytest.param({"foo": ["bar", "baz"]}, [("add", "/foo/1", "qux")], {"foo": ["bar", "qux", "baz"]}, id="A.2"),
        pytest.param({"baz": "qux", "foo": "bar"}, [("remove", "/baz")], {"foo": "bar"}, id="A.3"),
        pytest.param({"foo": ["bar", "qux", "baz"]}, [("remove", "/foo/1")], {"foo": ["bar", "baz"]}, id="A.4"),
        pytest.param({"baz": "qux"}, [("replace", "/baz", "boo")], {"baz": "boo"}, id="A.5"),
        pytest.param(
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [("test", "/baz", "qux"), ("test", "/foo/1", 2)],
            {"baz": "qux", "foo": ["a", 2, "c"]},
            id="A.8",
        ),
        pytest.param(
            {"foo": "bar"}, [("add", "/child", {"grandchild": {}})], {"foo": "bar", "child": {"grandchild": {}}}, id="A.10"
        ),
        pytest.param({"/": 9, "~1": 10}, [("test", "/~01", 10)], {"/": 9, "~1": 10}, id="A.14"),
        pytest.param({"foo": ["bar"]}, [("add", "/foo/-", ["abc"])], {"foo": ["bar", ["abc"]]}, id="A.16"),
        pytest.param({"foo": "bar"}, [("add", "/foo", "baz")], {"foo": "baz"}, id="add-where-one-is"),
        pytest.param({"foo": []}, [("add", "/foo/0", 1), ("add", "/foo/1", 2)], {"foo": [1, 2]}, id="add-at-the-end"),
        pytest.param({"a/b": {"c": 1}}, [("remove", "/a~1b/c")], {"a/b": {}}, id="slash-in-a-name"),
        pytest.param({"a": [{"b": 1}]}, [("replace", "/a/0/b", True)], {"a": [{"b": True}]}, id="deep"),
    ],
)  # fmt: skip
def test_is_applied(document: dict[str, Any], operations: list[tuple[Any, ...]], expected: dict[str, Any]) -> None:
    assert patched(document, *(_operation(*each) for each in operations)) == expected


@pytest.mark.parametrize(
    ("document", "operations", "at"),
    [
        pytest.param({"baz": "qux"}, [("test", "/baz", "bar")], 0, id="A.9"),
        pytest.param({"foo": "bar"}, [("add", "/baz/bat", "qux")], 0, id="A.12"),
        pytest.param({"/": 9, "~1": 10}, [("test", "/~01", "10")], 0, id="A.15"),
        pytest.param({"a": 1}, [("test", "/a", True)], 0, id="one-is-not-true"),
        pytest.param({"a": {"b": [1]}}, [("test", "/a", {"b": [True]})], 0, id="one-is-not-true-deep"),
        pytest.param({"a": {"b": 1}}, [("test", "/a", {"b": 1, "c": 1})], 0, id="a-member-more"),
        pytest.param({"a": [1]}, [("test", "/a", [1, 1])], 0, id="an-element-more"),
        pytest.param({"a": 1}, [("remove", "/b")], 0, id="remove-nothing"),
        pytest.param({"a": 1}, [("replace", "/b", 1)], 0, id="replace-nothing"),
        pytest.param({"a": []}, [("add", "/a/1", 1)], 0, id="behind-the-end"),
        pytest.param({"a": [1]}, [("remove", "/a/-")], 0, id="remove-behind-the-end"),
        pytest.param({"a": [1, 2]}, [("remove", "/a/01")], 0, id="leading-zero"),
        pytest.param({"a": [1, 2]}, [("remove", "/a/-1")], 0, id="from-the-end"),
        pytest.param({"a": "text"}, [("add", "/a/0", "x")], 0, id="into-text"),
        pytest.param({"a": 1}, [("replace", "/a", 2), ("test", "/a", 1)], 1, id="whole-or-not-at-all"),
    ],
)
def test_does_not_fit(document: dict[str, Any], operations: list[tuple[Any, ...]], at: int) -> None:
    with pytest.raises(PatchError, match=r"operation \d+: expected .*nothing was changed") as caught:
        patched(document, *(_operation(*each) for each in operations))
    assert caught.value.position == at


def test_what_was_patched_shares_nothing_with_the_patch() -> None:
    patch = PATCH.validate_python([_operation("add", "/a", {"b": []}), _operation("add", "/a/b/-", 1)])
    assert applied(patch, {}) == applied(patch, {}) == {"a": {"b": [1]}}


def test_the_sample_amends_the_tip() -> None:
    tip = registry.samples("tip")["bengali-market"]
    payload = registry.check("lifecycle", 1, registry.samples("lifecycle")["amend"])
    amended = applied(payload.patch, tip)
    assert registry.check("tip", 1, amended).to_object() == amended
    assert amended["parties"][2]["identifiers"][0]["value"] == "DL8CAB1234"
    assert [each["s10"] for each in amended["consignments"]] == ["LX473124829IN", "RR473124829IN"]
    assert "collection_requirement" not in amended
    with pytest.raises(PatchError):
        applied(payload.patch, amended)


def _operation(op: str, path: str, *value: Any) -> dict[str, Any]:
    return {"op": op, "path": path, **({"value": value[0]} if value else {})}
