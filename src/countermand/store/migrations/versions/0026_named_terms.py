"""Versions of policies and judgements have an id, and a party sees those that hold for it.

Revision ID: 0026
Revises: 0025
"""

from secrets import randbits
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from alembic import op

from countermand.store.columns import Id, Instant

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

COMMENT = "made of the time; every row has one"
KEYS = {
    "policies": ("since", ("retailer_id", "fulfiller_id", "version")),
    "judgements": ("at", ("retailer_id", "cancellation_id", "party_id", "version")),
}
"""Of each table its time and its key."""

SEES = "current_setting('countermand.sees', true)"
FOR_EVERY_SUPPLIER = (
    "fulfiller_id = '00000000-0000-0000-0000-000000000000' AND EXISTS"
    " (SELECT 1 FROM connections c WHERE c.retailer_id = policies.retailer_id"
    f" AND c.supplier_id::text = {SEES})"
)
SEEN = {
    "policies": f"{SEES} IN ('all', retailer_id::text, fulfiller_id::text) OR ({FOR_EVERY_SUPPLIER})",
    "judgements": f"{SEES} IN ('all', retailer_id::text, party_id::text)",
}


def upgrade() -> None:
    """Add the column, fill it, and index what is listed."""
    for table, (time, keys) in KEYS.items():
        op.add_column(table, sa.Column("id", Id, comment=COMMENT))
        _fill(table, time, keys)
        op.create_index(op.f(f"ix_{table}_id"), table, ["id"], unique=True)
    op.create_index(op.f("ix_policies_fulfiller_id_id"), "policies", ["fulfiller_id", "id"])
    op.create_index(op.f("ix_judgements_party_id_id"), "judgements", ["party_id", "id"])
    op.create_index(op.f("ix_judgements_cancellation_id"), "judgements", ["cancellation_id"])
    if op.get_bind().dialect.name == "postgresql":
        for table, seen in SEEN.items():
            op.execute(f"ALTER POLICY countermand_sees ON {table} USING ({seen})")


def _fill(name: str, time: str, keys: tuple[str, ...]) -> None:
    ids = [sa.column(key, sa.Integer() if key == "version" else Id) for key in keys]
    table: Any = sa.table(name, *ids, sa.column(time, Instant()), sa.column("id", Id))
    connection = op.get_bind()
    # In the order in which they were made: versions of one moment follow one another.
    rows = connection.execute(sa.select(table).order_by(table.c[time], table.c.version)).all()
    if not rows:
        return
    same = [table.c[key] == sa.bindparam(f"of_{key}") for key in keys]
    given = [
        {"made": _made_at(row._mapping[time].timestamp(), place), **{f"of_{key}": row._mapping[key] for key in keys}}
        for place, row in enumerate(rows)
    ]
    connection.execute(sa.update(table).where(*same).values(id=sa.bindparam("made")), given)


def _made_at(moment: float, place: int) -> UUID:
    """An id of version 7 that sorts by the moment, and among those of one millisecond by its place."""
    first = place & 0xFFF
    return UUID(int=int(moment * 1000) << 80 | 0x7 << 76 | first << 64 | 0b10 << 62 | randbits(62))
