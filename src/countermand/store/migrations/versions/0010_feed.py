"""Events get the position at which they stand in the feed; those that are there keep their order.

Revision ID: 0010
Revises: 0009
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_POSITIONS = "SELECT retailer_id, line_id, seq, row_number() OVER (ORDER BY id) AS place FROM events"
_PLACED = sa.table(
    "events",
    sa.column("retailer_id", Id),
    sa.column("line_id", Id),
    sa.column("seq", sa.Integer()),
    sa.column("position", sa.BigInteger()),
)


def upgrade() -> None:
    """Add the column, fill it, index it, and begin to count."""
    op.add_column(
        "events",
        sa.Column(
            "position", sa.BigInteger(), server_default="0", nullable=False, comment="in the feed: see store/feed.py"
        ),
    )
    # Nothing that an event tells is changed: this only says where it stands.
    places = sa.text(_POSITIONS).columns(
        retailer_id=Id, line_id=Id, seq=sa.Integer(), place=sa.BigInteger()
    ).subquery("places")
    connection = op.get_bind()
    connection.execute(
        sa.update(_PLACED)
        .values(position=places.c.place)
        .where(
            _PLACED.c.retailer_id == places.c.retailer_id,
            _PLACED.c.line_id == places.c.line_id,
            _PLACED.c.seq == places.c.seq,
        )
    )
    op.create_index(op.f("ix_events_retailer_id_position_id"), "events", ["retailer_id", "position", "id"])
    op.create_table(
        "feed",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("position", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("id = 1", name=op.f("ck_feed_one_row")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed")),
    )
    first = "- CAST(CAST(pg_current_xact_id() AS TEXT) AS BIGINT)" if connection.dialect.name == "postgresql" else ""
    op.execute(f"INSERT INTO feed (id, position) SELECT 1, count(*) + 1 {first} FROM events")  # noqa: S608 - no input
