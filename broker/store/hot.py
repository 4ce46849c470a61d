"""The few statements that every batch runs, on the driver's own cursor and compiled once: SQLAlchemy's handling of a
small statement costs several times what the statement does.
"""

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.expression import Executable

_IN = re.compile(r"IN \(__\[POSTCOMPILE_(\w+)\]\)")
Values = Mapping[str, Any]


def rows(connection: Connection, statement: Executable, values: Values) -> list[tuple[Any, ...]]:
    """What a select finds. A value that is a list is a parameter of IN; for SQLite it has at least one element."""
    return _run(connection, statement, values, fetch=True)  # type: ignore[no-any-return]


def changed(connection: Connection, statement: Executable, values: Values) -> int:
    """How many rows an insert or update wrote."""
    return _run(connection, statement, values, fetch=False)  # type: ignore[no-any-return]


def each(connection: Connection, statement: Executable, many: Sequence[Values]) -> None:
    """The same update with many values, in one go."""
    driver: Any = connection.connection.driver_connection
    text, names, _ = _compiled(statement, connection.dialect)
    try:
        parameters = many if names is None else [[values[name] for name in names] for values in many]
        driver.cursor().executemany(text, parameters)
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(text, None, error) from error


def _run(connection: Connection, statement: Executable, values: Values, *, fetch: bool) -> Any:
    driver: Any = connection.connection.driver_connection
    given: dict[str, Any] = {}
    counts, singles = [], []
    arrays = connection.dialect.name == "postgresql"
    for name, value in values.items():
        if isinstance(value, list) and not arrays:
            # Few lengths are few statements: the rest of one is its last value, again.
            count = 1 << (len(value) - 1).bit_length()
            counts.append((name, count))
            padded = value + value[-1:] * (count - len(value))
            given |= {f"{name}_{place}": each for place, each in enumerate(padded, 1)}
        else:
            singles.append(name)
    text, names, constants = _compiled(statement, connection.dialect, tuple(counts), tuple(singles))
    given = {**constants, **values, **given}
    try:
        parameters = [given[name] for name in names] if names is not None else given
        cursor = driver.execute(text, parameters)
        return cursor.fetchall() if fetch else cursor.rowcount
    except connection.dialect.loaded_dbapi.Error as error:
        raise DBAPIError(text, None, error) from error


@lru_cache(maxsize=256)
def _compiled(
    statement: Any, dialect: Dialect, counts: tuple[tuple[str, int], ...] = (), singles: tuple[str, ...] = ()
) -> tuple[str, Sequence[str] | None, Values]:
    """The text in the driver's own style, the order of its parameters where they have no names, and constants."""
    if counts:
        statement = statement.params(**dict.fromkeys(singles), **{name: list(range(count)) for name, count in counts})
    if dialect.name == "postgresql":
        # A list is one parameter, an array: the driver remembers no statement of many parameters, and reads it anew.
        compiled = statement.compile(dialect=dialect)
        text = _IN.sub(r"= ANY(%(\1)s)", str(compiled))
        return text, None, _constants(compiled)
    compiled = statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.positiontup if compiled.positional else None, _constants(compiled)


def _constants(compiled: Any) -> Values:
    return {name: each.effective_value for name, each in compiled.binds.items() if not each.required}
