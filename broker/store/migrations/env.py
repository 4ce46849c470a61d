"""Runs the migrations on the connection that `broker.store.migrate` hands over."""

from alembic import context

from broker.store.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()
