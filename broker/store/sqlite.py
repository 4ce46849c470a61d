"""What is particular to SQLite: durability settings read back, its lock, and what its errors mean."""

import os
import sqlite3
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, Connection, Double, Engine, Table, create_engine, event, literal_column, make_url
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.engine import URL
from sqlalchemy.exc import ArgumentError, DBAPIError

from broker.errors import IntegrityError
from broker.store.engine import Engines, Fault
from schemas.problem import Code

BUSY_MILLISECONDS = 2_000
WRITE_CACHE_KIB = 65_536
READ_CACHE_KIB = 8_192
READERS = 16

NOW: ColumnElement[float] = literal_column("((julianday('now') - 2440587.5) * 86400.0)", Double())

# Primary result codes, the low byte of an extended one (sqlite.org/rescode.html). All others are the data's fault.
_FAULTS = {
    sqlite3.SQLITE_BUSY: Fault.BUSY,
    sqlite3.SQLITE_LOCKED: Fault.BUSY,
    sqlite3.SQLITE_FULL: Fault.BUSY,
    sqlite3.SQLITE_NOMEM: Fault.BUSY,
    sqlite3.SQLITE_INTERRUPT: Fault.BUSY,
    sqlite3.SQLITE_PROTOCOL: Fault.BUSY,
    sqlite3.SQLITE_CANTOPEN: Fault.BUSY,
    sqlite3.SQLITE_IOERR: Fault.BROKEN,
    sqlite3.SQLITE_READONLY: Fault.BROKEN,
    sqlite3.SQLITE_CORRUPT: Fault.DAMAGED,
    sqlite3.SQLITE_NOTADB: Fault.DAMAGED,
}
_PRIMARY = 0xFF


def open_engines(place: str) -> Engines:
    """Engines whose every connection writes through WAL with synchronous=FULL, or is refused."""
    try:
        url = make_url(place)
    except ArgumentError:
        url = URL.create("sqlite")
    if not url.database or url.database == ":memory:" or url.query:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected a store URL that names a file, found one for memory or with options.",
            advice="Write sqlite:/// and the path of the file.",
        )
    try:
        os.close(os.open(url.database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))  # the files beside it follow
    except OSError:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected a directory for the store that can be written, found none.",
            advice="Create it, owned by the broker's user.",
        ) from None
    wait = BUSY_MILLISECONDS / 1000
    write = create_engine(url, pool_size=1, max_overflow=0, pool_timeout=wait)
    read = create_engine(url, pool_size=READERS, max_overflow=READERS, pool_timeout=wait)
    # IMMEDIATE takes the one write lock at once, so that nothing read under it can be stale at the first write.
    _listen(write, WRITE_CACHE_KIB, "BEGIN IMMEDIATE")
    _listen(read, READ_CACHE_KIB, "BEGIN")
    return Engines(
        write=write,
        side=write,
        read=read,
        fault=fault,
        embedded=True,
        insert=insert,
        now=NOW,
        many=write_rows,
        settle=lambda _: None,
        scrub=_scrub,
        upgrade=write,
        refusal=lambda error: error,
    )


def write_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the order of the table's columns."""
    # The driver's own executemany: SQLAlchemy's handling of each row costs as much as the row.
    driver: Any = connection.connection.driver_connection
    try:
        driver.executemany(_insertion(table), rows)
    except sqlite3.Error as error:
        raise DBAPIError(f"rows of {table.name}", None, error) from error


def _scrub(engine: Engine) -> bool:
    """Bring the write-ahead log into the file and cut it off: what was removed then stands in neither."""
    # In no transaction, so past SQLAlchemy's BEGIN.
    connection = engine.raw_connection()
    try:
        ((busy, _, _),) = connection.driver_connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")  # type: ignore[union-attr]
    except sqlite3.Error as error:
        raise DBAPIError("wal_checkpoint", None, error) from error
    finally:
        connection.close()
    return not busy


def fault(error: DBAPIError) -> Fault:
    """Sort an error of the driver."""
    code = getattr(error.orig, "sqlite_errorcode", None)
    return Fault.DATA if code is None else _FAULTS.get(code & _PRIMARY, Fault.DATA)


@lru_cache(maxsize=64)
def _insertion(table: Table) -> str:
    places = ", ".join("?" for _ in table.columns)
    return f"INSERT INTO {table.name} ({', '.join(table.columns.keys())}) VALUES ({places})"  # noqa: S608


def _listen(engine: Engine, cache_kib: int, statement: str) -> None:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    event.listen(engine, "connect", _connector(cache_kib))
    event.listen(engine, "begin", begin)


def _connector(cache_kib: int) -> Callable[[sqlite3.Connection, Any], None]:
    settings = (
        # (pragma, value to set, value to read back)
        ("journal_mode", "WAL", "wal"),
        ("synchronous", "FULL", 2),
        ("fullfsync", "ON", 1),
        ("checkpoint_fullfsync", "ON", 1),
        ("busy_timeout", str(BUSY_MILLISECONDS), BUSY_MILLISECONDS),
        ("secure_delete", "ON", 1),
        ("cache_size", f"-{cache_kib}", -cache_kib),
    )

    def connect(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # the driver begins nothing by itself
        for name, value, expected in settings:
            connection.execute(f"PRAGMA {name} = {value}")
            found = connection.execute(f"PRAGMA {name}").fetchone()
            if found is None or found[0] != expected:
                raise IntegrityError(
                    Code.CONFIG_INVALID,
                    f"Expected SQLite to keep {name} at {value}, found that it does not.",
                    advice="Put the store on a local disk; a network file system cannot keep it safe.",
                )

    return connect
