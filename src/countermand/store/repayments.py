"""What the worker of refunds asks the database: what is due in its partitions, and what was counted before."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, func, select

from countermand.store import tables as t
from countermand.store.columns import NumberList, Record, one_of


def due_refunds(connection: Connection, now: datetime, limit: int, partitions: Collection[int]) -> Sequence[Record]:
    """Refunds of these partitions that something is to be done about by now, the longest due first."""
    refunds = t.refunds.c
    owned = bindparam("partitions", sorted(partitions), type_=NumberList())
    query = select(t.refunds).where(one_of(refunds.partition, owned), refunds.due_at <= now)
    return connection.execute(query.order_by(refunds.due_at, refunds.id).limit(limit)).all()


def counted_elsewhere(connection: Connection, retailer: UUID, provider: str, payment: str) -> int:
    """How much of what others refunded of this payment was counted already, for whichever refund of ours."""
    refunds = t.refunds.c
    query = select(func.coalesce(func.sum(refunds.elsewhere_minor), 0)).where(
        refunds.retailer_id == retailer, refunds.provider == provider, refunds.payment_reference == payment
    )
    return int(connection.execute(query).scalar_one())


def refund_of_reference(connection: Connection, refund: UUID) -> Record | None:
    """The refund with this id, wherever it is."""
    return connection.execute(select(t.refunds).where(t.refunds.c.id == refund)).first()


def refunds_of_payment(connection: Connection, provider: str, payment: str) -> Sequence[Record]:
    """Refunds that this provider may know of, since they are of this payment."""
    refunds = t.refunds.c
    mine = (refunds.provider == provider, refunds.payment_reference == payment)
    return connection.execute(select(t.refunds).where(*mine).order_by(refunds.created_at, refunds.id)).all()
