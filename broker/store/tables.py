"""The tables. Nothing here that one engine has and the other does not.

Random keys (digests) are indexed once each and everything else refers to a packet by its ledger index, so that
inserting stays at the right edge of the indexes however long the log is.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
)
from sqlalchemy.dialects.postgresql import TEXT

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite's INTEGER PRIMARY KEY is the row's place in the file; PostgreSQL needs 64 bits said.
Position = BigInteger().with_variant(Integer, "sqlite")

# Compared by bytes on every machine: an index in a locale's order is wrong once the locale's library changes.
Words = Text().with_variant(TEXT(collation="C"), "postgresql")


def _where_set(column: Column[Any]) -> dict[str, Any]:
    return {"sqlite_where": column.is_not(None), "postgresql_where": column.is_not(None)}


entries = Table(
    "entries",
    metadata,
    Column("idx", Position, primary_key=True, autoincrement=False),
    Column("entry", LargeBinary, nullable=False),
    Column("leaf", LargeBinary, nullable=False),
    Column("time", Words, nullable=False),
    Column("type", Words, nullable=False),
    Column("actor", Words, nullable=False),
    Column("kind", Words),
    Column("about", Position),
    Column("stray", Words),
    Column("code", Words),
    Column("exercise", Boolean(create_constraint=False), nullable=False),
)
Index(None, entries.c.time)
Index(None, entries.c.type)
Index(None, entries.c.kind)
Index(None, entries.c.about)
Index(None, entries.c.stray, **_where_set(entries.c.stray))
Index(None, entries.c.code, **_where_set(entries.c.code))
Index(None, entries.c.exercise)

onces = Table(
    "onces",
    metadata,
    Column("key", Words, primary_key=True),
    Column("idx", Position, nullable=False),
    sqlite_with_rowid=False,
)

parties = Table(
    "parties",
    metadata,
    Column("agency", Words, primary_key=True),
    Column("idx", Position, primary_key=True, autoincrement=False),
    Column("own", Boolean(create_constraint=False), nullable=False),
    sqlite_with_rowid=False,
)

documents = Table(
    "documents",
    metadata,
    Column("idx", Position, primary_key=True, autoincrement=False),
    Column("raw", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
)

packets = Table(
    "packets",
    metadata,
    Column("idx", Position, primary_key=True, autoincrement=False),
    Column("sender", Words, nullable=False),
    Column("id", Words, nullable=False),
    Column("digest", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("exp", BigInteger, nullable=False),
    Column("raw", LargeBinary),
    Column("raw_hash", LargeBinary, nullable=False),
    Column("purge", BigInteger),
    Column("kept", LargeBinary),
    Column("kept_hash", LargeBinary),
    UniqueConstraint("sender", "id"),
    UniqueConstraint("digest"),
)
Index(None, packets.c.purge, **_where_set(packets.c.purge))

places = Table(
    "places",
    metadata,
    Column("idx", Position, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("kind", Words, nullable=False),
    Column("exp", BigInteger, nullable=False),
    Column("state", Words, nullable=False),
    PrimaryKeyConstraint("recipient", "kind", "idx"),
    UniqueConstraint("idx", "recipient"),
    sqlite_with_rowid=False,
)
Index(None, places.c.state, places.c.exp)

clocks = Table(
    "clocks",
    metadata,
    Column("idx", Position, nullable=False),
    Column("recipient", Words, nullable=False),
    Column("what", Words, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("state", Words, nullable=False),
    PrimaryKeyConstraint("idx", "recipient", "what"),
    sqlite_with_rowid=False,
)
Index(None, clocks.c.state, clocks.c.due)

tiles = Table(
    "tiles",
    metadata,
    Column("level", Integer, primary_key=True, autoincrement=False),
    Column("n", Position, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("hashes", LargeBinary, nullable=False),
)

heads = Table(
    "heads",
    metadata,
    Column("size", Position, primary_key=True, autoincrement=False),
    Column("root", LargeBinary, nullable=False),
    Column("time", Words, nullable=False),
    Column("directory", BigInteger),
    Column("policy", Words),
    Column("note", LargeBinary),
    Column("denied", Words),
)

published = Table(
    "published",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("size", BigInteger, nullable=False),
    Column("note", LargeBinary, nullable=False),
)

health = Table(
    "health",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("count", BigInteger, nullable=False),
)

positions = Table(
    "positions",
    metadata,
    Column("topic", Words, primary_key=True),
    Column("idx", BigInteger, nullable=False),
)

leases = Table(
    "leases",
    metadata,
    Column("name", Words, primary_key=True),
    Column("holder", Words, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("expires", Double, nullable=False),
)
