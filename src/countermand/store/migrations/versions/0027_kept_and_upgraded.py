"""Restores from a backup are recorded, and the schema says which versions of the program it serves.

Revision ID: 0027
Revises: 0026
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Instant

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add two tables. Programs of before look for neither."""
    op.create_table(
        "restores",
        sa.Column("taken_at", Instant(), nullable=False, comment="the moment that the backup shows"),
        sa.Column("restored_at", Instant(), nullable=False),
        sa.PrimaryKeyConstraint("restored_at", name=op.f("pk_restores")),
    )
    op.create_table(
        "schema_window",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("serves_from", sa.Text(), nullable=False, comment="programs that need this revision or a later one"),
        sa.CheckConstraint("id = 1", name=op.f("ck_schema_window_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_schema_window")),
    )
    op.execute("INSERT INTO schema_window (id, serves_from) VALUES (1, '0027')")
