"""Every valid payload goes round exactly; every single mutation is refused, at its place, without an echo."""

import json
import unicodedata
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from schemas import registry
from schemas.canonical import canonical
from schemas.explain import pointer_to
from tests.property.payload_strategies import BY_KIND, FREE, PAYLOADS

MARKER = "Zq7Marker"
Path = tuple[str | int, ...]
SLOW = settings(
    max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


def nodes(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    yield path, value
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, each in inner:
        yield from nodes(each, (*path, step))


def named(kind: str, document: Any) -> list[tuple[Path, Any]]:
    """The nodes that the kind's schema names: all but those of values that may be any JSON."""
    free = FREE[kind]

    def inside(path: Path) -> bool:
        return 0 < len(free) <= len(path) and all(want in ("*", step) for want, step in zip(free, path, strict=False))

    return [each for each in nodes(document) if not inside(each[0])]


def put(document: Any, path: Path, value: Any) -> Any:
    if not path:
        return value
    document = json.loads(json.dumps(document))  # strategies share objects, a copy does not
    here = document
    for step in path[:-1]:
        here = here[step]
    here[path[-1]] = value
    return document


def refusal(kind: str, document: Any) -> registry.PayloadError:
    with pytest.raises(registry.PayloadError) as caught:
        registry.load(kind, 1, json.dumps(document).encode())
    error = caught.value
    assert error.code == "schema"
    assert MARKER not in f"{error} {error!r} {error.faults} {error.advice}"
    assert error.__cause__ is None
    assert error.__context__ is None or error.__suppress_context__
    return error


def test_every_kind_is_covered() -> None:
    assert set(BY_KIND) == set(registry.kinds())


@SLOW
@given(PAYLOADS)
def test_goes_round(drawn: tuple[str, Any]) -> None:
    kind, document = drawn
    payload = registry.load(kind, 1, json.dumps(document).encode())
    assert payload.to_object() == document
    assert payload.canonical() == canonical(document)
    assert registry.load(kind, 1, payload.canonical()) == payload
    assert registry.check(kind, 1, document) == payload


@SLOW
@given(PAYLOADS, st.data(), st.sampled_from([None, 1.5, 2**53, -(2**53)]))
def test_what_no_payload_holds_is_refused_where_it_stands(
    drawn: tuple[str, Any], data: st.DataObject, value: Any
) -> None:
    kind, document = drawn
    path, _ = data.draw(st.sampled_from(list(nodes(document))))
    assert refusal(kind, put(document, path, value)).pointer == pointer_to(path)


@SLOW
@given(PAYLOADS, st.data())
def test_another_type_is_refused_where_it_stands(drawn: tuple[str, Any], data: st.DataObject) -> None:
    kind, document = drawn
    path, found = data.draw(st.sampled_from(named(kind, document)))
    others: list[Any] = [[MARKER], {MARKER: MARKER}, MARKER, 5, True]
    other = data.draw(st.sampled_from([each for each in others if type(each) is not type(found)]))
    error = refusal(kind, put(document, path, other))
    # an object without its tag is refused at the tag
    assert error.pointer == pointer_to(path) or (
        isinstance(other, dict) and error.pointer.startswith(pointer_to(path) + "/")
    ) or (isinstance(other, list) and isinstance(found, dict) and error.pointer.startswith(pointer_to(path)))  # fmt: skip


@SLOW
@given(PAYLOADS, st.data())
def test_a_member_nobody_named_is_refused_at_its_object(drawn: tuple[str, Any], data: st.DataObject) -> None:
    kind, document = drawn
    path, found = data.draw(st.sampled_from([each for each in named(kind, document) if isinstance(each[1], dict)]))
    assert refusal(kind, put(document, path, found | {MARKER: MARKER})).pointer == pointer_to(path)


HIDDEN = st.characters(categories=["Cc"], exclude_characters="\n\t") | st.sampled_from(
    "\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\ufeff\U000e0041"
)


@SLOW
@given(PAYLOADS, st.data(), HIDDEN)
def test_text_nobody_can_see_is_refused_everywhere(drawn: tuple[str, Any], data: st.DataObject, hidden: str) -> None:
    kind, document = drawn
    path, found = data.draw(st.sampled_from([each for each in nodes(document) if isinstance(each[1], str)]))
    cut = data.draw(st.integers(0, len(found)))
    error = refusal(kind, put(document, path, found[:cut] + hidden + found[cut:]))
    assert error.pointer == pointer_to(path) or error.pointer.startswith(pointer_to(path[:-1]))


@SLOW
@given(PAYLOADS, st.data())
def test_a_name_outside_ascii_is_refused(drawn: tuple[str, Any], data: st.DataObject) -> None:
    kind, document = drawn
    objects = [each for each in nodes(document) if isinstance(each[1], dict) and each[1]]
    path, found = data.draw(st.sampled_from(objects))
    old = data.draw(st.sampled_from(sorted(found)))
    renamed = {(old.replace("a", "\u0430").replace("e", "\u0435").replace("o", "\u043e") if name == old else name): value for name, value in found.items()}  # fmt: skip
    assume(renamed != found)
    assert refusal(kind, put(document, path, renamed)).pointer == pointer_to(path)


@SLOW
@given(PAYLOADS, st.data())
def test_text_that_is_not_normal_is_refused(drawn: tuple[str, Any], data: st.DataObject) -> None:
    kind, document = drawn
    path, found = data.draw(st.sampled_from([each for each in nodes(document) if isinstance(each[1], str)]))
    changed = found + "e\u0301"
    assert unicodedata.normalize("NFC", changed) != changed
    refusal(kind, put(document, path, changed))


@SLOW
@given(st.sampled_from(sorted(BY_KIND)), st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10) | st.sampled_from(["stage", "accounts", "evaluation", "scheme"]), inner, max_size=4),
    max_leaves=15,
))  # fmt: skip
def test_anything_at_all_is_refused_and_nothing_else_happens(kind: str, document: Any) -> None:
    try:
        raw = json.dumps(document).encode()
    except UnicodeEncodeError:
        return
    with pytest.raises(registry.PayloadError):
        registry.load(kind, 1, raw)
