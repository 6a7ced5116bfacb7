"""The journal can be listed as a whole.

Revision ID: 0030
Revises: 0029
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Index it by its ids, which are in the order of time."""
    op.create_index(op.f("ix_journal_id"), "journal", ["id"])
