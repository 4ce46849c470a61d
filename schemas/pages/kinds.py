"""The pages of `schemas/spec/kinds`: one for each kind, one for the parts that several kinds share, an index."""

import inspect
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any, get_args

from schemas import act, registry
from schemas.base import Model
from schemas.pages.rules import always_true, constructed, rules
from schemas.pages.table import Link, members
from schemas.pages.walk import common, parts, stages
from schemas.payloads.parts import Payload

MADE = "<!-- Made from the models by `setu schema publish`. Change the docstring there, not this page. -->"
PARTS = "parts.md"
INDEX = "README.md"

_ACTS = {name: each for name, each in vars(act).items() if inspect.isclass(each) and issubclass(each, Model)}
_EVERY = frozenset(Payload.model_fields)
_BROKEN = "\n\n"


def pages() -> dict[str, str]:
    """File name -> text."""
    shared = _shared()
    made = {f"{kind}.md": _kind(kind, shared) for kind in registry.kinds()}
    return {**made, PARTS: _parts(shared), INDEX: _index()}


def _shared() -> dict[str, type[Model]]:
    """The parts below more than one kind, by name."""
    by_kind = [
        {part for version in registry.versions(kind) for part in parts(registry.model(kind, version))}
        for kind in registry.kinds()
    ]
    times = Counter(part for found in by_kind for part in found)
    return {part.__name__: part for part in sorted(times, key=lambda part: part.__name__) if times[part] > 1}


def _index() -> str:
    rows = [
        f"| [{kind}]({kind}.md) | {', '.join(map(str, registry.versions(kind)))} | {registry.about(kind)} |"
        for kind in registry.kinds()
    ]
    return _page(
        "# Kinds of payload",
        MADE,
        "What holds for every kind is in [payloads.md](../payloads.md), the parts that several share in "
        f"[{PARTS}]({PARTS}), JSON Schemas in [schemas](../schemas).",
        "\n".join(["| kind | versions | what it is for |", "| --- | --- | --- |", *rows]),
    )


def _parts(shared: dict[str, type[Model]]) -> str:
    definitions: dict[str, Any] = {}
    for kind in registry.kinds():
        definitions |= registry.json_schema(kind, registry.versions(kind)[-1]).get("$defs", {})
    blocks = [
        "# Parts that several kinds share",
        MADE,
        "A refusal names the member by its JSON pointer. What no schema holds stands below each part under *Rules*.",
    ]
    for name, part in shared.items():
        blocks += [
            f"## {name}",
            *_part(part, definitions[name], definitions, lambda each: f"[{each}](#{each.lower()})"),
        ]
    return _page(*blocks)


def _kind(kind: str, shared: dict[str, type[Model]]) -> str:
    def link(name: str) -> str:
        return f"[{name}]({PARTS if name in shared else ''}#{name.lower()})"

    blocks = [f"# Kind `{kind}`", MADE, f"{registry.about(kind)}."]
    for version in registry.versions(kind):
        blocks += _version(kind, version, shared, link)
    return _page(*blocks)


def _version(kind: str, version: int, shared: dict[str, type[Model]], link: Link) -> Iterator[str]:
    schema = registry.json_schema(kind, version)
    model = registry.model(kind, version)
    definitions = schema.get("$defs", {})
    classes = stages(model)
    yield f"## Version {version}"
    yield (
        f"JSON Schema: [{kind}.{version}.schema.json](../schemas/{kind}.{version}.schema.json). Every payload may also "
        "carry `case_refs`, `evidence` and `handling_text` ([payloads.md](../payloads.md))."
    )
    if len(classes) == 1:
        yield from _part(classes[0], definitions.get(classes[0].__name__, schema), definitions, link)
        yield from _packet(classes[0])
    else:
        yield from _stages(classes, schema, link)
    own = [part for part in parts(model) if part.__name__ not in shared]
    if own:
        yield "### Parts"
    for part in own:
        yield f"#### {part.__name__}"
        yield from _part(part, definitions[part.__name__], definitions, link)
    yield "### Samples"
    yield "Realistic, with invented details."
    for name, sample in registry.samples(kind, version).items():
        yield f"#### `{name}`"
        yield f"```json\n{json.dumps(sample, ensure_ascii=False, indent=2)}\n```"


def _stages(classes: tuple[type[Payload], ...], schema: dict[str, Any], link: Link) -> Iterator[str]:
    base, definitions = common(classes), schema["$defs"]
    tag, by_value = schema["discriminator"]["propertyName"], schema["discriminator"]["mapping"]
    if base is not Payload:
        yield f"### {'Every stage' if tag == 'stage' else f'With every `{tag}`'}"
        yield _said(base)
        first = definitions[classes[0].__name__]
        yield "\n".join(
            members(
                first,
                definitions,
                link,
                without=frozenset(first["properties"]) - (frozenset(base.model_fields) - _EVERY),
            )
        )
        yield from _rules(base)
    for each in classes:
        values = [value for value, name in by_value.items() if name.endswith(f"/{each.__name__}")]
        yield f"### {'Stage' if tag == 'stage' else f'With `{tag}`'} {' or '.join(f'`{value}`' for value in values)}"
        yield from _part(each, definitions[each.__name__], definitions, link, base)
        yield from _packet(each)


def _part(
    part: type[Model], schema: dict[str, Any], definitions: dict[str, Any], link: Link, base: type[Model] | None = None
) -> Iterator[str]:
    without = _EVERY | frozenset(base.model_fields if base else ()) if issubclass(part, Payload) else frozenset()
    for each in _bases(part, base):
        yield _said(each)
    yield "\n".join(members(schema, definitions, link, without=without))
    yield from _rules(part, base)


def _rules(part: type[Model], base: type[Model] | None = None) -> Iterator[str]:
    told = rules(base) if base else ()
    found = [each for each in rules(part) if each not in told]
    if found:
        lines = [f"- {' or '.join(f'`{member}`' for member in each.members)}: {each.expected}" for each in found]
        yield "Rules, beside what the table says:"
        yield "\n".join(lines)


def _packet(stage: type[Payload]) -> Iterator[str]:
    """What a packet with this payload says in its header, and what its handling block must."""
    lines = []
    if stage.act is not Payload.act:
        does = [
            f"`{get_args(_ACTS[name].model_fields['does'].annotation)[0]}`" for name in constructed(stage.act, _ACTS)
        ]
        lines.append(f"The header's `act`: {' or '.join(does)}.{_own(stage.act, Payload.act)}")
    if stage.replies is not Payload.replies:
        when = "An answer" if always_true(stage.replies) else "Where it is an answer"
        said = "the header's `in_reply_to` names the packet that it answers."
        lines.append(f"{when}: {said}{_own(stage.replies, Payload.replies)}")
    if stage.people is not Payload.people:
        lines.append(
            "Where it is about natural persons, the handling flag `personal_data` says so (rule `8.declared`)."
            f"{_own(stage.people, Payload.people)}"
        )
    if stage.sanitisation_due is not Payload.sanitisation_due:
        lines.append(
            "It may demand the handling flag `sanitised` (rule `9.sanitised`)."
            f"{_own(stage.sanitisation_due, Payload.sanitisation_due)}"
        )
    if lines:
        yield "In the header and the handling block:"
        yield "\n".join(f"- {line}" for line in lines)


def _own(method: Any, inherited: Any) -> str:
    """A method's own docstring, as a sentence that follows another."""
    said = " ".join(inspect.cleandoc(method.__doc__ or "").split())
    return f" {said}" if said and method.__doc__ != inherited.__doc__ else ""


def _bases(model: type[Model], base: type[Model] | None) -> Iterator[type[Model]]:
    """The model, and before it what it extends that is told nowhere else."""
    told = {Model, Payload, *(base.__mro__ if base else ())}
    return (each for each in reversed(model.__mro__) if issubclass(each, Model) and each not in told)


def _said(model: type[Model]) -> str:
    """A class's own docstring."""
    return inspect.cleandoc(vars(model).get("__doc__") or "")


def _page(*blocks: str) -> str:
    return _BROKEN.join(block for block in blocks if block) + "\n"
