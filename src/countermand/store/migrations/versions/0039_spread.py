"""Unique indexes that are not led by the retailer become plain ones, so that tables can be spread over servers.

The ids of policies and judgements are made of the time and a number that nobody else has: nothing relied on the
indexes to keep them apart.

Revision ID: 0039
Revises: 0038
"""

from alembic import op

revision = "0039"
down_revision = "0038"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make each index anew."""
    for table in ("policies", "judgements"):
        name = op.f(f"ix_{table}_id")
        op.drop_index(name, table_name=table)
        op.create_index(name, table, ["id"])
