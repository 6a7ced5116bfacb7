"""Endpoints can be subscriptions of bol's Retailer API, whose messages are signed with keys of the installation.

A program of before would send to a subscription what it is not to get, so none may work beside this schema.

Revision ID: 0035
Revises: 0034
"""

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id, Instant

revision = "0035"
down_revision = "0034"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add a column and a table."""
    op.add_column(
        "endpoints",
        sa.Column(
            "subscription",
            Document,
            comment="of bol's Retailer API: what it reports, and its retailer's number",
        ),
    )
    op.create_table(
        "signature_keys",
        sa.Column("id", Id, nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False, comment="DER, as SubjectPublicKeyInfo"),
        sa.Column("private", sa.LargeBinary(), comment="encrypted; null once it was replaced"),
        sa.Column("created_at", Instant, nullable=False),
        sa.Column("replaced_at", Instant, comment="when another one took its place"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_signature_keys")),
    )
    if op.get_bind().dialect.name == "postgresql":
        _comment("notices.line_id", "all zeros where the notice is about a process status")
        _comment("notices.seq", "with line_id: which event; or the number of the process status")
        # The audit trail has more than parties, users and credentials since the change of before.
        _comment("audit.party_id", "whose is what was changed")
        _comment("audit.object_id", "what was changed: a party, a user, an endpoint, ...")
        op.execute("ALTER TABLE signature_keys ENABLE ROW LEVEL SECURITY")
        sees = "current_setting('countermand.sees', true)"
        op.execute(f"CREATE POLICY countermand_sees ON signature_keys USING ({sees} = 'all')")


def _comment(column: str, words: str) -> None:
    op.execute(f"COMMENT ON COLUMN {column} IS '{words}'")
