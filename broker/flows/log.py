"""The ledger as auditors and witnesses mirror it: the published checkpoint and the tiles under it."""

import asyncio

from broker.errors import NotFoundError
from broker.flows.identify import Caller
from broker.ledger.port import LedgerReader
from broker.merkle.tiles import parse_path
from schemas.directory import Role


class Log:
    def __init__(self, reader: LedgerReader) -> None:
        self._reader = reader

    async def checkpoint(self, caller: Caller) -> bytes:
        caller.require(Role.AUDITOR, Role.WITNESS)
        return await asyncio.to_thread(self._reader.checkpoint)

    async def tile(self, caller: Caller, path: str) -> bytes:
        """The tile or entry bundle at `path` ("tile/..."); entries are for auditors only.

        Raises:
            NotFoundError: no tile of the published tree.
            CallerError: code `forbidden`.
        """
        caller.require(Role.AUDITOR)
        tile = parse_path(path)
        if tile is None:
            raise NotFoundError
        if tile.level is None:
            found = await asyncio.to_thread(self._reader.entry_bundle, tile.n, tile.width)
        else:
            found = await asyncio.to_thread(self._reader.tile, tile.level, tile.n, tile.width)
        if found is None:
            raise NotFoundError
        return found
