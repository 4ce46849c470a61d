"""Leases: who of several processes does what only one may, by the database's clock.

Being late is no harm: what counts in a write is the epoch, which the next holder ends. Whoever checks it keeps the row
from changing until his own transaction is over.
"""

from sqlalchemy import Connection, bindparam, case, or_, select, update

from broker.store.engine import Engines
from broker.store.port import Lease
from broker.store.tables import leases

NOBODY = ""

_HELD = (
    select(leases.c.epoch)
    .where(leases.c.name == bindparam("at"), leases.c.holder == bindparam("by"), leases.c.epoch == bindparam("in"))
    .with_for_update(read=True)
)
_RELEASE = (
    update(leases)
    .where(leases.c.name == bindparam("at"), leases.c.holder == bindparam("by"), leases.c.epoch == bindparam("in"))
    .values(holder=NOBODY, expires=0)
)


def take(connection: Connection, engines: Engines, name: str, holder: str, seconds: float) -> Lease | None:
    """One statement, so that of two who come at once the second meets what the first left."""
    until = engines.now + seconds
    offered = engines.insert(leases).values(name=name, holder=holder, epoch=1, expires=until)
    taken = offered.on_conflict_do_update(
        index_elements=[leases.c.name],
        set_={
            "holder": holder,
            "epoch": case((leases.c.holder == holder, leases.c.epoch), else_=leases.c.epoch + 1),
            "expires": until,
        },
        where=or_(leases.c.holder == holder, leases.c.expires <= engines.now),
    )
    row = connection.execute(taken.returning(leases.c.epoch)).first()
    return None if row is None else Lease(name, holder, row.epoch)


def release(connection: Connection, lease: Lease) -> None:
    connection.execute(_RELEASE, _named(lease))


def holds(connection: Connection, lease: Lease) -> bool:
    return connection.execute(_HELD, _named(lease)).first() is not None


def _named(lease: Lease) -> dict[str, str | int]:
    return {"at": lease.name, "by": lease.holder, "in": lease.epoch}
