"""What every agency may read: the directory's files, the payload schemas, the forms of routes and topics."""

import asyncio
import json
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from broker.errors import NotFoundError
from schemas import registry
from schemas.canonical import canonical


class Published:
    """Args: read_file: bytes of a published file of the TUF repository by its name; raises NotFoundError."""

    def __init__(self, read_file: Callable[[str], bytes]) -> None:
        self._read_file = read_file

    async def directory_file(self, name: str) -> bytes:
        """`name`: `metadata/<file>` or `targets/<file>`; raises NotFoundError."""
        return await asyncio.to_thread(self._read_file, name)

    async def form(self, name: str) -> bytes:
        """`openapi.json` or `asyncapi.json` of `schemas/spec`, canonical."""
        return await asyncio.to_thread(_form, name)

    def schemas(self) -> list[dict[str, Any]]:
        return [{"kind": kind, "versions": list(registry.versions(kind))} for kind in registry.kinds()]

    def schema(self, kind: str, version: int) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of one version of a kind; raises NotFoundError."""
        try:
            return registry.json_schema(kind, version)
        except registry.PayloadError:
            raise NotFoundError from None


@cache
def _form(name: str) -> bytes:
    return canonical(json.loads(files("schemas").joinpath("spec", name).read_bytes()))
