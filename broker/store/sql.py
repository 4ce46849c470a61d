"""The store over SQLAlchemy Core: one set of statements for every engine.

An attacker who owns it reads who sent what to whom, never a payload; and can withhold or destroy, but change or remove
nothing that a receipt, a mirror or the rollback guard does not show.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, make_url, select
from sqlalchemy.exc import ArgumentError

from broker.errors import IntegrityError, UnavailableError
from broker.store import leases, migrate, sqlite, tables
from broker.store.engine import Engines
from broker.store.port import Lease, LeaseLostError
from broker.store.reads import SqlReads
from broker.store.tables import health, published
from broker.store.writes import SqlTransaction, keep_note
from schemas.problem import Code

_ONLY_ROW = 1
_ENGINES = {"sqlite": sqlite.open_engines}


class SqlStore(SqlReads):
    """A store at a database URL, opened and brought to the schema of this program.

    Raises:
        IntegrityError: CONFIG_INVALID: no such engine, unsafe settings, or a schema newer than this program.
    """

    def __init__(self, url: str) -> None:
        super().__init__(_open(url))
        try:
            with self._engines.writing(), self._engines.write.begin() as connection:
                migrate.upgrade(connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[SqlTransaction]:
        with self._locked() as transaction:
            yield transaction

    def publish(self, size: int, note: bytes) -> bool:
        offered = self._engines.insert(published).values(id=_ONLY_ROW, size=size, note=note)
        forward = offered.on_conflict_do_update(
            index_elements=[published.c.id], set_={"size": size, "note": note}, where=published.c.size < size
        )
        with self._aside() as connection:
            return connection.execute(forward.returning(published.c.id)).first() is not None

    def save_note(self, size: int, note: bytes) -> bytes:
        with self._aside() as connection:
            return keep_note(connection, size, note)

    def lease(self, name: str, holder: str, seconds: float) -> Lease | None:
        with self._aside() as connection:
            return leases.take(connection, self._engines, name, holder, seconds)

    def release(self, lease: Lease) -> None:
        with self._aside() as connection:
            leases.release(connection, lease)

    def set_positions(self, positions: Mapping[str, int], lease: Lease | None = None) -> None:
        with self._aside() as connection:
            if lease is not None and not leases.holds(connection, lease):
                raise LeaseLostError(f"the lease {lease.name} went to another holder")
            # In one order, so that two who move the same topics wait for each other and not in a ring.
            for topic, index in sorted(positions.items()):
                moved = self._engines.insert(tables.positions).values(topic=topic, idx=index)
                connection.execute(
                    moved.on_conflict_do_update(index_elements=[tables.positions.c.topic], set_={"idx": index})
                )

    def probe(self) -> None:
        counted = self._engines.insert(health).values(id=_ONLY_ROW, count=1)
        with self._aside() as connection:
            connection.execute(
                counted.on_conflict_do_update(index_elements=[health.c.id], set_={"count": health.c.count + 1})
            )
        with self._connected() as connection:
            if connection.execute(select(health.c.count)).scalar() is None:
                raise UnavailableError("Expected to read the row just written, found none.")

    def close(self) -> None:
        self._engines.dispose()

    @contextmanager
    def _aside(self) -> Iterator[Connection]:
        with self._engines.writing(), self._engines.side.begin() as connection:
            yield connection

    @contextmanager
    def _locked(self) -> Iterator[SqlTransaction]:
        # Errors of the caller's own pass as they are; those of BEGIN and COMMIT are the store's.
        with self._engines.writing():
            connection = self._engines.write.connect()
        try:
            with self._engines.writing():
                open_transaction = connection.begin()
            try:
                yield SqlTransaction(connection, self._engines)
            except BaseException:
                with self._engines.writing():
                    open_transaction.rollback()
                raise
            with self._engines.writing():
                open_transaction.commit()
        finally:
            connection.close()


def _open(url: str) -> Engines:
    try:
        parsed = make_url(url)
    except ArgumentError:
        parsed = None
    opener = _ENGINES.get(parsed.get_backend_name()) if parsed is not None else None
    if parsed is None or opener is None:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a store URL for one of {', '.join(_ENGINES)}, found another.",
            advice="Write, for example, sqlite:////var/lib/setu/store/setu.db.",
        )
    return opener(parsed)
