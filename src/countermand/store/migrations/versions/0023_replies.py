"""A repeat of a call gets the reply of the first, and a key that is used for another call is told what differs.

Revision ID: 0023
Revises: 0022
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None

TABLE = "idempotency_records"
PARTS = "digests of what the call said, by place; null where only the whole is known"
REPLY = "what the caller got, compressed; null where it is made anew"


def upgrade() -> None:
    """Add what is kept of calls from now on."""
    op.add_column(TABLE, sa.Column("parts", Document, comment=PARTS))
    op.add_column(TABLE, sa.Column("reply", sa.LargeBinary(), comment=REPLY))
    op.add_column(TABLE, sa.Column("order_id", Id, comment="the order that the reply shows"))
    given = sa.text("order_id IS NOT NULL")
    op.create_index(
        op.f("ix_idempotency_records_order_id"), TABLE, ["order_id"], sqlite_where=given, postgresql_where=given
    )
