"""Members of a model as a Markdown table, from its JSON Schema."""

from collections.abc import Callable, Iterator
from typing import Any

Schema = dict[str, Any]
Link = Callable[[str], str]
"""The name of a part -> a Markdown link to it."""

SAFE = 2**53 - 1


def members(schema: Schema, definitions: Schema, link: Link, *, without: frozenset[str] = frozenset()) -> Iterator[str]:
    """Lines of a table: member, required or not, what it holds."""
    needed = schema.get("required", ())
    shown = {name: each for name, each in schema["properties"].items() if name not in without}
    if shown:
        yield from ("| member | required | value |", "| --- | --- | --- |")
    for name, each in shown.items():
        yield f"| `{name}` | {'yes' if name in needed else 'no'} | {_cell(value(each, definitions, link))} |"


def value(schema: Schema, definitions: Schema, link: Link) -> str:
    """What a member holds, in words."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        found = ", ".join(f"`{each}`" for each in schema["enum"])
        return f"{found}; `{schema['default']}` where absent" if "default" in schema else found
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        return link(name) if "properties" in definitions[name] else value(definitions[name], definitions, link)
    for union in ("oneOf", "anyOf"):
        if union in schema:
            said = " or ".join(value(each, definitions, link) for each in schema[union])
            tag = schema.get("discriminator", {}).get("propertyName")
            return f"{said}, by `{tag}`" if tag else said
    return _plain(schema, definitions, link)


def _plain(schema: Schema, definitions: Schema, link: Link) -> str:
    match schema.get("type"):
        case "array":
            of = value(schema["items"], definitions, link) if "items" in schema else "values"
            return f"list of {_range(schema, 'minItems', 'maxItems') or 'any number'}: {of}"
        case "string":
            said = schema.get("description", "text")
            size = "" if "pattern" in schema and "minLength" not in schema else _range(schema, "minLength", "maxLength")
            return f"{said}, {size} characters" if size else said
        case "integer":
            said = schema.get("description", "a whole number")
            size = _range(schema, "minimum", "maximum")
            return f"{said}, {size}" if size else said
        case "boolean":
            return "true or false"
    return "an object"


def _range(schema: Schema, least: str, most: str) -> str:
    low, high = schema.get(least), schema.get(most)
    if high is None or high == SAFE:
        return f"at least {low:,}" if low else ""
    return f"{low:,} to {high:,}" if low is not None else f"at most {high:,}"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
