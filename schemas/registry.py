"""(kind, version) -> model: reads payloads, gives their JSON Schemas and samples, and judges payload with handling.

Rules that need both halves of a packet (`check_with_handling`) are named: `9.sanitised` is rule 9 of the release
rules, the two others hold the handling block to what the payload shows.
"""

import json
from collections.abc import Mapping
from importlib import import_module
from importlib.resources import files
from pkgutil import iter_modules
from typing import Any, cast

from schemas import payloads
from schemas.act import Act
from schemas.explain import MAX_FAULTS, Fault
from schemas.handling import Handling, HandlingCode
from schemas.packet import Header
from schemas.payloads.doubts import doubts
from schemas.payloads.kind import PayloadError, PayloadKind
from schemas.payloads.parts import Payload
from schemas.problem import Code
from schemas.wire import published

__all__ = [
    "HandlingRuleError",
    "PayloadError",
    "about",
    "act_of",
    "check",
    "check_with_handling",
    "check_with_header",
    "json_schema",
    "kinds",
    "load",
    "model",
    "sample_handling",
    "samples",
    "upgrade",
    "versions",
    "warnings",
]


def _shipped() -> dict[str, PayloadKind]:
    """Every module of `schemas.payloads` that declares a `KIND`."""
    found: dict[str, PayloadKind] = {}
    for each in sorted(iter_modules(payloads.__path__), key=lambda module: module.name):
        kind = getattr(import_module(f"{payloads.__name__}.{each.name}"), "KIND", None)
        if isinstance(kind, PayloadKind):
            found[kind.name] = kind
    return found


_KINDS: Mapping[str, PayloadKind] = _shipped()


class HandlingRuleError(PayloadError):
    """A payload its handling block does not fit. code `policy-denied`; rule: the rule's id; advice: what to change."""

    def __init__(self, rule: str, pointer: str, sentence: str, advice: str) -> None:
        super().__init__(Code.POLICY_DENIED, (Fault(pointer, sentence),), advice)
        self.rule = rule


def kinds() -> tuple[str, ...]:
    """Every kind, in alphabetical order."""
    return tuple(sorted(_KINDS))


def about(kind: str) -> str:
    """What a kind is for, in one line; raises PayloadError (kind-unknown)."""
    return _known(kind).about


def versions(kind: str) -> tuple[int, ...]:
    """The versions of a kind, oldest first; raises PayloadError (kind-unknown)."""
    return tuple(_known(kind).versions)


def model(kind: str, version: int) -> Any:
    """The model of a kind and version: a `Payload` class, or the union of its stages' classes.

    Raises:
        PayloadError: code kind-unknown.
    """
    return _known(kind, version).versions[version]


def load(kind: str, version: int, raw: bytes) -> Payload:
    """Read the bytes of a payload as the registry's model for its kind and version.

    Raises:
        PayloadError: code kind-unknown, json-invalid (not strict JSON, `schemas.canonical.parse`), or schema (a null, a
            float, an integer beyond 2^53 - 1, a member name outside ASCII, or not the model), with JSON pointers.
    """
    return _known(kind, version).load(version, raw)


def check(kind: str, version: int, document: object) -> Payload:
    """Read an object of JSON types as a payload; as `load`, for a sender that has not written bytes yet."""
    return _known(kind, version).check(version, document)


def upgrade(kind: str, version: int, document: dict[str, Any]) -> Payload:
    """A payload of an older version as one of the newest, one step after the other; raises as `load`."""
    return _known(kind, version).upgrade(version, document)


def warnings(payload: Payload) -> tuple[Fault, ...]:
    """What is doubtful in a valid payload and refused by nobody: names, numbers and codes of its substances that the
    list of substances knows otherwise (`schemas.payloads.doubts`). At most 16; none quotes the payload.
    """
    return doubts(payload)[:MAX_FAULTS]


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
    return published(
        model(kind, version),
        identity=f"urn:setu:schema:{kind}:{version}",
        title=f"Setu {kind} version {version}: {about(kind)}",
    )


def samples(kind: str, version: int | None = None) -> dict[str, dict[str, Any]]:
    """Realistic payloads with invented details, by name (a kind's stages, in order), the first the usual one."""
    wanted = f"{kind}.{version or versions(kind)[-1]}."
    folder = files("schemas.payloads").joinpath("samples")
    found = [each.name.removesuffix(".json").split(".", 3) for each in folder.iterdir() if each.name.startswith(wanted)]
    return {
        parts[3]: json.loads(folder.joinpath(f"{'.'.join(parts)}.json").read_text(encoding="utf-8"))
        for parts in sorted(found, key=lambda parts: int(parts[2]))
    }


def sample_handling() -> dict[str, Any]:
    """A handling block under which every sample may travel between India and the United States."""
    return cast(
        "dict[str, Any]",
        json.loads(files("schemas.payloads").joinpath("samples", "handling.json").read_text(encoding="utf-8")),
    )


def _known(kind: str, version: int | None = None) -> PayloadKind:
    found = _KINDS.get(kind)
    if found is None or (version is not None and version not in found.versions):
        known = ", ".join(f"{name} {each}" for name in kinds() for each in _KINDS[name].versions)
        raise PayloadError(
            Code.KIND_UNKNOWN,
            (Fault("", f"expected a kind and version of this registry ({known}), found another"),),
            "Choose one of these, or upgrade.",
        )
    return found
