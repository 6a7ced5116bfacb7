"""Refunds that share one call to their provider know the call.

Revision ID: 0015
Revises: 0014
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the columns: so far, no refund has shared a call."""
    for column in (
        sa.Column("joined_lead", Id, comment="the refund whose key the call has that it shares, or shared before"),
        sa.Column("joined_number", sa.Integer(), comment="the round of that one: the n of the key"),
        sa.Column("joined_round", sa.Integer(), comment="in which round of its own: now, if that is its present one"),
        sa.Column("joined_share_minor", sa.BigInteger(), comment="so much of that call is for this"),
        sa.Column("joined_total_minor", sa.BigInteger(), comment="what that call is of"),
    ):
        op.add_column("refunds", column)
    joined = sa.text("joined_lead IS NOT NULL")
    op.create_index("ix_refunds_joined", "refunds", ["joined_lead"], postgresql_where=joined, sqlite_where=joined)
