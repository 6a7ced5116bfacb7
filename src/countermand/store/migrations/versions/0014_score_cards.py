"""Figures of scorecards are kept, as long as nothing changes that they are counted from; unsent orders anywhere.

Revision ID: 0014
Revises: 0013
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id, Instant

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

FRESH = "state <> 'stale'"
OPEN = "state <> 'counted'"


def upgrade() -> None:
    """Add the table, empty: workers fill it. And an index for the platform."""
    op.create_table(
        "score_cards",
        sa.Column("party_id", Id, nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False, comment="by whose clocks the week begins"),
        sa.Column("rules", sa.Integer(), nullable=False, comment="the version of what counts"),
        sa.Column("week", sa.Text(), nullable=False, comment="such as 2026-W47"),
        sa.Column("starts_at", Instant(), nullable=False),
        sa.Column("ends_at", Instant(), nullable=False),
        sa.Column(
            "partition",
            sa.Integer(),
            nullable=False,
            comment="which share of the parties: whose worker counts it",
        ),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "turn", sa.Integer(), nullable=False, comment="one more whenever a worker sets out to count it"
        ),
        sa.Column("figures", Document, nullable=False, comment="they hold while the state is counted"),
        sa.CheckConstraint("state IN ('stale', 'armed', 'counted')", name=op.f("ck_score_cards_state")),
        sa.PrimaryKeyConstraint("party_id", "role", "zone", "rules", "week", name=op.f("pk_score_cards")),
    )
    for name, columns, where in (
        ("ix_score_cards_fresh", ["party_id", "starts_at"], FRESH),
        ("ix_score_cards_open", ["partition", "state", "starts_at"], OPEN),
    ):
        op.create_index(
            name, "score_cards", columns, postgresql_where=sa.text(where), sqlite_where=sa.text(where)
        )
    unsent = sa.text("NOT sent_to_fulfiller")
    op.create_index(
        "ix_orders_unsent_anywhere",
        "orders",
        ["placed_at", "id"],
        postgresql_where=unsent,
        sqlite_where=unsent,
    )
    if op.get_bind().dialect.name == "postgresql":
        op.execute("ALTER TABLE score_cards ENABLE ROW LEVEL SECURITY")
        op.execute(
            "CREATE POLICY countermand_sees ON score_cards"
            " USING (current_setting('countermand.sees', true) IN ('all', party_id::text))"
        )
