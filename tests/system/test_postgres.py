"""PostgreSQL as a store when something is wrong: a real server, and real processes that are stopped and killed."""

import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from threading import Event, Thread

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import create_engine

from broker.errors import UnavailableError
from broker.store.port import Batch, DataRefusedError, PacketRow
from broker.store.session import IDLE_SECONDS
from broker.store.sql import SqlStore, upgrade
from broker.store.tables import metadata
from tests.contract.rows import EMPTY, append, new_entry, new_head
from tests.system import postgres

NEWEST = "0005"

# A process that takes the head lock, says so, goes on as it is told to, and says how it ended.
HOLDER = """
import os, socket, struct, sys, time
from broker.errors import UnavailableError
from broker.store.sql import SqlStore
store = SqlStore(sys.argv[1])
try:
    with store.transaction() as transaction:
        transaction.save_note(0, b"from a stopped process")
        if sys.argv[2] == "within a message":
            way = socket.socket(fileno=os.dup(transaction._connection.connection.driver_connection.pgconn.socket))
            way.setblocking(True)
            way.sendall(b"P" + struct.pack("!i", 4 + 1_000_000) + b"a part of a long statement")
        print("inside", flush=True)
        time.sleep(0.5)
    print("committed", flush=True)
except UnavailableError:
    print("cut off", flush=True)
"""


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


@pytest.fixture
def own_store(own):
    """In a database of its own."""
    own.sql("DROP DATABASE IF EXISTS other; CREATE DATABASE other OWNER setu;")
    made = postgres.begun(own.url("other"))
    yield made
    made.close()


def test_every_session_is_durable_and_cannot_hold_others_up(store: SqlStore):
    names = ("synchronous_commit", "idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
    for engine in (store._engines.write, store._engines.side, store._engines.read):
        with engine.begin() as connection:
            found = [connection.exec_driver_sql(f"SHOW {name}").scalar() for name in names]
        assert found == ["on", f"{IDLE_SECONDS}s", "5s", "10s"]


def test_the_migrations_make_the_tables(url: str):
    assert upgrade(url) == (None, NEWEST)
    assert upgrade(url) == (NEWEST, NEWEST)
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
        orders = connection.exec_driver_sql(
            "SELECT DISTINCT collation_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type = 'text'"
        )
        assert [name for (name,) in orders] == ["C"]
    engine.dispose()


@pytest.mark.parametrize("how", ["between statements", "within a message"])
def test_a_stopped_process_that_holds_the_lock_delays_others_by_two_seconds(store: SqlStore, url: str, how: str):
    process = subprocess.Popen([sys.executable, "-c", HOLDER, url, how], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout.readline() == "inside\n"
        process.send_signal(signal.SIGSTOP)
        began = time.monotonic()
        head = append(store, EMPTY, new_entry(0))
        waited = time.monotonic() - began
        assert 0.5 < waited < IDLE_SECONDS + 1
        process.send_signal(signal.SIGCONT)
        assert process.stdout.readline() == "cut off\n"
    finally:
        process.kill()
        process.communicate()
    assert store.head() == head
    assert store.noted() is None


def test_a_transaction_that_is_only_slow_goes_on(store: SqlStore):
    large = bytes(2 << 20)
    packets = [PacketRow(n, "in-ncb", f"id-{n}", f"digest-{n}", "tip", 1, large, b"hash") for n in range(40)]
    head = append(store, EMPTY, *(new_entry(n) for n in range(40)), packets=packets)
    assert store.head() == head
    assert [row.raw == large for row, _ in store.packets(["digest-39"])] == [True]


def test_a_killed_server_loses_nothing_that_was_acknowledged_and_is_found_again(own, own_store: SqlStore):
    store = own_store
    acknowledged, refused, done = [EMPTY], [], Event()

    def write() -> None:
        head = EMPTY
        while not done.is_set():
            try:
                head = append(store, head, new_entry(head.size))
            except UnavailableError as error:
                refused.append(error)
                time.sleep(0.05)
                try:
                    # What became of the last commit is looked up under the lock.
                    with store.transaction() as transaction:
                        head = transaction.head()
                except UnavailableError:
                    continue
            acknowledged.append(head)

    thread = Thread(target=write)
    thread.start()
    for _ in range(3):
        time.sleep(0.4)
        own.kill()
        with pytest.raises(UnavailableError):
            store.positions()
        own.start()
        _until(lambda: store.positions() == {})
    time.sleep(0.4)
    done.set()
    thread.join(30)
    head = store.head()
    assert head == acknowledged[-1]
    assert all(store.has_head(each.size, each.root) for each in acknowledged)
    assert [row.idx for row in store.entries(0, head.size + 9)] == list(range(head.size))
    assert refused
    assert len(acknowledged) > 10


def test_connections_that_were_cut_are_made_anew_without_a_word(store: SqlStore, url: str):
    head = append(store, EMPTY, new_entry(0))
    for _ in range(2):
        postgres.cut(url)
        assert store.head() == head
        head = append(store, head, new_entry(head.size))
        store.probe()


def test_a_connection_cut_within_a_transaction_is_unavailable_and_keeps_nothing(store: SqlStore, url: str):
    def fails() -> None:
        with store.transaction() as transaction:
            transaction.append(Batch(EMPTY, new_head(1), [new_entry(0)]))
            postgres.cut(url)

    with pytest.raises(UnavailableError):
        fails()
    assert store.head() == EMPTY


def test_an_error_of_the_callers_own_is_told_though_the_connection_was_cut(store: SqlStore, url: str):
    def fails() -> None:
        with store.transaction():
            postgres.cut(url)
            raise KeyError("the caller's own")

    with pytest.raises(KeyError, match="the caller's own"):
        fails()
    assert store.head() == EMPTY


def test_a_commit_is_vouched_for_only_once_the_synchronous_standby_has_it_and_survives_a_fail_over():
    primary = postgres.server()
    primary.start()
    standby = postgres.server()
    standby.follow(primary)
    standby.start()
    primary.sql("ALTER SYSTEM SET synchronous_standby_names = '*'; SELECT pg_reload_conf();")
    store = postgres.begun(primary.url())
    head = append(store, EMPTY, new_entry(0))
    standby.pause()
    told: list[object] = []

    def write() -> None:
        try:
            append(store, head, new_entry(1))
        except UnavailableError as error:
            told.append(error)

    def look_up() -> None:
        with store.transaction() as transaction:
            found = transaction.has_head(2, sha256(b"2").digest())
        told.append(found)

    writing = Thread(target=write)
    writing.start()
    writing.join(1)
    assert writing.is_alive()
    # The answer is lost, the commit is not: from here on others see it, though the standby has not got it.
    primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    writing.join(10)
    assert [type(each) for each in told] == [UnavailableError]
    looking = Thread(target=look_up)
    looking.start()
    looking.join(1)
    assert looking.is_alive()
    standby.resume()
    looking.join(10)
    assert told[1:] == [True]
    store.close()
    primary.kill()
    standby.sql("SELECT pg_promote()")
    after = SqlStore(standby.url())
    assert [row.idx for row in after.entries(0, 9)] == [0, 1]
    after.close()
    primary.remove()
    standby.remove()


@pytest.mark.long
def test_a_server_that_hangs_is_unavailable_and_found_again(own, own_store: SqlStore):
    own.pause()
    began = time.monotonic()
    with pytest.raises(UnavailableError):
        own_store.head()
    assert time.monotonic() - began < 40
    own.resume()
    _until(lambda: own_store.head() == EMPTY)


@pytest.mark.parametrize(
    "over",
    [
        pytest.param({"once": "a\0b"}, id="NUL in a text"),
        pytest.param({"once": "\ud800"}, id="half a surrogate pair"),
        pytest.param({"once": "k" * 9000 + os.urandom(9000).hex()}, id="too long for an index"),
        pytest.param({"about": 2**64}, id="number too large"),
    ],
)
def test_values_that_postgres_does_not_take_are_refused_and_the_next_is_not(store: SqlStore, over: dict[str, object]):
    with pytest.raises(DataRefusedError):
        append(store, EMPTY, new_entry(0, **over))
    assert store.head() == EMPTY
    append(store, EMPTY, new_entry(0))


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
