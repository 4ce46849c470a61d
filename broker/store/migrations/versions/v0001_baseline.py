"""The schema the first release starts from."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "documents",
        sa.Column("idx", _position(), autoincrement=False, nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_documents")),
    )
    op.create_table(
        "entries",
        sa.Column("idx", _position(), autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(), nullable=False),
        sa.Column("leaf", sa.LargeBinary(), nullable=False),
        sa.Column("time", _words(), nullable=False),
        sa.Column("type", _words(), nullable=False),
        sa.Column("actor", _words(), nullable=False),
        sa.Column("kind", _words(), nullable=True),
        sa.Column("about", _position(), nullable=True),
        sa.Column("stray", _words(), nullable=True),
        sa.Column("code", _words(), nullable=True),
        sa.Column("exercise", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_entries")),
    )
    op.create_index(op.f("ix_entries_about"), "entries", ["about"], unique=False)
    op.create_index(
        op.f("ix_entries_code"),
        "entries",
        ["code"],
        unique=False,
        sqlite_where=sa.text("code IS NOT NULL"),
        postgresql_where=sa.text("code IS NOT NULL"),
    )
    op.create_index(op.f("ix_entries_exercise"), "entries", ["exercise"], unique=False)
    op.create_index(op.f("ix_entries_kind"), "entries", ["kind"], unique=False)
    op.create_index(
        op.f("ix_entries_stray"),
        "entries",
        ["stray"],
        unique=False,
        sqlite_where=sa.text("stray IS NOT NULL"),
        postgresql_where=sa.text("stray IS NOT NULL"),
    )
    op.create_index(op.f("ix_entries_time"), "entries", ["time"], unique=False)
    op.create_index(op.f("ix_entries_type"), "entries", ["type"], unique=False)
    op.create_table(
        "heads",
        sa.Column("size", _position(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("time", _words(), nullable=False),
        sa.Column("directory", sa.BigInteger(), nullable=True),
        sa.Column("policy", _words(), nullable=True),
        sa.Column("note", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_heads")),
    )
    op.create_table(
        "health",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_health")),
    )
    op.create_table(
        "onces",
        sa.Column("key", _words(), nullable=False),
        sa.Column("idx", _position(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_onces")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "packets",
        sa.Column("idx", _position(), autoincrement=False, nullable=False),
        sa.Column("sender", _words(), nullable=False),
        sa.Column("id", _words(), nullable=False),
        sa.Column("digest", _words(), nullable=False),
        sa.Column("kind", _words(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("raw", sa.LargeBinary(), nullable=True),
        sa.Column("raw_hash", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_packets")),
        sa.UniqueConstraint("digest", name=op.f("uq_packets_digest")),
        sa.UniqueConstraint("sender", "id", name=op.f("uq_packets_sender_id")),
    )
    op.create_table(
        "parties",
        sa.Column("agency", _words(), nullable=False),
        sa.Column("idx", _position(), autoincrement=False, nullable=False),
        sa.Column("own", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("agency", "idx", name=op.f("pk_parties")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "places",
        sa.Column("idx", _position(), nullable=False),
        sa.Column("recipient", _words(), nullable=False),
        sa.Column("kind", _words(), nullable=False),
        sa.Column("exp", sa.BigInteger(), nullable=False),
        sa.Column("state", _words(), nullable=False),
        sa.PrimaryKeyConstraint("recipient", "kind", "idx", name=op.f("pk_places")),
        sa.UniqueConstraint("idx", "recipient", name=op.f("uq_places_idx_recipient")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_places_state_exp"), "places", ["state", "exp"], unique=False)
    op.create_table(
        "published",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("note", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_published")),
    )
    op.create_table(
        "tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("n", _position(), autoincrement=False, nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("hashes", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("level", "n", name=op.f("pk_tiles")),
    )
    if op.get_bind().dialect.name == "postgresql":
        # Ciphertext does not get smaller by trying.
        op.execute("ALTER TABLE packets ALTER COLUMN raw SET STORAGE EXTERNAL")
        op.execute("ALTER TABLE documents ALTER COLUMN raw SET STORAGE EXTERNAL")


def _position() -> sa.types.TypeEngine[int]:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _words() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
