"""What the worker of refunds asks the database: what is due in its partitions, and what was counted before."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Connection, and_, bindparam, func, or_, select, union

from countermand.domain.money.refunds import Refund
from countermand.store import tables as t
from countermand.store.columns import NumberList, Record, one_of

HINTED_MAX: Final = 100
"""One hint makes us ask about so many refunds at most."""


Mark = tuple[datetime, UUID]
"""How far a pass has come: when the last refund was due, and its id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class At:
    """Refunds of one provider; without one, those of any that is not among the ``others``."""

    provider: str | None
    others: tuple[str, ...] = ()


def due_refunds(
    connection: Connection, now: datetime, limit: int, partitions: Collection[int], at: At, after: Mark | None = None
) -> Sequence[Record]:
    """Refunds of these partitions that something is to be done about by now, the longest due first."""
    return _by_then(connection, t.refunds.c.due_at, now, limit, partitions, at, after)


def refunds_to_check(
    connection: Connection, now: datetime, limit: int, partitions: Collection[int], at: At, after: Mark | None = None
) -> Sequence[Record]:
    """Refunds of these partitions, done or parked, that are to be asked about again: the longest due first."""
    return _by_then(connection, t.refunds.c.check_at, now, limit, partitions, at, after)


def _by_then(
    connection: Connection,
    time: Column[Any],
    now: datetime,
    limit: int,
    partitions: Collection[int],
    at: At,
    after: Mark | None,
) -> Sequence[Record]:
    """The rows, with the ``time`` that they are sorted by as ``at``."""
    owned = bindparam("partitions", sorted(partitions), type_=NumberList())
    query = select(t.refunds, time.label("at")).where(one_of(t.refunds.c.partition, owned), time <= now)
    provider = t.refunds.c.provider
    query = query.where(provider == at.provider if at.provider else provider.not_in(sorted(at.others)))
    if after:
        query = query.where(time >= after[0], or_(time > after[0], t.refunds.c.id > after[1]))
    return connection.execute(query.order_by(time, t.refunds.c.id).limit(limit)).all()


def refunds_beside(connection: Connection, retailer: UUID, refund: Refund) -> Sequence[Record]:
    """The refunds of the same payment that may share a call with this one, or do so: itself too, the oldest first."""
    refunds = t.refunds.c
    lead = refund.joined.lead if refund.joined else refund.id
    query = select(t.refunds).where(
        refunds.retailer_id == retailer,
        refunds.provider == refund.provider,
        refunds.payment_reference == refund.payment_reference,
        or_(refunds.state == "due", refunds.id == refund.id, refunds.joined_lead == lead),
    )
    return connection.execute(query.order_by(refunds.created_at, refunds.id)).all()


def counted_elsewhere(connection: Connection, retailer: UUID, provider: str, payment: str) -> int:
    """How much of what others refunded of this payment was counted already, for whichever refund of ours."""
    refunds = t.refunds.c
    query = select(func.coalesce(func.sum(refunds.elsewhere_minor), 0)).where(
        refunds.retailer_id == retailer, refunds.provider == provider, refunds.payment_reference == payment
    )
    return int(connection.execute(query).scalar_one())


def released_before(connection: Connection, retailer: UUID, refund: Refund) -> int:
    """How much of the same payment was to be released before this, unless a person closed it."""
    refunds = t.refunds.c
    query = select(func.coalesce(func.sum(refunds.amount_minor), 0)).where(
        refunds.retailer_id == retailer,
        refunds.provider == refund.provider,
        refunds.payment_reference == refund.payment_reference,
        refunds.kind == "release",
        refunds.state != "closed",
        or_(
            refunds.created_at < refund.created_at,
            and_(refunds.created_at == refund.created_at, refunds.id < refund.id),
        ),
    )
    return int(connection.execute(query).scalar_one())


def whose(connection: Connection, provider: str, names: Collection[str]) -> UUID | None:
    """Which retailer a payment belongs to that its provider calls by these names: the first that named it so."""
    directory = t.payment_directory.c
    query = select(directory.retailer_id).where(directory.provider == provider, directory.reference.in_(sorted(names)))
    return connection.execute(query.order_by(directory.since, directory.reference).limit(1)).scalar()


def refunds_hinted_at(connection: Connection, provider: str, refund: UUID | None, payment: str) -> Sequence[Record]:
    """Refunds that news from a provider may be about.

    They are the one with this id and those that shared its call, or else those of this payment.
    """
    refunds = t.refunds.c
    of_it = (refunds.id == refund, refunds.joined_lead == refund) if refund else (refunds.payment_reference == payment,)
    # Each by an index of its own, which an OR would leave to the planner.
    found = union(*(select(t.refunds).where(each, refunds.provider == provider) for each in of_it))
    return connection.execute(found.order_by("created_at", "id").limit(HINTED_MAX)).all()
