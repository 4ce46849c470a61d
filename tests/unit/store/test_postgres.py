import subprocess
import sys

import psycopg
import pytest
from psycopg import errors
from sqlalchemy.exc import DBAPIError, OperationalError

from broker.errors import IntegrityError, UnavailableError
from broker.store.engine import Fault
from broker.store.port import DataRefusedError
from broker.store.postgres import CHUNK_BYTES, _chunks, fault, open_engines
from broker.store.session import parameters
from broker.store.sql import SqlStore
from schemas.problem import Code

PASSWORD = "correct horse battery staple"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param(
            f"postgresql://setu:{PASSWORD.replace(' ', '%20')}@db.example/setu?sslmode=verify-full", id="user"
        ),
        pytest.param(f"postgresql://setu@/setu?password={PASSWORD.replace(' ', '+')}", id="parameter"),
        pytest.param(f"postgresql://setu@localhost/setu?sslpassword={PASSWORD.replace(' ', '+')}", id="of a key"),
    ],
)
def test_a_password_in_the_url_is_refused_without_repeating_it(url: str):
    with pytest.raises(IntegrityError, match="Expected a store URL without a password") as caught:
        SqlStore(url)
    assert caught.value.code is Code.CONFIG_INVALID
    assert "passfile" in caught.value.advice
    assert "horse" not in str(caught.value)
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("postgresql://setu@host:port/setu", id="no port"),
        pytest.param("postgresql://setu@/setu?frobnicate=horse", id="an unknown parameter"),
        pytest.param("postgresql:horse", id="no URL"),
    ],
)
def test_what_is_no_url_is_refused_without_repeating_it(url: str):
    with pytest.raises(IntegrityError) as caught:
        SqlStore(url)
    assert caught.value.code is Code.CONFIG_INVALID
    assert "horse" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "open_to_others"),
    [
        pytest.param("db.example", True, id="another machine"),
        pytest.param("db.example?sslmode=require", True, id="TLS without a name"),
        pytest.param("10.0.0.7?sslmode=verify-ca", True, id="TLS with any name"),
        pytest.param("db.example?sslmode=verify-full", False, id="TLS"),
        pytest.param("localhost,db.example", True, id="one of two is another machine"),
        pytest.param("localhost", False, id="here"),
        pytest.param("127.0.0.1:5433", False, id="here by address"),
        pytest.param("[::1]", False, id="here by the newer address"),
        pytest.param("%2Frun%2Fpostgresql", False, id="a Unix socket"),
    ],
)
def test_a_way_over_others_networks_must_be_tls(place: str, open_to_others: bool):
    host, _, rest = place.partition("?")
    url = f"postgresql://setu@{host}/setu?{rest}"
    if not open_to_others:
        assert parameters(url)["dbname"] == "setu"
        return
    with pytest.raises(IntegrityError, match="Expected sslmode=verify-full") as caught:
        open_engines(url)
    assert caught.value.code is Code.CONFIG_INVALID


def test_of_several_machines_the_one_that_can_be_written_to_is_sought():
    found = parameters("postgresql://setu@a.example,b.example/setu?sslmode=verify-full&connect_timeout=9")
    assert found["target_session_attrs"] == "read-write"
    assert found["connect_timeout"] == "9"
    assert found["tcp_user_timeout"] == "10000"
    assert "target_session_attrs" not in parameters("postgresql://setu@/setu")


@pytest.mark.parametrize(
    ("cause", "meaning"),
    [
        pytest.param(errors.UniqueViolation(), Fault.DATA, id="a key used before"),
        pytest.param(errors.NotNullViolation(), Fault.DATA, id="no value"),
        pytest.param(errors.NumericValueOutOfRange(), Fault.DATA, id="number too large"),
        pytest.param(errors.CharacterNotInRepertoire(), Fault.DATA, id="no text"),
        pytest.param(errors.ProgramLimitExceeded(), Fault.DATA, id="too long for an index"),
        pytest.param(psycopg.DataError("a NUL in a text"), Fault.DATA, id="the driver refuses the value"),
        pytest.param(errors.AdminShutdown(), Fault.BUSY, id="shut down"),
        pytest.param(errors.CrashShutdown(), Fault.BUSY, id="crashed"),
        pytest.param(errors.CannotConnectNow(), Fault.BUSY, id="starting up"),
        pytest.param(errors.LockNotAvailable(), Fault.BUSY, id="lock timeout"),
        pytest.param(errors.QueryCanceled(), Fault.BUSY, id="statement timeout"),
        pytest.param(errors.IdleInTransactionSessionTimeout(), Fault.BUSY, id="cut off while idle"),
        pytest.param(errors.TransactionTimeout(), Fault.BUSY, id="cut off while slow"),
        pytest.param(errors.DeadlockDetected(), Fault.BUSY, id="deadlock"),
        pytest.param(errors.SerializationFailure(), Fault.BUSY, id="serialization"),
        pytest.param(errors.DiskFull(), Fault.BUSY, id="disk full"),
        pytest.param(errors.TooManyConnections(), Fault.BUSY, id="too many connections"),
        pytest.param(errors.ReadOnlySqlTransaction(), Fault.BUSY, id="became a standby"),
        pytest.param(errors.IoError(), Fault.BUSY, id="the server's disk failed"),
        pytest.param(errors.InternalError_(), Fault.BUSY, id="the server failed"),
        pytest.param(errors.UndefinedTable(), Fault.BUSY, id="somebody dropped a table"),
        pytest.param(psycopg.OperationalError("server closed the connection"), Fault.BUSY, id="connection lost"),
        pytest.param(psycopg.InterfaceError("the connection is closed"), Fault.BUSY, id="connection closed"),
        pytest.param(errors.DataCorrupted(), Fault.DAMAGED, id="corrupt"),
        pytest.param(errors.IndexCorrupted(), Fault.DAMAGED, id="corrupt index"),
    ],
)
def test_what_errors_mean(cause: psycopg.Error, meaning: Fault):
    assert fault(DBAPIError("statement", {}, cause)) is meaning


@pytest.mark.parametrize(
    ("cause", "writing", "reading"),
    [
        pytest.param(errors.DataCorrupted(), IntegrityError, IntegrityError, id="damaged"),
        pytest.param(errors.IoError(), UnavailableError, UnavailableError, id="disk"),
        pytest.param(errors.AdminShutdown(), UnavailableError, UnavailableError, id="busy"),
        pytest.param(errors.UniqueViolation(), DataRefusedError, OperationalError, id="data"),
    ],
)
def test_what_callers_are_told(cause: psycopg.Error, writing: type[Exception], reading: type[Exception]):
    engines = open_engines("postgresql://setu@/setu")
    with pytest.raises(writing), engines.writing():
        raise OperationalError("statement", {}, cause)
    with pytest.raises(reading), engines.reading():
        raise OperationalError("statement", {}, cause)


def test_rows_go_in_pieces_that_a_stopped_sender_cannot_hold_the_lock_with():
    large = bytes(CHUNK_BYTES // 4 + 1)
    rows = [(n, large) for n in range(9)]
    pieces = list(_chunks(rows))
    assert [len(piece) for _, piece in pieces] == [4, 4, 1]
    assert [row for _, piece in pieces for row in piece] == rows
    assert list(_chunks([(1, b"x"), (2, None)])) == [(1, [(1, b"x"), (2, None)])]
    assert list(_chunks([])) == []


WITHOUT_A_DRIVER = """
import sys
sys.modules["psycopg"] = None
from broker.assembly.store import look_at_store
from broker.config import GatewaySettings, SharedGuard
from broker.errors import IntegrityError
from broker.store.sql import SqlStore
SqlStore(f"sqlite:///{sys.argv[1]}/setu.db").close()
url = "postgresql://setu@/setu"
guard = SharedGuard(url="https://localhost:1")
for ask in (lambda: SqlStore(url), lambda: look_at_store(GatewaySettings(gateway="in-setu", store=url, guard=guard))):
    try:
        ask()
    except IntegrityError as error:
        print(error.code.value, error.message, error.advice)
"""


def test_without_its_driver_an_embedded_store_opens_and_a_shared_one_says_what_to_install(tmp_path):
    command = [sys.executable, "-c", WITHOUT_A_DRIVER, str(tmp_path)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    assert len(said) == 2
    for line in said:
        assert line.startswith("config-invalid Expected the package psycopg")
        assert "postgres" in line.rpartition("pip install")[2]
