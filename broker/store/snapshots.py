"""How committed rows are read: each question in a snapshot of its own."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection, Select
from sqlalchemy.exc import DBAPIError

from broker.store import hot
from broker.store.engine import Engines, Fault

_IN_CHUNKS = 500


class Snapshots:
    def __init__(self, engines: Engines) -> None:
        self._engines = engines

    def _rows(self, statement: Select[Any], values: hot.Values) -> list[tuple[Any, ...]]:
        """What one select finds, which needs no transaction to be a snapshot."""
        with self._engines.reading(), self._engines.read.connect() as connection:
            try:
                return hot.rows(connection, statement, values)
            except DBAPIError as error:
                if self._engines.embedded or self._engines.fault(error) is not Fault.BUSY:
                    raise
                connection.invalidate()
        # The pool's connection may have been cut off since its last use: a transaction asks for another, once.
        with self._connected() as connection:
            return hot.rows(connection, statement, values)

    @contextmanager
    def _connected(self) -> Iterator[Connection]:
        with self._engines.reading():
            connection = self._engines.begin(self._engines.read)
            try:
                yield connection
            finally:
                connection.close()

    def _in_chunks(self, statement: Select[Any], name: str, values: Sequence[Any]) -> list[tuple[Any, ...]]:
        return [
            row
            for start in range(0, len(values), _IN_CHUNKS)
            for row in self._rows(statement, {name: values[start : start + _IN_CHUNKS]})
        ]
