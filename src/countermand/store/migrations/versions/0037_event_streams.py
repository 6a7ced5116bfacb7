"""How far the journal was published to streams of a broker.

Revision ID: 0037
Revises: 0036
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id, Instant

revision = "0037"
down_revision = "0036"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the table, empty: the worker fills it."""
    op.create_table(
        "event_streams",
        sa.Column("stream", sa.Text(), nullable=False, comment="its name at the broker"),
        sa.Column(
            "made_at", Instant, nullable=False, comment="when the broker made it: one that was lost had another time"
        ),
        sa.Column(
            "sequence", sa.BigInteger(), nullable=False, comment="the broker's number of the last message of ours"
        ),
        sa.Column(
            "position",
            sa.BigInteger(),
            nullable=False,
            comment="with event_id: the place in the feed up to which it is",
        ),
        sa.Column("event_id", Id, nullable=False),
        sa.Column("moved_at", Instant, nullable=False, comment="for people; nothing is decided by it"),
        sa.PrimaryKeyConstraint("stream", name=op.f("pk_event_streams")),
    )
