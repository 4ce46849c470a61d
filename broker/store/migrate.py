"""Bringing a store to this program's schema, with Alembic."""

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from broker.errors import IntegrityError
from schemas.problem import Code


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of `connection`.

    Raises:
        IntegrityError: CONFIG_INVALID; the schema is newer than this program.
    """
    config = Config()
    config.set_main_option("script_location", "broker.store:migrations")
    config.attributes["connection"] = connection
    scripts = ScriptDirectory.from_config(config)
    newest = scripts.get_current_head()
    found = MigrationContext.configure(connection).get_current_revision()
    if found == newest:
        return
    if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
        raise IntegrityError(
            Code.CONFIG_INVALID,
            f"Expected a store of schema {newest} or older, found a newer one.",
            advice="This store was written by a newer release: run that release, or restore a backup made before it.",
        )
    command.upgrade(config, "head")
