"""Credentials of a kind are listed, newest first, without going through the others.

Revision ID: 0020
Revises: 0019
"""

from alembic import op

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Sort both indexes by id, which is by time."""
    op.drop_index(op.f("ix_credentials_party_id_kind"), table_name="credentials")
    op.create_index(op.f("ix_credentials_party_id_kind_id"), "credentials", ["party_id", "kind", "id"])
    op.create_index(op.f("ix_credentials_kind_id"), "credentials", ["kind", "id"])
