"""What retailers agreed with whoever holds their goods."""

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import (
    Connection,
    func,
    select,
)

from countermand.store import tables as t
from countermand.store.columns import Record


def policy_history(connection: Connection, retailer: UUID, fulfiller: UUID) -> Sequence[Record]:
    """Every version of what this retailer agreed with this fulfiller, newest first."""
    query = select(t.policies).where(t.policies.c.retailer_id == retailer, t.policies.c.fulfiller_id == fulfiller)
    return connection.execute(query.order_by(t.policies.c.version.desc())).all()


def last_policy_version(connection: Connection, retailer: UUID) -> int:
    """The number of the retailer's latest version, whoever it is with; 0 before the first."""
    query = select(func.max(t.policies.c.version)).where(t.policies.c.retailer_id == retailer)
    return connection.execute(query).scalar_one() or 0
