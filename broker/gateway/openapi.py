"""The gateway's routes as an OpenAPI 3.1 document."""

from collections.abc import Iterable
from typing import Any

from broker.gateway.describe import exchange, lookups
from broker.gateway.describe.callers import Stand
from broker.gateway.describe.operation import EVERYWHERE, PLACE, Answer, Operation, Parameter, Schema, reference, table
from broker.gateway.problems import MEDIA_TYPE, TABLE
from schemas.deny import DenyStanding, SignedDenyList
from schemas.directory import Directory
from schemas.evidence import (
    AckBody,
    Acknowledgement,
    OpenClocks,
    Page,
    Proof,
    Receipt,
    Timeline,
    TimelineItem,
    TopicInfo,
)
from schemas.outcomes import Outcomes
from schemas.packet import Header, Packet
from schemas.problem import Code, Problem
from schemas.watch import Watch
from schemas.wire import DIALECT, components

MODELS = (
    AckBody,
    Acknowledgement,
    DenyStanding,
    Directory,
    Header,
    OpenClocks,
    Outcomes,
    Packet,
    Page,
    Problem,
    Proof,
    Receipt,
    SignedDenyList,
    Timeline,
    TimelineItem,
    TopicInfo,
    Watch,
)
OPERATIONS = (*exchange.OPERATIONS, *lookups.OPERATIONS)
NOUNS = {
    "packets": "Submit packets, and see what became of them.",
    "topics": "Receive packets.",
    "acknowledgements": "Say that a packet was received, opened or rejected.",
    "directory": "Who takes part, with which keys.",
    "forms": "What packets, routes and topics look like.",
    "audit": "The exchange log, searched.",
    "log": "The exchange log, mirrored.",
    "operator": "Of the second listener.",
}
ABOUT = """\
The gateway of a realm. `schemas/spec/http.md` says more: order of checks, limits, how to receive without loss.

Every refusal is a problem document (RFC 9457); programs switch on its `code` alone. What an agency may not see answers
exactly like what does not exist. Asking again is always safe: a repeat with the same bytes gets the first one's answer.
"""
_SCHEME = "mutualTLS"
_RETRY = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}}
_HEADERS: dict[int, Schema] = {
    401: {"WWW-Authenticate": {"description": "RFC 9110, section 11.6.1.", "schema": {"const": "setu1-signature"}}},
    405: {"Allow": {"description": "The methods that the path has.", "schema": {"type": "string"}}},
    429: _RETRY,
    503: _RETRY,
}


def document() -> dict[str, Any]:
    """The whole document, as an object of JSON types."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Setu gateway",
            "version": "1",
            "summary": "Signed, encrypted packets between agencies, and a log of every exchange",
            "description": ABOUT,
            "license": {"name": "Apache License 2.0", "identifier": "Apache-2.0"},
        },
        "jsonSchemaDialect": DIALECT,
        "servers": [
            {
                "url": "https://{gateway}",
                "description": "The address that the directory or your configuration names.",
                "variables": {"gateway": {"default": "gateway.example:8443"}},
            }
        ],
        "security": [{_SCHEME: []}],
        "tags": [{"name": name, "description": about} for name, about in NOUNS.items()],
        "paths": _paths(),
        "components": {
            "securitySchemes": {
                _SCHEME: {
                    "type": _SCHEME,
                    "description": "TLS 1.3, with a client certificate whose SHA-256 the caller's directory row has.",
                }
            },
            "schemas": _schemas(),
        },
    }


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for each in OPERATIONS:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, _refusals((*EVERYWHERE, *each.codes)))
    for each in lookups.OPERATOR:
        paths[each.path] = {
            "servers": [{"url": "http://127.0.0.1:9443", "description": "The second listener, loopback by default."}],
            each.method.lower(): {**_operation(each, {}), "security": []},
        }
    return paths


def _operation(each: Operation, refusals: dict[str, Any]) -> dict[str, Any]:
    made: dict[str, Any] = {
        "operationId": each.name,
        "tags": [each.noun],
        "summary": each.about,
        "description": f"For: {each.who.words}.",
        "x-setu-callers": {stand.value: each.who.verdicts[stand].value for stand in Stand},
    }
    if each.parameters:
        made["parameters"] = [_parameter(one) for one in each.parameters]
    if each.body:
        made["requestBody"] = {
            "description": each.body_about,
            "required": True,
            "content": {media: {"schema": schema} for media, schema in each.body.items()},
        }
    made["responses"] = {str(status): _answer(one) for status, one in each.answers.items()} | refusals
    if each.in_lines:
        made["responses"]["200"]["x-codes-in-lines"] = _by_status(each.in_lines)
    return made


def _parameter(each: Parameter) -> dict[str, Any]:
    schema = {"type": "array", "items": each.schema} if each.repeats else each.schema
    found: dict[str, Any] = {"name": each.name, "in": each.place, "description": each.about, "schema": schema}
    if each.place == "path":
        found["required"] = True
    return found


def _answer(each: Answer) -> dict[str, Any]:
    content: dict[str, Any] = {"schema": each.schema}
    if each.example is not None:
        content["example"] = each.example
    return {"description": each.about, "content": {each.media: content}}


def _refusals(codes: Iterable[Code]) -> dict[str, Any]:
    """One answer for each status, with the codes that it may have here."""
    return {
        status: {
            "description": " ".join(f"`{code}`: {TABLE[Code(code)][1]}." for code in found),
            **({"headers": _HEADERS[int(status)]} if int(status) in _HEADERS else {}),
            "content": {
                MEDIA_TYPE.decode("ascii"): {
                    "schema": {"allOf": [reference("Problem"), {"properties": {"code": {"enum": found}}}]}
                }
            },
        }
        for status, found in _by_status(codes).items()
    }


def _by_status(codes: Iterable[Code]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for code in Code:
        if code in set(codes):
            found.setdefault(str(TABLE[code][0]), []).append(code.value)
    return dict(sorted(found.items()))


def _schemas() -> dict[str, Any]:
    made = components(MODELS, PLACE)
    status: Schema = {"type": "integer", "minimum": 200, "maximum": 599}
    made["BatchAnswer"] = {
        "description": "One line of a batch's answer; the last one has `done`.",
        "anyOf": [
            table({"receipt": reference("Receipt"), "status": {"enum": [200, 201]}}),
            table({"problem": reference("Problem"), "status": status}, {"retry_after": {"type": "integer"}}),
            table({"done": {"type": "integer", "minimum": 0}}, {"problem": reference("Problem")}),
        ],
    }
    return dict(sorted(made.items()))
