"""(kind, version) -> model: reads payloads, gives their JSON Schemas and samples, and judges payload with handling.

Rules that need both halves of a packet (`check_with_handling`) are named: `9.sanitised` is rule 9 of the release
rules, the two others hold the handling block to what the payload shows.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, cast

from pydantic import TypeAdapter, ValidationError
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema

from schemas.act import Act
from schemas.canonical import MAX_SAFE_INTEGER, MalformedJsonError, canonical, parse
from schemas.explain import MAX_FAULTS, Fault, explain, pointer_to
from schemas.handling import Handling, HandlingCode
from schemas.packet import Header
from schemas.payloads.deconfliction import DeconflictionV1
from schemas.payloads.feedback import FeedbackV1
from schemas.payloads.lifecycle import LifecycleV1
from schemas.payloads.parts import Payload
from schemas.payloads.payment_trail import PaymentTrailV1
from schemas.payloads.pen import PenV1
from schemas.payloads.rfi import RfiV1
from schemas.payloads.tip import TipV1
from schemas.problem import Code


class _WireSchema(GenerateJsonSchema):
    """On the wire an absent member is left out: null is nobody's value and nobody's default."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


_MODELS: Mapping[tuple[str, int], Any] = {
    ("deconfliction", 1): DeconflictionV1,
    ("feedback", 1): FeedbackV1,
    ("lifecycle", 1): LifecycleV1,
    ("payment-trail", 1): PaymentTrailV1,
    ("pen", 1): PenV1,
    ("rfi", 1): RfiV1,
    ("tip", 1): TipV1,
}
_ABOUT: Mapping[str, str] = {
    "deconfliction": "Whether a planned operation meets another agency's, and what was agreed then",
    "feedback": "What a packet led to, told by its recipient",
    "lifecycle": "What becomes of a packet: amended, superseded, withdrawn, destroyed, released onward",
    "payment-trail": "Accounts, what moved between them, and who is thought to stand behind them",
    "pen": "Pre-export notification of precursors, from the notice to its clearance",
    "rfi": "Request for information, and the answers to its questions",
    "tip": "Spontaneous information, given without a request",
}


class PayloadError(ValueError):
    """A payload that is refused: unknown kind, not strict JSON, or not its schema. Never quotes the payload.

    code: `kind-unknown`, `json-invalid` or `schema`; pointer: RFC 6901, of the first fault; message: its sentence;
    faults: all of them, at most 16; advice: what to do.
    """

    def __init__(self, code: Code, faults: tuple[Fault, ...], advice: str) -> None:
        first = faults[0]
        super().__init__(f"{first.pointer}: {first.sentence}" if first.pointer else first.sentence)
        self.code = code
        self.faults = faults
        self.pointer = first.pointer
        self.message = first.sentence
        self.advice = advice


class HandlingRuleError(PayloadError):
    """A payload its handling block does not fit. code `policy-denied`; rule: the rule's id; advice: what to change."""

    def __init__(self, rule: str, pointer: str, sentence: str, advice: str) -> None:
        super().__init__(Code.POLICY_DENIED, (Fault(pointer, sentence),), advice)
        self.rule = rule


def kinds() -> tuple[str, ...]:
    """Every kind, in alphabetical order."""
    return tuple(sorted(_ABOUT))


def about(kind: str) -> str:
    """What a kind is for, in one line; raises PayloadError (kind-unknown)."""
    if kind not in _ABOUT:
        raise _unknown()
    return _ABOUT[kind]


def versions(kind: str) -> tuple[int, ...]:
    """The versions of a kind, oldest first; raises PayloadError (kind-unknown)."""
    found = tuple(sorted(version for known, version in _MODELS if known == kind))
    if not found:
        raise _unknown()
    return found


def model(kind: str, version: int) -> Any:
    """The model of a kind and version: a `Payload` class, or the union of its stages' classes.

    Raises:
        PayloadError: code kind-unknown.
    """
    if (kind, version) not in _MODELS:
        raise _unknown()
    return _MODELS[kind, version]


def load(kind: str, version: int, raw: bytes) -> Payload:
    """Read the bytes of a payload as the registry's model for its kind and version.

    Raises:
        PayloadError: code kind-unknown, json-invalid (not strict JSON, `schemas.canonical.parse`), or schema (a null, a
            float, an integer beyond 2^53 - 1, a member name outside ASCII, or not the model), with JSON pointers.
    """
    model(kind, version)
    try:
        document = parse(raw)
    except MalformedJsonError as error:
        raise PayloadError(Code.JSON_INVALID, (Fault("", str(error)),), "Write strict JSON (RFC 8259).") from None
    return _validate(kind, version, document, raw)


def check(kind: str, version: int, document: object) -> Payload:
    """Read an object of JSON types as a payload; as `load`, for a sender that has not written bytes yet."""
    model(kind, version)
    try:
        raw = canonical(document)
    except ValueError:
        fault = Fault("", "expected objects, arrays, strings, booleans and integers below 2^53, found something else")
        raise PayloadError(Code.SCHEMA, (fault,), "Write decimals, dates and times as text.") from None
    return load(kind, version, raw)


def check_with_handling(payload: Payload, handling: Handling) -> None:
    """The rules that need payload and handling block together.

    Raises:
        HandlingRuleError: the first rule that does not hold.
    """
    demanding = payload.sanitisation_due()
    if demanding and not handling.flags.sanitised:
        raise HandlingRuleError(
            "9.sanitised",
            demanding,
            "The identity of a human source never travels: this discipline demands the handling flag sanitised.",
            "Remove what could identify the source, then set the flag to true.",
        )
    people = payload.people()
    if people and not handling.flags.personal_data:
        raise HandlingRuleError(
            "8.declared",
            people[0],
            "The payload is about a natural person, and the handling flag personal_data says it is not.",
            "Set the flag to true, with a purge_on date.",
        )
    other = handling.handling_code is HandlingCode.H3
    if other != (payload.handling_text is not None):
        raise HandlingRuleError(
            "handling.h3-text",
            "/handling_text",
            "Handling code H3 and the payload's handling_text go together; one is there without the other.",
            "Give handling_text with H3, or leave it out with H0, H1 and H2.",
        )


def check_with_header(payload: Payload, header: Header) -> None:
    """As `check_with_handling`, and the rules that need the rest of the header: an answer says what it answers, and
    what the header says the packet does is what the payload says.

    Raises:
        PayloadError: code `schema`; `in_reply_to` is missing.
        HandlingRuleError: the first rule that does not hold.
    """
    check_with_handling(payload, header.handling)
    if act_of(payload, header.in_reply_to) != header.act:
        raise HandlingRuleError(
            "header.act",
            "",
            "What the header says this packet does (act) is not what its payload says.",
            "Leave act to the program that seals, or make the two agree.",
        )


def act_of(payload: Payload, in_reply_to: str | None) -> Act | None:
    """What the header's member `act` must say for this payload.

    Raises:
        PayloadError: code `schema`; the payload is an answer, and `in_reply_to` does not say to what.
    """
    if payload.replies() and in_reply_to is None:
        fault = Fault("", "expected an answer to name what it answers in the header's in_reply_to, found none")
        raise PayloadError(Code.SCHEMA, (fault,), "Give the digest of the packet that this one answers.")
    return payload.act(in_reply_to)


def json_schema(kind: str, version: int) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a kind and version, `$id` `urn:setu:schema:<kind>:<version>`.

    It is a little wider than the model: check digits, code lists and rules between members are not in it.
    """
    body = TypeAdapter(model(kind, version)).json_schema(schema_generator=_WireSchema)
    body.pop("title", None)
    return {
        "$schema": GenerateJsonSchema.schema_dialect,
        "$id": f"urn:setu:schema:{kind}:{version}",
        "title": f"Setu {kind} version {version}: {_ABOUT[kind]}",
        **body,
    }


def samples(kind: str, version: int | None = None) -> dict[str, dict[str, Any]]:
    """Realistic payloads with invented details, by name (a kind's stages, in order), the first the usual one."""
    wanted = f"{kind}.{version or versions(kind)[-1]}."
    folder = files("schemas.payloads").joinpath("samples")
    found = sorted(each.name for each in folder.iterdir() if each.name.startswith(wanted))
    return {
        name.removesuffix(".json").split(".", 3)[3]: json.loads(folder.joinpath(name).read_text(encoding="utf-8"))
        for name in found
    }


def sample_handling() -> dict[str, Any]:
    """A handling block under which every sample may travel between India and the United States."""
    return cast(
        "dict[str, Any]",
        json.loads(files("schemas.payloads").joinpath("samples", "handling.json").read_text(encoding="utf-8")),
    )


def _unknown() -> PayloadError:
    known = ", ".join(f"{kind} {version}" for kind, version in sorted(_MODELS))
    return PayloadError(
        Code.KIND_UNKNOWN,
        (Fault("", f"expected a kind and version of this registry ({known}), found another"),),
        "Choose one of these, or upgrade.",
    )


@cache
def _adapters() -> dict[tuple[str, int], TypeAdapter[Payload]]:
    return {key: TypeAdapter(model) for key, model in _MODELS.items()}


def _validate(kind: str, version: int, document: Any, raw: bytes) -> Payload:
    advice = f"Compare it with the JSON Schema of {kind} {version}."
    try:
        payload = _adapters()[kind, version].validate_json(raw, by_alias=True, by_name=False)
    except ValidationError as error:
        raise PayloadError(Code.SCHEMA, _impure(document) or explain(error, document), advice) from None
    # The models hold no fractions, no unbounded integers and no free names; but where they have an optional member,
    # null would be read as its absence.
    if b"null" in raw and (faults := _impure(document)):
        raise PayloadError(Code.SCHEMA, faults, advice)
    return payload


def _impure(document: Any) -> tuple[Fault, ...]:
    faults: list[Fault] = []
    _plain(document, [], faults.append)
    return tuple(faults[:MAX_FAULTS])


def _plain(value: Any, path: list[str | int], refuse: Callable[[Fault], None]) -> None:
    """No null, no float, no integer that a JavaScript program would round, no member name outside ASCII."""
    match value:
        case None:
            refuse(Fault(pointer_to(path), "expected a value, found null; leave the member out"))
        case float():
            refuse(Fault(pointer_to(path), "expected no fractions, found one; write a decimal as text"))
        case bool() | str():
            pass
        case int():
            if abs(value) > MAX_SAFE_INTEGER:
                refuse(Fault(pointer_to(path), "expected an integer below 2^53, found a larger one; write it as text"))
        case list():
            for position, each in enumerate(value):
                _plain(each, [*path, position], refuse)
        case dict():
            for name, each in value.items():
                if name.isascii():
                    _plain(each, [*path, name], refuse)
                else:
                    refuse(Fault(pointer_to(path), "expected member names in ASCII, found another; rename it"))
