"""A session with PostgreSQL: where it goes, what it is set to, and which servers it refuses.

Nothing of the log is written to a server that may forget what it acknowledged, nor beside one that is not its primary.
"""

from collections.abc import Generator, Mapping
from time import monotonic
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict

from broker.errors import IntegrityError, UnavailableError
from schemas.problem import Code

IDLE_SECONDS = 2
LOCK_SECONDS = 5
STATEMENT_SECONDS = 10
ANSWER_SECONDS = 15
PATIENT_SECONDS = 60
OLDEST_SERVER = 17
"""The first with transaction_timeout."""

# What holds unless the URL says otherwise: a server or a way to it that is gone is noticed within seconds.
_CONNECTION = {
    "application_name": "setu",
    "connect_timeout": "3",
    "keepalives": "1",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "tcp_user_timeout": "10000",
}
# The server's side of the same, then what keeps a stopped gateway from holding the others: it is cut off after
# IDLE_SECONDS, and who waits for its lock waits longer than that.
_SESSION = {
    "synchronous_commit": "on",
    "idle_in_transaction_session_timeout": f"{IDLE_SECONDS}s",
    "lock_timeout": f"{LOCK_SECONDS}s",
    "statement_timeout": f"{STATEMENT_SECONDS}s",
    "transaction_timeout": "0",
    "tcp_keepalives_idle": "5",
    "tcp_keepalives_interval": "2",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "10000",
    "client_connection_check_interval": "1s",
    "TimeZone": "UTC",
}
_KEPT = ("synchronous_commit", "idle_in_transaction_session_timeout", "lock_timeout", "statement_timeout")
_SAFE = {
    "fsync": "on",
    "full_page_writes": "on",
    "data_sync_retry": "off",
    "zero_damaged_pages": "off",
    "ignore_checksum_failure": "off",
    "server_encoding": "UTF8",
}
_SHOWN = (*_SAFE, *_KEPT)
_ASK = "SELECT " + ", ".join(
    (
        "pg_is_in_recovery() OR current_setting('default_transaction_read_only')::bool",
        *(f"current_setting('{name}')" for name in _SHOWN),
    )
)
_READABLE = "Expected sslmode=verify-full for a PostgreSQL on another machine, found another or none."
_HERE = ("", "localhost", "127.0.0.1", "::1")


class Server(NamedTuple):
    """Where a store URL leads, for people: never with a secret."""

    host: str
    database: str


class UnfitServerError(UnavailableError):
    """The server that answers is not one to write to: the sentence says why. Another may answer next time."""


class Session(psycopg.Connection[tuple[Any, ...]]):
    """A connection whose every wait for the server ends: a server that hangs says nothing and closes nothing."""

    patience: float | None = ANSWER_SECONDS

    def wait(self, gen: Any, *args: Any, **kwargs: Any) -> Any:
        return super().wait(gen if self.patience is None else self._bounded(gen, self.patience), *args, **kwargs)

    def _bounded(self, gen: Any, seconds: float) -> Generator[Any, Any, Any]:
        deadline = monotonic() + seconds
        try:
            wanted = next(gen)
            while True:
                ready = yield wanted
                if not ready and monotonic() > deadline:
                    self.close()
                    raise psycopg.OperationalError(f"no answer within {seconds} seconds")
                wanted = gen.send(ready)
        except StopIteration as done:
            return done.value


def parameters(url: str) -> dict[str, Any]:
    """Libpq's connection parameters of a store URL.

    Raises:
        IntegrityError: CONFIG_INVALID; not such a URL, with a password, or over a network that others can read.
    """
    try:
        found = dict(conninfo_to_dict(url))
    except psycopg.Error:
        raise _refused(
            "Expected a PostgreSQL URL, found one that cannot be read.",
            "Write, for example, postgresql://setu@db.example/setu?sslmode=verify-full&sslrootcert=ca.pem",
        ) from None
    if found.get("password") or found.get("sslpassword"):
        raise _refused(
            "Expected a store URL without a password, found one with it.",
            "Keep it in a file that only the broker's user can read, and name that: ?passfile=/etc/setu/passfile. "
            "Change the password, for others may have read it here.",
        )
    hosts = str(found.get("host") or found.get("hostaddr") or "").split(",")
    if any(_open_to_others(host, found.get("sslmode")) for host in hosts):
        raise _refused(
            _READABLE,
            "Give the server a certificate, and add ?sslmode=verify-full&sslrootcert=/etc/setu/ca.pem to the URL.",
        )
    if len(hosts) > 1:
        found.setdefault("target_session_attrs", "read-write")  # several machines, one of them the primary
    return {**_CONNECTION, **found}


def server_of(url: str) -> Server:
    """Raises IntegrityError as `parameters` does."""
    found = parameters(url)
    return Server(str(found.get("host") or found.get("hostaddr") or "localhost"), str(found.get("dbname") or ""))


def open_session(given: Mapping[str, Any], *, patient: bool = False) -> Session:
    """A session in autocommit, set and checked. patient: its statements may take as long as they do.

    Raises:
        psycopg.Error: no server answers, or not to this user.
        UnfitServerError: the server that answers is not one to write to.
    """
    session = Session.connect(**given, autocommit=True)
    try:
        _set_and_check(session)
        if patient:
            session.patience = None
            session.execute(
                f"SET statement_timeout = 0; SET idle_in_transaction_session_timeout = 0; "
                f"SET lock_timeout = '{PATIENT_SECONDS}s'".encode()
            )
    except BaseException:
        session.close()
        raise
    return session


def unanswered(error: psycopg.Error) -> UnavailableError:
    """What libpq or the server said to an operator's command; there is never a password in it."""
    said = " ".join(str(error).split())[:300]
    if error.sqlstate is not None:
        return UnavailableError(
            f"Expected PostgreSQL to do what was asked, found {error.sqlstate}: {said}.",
            advice="Give the user of the URL `store` the database, for example: ALTER DATABASE setu OWNER TO setu.",
        )
    return UnavailableError(
        f"Expected PostgreSQL to take a connection, found: {said}.",
        advice="Check that it runs, the URL `store` in the settings, the passfile, and the server's pg_hba.conf.",
    )


def _set_and_check(session: Session) -> None:
    major = session.info.server_version // 10_000
    if major < OLDEST_SERVER:
        raise UnfitServerError(f"Expected PostgreSQL {OLDEST_SERVER} or newer, found {major}.")
    if _open_to_others(session.info.host, session.info.get_parameters().get("sslmode")):
        raise UnfitServerError(_READABLE)
    session.execute("; ".join(f"SET {name} = '{value}'" for name, value in _SESSION.items()).encode())
    row = session.execute(_ASK.encode()).fetchone()
    assert row is not None  # noqa: S101 - a SELECT without FROM has one row
    standby, *shown = row
    found = dict(zip(_SHOWN, shown, strict=True))
    if standby:
        raise UnfitServerError("Expected the primary PostgreSQL, found a standby or one set to read only.")
    for name, value in _SAFE.items():
        if found[name] != value:
            raise UnfitServerError(f"Expected a PostgreSQL with {name} = {value}, found {found[name]}.")
    for name in _KEPT:
        if found[name] != _SESSION[name]:
            raise UnfitServerError(f"Expected PostgreSQL to keep {name} at {_SESSION[name]}, found {found[name]}.")


def _open_to_others(host: str, sslmode: Any) -> bool:
    return sslmode != "verify-full" and host not in _HERE and not host.startswith(("/", "@"))


def at_opening(error: UnfitServerError) -> IntegrityError:
    """The same sentence where nothing runs yet, for an operator to mend."""
    return _refused(
        error.message,
        "Mend the server's settings (postgresql.conf), or name another server; see deploy/postgres/README.md.",
    )


def _refused(message: str, advice: str) -> IntegrityError:
    return IntegrityError(Code.CONFIG_INVALID, message, advice=advice)
