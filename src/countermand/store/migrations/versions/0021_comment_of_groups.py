"""The comment on ``cancellations.group_id`` says "accepted", as everything else does.

Revision ID: 0021
Revises: 0020
"""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """PostgreSQL keeps comments, SQLite has none."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute("COMMENT ON COLUMN cancellations.group_id IS 'asks that are accepted together or not at all'")
