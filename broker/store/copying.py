"""Moving a ledger from one store to another, whole or not at all."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, Table, func, select

from broker.errors import IntegrityError
from broker.merkle.tree import EMPTY_ROOT, Edge, leaf_hash
from broker.store import migrate, tables
from broker.store.opening import open_engines, opening
from broker.store.port import DataRefusedError, StoreBrokenError
from broker.store.writes import has_head, keep_note, newest_head
from schemas.problem import Code

# What a log is; `health` counts probes and `leases` are of processes that have ended.
TABLES = (
    tables.entries,
    tables.onces,
    tables.parties,
    tables.documents,
    tables.packets,
    tables.places,
    tables.clocks,
    tables.tiles,
    tables.heads,
    tables.published,
    tables.positions,
)
_ROWS, _LARGE_ROWS = 1024, 32
"""Read at once: a row may be a packet of some MiB."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class Copied:
    """What is now in both stores. rows: of each table. size, root: of the newest head, computed from the entries."""

    rows: dict[str, int]
    size: int
    root: bytes


def copy(source: str, target: str, guarded: tuple[int, bytes, bytes] | None, progress: Progress) -> Copied:
    """Copy every row, then read both stores again: each table byte for byte, the log's root from its entries.

    All of it is one transaction of the target; nothing is written to the source, which nobody else may be writing.

    Args:
        source: the URL of a store with this program's schema.
        target: the URL of an empty one.
        guarded: (size, root, note) of the rollback guard, whose note goes beside its head.
        progress: called with a table's name, how many of its rows are done, and how many there are.

    Raises:
        IntegrityError: CONFIG_INVALID: the target is not empty. ROLLBACK: the source does not hold the guard's head.
            LOG_INVALID: the source's entries do not hash to its newest head, or the target gave others back.
        UnavailableError: one of them does not answer.
    """
    old, new = open_engines(source), open_engines(target)
    try:
        with opening(old), old.read.begin() as reading, opening(new), new.upgrade.begin() as writing:
            migrate.check(reading)
            migrate.upgrade(writing)
            _expect_empty(writing)
            _expect_guarded(reading, guarded)
            found: dict[str, tuple[int, bytes]] = {}
            for table in TABLES:
                count = reading.execute(select(func.count()).select_from(table)).scalar_one()
                summed = _Sum()
                for rows in _rows(reading, table):
                    new.many(writing, table, rows)
                    summed.add(rows)
                    progress(table.name, summed.count, count)
                found[table.name] = summed.value()
            copied = _verified(writing, found)
            if guarded is not None:
                keep_note(writing, guarded[0], guarded[2])
            return copied
    except DataRefusedError as error:
        raise _damaged("Expected rows that the new store can keep, found one that it refuses.") from error
    except StoreBrokenError as error:
        raise _damaged("Expected disks that can be read and written, found that one failed.") from error
    finally:
        old.dispose()
        new.dispose()


class _Sum:
    """A digest over rows in order; what is NULL differs from what is empty."""

    def __init__(self) -> None:
        self.count = 0
        self._hash = sha256()

    def add(self, rows: list[tuple[Any, ...]]) -> None:
        self.count += len(rows)
        for row in rows:
            for value in row:
                raw = value if isinstance(value, bytes) else repr(value).encode()
                self._hash.update(b"%s %d " % (type(value).__name__.encode(), len(raw)))
                self._hash.update(raw)

    def value(self) -> tuple[int, bytes]:
        return self.count, self._hash.digest()


def _rows(connection: Connection, table: Table) -> Iterator[list[tuple[Any, ...]]]:
    """In the order of the primary key, which both engines compare by bytes."""
    most = _LARGE_ROWS if table in (tables.packets, tables.documents) else _ROWS
    ordered = select(table).order_by(*table.primary_key.columns).execution_options(yield_per=most)
    with connection.execute(ordered) as result:
        for rows in result.partitions():
            yield [tuple(row) for row in rows]


def _expect_empty(connection: Connection) -> None:
    for table in TABLES:
        if connection.execute(select(table).limit(1)).first() is not None:
            raise IntegrityError(
                Code.CONFIG_INVALID,
                f"Expected an empty store to copy to, found rows in {table.name}.",
                advice="Name another database: what is in this one is not overwritten.",
            )


def _expect_guarded(connection: Connection, guarded: tuple[int, bytes, bytes] | None) -> None:
    head = newest_head(connection)
    size = 0 if head is None else head.size
    if guarded is None:
        if size:
            raise _rollback(f"Expected the guard to know a head of this log of {size} entries, found no guard file.")
    elif not has_head(connection, guarded[0], guarded[1]):
        raise _rollback(f"Expected the guard's head of size {guarded[0]} in the store, found another history.")


def _verified(connection: Connection, expected: dict[str, tuple[int, bytes]]) -> Copied:
    edge = Edge.empty()
    for table in TABLES:
        summed = _Sum()
        for rows in _rows(connection, table):
            summed.add(rows)
            if table is tables.entries:
                edge = edge.extended(leaf_hash(row[1]) for row in rows).trimmed()
        if summed.value() != expected[table.name]:
            raise _damaged(f"Expected the rows of {table.name} as they were copied, found others in the new store.")
    head = newest_head(connection)
    size, root = (0, EMPTY_ROOT) if head is None else (head.size, head.root)
    if (edge.size, edge.root()) != (size, root):
        raise _damaged(f"Expected entries that hash to the head of size {size}, found others.")
    return Copied({name: count for name, (count, _) in expected.items()}, size, root)


def _rollback(message: str) -> IntegrityError:
    return IntegrityError(
        Code.ROLLBACK, message, advice="Copy the newest state of the store, with the guard's own file beside it."
    )


def _damaged(message: str) -> IntegrityError:
    return IntegrityError(
        Code.LOG_INVALID, message, advice="Nothing was kept in the new store. Check both machines, and copy again."
    )
