"""Payloads on their way in and out: judged by the registry's models, before sealing and after opening."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import ValidationError

from broker.errors import MalformedError, PacketError, PolicyError
from schemas import registry
from schemas.act import Act
from schemas.base import Model
from schemas.canonical import MalformedJsonError, canonical, parse
from schemas.explain import explain
from schemas.handling import Handling
from schemas.packet import Header
from schemas.problem import Code, RuleHit

Payload = Model | dict[str, Any]
"""The registry's model; an object of JSON types where this program's registry does not know the kind and version."""

M = TypeVar("M", bound=Model)


def write_payload(
    kind: str,
    version: int | None,
    payload: Model | Mapping[str, Any],
    handling: Handling,
    in_reply_to: str | None = None,
) -> tuple[int, bytes, Act | None]:
    """The kind's version, the canonical bytes to seal, and what the header must say that the packet does.

    `version` None: the newest that the registry knows.

    Raises:
        MalformedError: codes `kind-unknown`, `schema` (with a pointer into the payload, or `/in_reply_to`).
        PolicyError: the payload does not go with the handling block.
    """
    document = payload.to_object() if isinstance(payload, Model) else dict(payload)
    try:
        chosen = registry.versions(kind)[-1] if version is None else version
        model = registry.check(kind, chosen, document)
        registry.check_with_handling(model, handling)
        act = registry.act_of(model, in_reply_to)
    except registry.PayloadError as error:
        raise _refused(error) from None
    except ValidationError as error:
        # The payload was judged before: of what an act is made from, the caller's own digest alone is left.
        raise _of_header(explain(error, {})[0].sentence, "/in_reply_to") from None
    return chosen, canonical(document), act


def read_payload(header: Header, raw: bytes) -> Payload:
    """The payload of an opened packet.

    What the gateway has read (open mode) and this program's registry does not know is given as an object: a newer kind
    is better read plainly than refused. What nobody judged (sealed mode) is refused then.

    Raises:
        MalformedError: codes `kind-unknown`, `json-invalid`, `schema`.
        PolicyError: the payload does not go with the handling block.
    """
    try:
        model = registry.load(header.kind, header.kind_version, raw)
        registry.check_with_header(model, header)
    except registry.PayloadError as error:
        if error.code is Code.KIND_UNKNOWN and header.open:
            return _plain_object(raw)
        raise _refused(error) from None
    return model


def read_handling(handling: Handling | Mapping[str, Any]) -> Handling:
    """The handling block as its model.

    Raises:
        MalformedError: code `schema`, with a pointer.
    """
    return handling if isinstance(handling, Handling) else read_model(Handling, dict(handling), "/handling")


def read_model(model: type[M], document: Any, at: str) -> M:
    """A header, or a part of it, as its model; `at` is where it stands there, as an RFC 6901 pointer.

    Raises:
        MalformedError: code `schema`, with a pointer.
    """
    try:
        return model.from_object(document)
    except ValidationError as error:
        fault = explain(error, document)[0]
        raise _of_header(fault.sentence, at + fault.pointer) from None
    except ValueError:
        raise MalformedError(
            Code.SCHEMA, "Expected an object of JSON types, found something JSON has no form for.", pointer=at
        ) from None


def _plain_object(raw: bytes) -> dict[str, Any]:
    try:
        found = parse(raw)
    except MalformedJsonError as error:
        raise MalformedError(Code.JSON_INVALID, f"In the payload: {error}.") from None
    if not isinstance(found, dict):
        raise MalformedError(Code.SCHEMA, "Expected an object as the payload, found another type.", pointer="")
    return found


def _refused(error: registry.PayloadError) -> PacketError:
    if isinstance(error, registry.HandlingRuleError):
        hit = RuleHit(rule=error.rule, recipient="all", sentence=error.message, remedy=error.advice)
        return PolicyError(error.message, [hit], advice=error.advice)
    if error.code is Code.KIND_UNKNOWN:
        return MalformedError(error.code, f"{error.message[:1].upper()}{error.message[1:]}.", advice=error.advice)
    return MalformedError(error.code, _sentence(error.message), advice=error.advice, pointer=error.pointer)


def _of_header(sentence: str, pointer: str) -> MalformedError:
    advice = "Mend what was given as this member: an option of that name, or in the handling block."
    return MalformedError(Code.SCHEMA, f"In the header: {sentence}.", advice=advice, pointer=pointer)


def _sentence(text: str) -> str:
    return f"In the payload: {text}." if not text.endswith(".") else text
