"""Whether a JSON Schema may take the place of another under the same version.

It may where every document of the older one is one of the newer one, and what programs of the older one rely on is
still there. Allowed: a new optional member, a wider list of values, a new stage, looser limits, a pattern with
alternatives added at its end. All else needs a new version. It knows the keywords that `schemas.wire` writes, and
refuses to judge others.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

Schema = dict[str, Any]

_WORDS = frozenset({"$schema", "$id", "$defs", "title", "description", "examples"})
_LEAST = {
    "minLength": "a least length",
    "minItems": "a least number of items",
    "minimum": "a least value",
    "exclusiveMinimum": "a least value",
}
_MOST = {
    "maxLength": "a greatest length",
    "maxItems": "a greatest number of items",
    "maximum": "a greatest value",
    "exclusiveMaximum": "a greatest value",
}
_JUDGED = frozenset(
    {
        *(
            "$ref",
            "type",
            "properties",
            "required",
            "additionalProperties",
            "propertyNames",
            "items",
            "prefixItems",
            "pattern",
        ),
        *("enum", "const", "default", "format", "oneOf", "anyOf", "discriminator"),
        *_LEAST,
        *_MOST,
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """An incompatible change. member: its path in a document, `/parties/*/kind`, with the form chosen where a union
    has several, `/(stage=notify)/substance`; empty for the whole. sentence: what changed how.
    """

    member: str
    sentence: str


def incompatible(old: Schema, new: Schema) -> tuple[Change, ...]:
    """Every incompatible change from `old` to `new`, each once."""
    return tuple(dict.fromkeys(_Comparison(old, new).changes(old, new, "")))


class _Comparison:
    def __init__(self, old: Schema, new: Schema) -> None:
        self._old = old
        self._new = new
        self._under_way: set[tuple[str, str]] = set()

    def changes(self, old: Schema, new: Schema, at: str) -> Iterator[Change]:
        pair = (str(old.get("$ref")), str(new.get("$ref")))
        if "$ref" in old and "$ref" in new:
            if pair in self._under_way:
                return
            self._under_way.add(pair)
        yield from self._changes(_followed(old, self._old), _followed(new, self._new), at)
        self._under_way.discard(pair)

    def _changes(self, old: Schema, new: Schema, at: str) -> Iterator[Change]:
        strange = sorted({*old, *new} - _WORDS - _JUDGED)
        if strange:
            yield Change(at, f"has a keyword that cannot be judged: {', '.join(strange)}")
        if "oneOf" in old or "anyOf" in old or "oneOf" in new or "anyOf" in new:
            yield from self._unions(old, new, at)
            return
        if old.get("type") != new.get("type"):
            yield Change(at, f"was {_type(old)} and is {_type(new)}")
            return
        yield from _values(old, new, at)
        yield from _limits(old, new, at)
        yield from self._members(old, new, at)
        yield from self._items(old, new, at)

    def _members(self, old: Schema, new: Schema, at: str) -> Iterator[Change]:
        before, after = old.get("properties", {}), new.get("properties", {})
        needed, needs = set(old.get("required", ())), set(new.get("required", ()))
        for name in before:
            here = f"{at}/{name}"
            if name not in after:
                yield Change(here, "was removed")
                continue
            if name in needs - needed:
                yield Change(here, "might be absent and is required")
            if name in needed - needs:
                yield Change(here, "was required, so programs rely on it, and may be absent")
            yield from self.changes(before[name], after[name], here)
        for name in sorted(needs - set(before)):
            yield Change(f"{at}/{name}", "is new and required; a new member is optional")
        others, other = old.get("additionalProperties", True), new.get("additionalProperties", True)
        if isinstance(others, dict) and isinstance(other, dict):
            yield from self.changes(others, other, f"{at}/*")
        elif others not in (False, other):
            yield Change(at, "admitted other members in another form")
        if "propertyNames" in new:
            yield from self.changes(old.get("propertyNames", {"type": "string"}), new["propertyNames"], f"{at}/(name)")

    def _items(self, old: Schema, new: Schema, at: str) -> Iterator[Change]:
        before, after = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(before) != len(after):
            yield Change(at, f"had {len(before)} places of their own form and has {len(after)}")
        for place, (one, other) in enumerate(zip(before, after, strict=False)):
            yield from self.changes(one, other, f"{at}/{place}")
        if ("items" in old) != ("items" in new):
            yield Change(at, "says of its items what it did not say, or no longer says it")
        elif "items" in old:
            yield from self.changes(old["items"], new["items"], f"{at}/*")

    def _unions(self, old: Schema, new: Schema, at: str) -> Iterator[Change]:
        tag, other = (each.get("discriminator", {}).get("propertyName") for each in (old, new))
        if tag is not None and tag == other:
            before, after = old["discriminator"]["mapping"], new["discriminator"]["mapping"]
            for name, reference in before.items():
                here = f"{at}/({tag}={name})"
                if name not in after:
                    yield Change(here, "was removed")
                else:
                    yield from self.changes({"$ref": reference}, {"$ref": after[name]}, here)
            return
        if tag != other:
            yield Change(at, "was told apart by another member, or by none")
            return
        forms = new.get("anyOf") or new.get("oneOf") or [new]
        for one in old.get("anyOf") or old.get("oneOf") or [old]:
            if not any(not list(self.changes(one, form, at)) for form in forms):
                yield Change(at, "no longer has one of its forms")


def _followed(schema: Schema, whole: Schema) -> Schema:
    """What a reference leads to, with what stands beside it."""
    while "$ref" in schema:
        beside = {name: value for name, value in schema.items() if name != "$ref"}
        schema = {**whole["$defs"][schema["$ref"].removeprefix("#/$defs/")], **beside}
    return schema


def _type(schema: Schema) -> str:
    return f"of type {schema['type']}" if "type" in schema else "of no one type"


def _chosen(schema: Schema) -> list[Any] | None:
    return [schema["const"]] if "const" in schema else schema.get("enum")


def _values(old: Schema, new: Schema, at: str) -> Iterator[Change]:
    before, after = _chosen(old), _chosen(new)
    if after is not None:
        if before is None:
            yield Change(at, "admitted any value and admits those of a list")
        elif gone := [each for each in before if each not in after]:
            yield Change(at, f"no longer admits {', '.join(map(str, gone))}")
    if old.get("default", ...) != new.get("default", ...):
        yield Change(at, "means something else where it is absent (its default)")
    if new.get("format", old.get("format")) != old.get("format"):
        yield Change(at, "has another format")
    if "pattern" in new and not _admits(new["pattern"], old.get("pattern")):
        yield Change(at, "has another pattern, which cannot be shown to admit all that the older did")


def _admits(pattern: str, older: str | None) -> bool:
    """Whether it is the older pattern, or that with alternatives added at its end: `^(?:old|more)$`."""
    if older is None:
        return False
    return pattern == older or (
        older.startswith("^(?:")
        and older.endswith(")$")
        and pattern.endswith(")$")
        and pattern.startswith(older[:-2] + "|")
    )


def _limits(old: Schema, new: Schema, at: str) -> Iterator[Change]:
    for words, sign in ((_LEAST, 1), (_MOST, -1)):
        for word, said in words.items():
            if word in new and (word not in old or sign * new[word] > sign * old[word]):
                yield Change(at, f"has {said} of {new[word]}, where {old.get(word, 'none')} was")
