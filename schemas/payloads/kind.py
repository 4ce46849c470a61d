"""What a kind is: its name, its versions' models, the way from each version to the next; it reads payloads by them.

A module of `schemas/payloads` that declares `KIND` is a kind; `schemas.registry` finds it. The module is named as its
kind, with underscores for hyphens.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import Any

from pydantic import TypeAdapter, ValidationError

from schemas.canonical import MAX_SAFE_INTEGER, MalformedJsonError, canonical, parse
from schemas.explain import MAX_FAULTS, Fault, explain, pointer_to
from schemas.payloads.parts import Payload
from schemas.problem import Code

Document = dict[str, Any]
Upgrade = Callable[[Document], Document]
"""Makes a valid object of one version into an object of the next; it leaves the one that it is given as it is."""


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


class PayloadKind:
    """A kind of payload.

    Args:
        name: as in the header's `kind`: lower-case words joined by hyphens.
        about: what it is for, in one line without a full stop.
        versions: the version -> its model: a `Payload` class, or the union of its stages' classes, told apart by a tag.
        upgrades: the version -> the function from it to the next; every version but the newest has one.

    Raises:
        ValueError: versions are not counted from 1 without a gap, or an upgrade is missing or leads nowhere.
    """

    def __init__(
        self, name: str, about: str, versions: Mapping[int, Any], upgrades: Mapping[int, Upgrade] | None = None
    ) -> None:
        upgrades = upgrades or {}
        if sorted(versions) != list(range(1, len(versions) + 1)) or not versions:
            raise ValueError(f"expected versions of {name} counted from 1, found others")
        if sorted(upgrades) != list(range(1, len(versions))):
            raise ValueError(f"expected an upgrade from each version of {name} but the newest, and no other")
        self.name = name
        self.about = about
        self.versions: Mapping[int, Any] = MappingProxyType(dict(sorted(versions.items())))
        self._upgrades = dict(upgrades)

    @property
    def newest(self) -> int:
        return len(self.versions)

    def load(self, version: int, raw: bytes) -> Payload:
        """Read the bytes of a payload as the model of a version that there is.

        Raises:
            PayloadError: code json-invalid (not strict JSON, `schemas.canonical.parse`), or schema (a null, a float, an
                integer beyond 2^53 - 1, a member name outside ASCII, or not the model), with JSON pointers.
        """
        try:
            document = parse(raw)
        except MalformedJsonError as error:
            raise PayloadError(Code.JSON_INVALID, (Fault("", str(error)),), "Write strict JSON (RFC 8259).") from None
        return self._validate(version, document, raw)

    def check(self, version: int, document: object) -> Payload:
        """Read an object of JSON types as a payload; as `load`, for a sender that has not written bytes yet."""
        try:
            raw = canonical(document)
        except ValueError:
            sentence = "expected objects, arrays, strings, booleans and integers below 2^53, found something else"
            raise PayloadError(
                Code.SCHEMA, (Fault("", sentence),), "Write decimals, dates and times as text."
            ) from None
        return self.load(version, raw)

    def upgrade(self, version: int, document: Document) -> Payload:
        """A payload of `version` as one of the newest version, one step after the other.

        Raises:
            PayloadError: code `schema`; the object is not of `version`, or a step led to what is not of the next.
        """
        payload = self.check(version, document)
        for step in range(version, self.newest):
            payload = self.check(step + 1, self._upgrades[step](payload.to_object()))
        return payload

    @cached_property
    def _adapters(self) -> dict[int, TypeAdapter[Payload]]:
        return {version: TypeAdapter(model) for version, model in self.versions.items()}

    def _validate(self, version: int, document: Any, raw: bytes) -> Payload:
        advice = f"Compare it with the JSON Schema of {self.name} {version}."
        try:
            payload = self._adapters[version].validate_json(raw, by_alias=True, by_name=False)
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
