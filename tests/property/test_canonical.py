"""JSON: what is written is read again as it was, in one form; what is no strict JSON is refused and nothing else happens."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import (
    MAX_SAFE_INTEGER,
    MalformedBase64Error,
    MalformedJsonError,
    b64u,
    canonical,
    parse,
    unb64u,
)

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
JSON: st.SearchStrategy[Any] = st.recursive(
    st.booleans() | st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER) | TEXT | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)


@given(JSON)
def test_what_is_written_is_read_again(value: Any) -> None:
    raw = canonical(value)
    assert parse(raw) == value
    assert canonical(parse(raw)) == raw


@given(JSON, st.integers(0, 4), st.booleans())
def test_every_other_form_has_the_same_canonical_one(value: Any, indent: int, ascii_only: bool) -> None:
    raw = json.dumps(value, indent=indent, ensure_ascii=ascii_only).encode()
    assert canonical(parse(raw)) == canonical(value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_floats_survive(value: float) -> None:
    assert float(parse(canonical(value))) == value


@given(st.binary(max_size=200) | st.text(alphabet='[]{}",:\\ud80eE+-.0123 \n', max_size=60).map(str.encode))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    try:
        value = parse(raw)
    except MalformedJsonError:
        return
    json.dumps(value).encode()


@given(JSON, st.data())
def test_a_member_given_twice_is_refused(value: Any, data: st.DataObject) -> None:
    name = json.dumps(data.draw(TEXT))
    body = json.dumps(value)
    with pytest.raises(MalformedJsonError):
        parse(f"{{{name}:{body},{name}:{body}}}".encode())


@given(st.integers(1, 200))
def test_depth_is_counted_exactly(depth: int) -> None:
    raw = b'{"a":[' * (depth // 2) + b"[" * (depth % 2) + b"]" * (depth % 2) + b"]}" * (depth // 2)
    if depth <= 32:
        parse(raw)
    else:
        with pytest.raises(MalformedJsonError, match="nesting"):
            parse(raw)


@given(st.binary(max_size=80))
def test_base64url_goes_round(raw: bytes) -> None:
    assert unb64u(b64u(raw), len(raw)) == raw


@given(st.text(max_size=12) | st.text("AQgwZ-_=+/", max_size=8))
def test_base64url_has_one_text_for_one_value(text: str) -> None:
    try:
        raw = unb64u(text)
    except MalformedBase64Error:
        return
    assert b64u(raw) == text
