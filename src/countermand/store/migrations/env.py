"""Alembic's entry: runs on the connection of the caller, who owns the transaction."""

from alembic import context

from countermand.store.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    transaction_per_migration=False,
)
context.run_migrations()
