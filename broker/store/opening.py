"""Which engine a store URL asks for, and what an operator is told where it does not open."""

from collections.abc import Iterator
from contextlib import contextmanager

from broker.errors import IntegrityError, UnavailableError
from broker.store import sqlite
from broker.store.engine import Engines
from schemas.problem import Code


@contextmanager
def opening(engines: Engines) -> Iterator[None]:
    """What an operator is told when a store does not open, more than who asks it later."""
    try:
        with engines.writing():
            yield
    except UnavailableError as error:
        raise engines.refusal(error) from error


def open_engines(url: str) -> Engines:
    """The engines of a store URL; nothing is connected yet.

    Raises:
        IntegrityError: CONFIG_INVALID.
    """
    scheme = url.partition(":")[0]
    if scheme == "sqlite":
        return sqlite.open_engines(url)
    if scheme != "postgresql":
        raise IntegrityError(
            Code.CONFIG_INVALID,
            "Expected a store URL for one of sqlite, postgresql, found another.",
            advice="Write, for example, sqlite:////var/lib/setu/store/setu.db.",
        )
    try:
        # Imported where it is wanted: who keeps an embedded ledger has no PostgreSQL driver.
        from broker.store import postgres  # noqa: PLC0415
    except ImportError:
        raise driver_missing() from None
    return postgres.open_engines(url)


def driver_missing() -> IntegrityError:
    return IntegrityError(
        Code.CONFIG_INVALID,
        "Expected the package psycopg for a store on PostgreSQL, found none.",
        advice='Install it: pip install "setu-broker[gateway,postgres]"',
    )
