"""The AsyncAPI document is one, and says what a record has and how a topic is called."""

import json
import re
from importlib.resources import files
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from broker.envelope.verify import parse
from broker.transport import asyncapi, records, topics
from schemas import registry
from schemas.canonical import b64u, canonical, unb64u
from schemas.evidence import Receipt
from schemas.packet import Header

DOCUMENT = asyncapi.document()
VECTOR = json.loads(files("schemas").joinpath("spec", "vectors", "hybrid-768.json").read_text("utf-8"))["packets"][0]
TRACE = "0af7651916cd43dd8448eb211c80319c"


def at(reference: str) -> Any:
    here = DOCUMENT
    for step in reference.removeprefix("#/").split("/"):
        here = here[step]
    return here


def validator(name: str) -> Draft202012Validator:
    return Draft202012Validator({**at(f"#/components/schemas/{name}"), "components": DOCUMENT["components"]})


def record(trace: str | None) -> Any:
    raw = canonical(VECTOR["packet"])
    header = Header.from_json(unb64u(VECTOR["packet"]["jwe"]["aad"]))
    entry = canonical({"trace": trace} if trace else {})
    receipt = Receipt(entry=b64u(entry), index=7, path=(), checkpoint="a\n")
    return records.record(header, VECTOR["digest"], raw, receipt, previous=records.FIRST)


@pytest.mark.filterwarnings("ignore:Field name .* shadows an attribute:UserWarning")
def test_it_is_asyncapi_3() -> None:
    from asyncapi3 import AsyncAPI3  # noqa: PLC0415 - it warns when it is imported
    from pydantic import ValidationError  # noqa: PLC0415

    AsyncAPI3.model_validate(DOCUMENT)
    channel = {**DOCUMENT["channels"]["packets"], "adress": "x"}
    with pytest.raises(ValidationError):
        AsyncAPI3.model_validate({**DOCUMENT, "channels": {"packets": channel}})


def test_its_references_lead_somewhere() -> None:
    found = re.findall(r'"\$ref": "([^"]+)"', json.dumps(DOCUMENT))
    assert len(found) > 10
    assert [reference for reference in found if not at(reference)] == []


def test_a_topic_is_called_as_topics_are() -> None:
    channel = DOCUMENT["channels"]["packets"]
    address = channel["address"].replace("{agency}", "us-dea").replace("{kind}", "tip")
    assert topics.split(address) == ("us-dea", "tip")
    assert channel["parameters"]["kind"]["enum"] == list(registry.kinds())


def test_a_group_begins_as_the_access_rules_have_it() -> None:
    pattern = DOCUMENT["operations"]["receivePackets"]["bindings"]["kafka"]["groupId"]["pattern"]
    assert re.search(pattern, topics.prefix("us-dea") + "analysts")
    assert not re.search(pattern, "setu-us-dea.analysts")


@pytest.mark.parametrize("trace", [None, TRACE])
def test_a_record_is_what_it_says(trace: str | None) -> None:
    made = record(trace)
    parse(made.value)
    headers = {name: value.decode() for name, value in made.headers}
    schema = at("#/components/schemas/Headers")
    validator("Headers").validate(headers)
    assert set(headers) - {"traceparent"} == set(schema["required"])
    assert set(headers) == set(schema["properties"]) - (set() if trace else {"traceparent"})
    validator("Packet").validate(json.loads(made.value))
    validator("Receipt").validate(json.loads(headers[records.RECEIPT]))
    assert re.search(at("#/components/messages/packet")["bindings"]["kafka"]["key"]["pattern"], made.key.decode())


@pytest.mark.parametrize("name", at("#/components/schemas/Headers")["required"])
def test_a_record_without_a_header_is_not(name: str) -> None:
    headers = {each: value.decode() for each, value in record(TRACE).headers if each != name}
    assert not validator("Headers").is_valid(headers)


def test_its_examples_are_what_their_schemas_say() -> None:
    for example in at("#/components/messages/packet")["examples"]:
        validator("Headers").validate(example["headers"])
