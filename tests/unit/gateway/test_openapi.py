"""The OpenAPI document is one, and says what the gateway has: its routes, its codes, their status."""

import re
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator
from starlette.routing import Route

from broker.gateway import heads, openapi
from broker.gateway.app import create_app
from broker.gateway.describe import lookups
from broker.gateway.health import Operator
from broker.gateway.identity import Direct
from broker.gateway.limits import Limits
from broker.gateway.problems import OWN, TABLE
from schemas import registry
from schemas.problem import Code
from tests.fakes.flows import Fakes

DOCUMENT = openapi.document()
OPERATIONS = [
    (path, method, operation)
    for path, methods in DOCUMENT["paths"].items()
    for method, operation in methods.items()
    if method in ("get", "post")
]
AGENCIES = [each for each in OPERATIONS if each[2]["tags"] != ["operator"]]
NEVER = {Code.RECEIPT_INVALID}
"""A recipient gives it as its reason; the gateway answers nothing with it."""


def routes() -> set[tuple[str, str]]:
    """Method and path of every route that the router has, a path's converters taken off."""
    app = create_app(Fakes().services(), Limits(), hosts=frozenset(), identity=Direct(), watch=None)  # type: ignore[arg-type]
    found: list[Any] = list(app.router.routes)
    for each in found:
        found += getattr(each, "routes", None) or getattr(getattr(each, "original_router", None), "routes", [])
    return {
        (method.lower(), re.sub(r":\w+}", "}", each.path))
        for each in found
        if isinstance(each, Route)
        for method in (each.methods or ())
        if method != "HEAD"
    }


def codes_of(operation: dict[str, Any]) -> dict[str, int]:
    """Every code that the document says a route may answer -> the status it stands under."""
    return {
        code: int(status)
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
        for code in answer["content"]["application/problem+json"]["schema"]["allOf"][1]["properties"]["code"]["enum"]
    }


def test_it_is_openapi() -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(DOCUMENT).iter_errors()] == []


def test_the_validator_would_notice() -> None:
    wrong = {**DOCUMENT, "paths": {"/v1/packets/{digest}": {"get": {"responses": {}}}}}
    assert list(OpenAPIV31SpecValidator(wrong).iter_errors())


def test_it_has_every_route_and_no_other() -> None:
    assert {(method, path) for path, method, _ in AGENCIES} == routes()


def test_it_has_every_path_of_the_second_listener() -> None:
    operator = Operator(Fakes().health, None, None, lambda: False)  # type: ignore[arg-type]
    assert {each.path for each in lookups.OPERATOR} == set(operator._paths)


def test_every_code_stands_under_its_status_and_on_some_route() -> None:
    found: set[str] = set()
    for _, _, operation in AGENCIES:
        told = codes_of(operation)
        assert told == {code: TABLE[Code(code)][0] for code in told}
        found |= set(told)
    assert set(Code) - found == NEVER
    lines = DOCUMENT["paths"][heads.BATCH]["post"]["responses"]["200"]["x-codes-in-lines"]
    assert all(TABLE[Code(code)][0] == int(status) for status, codes in lines.items() for code in codes)


@pytest.mark.parametrize(
    ("path", "method", "operation"), AGENCIES, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_route_may_answer_all_that_is_refused_before_it(path: str, method: str, operation: dict[str, Any]) -> None:
    before = OWN | {Code.UNKNOWN_AGENCY, Code.AGENCY_SUSPENDED, Code.INTERNAL, Code.UNAVAILABLE}
    before -= {Code.BAD_QUERY} if "parameters" not in operation or path.endswith(("{digest}", "proof")) else set()
    before -= {Code.MEDIA_TYPE, Code.TIMEOUT} if method == "get" else set()
    before -= {Code.BAD_QUERY} if not any(each["in"] == "query" for each in operation.get("parameters", ())) else set()
    assert before <= set(codes_of(operation))


@pytest.mark.parametrize(
    ("path", "method", "operation"), AGENCIES, ids=lambda each: each if isinstance(each, str) else ""
)
def test_media_types_are_those_that_the_guard_holds_to(path: str, method: str, operation: dict[str, Any]) -> None:
    answered = {
        media for status, each in operation["responses"].items() if status[0] == "2" for media in each["content"]
    }
    assert answered == {heads._answered_with(path)}
    read = {heads.LINES} if path == heads.BATCH else {each.decode() for each in heads.READ}
    assert set(operation.get("requestBody", {}).get("content", {})) == (read if method == "post" else set())


@pytest.mark.parametrize(
    ("path", "method", "operation"), OPERATIONS, ids=lambda each: each if isinstance(each, str) else ""
)
def test_a_path_names_its_parameters(path: str, method: str, operation: dict[str, Any]) -> None:
    named = [each["name"] for each in operation.get("parameters", ()) if each["in"] == "path"]
    assert named == re.findall(r"{(\w+)}", path)
    assert operation["summary"]
    assert operation["description"]


def test_operations_have_names_of_their_own() -> None:
    names = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(set(names)) == len(names)


def test_every_call_needs_a_certificate() -> None:
    assert DOCUMENT["security"] == [{"mutualTLS": []}]
    assert DOCUMENT["components"]["securitySchemes"]["mutualTLS"]["type"] == "mutualTLS"
    assert [path for path, _, operation in AGENCIES if "security" in operation] == []


def test_examples_are_what_their_schemas_say() -> None:
    shown = 0
    for _, _, operation in OPERATIONS:
        for answer in operation["responses"].values():
            for content in answer["content"].values():
                if "example" in content:
                    schema = {**content["schema"], "components": DOCUMENT["components"]}
                    Draft202012Validator(schema).validate(content["example"])
                    shown += 1
    assert shown >= 5


def test_a_real_problem_and_a_real_payload_s_kind_fit() -> None:
    problem = {
        "type": "urn:setu:problem:not-found",
        "title": "Not found",
        "status": 404,
        "code": "not-found",
        "detail": "There is nothing here that you may see.",
    }
    answer = DOCUMENT["paths"]["/v1/packets/{digest}"]["get"]["responses"]["404"]
    schema = answer["content"]["application/problem+json"]["schema"] | {"components": DOCUMENT["components"]}
    validator = Draft202012Validator(schema)
    validator.validate(problem)
    assert not validator.is_valid(problem | {"code": "timeout"})
    kinds = DOCUMENT["paths"]["/v1/schemas/{kind}/{version}"]["get"]["parameters"][0]["schema"]["examples"]
    assert tuple(kinds) == registry.kinds()
