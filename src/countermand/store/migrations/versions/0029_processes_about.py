"""Process statuses are found by what they are about.

Revision ID: 0029
Revises: 0028
"""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

COLUMNS = ["retailer_id", "entity_id", "event_type", "created_at", "number"]


def upgrade() -> None:
    """Add the index."""
    op.create_index("ix_process_statuses_about", "process_statuses", COLUMNS)
