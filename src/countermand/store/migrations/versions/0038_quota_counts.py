"""Several processes count quotas together.

Revision ID: 0038
Revises: 0037
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Instant

revision = "0038"
down_revision = "0037"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a table, which PostgreSQL does not log: after a crash all quotas are full."""
    on_postgres = op.get_bind().dialect.name == "postgresql"
    op.create_table(
        "quota_counts",
        sa.Column("key", sa.Text(), nullable=False, comment="a digest of whose quota it is, and of what"),
        sa.Column("calls_left", sa.Float(), nullable=False, comment="at that moment; below 0 it was exceeded"),
        sa.Column("at", Instant, nullable=False),
        sa.Column("full_at", Instant, nullable=False, comment="from then on the row says nothing"),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_quota_counts")),
        prefixes=["UNLOGGED"] if on_postgres else [],
    )
    op.create_index(op.f("ix_quota_counts_full_at"), "quota_counts", ["full_at"])
