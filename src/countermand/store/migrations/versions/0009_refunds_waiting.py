"""What a refund waits for that only time brings, as funds.

Revision ID: 0009
Revises: 0008
"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column; those that wait say it at their next attempt."""
    op.add_column(
        "refunds",
        sa.Column("waiting_for", sa.Text(), comment="what it waits for that only time brings: funds, for one"),
    )
