"""The fast path of the canonical encoder writes what the RFC 8785 library writes."""

import json

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from schemas.canonical import MAX_SAFE_INTEGER, MalformedJsonError, canonical, parse

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
SAFE = st.integers(-MAX_SAFE_INTEGER, MAX_SAFE_INTEGER)
JSON = st.recursive(
    st.none() | st.booleans() | SAFE | st.floats(-1e15, 1e15) | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(JSON)
def test_as_the_library(value):
    assert canonical(value) == rfc8785.dumps(value)


@given(JSON)
def test_what_is_written_is_read(value):
    assert canonical(parse(canonical(value))) == canonical(value)


@given(st.text('[]{}\\"a:,1', max_size=60).map(str.encode), st.integers(0, 4))
def test_depth_is_judged_as_json_means_it(raw, limit):
    try:
        depth = _depth(json.loads(raw, object_pairs_hook=_once))
    except ValueError:
        return
    if depth > limit:
        with pytest.raises(MalformedJsonError, match="nesting"):
            parse(raw, max_depth=limit)
    else:
        parse(raw, max_depth=limit)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b'"' + b'\\"' * 500_000, id="unterminated string of escaped quotes"),
        pytest.param(b'"\\' * 500_000, id="quotes and backslashes"),
        pytest.param(b"[" * 1_000_000, id="a million brackets"),
        pytest.param(b'{"a":' * 200_000, id="nested objects"),
        pytest.param(b'["' * 500_000, id="brackets and quotes"),
    ],
)
@pytest.mark.timeout(5)
def test_hostile_text_is_refused_in_linear_time(raw):
    with pytest.raises(MalformedJsonError):
        parse(raw)


def _once(pairs):
    if len(dict(pairs)) != len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _depth(value):
    if isinstance(value, dict):
        return 1 + max(map(_depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(_depth, value), default=0)
    return 0
