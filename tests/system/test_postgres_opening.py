"""Which PostgreSQL a store opens on, and what an operator is told of the others."""

import subprocess
import sys
import time
from threading import Thread

import pytest

from broker.cli.served import free_port
from broker.errors import IntegrityError, UnavailableError
from broker.store.sql import SqlStore, upgrade
from schemas.problem import Code
from tests.system import postgres

NEWEST = "0005"


@pytest.fixture
def url() -> str:
    return postgres.database()


@pytest.fixture
def store(url: str):
    made = postgres.begun(url)
    yield made
    made.close()


@pytest.fixture(scope="module")
def own():
    with postgres.standing() as made:
        yield made


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        pytest.param({"fsync": "off"}, "fsync = on, found off", id="fsync"),
        pytest.param({"full_page_writes": "off"}, "full_page_writes = on, found off", id="full pages"),
        pytest.param({"data_sync_retry": "on"}, "data_sync_retry = off, found on", id="a failed fsync again"),
        pytest.param(
            {"default_transaction_read_only": "on"}, "found a standby or one set to read only", id="read only"
        ),
    ],
)
def test_a_server_that_may_lose_what_it_took_is_refused(own, settings: dict[str, str], said: str):
    before = dict(own.settings)
    own.settings.update(settings)
    own.restart()
    try:
        with pytest.raises(IntegrityError, match=said) as caught:
            SqlStore(own.url())
    finally:
        own.settings = before
        own.restart()
    assert caught.value.code is Code.CONFIG_INVALID


def test_an_older_server_is_refused():
    made = postgres.server(version=16)
    made.start()
    for opens in (SqlStore, upgrade):
        with pytest.raises(IntegrityError, match="Expected PostgreSQL 17 or newer, found 16") as caught:
            opens(made.url())
        assert caught.value.code is Code.CONFIG_INVALID
    made.remove()


def test_a_standby_is_refused(own):
    standby = postgres.server()
    standby.follow(own)
    standby.start()
    with pytest.raises(IntegrityError, match="Expected the primary PostgreSQL, found a standby"):
        SqlStore(standby.url())
    standby.remove()


def test_an_empty_database_is_not_changed_and_the_way_on_is_named(url: str):
    with pytest.raises(IntegrityError, match="found an empty database") as caught:
        SqlStore(url)
    assert caught.value.code is Code.CONFIG_INVALID
    assert "setu store upgrade" in caught.value.advice
    assert postgres.ask(url, "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == "0"


@pytest.mark.parametrize(
    ("revision", "said"),
    [pytest.param("0002", "found an older one", id="older"), pytest.param("9999", "found a newer one", id="newer")],
)
def test_another_schema_is_refused_and_left_alone(url: str, revision: str, said: str):
    upgrade(url)
    postgres.ask(url, f"UPDATE alembic_version SET version_num = '{revision}'")  # noqa: S608
    with pytest.raises(IntegrityError, match=said) as caught:
        SqlStore(url)
    assert caught.value.code is Code.CONFIG_INVALID
    assert postgres.ask(url, "SELECT version_num FROM alembic_version") == revision


def test_a_newer_schema_is_not_migrated_down(url: str):
    upgrade(url)
    postgres.ask(url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(IntegrityError, match="found a newer one"):
        upgrade(url)
    assert postgres.ask(url, "SELECT version_num FROM alembic_version") == "9999"


def test_an_upgrade_waits_for_the_batch_under_way(store: SqlStore, url: str):
    done: list[object] = []
    thread = Thread(target=lambda: done.append(upgrade(url)))
    with store.transaction():
        thread.start()
        thread.join(0.3)
        assert done == []
    thread.join(10)
    assert done == [(NEWEST, NEWEST)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(("/setu?", "/nowhere?"), 'database "nowhere" does not exist', id="no such database"),
        pytest.param(("passfile=", "passfile=%2Fdev%2Fnull&application_name="), "no password", id="no password"),
    ],
)
def test_a_server_that_does_not_let_us_in_is_told_with_its_words(own, change: tuple[str, str], said: str):
    with pytest.raises(UnavailableError, match="Expected PostgreSQL to take a connection") as caught:
        SqlStore(own.tcp_url().replace(*change))
    assert said in caught.value.message
    assert own.passfile.read_text("utf-8").strip().rpartition(":")[2] not in str(caught.value)


def test_where_nothing_listens_that_is_what_is_said(own):
    with pytest.raises(UnavailableError, match=r"Expected PostgreSQL to take a connection, found: .*refused"):
        SqlStore(own.tcp_url(port=free_port()))


def test_the_password_is_taken_from_its_file(own):
    store = SqlStore(own.tcp_url())
    assert store.head() is None
    store.close()


def test_a_server_ends_with_who_started_it(tmp_path):
    said = subprocess.Popen(
        [sys.executable, str(postgres.ROOT / "deploy" / "postgres" / "run.py"), str(tmp_path / "folder")],
        stdout=subprocess.PIPE,
        text=True,
    )
    said.stdout.readline()
    url = said.stdout.readline().partition('"')[2].rpartition('"')[0]
    upgrade(url)
    said.kill()
    said.communicate()
    _until(lambda: not _answers(url))


def _answers(url: str) -> bool:
    try:
        SqlStore(url).close()
    except UnavailableError:
        return False
    return True


def _until(holds, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            if holds():
                return
        except UnavailableError:
            pass
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.1)
