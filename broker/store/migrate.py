"""Bringing a store to this program's schema, with Alembic."""

from typing import NamedTuple

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from broker.errors import IntegrityError
from schemas.problem import Code


class Upgraded(NamedTuple):
    """Schema revisions; `before` is None where there was no schema."""

    before: str | None
    after: str


def upgrade(connection: Connection) -> Upgraded:
    """Run the migrations that are missing, in the transaction of `connection`.

    Raises:
        IntegrityError: CONFIG_INVALID; the schema is newer than this program.
    """
    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    config.attributes["connection"] = connection
    found, newest = _state(connection)
    if found != newest:
        command.upgrade(config, "head")
    return Upgraded(found, newest)


def check(connection: Connection) -> None:
    """Raises IntegrityError, CONFIG_INVALID, where the schema is not this program's."""
    found, newest = _state(connection)
    if found != newest:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a store of schema {newest}, found {'an older one' if found else 'an empty database'}.",
            advice="Run `setu store upgrade --config SETU.TOML` once, with every gateway on this release.",
        )


def revisions() -> list[str]:
    """The schema revisions this program knows, newest first."""
    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    return [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]


def _state(connection: Connection) -> tuple[str | None, str]:
    """(found, newest); a schema that this program does not know was made by a later one."""
    known = revisions()
    found = MigrationContext.configure(connection).get_current_revision()
    if found is not None and found not in known:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a store of schema {known[0]} or older, found a newer one.",
            advice="This store was written by a newer release: run that release, or restore a backup made before it.",
        )
    return found, known[0]
