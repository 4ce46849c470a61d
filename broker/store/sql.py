"""The store over SQLAlchemy Core: one set of statements for every engine.

An attacker who owns it reads who sent what to whom, never a payload; and can withhold or destroy, but change or remove
nothing that a receipt, a mirror or the rollback guard does not show.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import Connection, Engine, select

from broker.errors import UnavailableError
from broker.store import leases, migrate, tables
from broker.store.migrate import Upgraded
from broker.store.opening import open_engines, opening
from broker.store.port import Lease, LeaseLostError
from broker.store.reads import SqlReads
from broker.store.tables import health, published
from broker.store.writes import SqlTransaction, keep_note

_ONLY_ROW = 1


class SqlStore(SqlReads):
    """A store at a database URL, opened. A SQLite file is made and brought to this program's schema; a database that
    others share never is: `upgrade` does it.

    Raises:
        IntegrityError: CONFIG_INVALID: no such engine, unsafe settings, a schema newer than this program, or a shared
            database with an older one.
        UnavailableError: the database does not answer.
    """

    def __init__(self, url: str) -> None:
        super().__init__(open_engines(url))
        engines = self._engines
        try:
            if engines.embedded:
                with opening(engines), engines.write.begin() as connection:
                    migrate.upgrade(connection)
            else:
                with opening(engines), engines.read.begin() as connection:
                    migrate.check(connection)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def transaction(self) -> Iterator[SqlTransaction]:
        with self._within(self._engines.write) as connection:
            transaction = SqlTransaction(connection, self._engines)
            yield transaction
            transaction.settle()

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

    def scrub(self) -> bool:
        with self._engines.writing():
            return self._engines.scrub(self._engines.side)

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
        with self._within(self._engines.side) as connection, self._engines.writing():
            yield connection

    @contextmanager
    def _within(self, engine: Engine) -> Iterator[Connection]:
        # Errors of the caller's own pass as they are; those of BEGIN and COMMIT are the store's.
        with self._engines.writing():
            connection = self._engines.begin(engine)
        try:
            try:
                yield connection
            except BaseException:
                self._roll_back(connection)
                raise
            with self._engines.writing():
                connection.commit()
        finally:
            connection.close()

    def _roll_back(self, connection: Connection) -> None:
        try:
            with self._engines.writing():
                connection.rollback()
        except UnavailableError:
            connection.invalidate()  # cut off: nobody is left to commit it


def upgrade(url: str) -> Upgraded:
    """Bring a store to this program's schema. A batch under way is waited for.

    Raises:
        IntegrityError: CONFIG_INVALID; no such engine, or a schema newer than this program.
        UnavailableError: the database does not answer.
    """
    engines = open_engines(url)
    try:
        with opening(engines), engines.upgrade.begin() as connection:
            return migrate.upgrade(connection)
    finally:
        engines.dispose()
