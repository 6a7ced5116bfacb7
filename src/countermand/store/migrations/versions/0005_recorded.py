"""When an event was written down, where that was later than when it took effect.

Revision ID: 0005
Revises: 0004
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Instant

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Events of before took effect when they were written down."""
    op.add_column(
        "events",
        sa.Column(
            "recorded_at", Instant(), nullable=True, comment="when it was written down, where that was later"
        ),
    )
