"""Mailboxes are confirmed before they are written to. Those that are there count as confirmed, and keep what they get.

Revision ID: 0017
Revises: 0016
"""

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Document, Id, Instant

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

KINDS: Final = [
    "line.placed",
    "line.allocated",
    "line.shipped",
    "line.shipped_though_cancelled",
    "line.transport_changed",
    "line.reassigned",
    "cancellation.asked",
    "cancellation.passed_on",
    "cancellation.agreed",
    "cancellation.proof_asked",
    "cancellation.accepted",
    "cancellation.declined",
    "cancellation.withdrawn",
    "cancellation.lapsed",
    "cancellation.escalated",
    "cancellation.late_answer",
    "cancellation.case_opened",
    "cancellation.noted",
    "payment.added",
    "payment.captured",
    "refund.due",
    "refund.sent",
    "refund.done",
    "refund.failed",
    "refund.closed",
    "refund.corrected",
]
"""The kinds that a mailbox without kinds of its own was sent until now. From now on it is sent what asks for an answer."""

ENDPOINTS: Final = sa.table(
    "endpoints", sa.column("id", Id), sa.column("url", sa.Text()), sa.column("event_kinds", Document)
)


COMMENTS: Final = {
    "endpoints.event_kinds": "empty: every kind; a mailbox: what asks for its answer",
    "owner_mails.endpoint_id": "the one it is about",
    "owner_mails.created_at": "when that was stopped, or was to be confirmed",
    "owner_mails.why": "it was stopped; empty where it is to be confirmed",
}


def upgrade() -> None:
    """Add the columns and their indexes; name what mailboxes have got unnamed."""
    op.add_column(
        "endpoints",
        sa.Column(
            "unconfirmed_since", Instant(), comment="of a mailbox that nobody has confirmed yet: when it was added"
        ),
    )
    op.add_column(
        "owner_mails",
        sa.Column(
            "recipient", sa.Text(), comment="of a confirmation: the mailbox, in one spelling for all of its own"
        ),
    )
    _index("ix_endpoints_unconfirmed", "endpoints", ["id"], "unconfirmed_since IS NOT NULL")
    _index("ix_owner_mails_confirmations", "owner_mails", ["recipient", "created_at"], "recipient IS NOT NULL")
    connection = op.get_bind()
    if connection.dialect.name == "postgresql":
        for column, comment in COMMENTS.items():
            op.execute(f"COMMENT ON COLUMN {column} IS '{comment}'")
    mailboxes = sa.select(ENDPOINTS).where(sa.func.lower(ENDPOINTS.c.url).like("mailto:%"))
    for row in connection.execute(mailboxes).all():
        if not row.event_kinds:
            named = sa.update(ENDPOINTS).where(ENDPOINTS.c.id == row.id).values(event_kinds=KINDS)
            connection.execute(named)


def _index(name: str, table: str, columns: list[str], where: str) -> None:
    condition: Any = sa.text(where)
    op.create_index(name, table, columns, postgresql_where=condition, sqlite_where=condition)
