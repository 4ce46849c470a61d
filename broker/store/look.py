"""A look at a SQLite store that changes nothing in it: for an operator, whether a gateway is running or not."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from alembic.config import Config
from alembic.script import ScriptDirectory

from broker.errors import IntegrityError
from schemas.problem import Code


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen.

    schema: the store's revision, None where it has none; newest: this program's; known: whether this program knows it.
    journal: `wal` or `rollback`; fault: what its quick check said, None where all is well.
    size, time: of the newest head, None where there is none. shared: whether a head asked for is among the heads.
    """

    schema: str | None
    newest: str | None
    known: bool
    journal: str
    fault: str | None
    size: int | None
    time: str | None
    shared: bool


def look(path: Path, head: tuple[int, bytes] | None = None) -> Look:
    """Open the file read-only; `head`: a (size, root) to look for.

    Raises:
        IntegrityError: code `log-invalid`; not a SQLite database, or one too damaged to be read.
    """
    revisions = _revisions()
    try:
        with closing(sqlite3.connect(_read_only(path), uri=True, timeout=2)) as connection:
            ask = connection.execute
            tables = {name for (name,) in ask("SELECT name FROM sqlite_master WHERE type = 'table'")}
            schema = ask("SELECT version_num FROM alembic_version").fetchone() if "alembic_version" in tables else None
            newest = ask("SELECT size, time FROM heads ORDER BY size DESC LIMIT 1") if "heads" in tables else None
            found = newest.fetchone() if newest is not None else None
            shared = (
                head is not None
                and found is not None
                and (ask("SELECT 1 FROM heads WHERE size = ? AND root = ?", head).fetchone() is not None)
            )
            checked = str(ask("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise IntegrityError(
            Code.LOG_INVALID,
            f"Expected a SQLite store that can be read, found: {error}.",
            advice="Stop the gateway, keep the file as it is, and restore the newest backup.",
        ) from None
    return Look(
        schema=schema[0] if schema is not None else None,
        newest=revisions[0] if revisions else None,
        known=schema is None or schema[0] in revisions,
        journal=_journal(path),
        fault=None if checked == "ok" else checked,
        size=found[0] if found is not None else None,
        time=found[1] if found is not None else None,
        shared=shared,
    )


def _journal(path: Path) -> str:
    """From the file's header (sqlite.org/fileformat2.html, 1.3.3): `immutable` hides the pragma's answer."""
    with path.open("rb") as file:
        return "wal" if file.read(20)[18:] == bytes((2, 2)) else "rollback"


def _read_only(path: Path) -> str:
    """Where nobody has it open there is no -wal file, and a reader would leave one: `immutable` keeps it from that."""
    open_now = path.with_name(path.name + "-wal").exists()
    return f"{path.resolve().as_uri()}?mode=ro" + ("" if open_now else "&immutable=1")


def _revisions() -> list[str]:
    """The schema revisions this program knows, newest first."""
    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]
