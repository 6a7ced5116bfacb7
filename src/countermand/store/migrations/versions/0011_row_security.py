"""Row-level security on PostgreSQL, for a service whose role does not own the tables.

Revision ID: 0011
Revises: 0010
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

SEES = "current_setting('countermand.sees', true)"

COLUMNS = {
    "audit": ("party_id",),
    "cancellations": ("retailer_id", "fulfiller_id"),
    "connections": ("retailer_id", "supplier_id"),
    "credentials": ("party_id",),
    "endpoints": ("party_id",),
    "idempotency_records": ("retailer_id",),
    "journal": ("retailer_id",),
    "judgements": ("retailer_id",),
    "lines": ("retailer_id", "fulfiller_id"),
    "order_money": ("retailer_id",),
    "order_parts": ("retailer_id", "fulfiller_id"),
    "payment_directory": ("retailer_id",),
    "policies": ("retailer_id", "fulfiller_id"),
    "process_statuses": ("retailer_id",),
    "refunds": ("retailer_id",),
    "shipments": ("retailer_id", "fulfiller_id"),
    "users": ("party_id",),
}
"""Whose a row is, by a column of its own."""

PARENTS = {
    "events": "lines p WHERE p.retailer_id = events.retailer_id AND p.id = events.line_id",
    "notices": "endpoints p WHERE p.id = notices.endpoint_id",
    "orders": "order_parts p WHERE p.retailer_id = orders.retailer_id AND p.order_id = orders.id",
    "owner_mails": "endpoints p WHERE p.id = owner_mails.endpoint_id",
    "shipment_lines": "lines p WHERE p.retailer_id = shipment_lines.retailer_id AND p.id = shipment_lines.line_id",
}
"""Whose a row is, by another row: that is seen, so this one is. What the retailer sees of its own needs no look there."""


def upgrade() -> None:
    """Turn it on. It binds every role but the owner of the tables."""
    if op.get_bind().dialect.name != "postgresql":
        return
    for table, columns in COLUMNS.items():
        _protect(table, f"{SEES} IN ('all', {', '.join(f'{column}::text' for column in columns)})")
    for table, parent in PARENTS.items():
        own = "'all'" if parent.startswith("endpoints") else "'all', retailer_id::text"
        _protect(table, f"{SEES} IN ({own}) OR EXISTS (SELECT 1 FROM {parent})")


def _protect(table: str, condition: str) -> None:
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY countermand_sees ON {table} USING ({condition})")
