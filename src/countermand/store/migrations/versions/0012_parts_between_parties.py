"""What two parties share, and what is unfinished anywhere, are listed by an index as well.

Revision ID: 0012
Revises: 0011
"""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two indexes."""
    held = sa.text("fulfiller_id <> retailer_id")
    op.create_index(
        "ix_order_parts_between",
        "order_parts",
        ["retailer_id", "fulfiller_id", "placed_at", "order_id"],
        postgresql_where=held,
        sqlite_where=held,
    )
    unfinished = sa.text("unfinished")
    op.create_index(
        "ix_lines_unfinished_anywhere",
        "lines",
        ["placed_at", "order_id"],
        postgresql_where=unfinished,
        sqlite_where=unfinished,
    )
