"""What every agency may read: the directory's files and the payload schemas."""

import asyncio
from collections.abc import Callable
from typing import Any

from broker.errors import NotFoundError
from schemas import registry


class Published:
    """Args: read_file: bytes of a published file of the TUF repository by its name; raises NotFoundError."""

    def __init__(self, read_file: Callable[[str], bytes]) -> None:
        self._read_file = read_file

    async def directory_file(self, name: str) -> bytes:
        """`name`: `metadata/<file>` or `targets/<file>`; raises NotFoundError."""
        return await asyncio.to_thread(self._read_file, name)

    def schemas(self) -> list[dict[str, Any]]:
        return [{"kind": kind, "versions": list(registry.versions(kind))} for kind in registry.kinds()]

    def schema(self, kind: str, version: int) -> dict[str, Any]:
        """The JSON Schema (draft 2020-12) of one version of a kind; raises NotFoundError."""
        try:
            return registry.json_schema(kind, version)
        except registry.PayloadError:
            raise NotFoundError from None
