"""What is particular to PostgreSQL: its lock against every process, what its errors mean, and many rows at once."""

import logging
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import psycopg
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    Connection,
    Double,
    Engine,
    Integer,
    LargeBinary,
    Table,
    Text,
    create_engine,
    event,
    literal_column,
)
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import DBAPIError

from broker.errors import SetuError, UnavailableError
from broker.store.engine import Engines, Fault
from broker.store.session import (
    IDLE_SECONDS,
    Session,
    UnfitServerError,
    at_opening,
    open_session,
    parameters,
    unanswered,
)

WRITERS, ASIDE, READERS = 2, 3, 8
"""Connections of one process, at most: 13."""
POOL_SECONDS = 2.0
CHUNK_BYTES = 4 << 20
"""What one statement sends, about: within IDLE_SECONDS on any network that a database should be on."""
MANY = 64
"""Rows from which a statement gets time of its own: a machine under load is slow, not stopped."""
TOGETHER = 16
"""Rows of one statement, at most; of more the driver makes a pipeline of statements that it has read once."""

_log = logging.getLogger(__name__)

NOW: ColumnElement[float] = literal_column("extract(epoch FROM clock_timestamp())::float8", Double())

# A lock on a table that only an upgrade writes: no row is rewritten for it, who may not write here cannot take it, and
# an upgrade and a batch wait for each other. The transaction's time runs from when it holds the lock.
_REARM = f"SET LOCAL transaction_timeout = 0; SET LOCAL transaction_timeout = '{IDLE_SECONDS}s'"
_LOCKED = (
    "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; LOCK TABLE alembic_version IN EXCLUSIVE MODE; "
    f"SET LOCAL transaction_timeout = '{IDLE_SECONDS}s'"
)
_ASIDE = f"BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; SET LOCAL transaction_timeout = '{2 * IDLE_SECONDS}s'"
_UPGRADE_LOCK = 0x5E70  # for a database without tables; two upgrades at once are all that it keeps apart
_SNAPSHOT = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"

# SQLSTATEs (PostgreSQL's Appendix A). Whatever is not the data's fault is asked again: a server whose disk fails ends
# itself, or says so and keeps nothing; this process has nothing in memory that it could make worse.
_DATA_CLASSES = ("22", "23", "54")
_ODD_CLASSES = ("0A", "42", "58", "F0", "XX")  # what an operator has to look at; none of it quotes a row
_DAMAGED = ("XX001", "XX002")

_TYPES: tuple[tuple[type[Any], str], ...] = (
    (BigInteger, "int8"),
    (Integer, "int4"),
    (LargeBinary, "bytea"),
    (Text, "text"),
    (Boolean, "bool"),
    (Double, "float8"),
)


def open_engines(url: str) -> Engines:
    """Engines whose every session is set and checked, or refused.

    Raises:
        IntegrityError: CONFIG_INVALID; see `parameters`.
    """
    given = parameters(url)

    def engine(size: int, begin: Callable[[Connection], None], *, patient: bool = False) -> Engine:
        made = create_engine(
            "postgresql+psycopg://",
            creator=lambda: open_session(given, patient=patient),
            pool_size=size,
            max_overflow=0,
            pool_timeout=POOL_SECONDS,
            use_native_hstore=False,
        )
        event.listen(made, "begin", begin)
        return made

    return Engines(
        upgrade=engine(1, _begin_upgrade, patient=True),
        refusal=refusal,
        write=engine(WRITERS, _beginner(_LOCKED)),
        side=engine(ASIDE, _beginner(_ASIDE)),
        read=engine(READERS, _beginner(_SNAPSHOT)),
        fault=fault,
        embedded=False,
        insert=insert,
        now=NOW,
        many=write_rows,
        settle=_settle,
        scrub=lambda _: True,
    )


def fault(error: DBAPIError) -> Fault:
    """Sort an error of the driver."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return Fault.DATA if isinstance(error.orig, psycopg.DataError | psycopg.NotSupportedError) else Fault.BUSY
    if state[:2] in _ODD_CLASSES:
        _log.error("PostgreSQL says %s: %s", state, getattr(getattr(error.orig, "diag", None), "message_primary", None))
    if state in _DAMAGED:
        return Fault.DAMAGED
    return Fault.DATA if state[:2] in _DATA_CLASSES else Fault.BUSY


def refusal(error: UnavailableError) -> SetuError:
    """For whoever opens a store: which server is unfit, or what libpq said (never a password)."""
    if isinstance(error, UnfitServerError):
        return at_opening(error)
    cause = error.__cause__
    return unanswered(cause.orig) if isinstance(cause, DBAPIError) and isinstance(cause.orig, psycopg.Error) else error


def write_rows(connection: Connection, table: Table, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert rows whose values stand in the order of the table's columns."""
    # Not COPY, though it is quicker: while PostgreSQL waits for its next bytes, no timeout ends a stopped sender.
    session: Session = connection.connection.driver_connection  # type: ignore[assignment]
    for size, chunk in _chunks(rows):
        if (size >= CHUNK_BYTES // 4 or len(chunk) >= MANY) and session.patience is not None:
            connection.exec_driver_sql(_REARM)
        try:
            if len(chunk) > TOGETHER:
                session.cursor().executemany(_insertion(table, 1), chunk)
                continue
            start = 0
            while start < len(chunk):
                # Few rows in one statement are one round trip; powers of two keep the statements few.
                count = 1 << ((len(chunk) - start).bit_length() - 1)
                values = [value for row in chunk[start : start + count] for value in row]
                session.execute(_insertion(table, count), values)
                start += count
        except psycopg.Error as error:
            raise DBAPIError(f"rows of {table.name}", None, error) from error


@lru_cache(maxsize=128)
def _insertion(table: Table, rows: int) -> bytes:
    row = "(" + ", ".join(f"%s::{_type_of(column)}" for column in table.columns) + ")"
    names = ", ".join(f'"{column.name}"' for column in table.columns)
    return f"INSERT INTO {table.name} ({names}) VALUES {', '.join([row] * rows)}".encode()  # noqa: S608


def _chunks(rows: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, list[tuple[Any, ...]]]]:
    start = size = 0
    for end, row in enumerate(rows, 1):
        size += sum(len(value) for value in row if isinstance(value, bytes))
        if size >= CHUNK_BYTES or end == len(rows):
            yield size, list(rows[start:end])
            start, size = end, 0


def _type_of(column: Column[Any]) -> str:
    return next(name for each, name in _TYPES if isinstance(column.type, each))


def _settle(connection: Connection) -> None:
    """Give the transaction something to write, so that its COMMIT waits for the standby that an earlier one, whose
    answer was lost, may not have waited for.
    """
    connection.exec_driver_sql("SELECT pg_logical_emit_message(true, 'setu', '')")


def _begin_upgrade(connection: Connection) -> None:
    connection.exec_driver_sql(f"BEGIN; SELECT pg_advisory_xact_lock({_UPGRADE_LOCK})")
    if connection.exec_driver_sql("SELECT to_regclass('alembic_version')").scalar() is not None:
        connection.exec_driver_sql("LOCK TABLE alembic_version IN ACCESS EXCLUSIVE MODE")


def _beginner(statement: str) -> Callable[[Connection], None]:
    def begin(connection: Connection) -> None:
        connection.exec_driver_sql(statement)

    return begin
