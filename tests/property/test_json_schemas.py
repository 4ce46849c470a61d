"""The published JSON Schemas accept whatever the models accept, and refuse what no document may have."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas import formats, registry
from tests.property.payload_strategies import BY_KIND

VALIDATORS = {
    kind: Draft202012Validator(registry.json_schema(kind, registry.versions(kind)[-1])) for kind in registry.kinds()
}
ALL = [(kind, name) for kind in registry.kinds() for name in registry.samples(kind)]
SOME = settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
)


@pytest.mark.parametrize("kind", registry.kinds())
def test_a_schema_is_one(kind: str) -> None:
    for version in registry.versions(kind):
        Draft202012Validator.check_schema(registry.json_schema(kind, version))


@pytest.mark.parametrize("name", formats.FORMATS)
def test_a_format_s_schema_is_one(name: str) -> None:
    Draft202012Validator.check_schema(formats.json_schema(name))


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_every_sample_is_accepted(kind: str, name: str) -> None:
    VALIDATORS[kind].validate(registry.samples(kind)[name])


def test_the_sample_handling_block_is_accepted() -> None:
    Draft202012Validator(formats.json_schema("handling")).validate(registry.sample_handling())


@pytest.mark.parametrize("kind", registry.kinds())
@SOME
@given(data=st.data())
def test_every_valid_payload_is_accepted(kind: str, data: st.DataObject) -> None:
    VALIDATORS[kind].validate(data.draw(BY_KIND[kind]))


@pytest.mark.parametrize("kind", registry.kinds())
@SOME
@given(data=st.data(), value=st.sampled_from([None, 1.5, "x", [], {}]))
def test_a_member_nobody_named_is_refused(kind: str, data: st.DataObject, value: Any) -> None:
    assert not VALIDATORS[kind].is_valid(data.draw(BY_KIND[kind]) | {"Zq7Marker": value})
