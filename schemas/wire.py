"""Models -> JSON Schema (draft 2020-12), as documents look on the wire."""

from collections.abc import Mapping
from typing import Any

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaKeyT
from pydantic_core import core_schema

DIALECT = GenerateJsonSchema.schema_dialect


class WireSchema(GenerateJsonSchema):
    """On the wire an absent member is left out: null is nobody's value and nobody's default."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        return self.generate_inner(schema["schema"])

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        if schema.get("default", ...) is None:
            return self.generate_inner(schema["schema"])
        return super().default_schema(schema)


def published(model: Any, *, identity: str, title: str) -> dict[str, Any]:
    """The schema of one model (or union of models) as a document of its own. `identity`: its `$id`.

    It is a little wider than the model: check digits, code lists and rules between members are not in it.
    """
    body = TypeAdapter(model).json_schema(schema_generator=WireSchema)
    body.pop("title", None)
    return {"$schema": DIALECT, "$id": identity, "title": title, **body}


def components(models: Mapping[str, Any], place: str) -> dict[str, Any]:
    """Schemas of several models and all their parts, by name, that refer to each other as `place` + name.

    models: the name each shall have -> a model, or a union of models.
    """
    inputs: list[tuple[JsonSchemaKeyT, Any, core_schema.CoreSchema]] = [
        (name, "validation", TypeAdapter(model).core_schema) for name, model in models.items()
    ]
    made = WireSchema(ref_template=place + "{model}")
    found, parts = made.generate_definitions(inputs)  # type: ignore[arg-type]
    named = {name: dict(found[name, "validation"]) for name in models}  # type: ignore[index]
    # a model's own entry among the parts is what its name refers to
    return {**parts, **{name: each for name, each in named.items() if each != {"$ref": place + name}}}
