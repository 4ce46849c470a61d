"""One real PostgreSQL for all tests of a session: started at its first use, ended with the session; a database a test."""

import atexit
import importlib.util
import shutil
import tempfile
from contextlib import contextmanager
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from broker.cli.served import free_port
from broker.store.sql import SqlStore, upgrade
from tests.contract.rows import EMPTY

ROOT = Path(__file__).resolve().parents[2]
_numbers = count(1)


@cache
def launcher():
    """deploy/postgres/run.py as a module."""
    spec = importlib.util.spec_from_file_location("setu_run_postgres", ROOT / "deploy" / "postgres" / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def server(**given):
    """A server of the caller's own, not started; skips where it cannot be had, which CI does not allow."""
    folder = Path(tempfile.mkdtemp(prefix="setu-postgres-"))
    try:
        made = launcher().Postgres(folder, **given)
    except launcher().CannotRunError as error:
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"no real PostgreSQL here: {error}")
    atexit.register(_remove, made)  # should the session be cut short
    return made


@contextmanager
def standing():
    """A server that tests may kill; with its first database upgraded and no log begun."""
    made = server(port=free_port())
    made.start()
    upgrade(made.url())
    yield made
    made.remove()


def begun(url: str) -> SqlStore:
    """The store of a new database, its log begun."""
    upgrade(url)
    store = SqlStore(url)
    with store.transaction() as transaction:
        transaction.begin_log(EMPTY)
    return store


@cache
def _started():
    made = server()
    made.start()
    return made


def database(owner: str = "setu") -> str:
    """The URL of a new, empty database on the session's server."""
    name = f"setu_{next(_numbers)}"
    running = _started()
    running.sql(f"CREATE DATABASE {name} OWNER {owner}")
    return running.url(name)


def ask(url: str, statement: str) -> str:
    """psql's answer, as the superuser, in the database of `url` on the session's server."""
    return _started().sql(statement, database=url.partition("?")[0].rpartition("/")[2])


def cut(url: str) -> None:
    """End every session with this database."""
    name = url.partition("?")[0].rpartition("/")[2]
    sessions = f"pg_stat_activity WHERE datname = '{name}'"
    _started().sql(f"SELECT pg_terminate_backend(pid, 5000) FROM {sessions}")  # noqa: S608


def stop() -> None:
    """End what was started; a conftest calls it when the session is over."""
    if _started.cache_info().currsize:
        _remove(_started())
        _started.cache_clear()


def _remove(made) -> None:
    made.remove()
    shutil.rmtree(made.folder, ignore_errors=True)
