"""What every engine gives: two pools, and the meaning of its errors in our own."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from sqlalchemy import ColumnElement, Connection, Engine, Table
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from broker.errors import IntegrityError, SetuError, UnavailableError
from broker.store.port import DataRefusedError, StoreBrokenError
from schemas.problem import Code


class Fault(Enum):
    """What an engine's error means for who asked."""

    DATA = auto()
    BUSY = auto()
    BROKEN = auto()
    DAMAGED = auto()


@dataclass(frozen=True, slots=True)
class Engines:
    """`write` begins each transaction with the head lock; `side` writes without it where the engine can; `read` never
    blocks it.

    embedded: whether the store is this process's own, brought to its schema on opening and on its own clock.
    insert: the dialect's INSERT, which knows ON CONFLICT. now: the database's unix seconds, in SQL.
    many: inserts rows whose values stand in the order of the table's columns.
    upgrade: for migrations, which may take their time. refusal: what an operator is told of an error at opening.
    scrub: overwrites what was removed; False where it was held up.
    settle: makes the COMMIT of a transaction that wrote nothing vouch for those before it.
    """

    write: Engine
    side: Engine
    read: Engine
    fault: Callable[[DBAPIError], Fault]
    embedded: bool
    insert: Callable[[Any], Any]
    now: ColumnElement[float]
    many: Callable[[Connection, Table, Sequence[tuple[Any, ...]]], None]
    settle: Callable[[Connection], None]
    scrub: Callable[[Engine], bool]
    upgrade: Engine
    refusal: Callable[[UnavailableError], SetuError]

    @contextmanager
    def writing(self) -> Iterator[None]:
        """Raises UnavailableError, StoreBrokenError, IntegrityError or DataRefusedError for the driver's errors."""
        try:
            yield
        except DBAPIError as error:
            match self.fault(error):
                case Fault.BROKEN:
                    raise StoreBrokenError("the store's disk failed") from error
                case Fault.DATA:
                    raise DataRefusedError("the store refused a value or a repeated key") from error
                case kind:
                    raise _said(kind) from error
        except PoolTimeoutError as error:
            raise _said(Fault.BUSY) from error
        except (OverflowError, UnicodeEncodeError) as error:
            raise DataRefusedError("a value fits no column") from error

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raises UnavailableError or IntegrityError for the driver's errors."""
        try:
            yield
        except DBAPIError as error:
            kind = self.fault(error)
            if kind is Fault.DATA:
                raise
            raise _said(kind) from error
        except PoolTimeoutError as error:
            raise _said(Fault.BUSY) from error

    def begin(self, engine: Engine) -> Connection:
        """A connection in a transaction. Where the pool's was cut off since its last use, a new one."""
        try:
            return _begun(engine)
        except DBAPIError as error:
            if not error.connection_invalidated:
                raise
        return _begun(engine)

    def dispose(self) -> None:
        self.write.dispose()
        self.side.dispose()
        self.read.dispose()
        self.upgrade.dispose()


def _begun(engine: Engine) -> Connection:
    connection = engine.connect()
    try:
        connection.begin()
    except BaseException:
        connection.close()
        raise
    return connection


def damaged() -> IntegrityError:
    return IntegrityError(
        Code.LOG_INVALID,
        "Expected an intact store, found a damaged one.",
        advice="Stop, keep it as it is, and restore the newest backup (the rollback guard will check it).",
    )


def _said(kind: Fault) -> UnavailableError | IntegrityError:
    if kind is Fault.DAMAGED:
        return damaged()
    return UnavailableError("Expected the store to answer, found it busy, full or failing.")
