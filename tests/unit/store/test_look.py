"""A look at a store tells what is there and changes nothing."""

import sqlite3
from contextlib import closing

import pytest

from broker.errors import IntegrityError
from broker.store.look import look
from broker.store.port import Head
from broker.store.sql import SqlStore
from schemas.problem import Code

ROOT = bytes(range(32))
TIME = "2026-09-21T12:00:00.000000Z"


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "setu.db"
    store = SqlStore(f"sqlite:///{path}")
    with store.transaction() as transaction:
        transaction.begin_log(Head(0, ROOT, TIME))
    store.close()
    return path


def change(path, *statements):
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def test_a_store_of_this_program(path):
    seen = look(path, (0, ROOT))
    assert (seen.schema, seen.known, seen.unsafe, seen.fault) == (seen.newest, True, None, None)
    assert (seen.size, seen.root, seen.time, seen.shared) == (0, ROOT, TIME, True)
    assert (seen.published, seen.leases) == (None, ())
    assert seen.engine.startswith("SQLite 3.")


def test_what_is_published_and_who_holds_a_lease(path):
    store = SqlStore(f"sqlite:///{path}")
    store.publish(7, b"a note")
    store.lease("publisher", "a", 0)
    store.lease("relay", "b", 60)
    store.release(store.lease("another", "c", 60))
    store.close()
    seen = look(path)
    assert seen.published == 7
    assert [(each.name, each.holder, each.epoch) for each in seen.leases] == [("publisher", "a", 1), ("relay", "b", 1)]
    assert seen.leases[0].left == 0
    assert 0 < seen.leases[1].left <= 60


def test_another_head_is_not_shared(path):
    assert look(path, (0, bytes(32))).shared is False
    assert look(path, (1, ROOT)).shared is False
    assert look(path).shared is False


def test_it_changes_nothing(path):
    before = {each.name: each.read_bytes() for each in path.parent.iterdir()}
    look(path, (0, ROOT))
    assert {each.name: each.read_bytes() for each in path.parent.iterdir()} == before


def test_a_schema_from_the_future(path):
    change(path, "UPDATE alembic_version SET version_num = '9999'")
    assert (look(path).schema, look(path).known) == ("9999", False)


def test_a_database_of_somebody_else(tmp_path):
    change(tmp_path / "x.db", "CREATE TABLE t (a)")
    seen = look(tmp_path / "x.db")
    assert (seen.schema, seen.known, seen.size, seen.shared) == (None, True, None, False)
    assert "journal mode" in seen.unsafe


def test_a_damaged_page_is_a_fault(path):
    with closing(sqlite3.connect(path)) as connection:
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = 'packets'").fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    raw = bytearray(path.read_bytes())
    raw[(page - 1) * size + 3 : (page - 1) * size + 5] = b"\x01\xff"  # says that it holds 511 rows
    path.write_bytes(raw)
    assert look(path).fault is not None


def test_a_store_in_use_is_looked_at_too(path):
    store = SqlStore(f"sqlite:///{path}")
    try:
        store.probe()
        assert look(path, (0, ROOT)).shared is True
    finally:
        store.close()


@pytest.mark.parametrize(
    "content", [pytest.param(b"nothing of the kind" * 100, id="no-database"), pytest.param(None, id="no-file")]
)
def test_what_cannot_be_read_is_said(tmp_path, content):
    path = tmp_path / "x.db"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(IntegrityError) as caught:
        look(path)
    assert caught.value.code is Code.LOG_INVALID
    assert not (content is None and path.exists())
