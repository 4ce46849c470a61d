"""When recipients' words are due, and what of a packet is removed when."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_CHUNK = 64
_DAY = 86_400


def upgrade() -> None:
    op.create_table(
        "clocks",
        sa.Column("idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("recipient", _words(), nullable=False),
        sa.Column("what", _words(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("state", _words(), nullable=False),
        sa.PrimaryKeyConstraint("idx", "recipient", "what", name=op.f("pk_clocks")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_clocks_state_due"), "clocks", ["state", "due"], unique=False)
    op.add_column("packets", sa.Column("purge", sa.BigInteger(), nullable=True))
    op.add_column("packets", sa.Column("kept", sa.LargeBinary(), nullable=True))
    op.add_column("packets", sa.Column("kept_hash", sa.LargeBinary(), nullable=True))
    _fill_purge()
    op.create_index(
        op.f("ix_packets_purge"),
        "packets",
        ["purge"],
        unique=False,
        sqlite_where=sa.text("purge IS NOT NULL"),
        postgresql_where=sa.text("purge IS NOT NULL"),
    )


def _fill_purge() -> None:
    """What was accepted before is removed in its time too."""
    packets = sa.table("packets", sa.column("idx"), sa.column("raw", sa.LargeBinary()), sa.column("purge"))
    connection, last = op.get_bind(), -1
    while True:
        found = sa.select(packets.c.idx, packets.c.raw).where(packets.c.idx > last, packets.c.raw.is_not(None))
        rows = connection.execute(found.order_by(packets.c.idx).limit(_CHUNK)).all()
        for idx, raw in rows:
            purge = _purge_of(raw)
            if purge is not None:
                connection.execute(sa.update(packets).where(packets.c.idx == idx).values(purge=purge))
        if not rows:
            return
        last = rows[-1][0]


def _purge_of(raw: Any) -> int | None:
    """The end of the day on which the header says that the packet is to be purged; None where it says none."""
    try:
        aad = json.loads(raw)["jwe"]["aad"]
        header = json.loads(base64.urlsafe_b64decode(aad + "=" * (-len(aad) % 4)))
        day = datetime.fromisoformat(header["handling"]["retention"]["purge_on"])
    except (KeyError, TypeError, ValueError):
        return None
    return int(day.replace(tzinfo=UTC).timestamp()) + _DAY


def _words() -> sa.types.TypeEngine[str]:
    return sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
