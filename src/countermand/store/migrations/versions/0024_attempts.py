"""What was tried to send a notice, and what came of it.

Revision ID: 0024
Revises: 0023
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id, Instant

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Begin to keep it."""
    op.create_table(
        "attempts",
        sa.Column(
            "retailer_id", Id, nullable=False, comment="of its notice; of a test, the party that owns the endpoint"
        ),
        sa.Column("id", Id, nullable=False),
        sa.Column("notice_id", Id, comment="null for a test"),
        sa.Column("endpoint_id", Id, nullable=False),
        sa.Column("event_id", Id, nullable=False, comment="of a test, the id that it was sent under"),
        sa.Column("line_id", Id, comment="with seq: which event; null for a test"),
        sa.Column("seq", sa.Integer()),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False, comment="where the endpoint was then"),
        sa.Column("at", Instant, nullable=False),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("duration_ms", sa.Integer(), nullable=False),
        sa.Column("status", sa.Integer(), comment="of the answer, if there was one"),
        sa.Column("answer", sa.Text(), nullable=False, comment="its first 1 kB"),
        sa.Column("error", sa.Text(), nullable=False, comment="why there was none, in words"),
        sa.PrimaryKeyConstraint("retailer_id", "id", name=op.f("pk_attempts")),
    )
    op.create_index(op.f("ix_attempts_endpoint_id_id"), "attempts", ["endpoint_id", "id"])
    op.create_index(op.f("ix_attempts_notice_id_id"), "attempts", ["notice_id", "id"])
    if op.get_bind().dialect.name == "postgresql":
        sees = "current_setting('countermand.sees', true)"
        op.execute("ALTER TABLE attempts ENABLE ROW LEVEL SECURITY")
        of_endpoint = "EXISTS (SELECT 1 FROM endpoints p WHERE p.id = attempts.endpoint_id)"
        op.execute(f"CREATE POLICY countermand_sees ON attempts USING ({sees} IN ('all') OR {of_endpoint})")
