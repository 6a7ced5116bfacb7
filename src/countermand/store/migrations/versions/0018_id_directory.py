"""The directory from the id of an order or a line to its retailer is called what it is.

Revision ID: 0018
Revises: 0017
"""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Rename the table, and its primary key where keys have names of their own."""
    op.rename_table("whereabouts", "id_directory")
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER INDEX pk_whereabouts RENAME TO pk_id_directory")
