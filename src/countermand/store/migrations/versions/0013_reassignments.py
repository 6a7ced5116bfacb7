"""Lines can be given to another fulfiller.

Revision ID: 0013
Revises: 0012
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id, Instant

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

SEES = "current_setting('countermand.sees', true)"


def upgrade() -> None:
    """Add where they went, and since when an ask is judged by the terms of another fulfiller."""
    op.create_table(
        "reassignments",
        sa.Column("retailer_id", Id, nullable=False),
        sa.Column("line_id", Id, nullable=False),
        sa.Column("seq", sa.Integer(), nullable=False, comment="which event of the line it is"),
        sa.Column("at", Instant(), nullable=False),
        sa.Column("former_id", Id, nullable=False, comment="who held the goods until then"),
        sa.Column("fulfiller_id", Id, nullable=False, comment="who holds them from then on"),
        sa.ForeignKeyConstraint(
            ["retailer_id", "line_id"],
            ["lines.retailer_id", "lines.id"],
            name=op.f("fk_reassignments_retailer_id_line_id"),
        ),
        sa.PrimaryKeyConstraint("retailer_id", "line_id", "seq", name=op.f("pk_reassignments")),
    )
    op.create_index(op.f("ix_reassignments_retailer_id_former_id"), "reassignments", ["retailer_id", "former_id"])
    comment = "since when the terms of another fulfiller hold for it"
    op.add_column("cancellations", sa.Column("moved_at", Instant(), comment=comment))
    if op.get_bind().dialect.name == "postgresql":
        _protect()


def _protect() -> None:
    """A former fulfiller sees the line it held, as the doors show it of that."""
    seen = f"{SEES} IN ('all', retailer_id::text, former_id::text, fulfiller_id::text)"
    op.execute("ALTER TABLE reassignments ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY countermand_sees ON reassignments USING ({seen})")
    held = (
        "EXISTS (SELECT 1 FROM reassignments p WHERE p.retailer_id = {0}.retailer_id AND p.line_id = {0}.{1}"
        f" AND p.former_id::text = {SEES})"
    )
    for table, line in (("lines", "id"), ("cancellations", "line_id")):
        op.execute(f"CREATE POLICY countermand_departed ON {table} FOR SELECT USING ({held.format(table, line)})")
