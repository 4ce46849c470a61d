import os
import sqlite3
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine
from sqlalchemy.exc import OperationalError

from broker.errors import IntegrityError, UnavailableError
from broker.store.engine import Fault
from broker.store.port import DataRefusedError, StoreBrokenError
from broker.store.sql import SqlStore
from broker.store.sqlite import READ_CACHE_KIB, _connector, fault, open_engines
from broker.store.tables import metadata
from schemas.problem import Code


@pytest.fixture
def path(tmp_path: Path) -> Path:
    SqlStore(f"sqlite:///{tmp_path / 'setu.db'}").close()
    return tmp_path / "setu.db"


def test_every_connection_is_durable(path: Path):
    engines = open_engines(f"sqlite:///{path}")
    for engine in (engines.write, engines.read):
        with engine.connect() as connection:
            found = [
                connection.exec_driver_sql(f"PRAGMA {each}").scalar()
                for each in ("journal_mode", "synchronous", "secure_delete")
            ]
        assert found == ["wal", 2, 1]
    engines.dispose()


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("sqlite://", id="memory"),
        pytest.param("sqlite:///:memory:", id="memory by name"),
        pytest.param("sqlite:////tmp/x.db?cache=shared", id="options"),
        pytest.param("mysql://host/db", id="another engine"),
        pytest.param("setu.db", id="a path"),
        pytest.param("", id="nothing"),
    ],
)
def test_urls_that_are_refused(url: str):
    with pytest.raises(IntegrityError) as caught:
        SqlStore(url)
    assert caught.value.code is Code.CONFIG_INVALID


def test_the_store_is_its_owners_alone(path: Path):
    store = SqlStore(f"sqlite:///{path}")
    store.probe()
    assert {each.stat().st_mode & 0o077 for each in path.parent.glob("setu.db*")} == {0}
    store.close()


def test_a_store_without_a_directory_is_refused(tmp_path: Path):
    with pytest.raises(IntegrityError, match="Expected a directory for the store") as caught:
        SqlStore(f"sqlite:///{tmp_path / 'missing' / 'setu.db'}")
    assert caught.value.code is Code.CONFIG_INVALID


def test_a_store_that_cannot_keep_wal_is_refused(tmp_path: Path):
    class Stubborn(sqlite3.Connection):
        """On a file system without shared memory, SQLite goes on in another mode and says so."""

        def execute(self, statement: str, *rest: object) -> sqlite3.Cursor:
            return super().execute("SELECT 'delete'" if "journal_mode" in statement else statement, *rest)

    connection = sqlite3.connect(tmp_path / "x.db", factory=Stubborn)
    with pytest.raises(IntegrityError, match="Expected SQLite to keep journal_mode at WAL"):
        _connector(READ_CACHE_KIB)(connection, None)
    connection.close()


def test_the_migrations_make_the_tables(path: Path):
    engine = create_engine(f"sqlite:///{path}")
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    engine.dispose()


def test_a_newer_schema_is_refused_and_left_alone(path: Path):
    with sqlite3.connect(path) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '9999'")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(IntegrityError, match="Expected a store of schema 0005 or older, found a newer one") as caught:
        SqlStore(f"sqlite:///{path}")
    assert caught.value.code is Code.CONFIG_INVALID
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused(tmp_path: Path):
    (tmp_path / "setu.db").write_bytes(os.urandom(8192))
    with pytest.raises(IntegrityError, match="Expected an intact store"):
        SqlStore(f"sqlite:///{tmp_path / 'setu.db'}")


def test_a_lock_held_elsewhere_is_unavailable(path: Path):
    engines = open_engines(f"sqlite:///{path}")
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    with engines.write.connect() as connection:
        connection.connection.driver_connection.execute("PRAGMA busy_timeout = 1")
        with pytest.raises(UnavailableError), engines.writing():
            connection.begin()
    holder.close()
    engines.dispose()


def test_a_full_disk_is_unavailable_and_keeps_nothing(path: Path):
    store = SqlStore(f"sqlite:///{path}")
    store.probe()
    with store._engines.write.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(UnavailableError):
        store.publish(1, bytes(200_000))
    assert store.published() is None
    store.probe()
    store.close()


def _error(code: int | None) -> OperationalError:
    cause = sqlite3.OperationalError("what the driver says")
    if code is not None:
        cause.sqlite_errorcode = code
    return OperationalError("statement", {}, cause)


@pytest.mark.parametrize(
    ("code", "meaning"),
    [
        pytest.param(sqlite3.SQLITE_IOERR_FSYNC, Fault.BROKEN, id="fsync failed"),
        pytest.param(sqlite3.SQLITE_IOERR_WRITE, Fault.BROKEN, id="write failed"),
        pytest.param(sqlite3.SQLITE_READONLY_ROLLBACK, Fault.BROKEN, id="read-only"),
        pytest.param(sqlite3.SQLITE_CORRUPT_INDEX, Fault.DAMAGED, id="corrupt"),
        pytest.param(sqlite3.SQLITE_NOTADB, Fault.DAMAGED, id="no database"),
        pytest.param(sqlite3.SQLITE_BUSY_SNAPSHOT, Fault.BUSY, id="busy"),
        pytest.param(sqlite3.SQLITE_FULL, Fault.BUSY, id="full"),
        pytest.param(sqlite3.SQLITE_CONSTRAINT_UNIQUE, Fault.DATA, id="constraint"),
        pytest.param(sqlite3.SQLITE_TOOBIG, Fault.DATA, id="too big"),
        pytest.param(None, Fault.DATA, id="the driver's own"),
    ],
)
def test_what_errors_mean(code: int | None, meaning: Fault):
    assert fault(_error(code)) is meaning


@pytest.mark.parametrize(
    ("code", "writing", "reading"),
    [
        pytest.param(sqlite3.SQLITE_IOERR_FSYNC, StoreBrokenError, UnavailableError, id="broken"),
        pytest.param(sqlite3.SQLITE_CORRUPT, IntegrityError, IntegrityError, id="damaged"),
        pytest.param(sqlite3.SQLITE_BUSY, UnavailableError, UnavailableError, id="busy"),
        pytest.param(sqlite3.SQLITE_CONSTRAINT, DataRefusedError, OperationalError, id="data"),
    ],
)
def test_what_callers_are_told(tmp_path: Path, code: int, writing: type[Exception], reading: type[Exception]):
    engines = open_engines(f"sqlite:///{tmp_path / 'setu.db'}")
    with pytest.raises(writing), engines.writing():
        raise _error(code)
    with pytest.raises(reading), engines.reading():
        raise _error(code)
