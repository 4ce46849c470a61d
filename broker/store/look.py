"""A look at a store that changes nothing in it: for an operator, whether a gateway is running or not."""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from broker.errors import IntegrityError
from broker.store.migrate import revisions
from schemas.problem import Code


class Held(NamedTuple):
    """A lease. `left`: seconds until another may take it; 0 where it may be taken now."""

    name: str
    holder: str
    epoch: int
    left: float


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen.

    engine: its name and version. schema: the store's revision, None where it has none; newest: this program's;
    known: whether this program knows it. unsafe: what may lose a commit; fault: what its own check found; None where
    all is well. size, root, time: of the newest head, None where there is none. published: the size of the published
    checkpoint. shared: whether a head asked for is among the heads.
    """

    engine: str
    schema: str | None
    newest: str | None
    known: bool
    unsafe: str | None
    fault: str | None
    size: int | None
    root: bytes | None
    time: str | None
    published: int | None
    shared: bool
    leases: tuple[Held, ...]


Ask = Callable[[str, Sequence[Any]], list[Any]]


def look(path: Path, head: tuple[int, bytes] | None = None) -> Look:
    """Open a SQLite store's file read-only; `head`: a (size, root) to look for.

    Raises:
        IntegrityError: code `log-invalid`; not a SQLite database, or one too damaged to be read.
    """
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=2)) as connection:

            def ask(statement: str, values: Sequence[Any] = ()) -> list[Any]:
                return connection.execute(statement, values).fetchall()

            tables = {name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'")}
            checked = str(ask("PRAGMA quick_check(1)")[0][0])
            return seen(
                ask,
                tables,
                head,
                engine=f"SQLite {sqlite3.sqlite_version}",
                unsafe=None if _wal(path) else "SQLite's journal mode is another than wal",
                fault=None if checked == "ok" else "SQLite's quick check fails",
                now="(julianday('now') - 2440587.5) * 86400.0",
            )
    except sqlite3.DatabaseError as error:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected a SQLite store that can be read, found: {error}.",
            advice="Stop the gateway, keep the file as it is, and restore the newest backup.",
        ) from None


def seen(
    ask: Ask,
    tables: set[str],
    head: tuple[int, bytes] | None,
    *,
    engine: str,
    unsafe: str | None,
    fault: str | None,
    now: str,
    mark: str = "?",
) -> Look:
    """Read what either engine holds. now: its unix seconds in SQL; mark: how its driver writes a parameter."""
    known = revisions()

    def first(table: str, statement: str, values: Sequence[Any] = ()) -> Any:
        rows = ask(statement, values) if table in tables else []
        return rows[0] if rows else None

    schema = first("alembic_version", "SELECT version_num FROM alembic_version")
    newest = first("heads", "SELECT size, root, time FROM heads ORDER BY size DESC LIMIT 1")
    published = first("published", "SELECT size FROM published")
    shared = None
    if head is not None:
        shared = first("heads", f"SELECT 1 FROM heads WHERE size = {mark} AND root = {mark}", head)  # noqa: S608
    held = []
    if "leases" in tables:
        held = ask(f"SELECT name, holder, epoch, expires - {now} FROM leases WHERE holder <> '' ORDER BY name", ())  # noqa: S608
    return Look(
        engine=engine,
        schema=None if schema is None else schema[0],
        newest=known[0] if known else None,
        known=schema is None or schema[0] in known,
        unsafe=unsafe,
        fault=fault,
        size=None if newest is None else newest[0],
        root=None if newest is None else bytes(newest[1]),
        time=None if newest is None else newest[2],
        published=None if published is None else published[0],
        shared=shared is not None,
        leases=tuple(Held(name, holder, epoch, max(0.0, left)) for name, holder, epoch, left in held),
    )


def _wal(path: Path) -> bool:
    """From the file's header (sqlite.org/fileformat2.html, 1.3.3): `immutable` hides the pragma's answer."""
    with path.open("rb") as file:
        return file.read(20)[18:] == bytes((2, 2))


def _read_only(path: Path) -> str:
    """Where nobody has it open there is no -wal file, and a reader would leave one: `immutable` keeps it from that."""
    open_now = path.with_name(path.name + "-wal").exists()
    return f"{path.resolve().as_uri()}?mode=ro" + ("" if open_now else "&immutable=1")
