"""Models -> JSON Schema (draft 2020-12), as documents look on the wire."""

from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, models_json_schema
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


def components(models: Sequence[type[BaseModel]], place: str) -> dict[str, Any]:
    """Schemas of several models and all their parts, by name, that refer to each other as `place` + name."""
    _, found = models_json_schema(
        [(model, "validation") for model in models], ref_template=place + "{model}", schema_generator=WireSchema
    )
    parts: dict[str, Any] = found["$defs"]
    return parts
