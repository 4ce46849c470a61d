import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import payloads, registry
from schemas.handling import Handling
from tests.unit.schemas.refusals import MARKER, changed

ALL = [(kind, name) for kind in registry.kinds() for name in registry.samples(kind)]


def handling(**flags: bool) -> Handling:
    block = registry.sample_handling()
    block["flags"] |= flags
    return Handling.from_object(block)


def test_kinds_and_versions() -> None:
    declaring = {
        path.stem.replace("_", "-")
        for path in Path(payloads.__path__[0]).glob("*.py")
        if re.search(r"^KIND = ", path.read_text("utf-8"), re.MULTILINE)
    }
    assert registry.kinds() == tuple(sorted(declaring))
    assert {"payment-trail", "pen", "tip"} <= declaring
    for kind in registry.kinds():
        assert registry.versions(kind) == tuple(range(1, len(registry.versions(kind)) + 1))
        assert re.fullmatch(r"[^\n]{10,100}[^.\n]", registry.about(kind))
        assert all(registry.samples(kind, version) for version in registry.versions(kind))


def test_samples_come_in_their_numbers_order() -> None:
    numbers = {
        each.name.split(".", 3)[3][:-5]: int(each.name.split(".")[2])
        for each in (Path(payloads.__path__[0]) / "samples").glob("pen.1.*")
    }
    assert list(registry.samples("pen")) == sorted(numbers, key=numbers.__getitem__)


@pytest.mark.parametrize(("kind", "name"), ALL)
def test_a_sample_is_valid_and_goes_round(kind: str, name: str) -> None:
    sample = registry.samples(kind)[name]
    payload = registry.load(kind, 1, json.dumps(sample).encode())
    assert payload.to_object() == sample
    assert registry.load(kind, 1, payload.canonical()) == payload
    registry.check_with_handling(payload, handling())


def test_every_stage_has_a_sample() -> None:
    stages = {"notify", "acknowledge", "suspend", "object", "no-objection", "cleared", "arrived", "moved"}
    assert set(registry.samples("pen")) == stages
    assert next(iter(registry.samples("pen"))) == "notify"
    assert {each["stage"] for each in registry.samples("pen").values()} == stages


@pytest.mark.parametrize(
    ("kind", "version"),
    [
        pytest.param(MARKER, 1, id="kind"),
        pytest.param("tip", 2, id="version"),
        pytest.param("tip", 0, id="version-0"),
        pytest.param("tip", -1, id="version-below-0"),
        pytest.param("../handling", 1, id="path"),
    ],
)
def test_an_unknown_kind_or_version(kind: str, version: int) -> None:
    for ask in (
        lambda: registry.load(kind, version, b"{}"),
        lambda: registry.check(kind, version, {}),
        lambda: registry.model(kind, version),
        lambda: registry.json_schema(kind, version),
    ):
        with pytest.raises(registry.PayloadError) as caught:
            ask()
        assert caught.value.code == "kind-unknown"
        assert "tip 1" in str(caught.value)
        assert MARKER not in str(caught.value)
    with pytest.raises(registry.PayloadError):
        registry.samples(MARKER)


@pytest.mark.parametrize(
    "raw",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b'{"title":"a","title":"a"}', id="duplicate"),
        pytest.param(b"\xff", id="not-utf-8"),
        pytest.param(b"{} {}", id="two-texts"),
        pytest.param(b"[" * 100_000, id="deep"),
        pytest.param(b'{"a":NaN}', id="nan"),
    ],
)
def test_what_is_no_strict_json(raw: bytes) -> None:
    with pytest.raises(registry.PayloadError) as caught:
        registry.load("tip", 1, raw)
    assert (caught.value.code, caught.value.pointer) == ("json-invalid", "")


@pytest.mark.parametrize(
    ("raw", "pointer", "sentence"),
    [
        pytest.param(b"null", "", "found null", id="null"),
        pytest.param(b'{"title":null}', "/title", "found null", id="null-member"),
        pytest.param(b'{"a":[{"b":null}]}', "/a/0/b", "found null", id="null-deep"),
        pytest.param(b'{"a":1.5}', "/a", "decimal as text", id="float"),
        pytest.param(b'{"a":1.0}', "/a", "decimal as text", id="whole-float"),
        pytest.param(b'{"a":1e3}', "/a", "decimal as text", id="exponent"),
        pytest.param(b'{"a":9007199254740992}', "/a", "2^53", id="2^53"),
        pytest.param(b'{"a":-9007199254740992}', "/a", "2^53", id="-2^53"),
        pytest.param('{"\u0430":1}'.encode(), "", "names in ASCII", id="cyrillic-name"),
        pytest.param('{"a":{"\u00e9":1}}'.encode(), "/a", "names in ASCII", id="accented-name-deep"),
        pytest.param(b'{"a/b~":{"c":null}}', "/a~1b~0/c", "found null", id="pointer-is-escaped"),
        pytest.param(b"[]", "", "an object", id="array"),
        pytest.param(b'"text"', "", "an object", id="string"),
        pytest.param(b"true", "", "an object", id="true"),
    ],
)
@pytest.mark.parametrize("kind", registry.kinds())
def test_what_no_kind_may_hold(kind: str, raw: bytes, pointer: str, sentence: str) -> None:
    with pytest.raises(registry.PayloadError) as caught:
        registry.load(kind, 1, raw)
    assert (caught.value.code, caught.value.pointer) == ("schema", pointer)
    assert sentence in caught.value.message
    assert kind in caught.value.advice


@pytest.mark.parametrize(
    "document",
    [
        pytest.param({"a": object()}, id="object"),
        pytest.param({"a": 2**53}, id="2^53"),
        pytest.param({1: 2}, id="name"),
    ],
)
def test_an_object_json_has_no_form_for(document: Any) -> None:
    with pytest.raises(registry.PayloadError) as caught:
        registry.check("tip", 1, document)
    assert caught.value.code == "schema"


def test_all_faults_are_told_up_to_sixteen() -> None:
    sample = registry.samples("tip")["bengali-market"]
    sample |= {"title": "", "discipline": "x", "offence": "y"}
    with pytest.raises(registry.PayloadError) as caught:
        registry.check("tip", 1, sample)
    assert {each.pointer for each in caught.value.faults} == {"/title", "/discipline", "/offence"}
    sample["substances"] = [{"name": ""}] * 40
    with pytest.raises(registry.PayloadError) as caught:
        registry.check("tip", 1, sample)
    assert len(caught.value.faults) == 16
    with pytest.raises(registry.PayloadError) as caught:
        registry.load("tip", 1, json.dumps({"a": [None] * 40}).encode())
    assert len(caught.value.faults) == 16


@pytest.mark.parametrize(
    ("document", "flags", "code", "rule", "pointer"),
    [
        pytest.param(("/discipline", "HUMINT"), {"sanitised": False}, None, "9.sanitised", "/discipline", id="human-source"),
        pytest.param(("/parties/2/kind", "person"), {"personal_data": False}, None, "8.declared", "/parties/1", id="people"),
        pytest.param(("/handling_text", "See annex."), {}, "H1", "handling.h3-text", "/handling_text", id="text-without-h3"),
        pytest.param(("/title", "x"), {}, "H3", "handling.h3-text", "/handling_text", id="h3-without-text"),
    ],
)  # fmt: skip
def test_payload_and_handling_disagree(
    document: tuple[str, Any], flags: dict[str, bool], code: str | None, rule: str, pointer: str
) -> None:
    payload = registry.check("tip", 1, changed("tip", "bengali-market", *document))
    block = handling(**flags).to_object() | ({"handling_code": code} if code else {})
    with pytest.raises(registry.HandlingRuleError) as caught:
        registry.check_with_handling(payload, Handling.from_object(block))
    error = caught.value
    assert (error.code, error.rule, error.pointer) == ("policy-denied", rule, pointer)
    assert error.message
    assert error.advice


@pytest.mark.parametrize(
    ("kind", "sample", "change", "flags", "code"),
    [
        pytest.param("tip", "bengali-market", ("/discipline", "HUMINT"), {"sanitised": True}, "H1", id="sanitised"),
        pytest.param("tip", "drop-shipper", ("/title", "x"), {"sanitised": False}, "H1", id="no-human-source"),
        pytest.param("tip", "drop-shipper", ("/title", "x"), {"personal_data": False}, "H1", id="no-people"),
        pytest.param("tip", "drop-shipper", ("/title", "x"), {"personal_data": True}, "H1", id="people-in-the-text"),
        pytest.param("tip", "drop-shipper", ("/handling_text", "See annex."), {}, "H3", id="h3-with-its-text"),
        pytest.param("pen", "notify", ("/remarks", "x"), {"personal_data": False}, "H0", id="companies"),
        pytest.param("payment-trail", "sar", ("/summary", "x"), {"personal_data": False}, "H0", id="accounts-only"),
    ],
)  # fmt: skip
def test_payload_and_handling_agree(
    kind: str, sample: str, change: tuple[str, Any], flags: dict[str, bool], code: str
) -> None:
    payload = registry.check(kind, 1, changed(kind, sample, *change))
    block = handling(**flags).to_object() | {"handling_code": code}
    registry.check_with_handling(payload, Handling.from_object(block))


@pytest.mark.parametrize("kind", registry.kinds())
def test_json_schema(kind: str) -> None:
    schema = registry.json_schema(kind, 1)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"urn:setu:schema:{kind}:1"
    text = json.dumps(schema)
    assert '"null"' not in text
    assert '"type": "number"' not in text
    for integer in re.findall(r'\{[^{}]*"type": "integer"[^{}]*\}', text):
        assert json.loads(integer).get("maximum", 2**53) < 2**53, (
            "an integer needs a bound that JavaScript can count to"
        )
    models = [each for each in schema["$defs"].values() if each.get("type") == "object"]
    for each in [*models, *([schema] if schema.get("type") == "object" else [])]:
        assert each["additionalProperties"] is False
        assert each["description"]


def test_no_tag_of_a_union_is_a_member_of_its_model() -> None:
    # else a refusal's pointer could not tell the one from the other (schemas.explain)
    def unions(value: Any) -> Iterator[dict[str, str]]:
        if isinstance(value, dict):
            if "discriminator" in value:
                yield value["discriminator"]["mapping"]
            for each in value.values():
                yield from unions(each)
        elif isinstance(value, list):
            for each in value:
                yield from unions(each)

    found = [
        (registry.json_schema(kind, 1)["$defs"], mapping)
        for kind in registry.kinds()
        for mapping in unions(registry.json_schema(kind, 1))
    ]
    assert len(found) > len(registry.kinds())
    for definitions, mapping in found:
        for tag, target in mapping.items():
            assert tag not in definitions[target.rsplit("/", 1)[1]]["properties"]


OWN = {"CaseRef", "Tracking", "Account"}


def test_every_model_of_a_kind_cites_where_it_comes_from() -> None:
    source = re.compile(
        r"Sources?: \S|1988 (UN )?Convention|Article \d|ISO \d|CFR|ICD 203|STANAG|UNECE|Regulation \(EU\)|RFC \d|FATF|College|CAIP-10"
        r"|FIPS|FollowTheMoney|UPU|Reserve Bank|American Bankers|Payments Interface"
        r"|INTERPOL|Security Council|SWGDRUG|Early Warning"
    )
    for kind in registry.kinds():
        schema = registry.json_schema(kind, 1)
        for name, each in {kind: schema, **schema["$defs"]}.items():
            if name not in OWN and each.get("type") == "object":
                assert source.search(each["description"]), f"{name} cites nothing"
