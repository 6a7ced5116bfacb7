"""Queries of the refund worker: what is due in its partitions, and what was counted before."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Column, Connection, Integer, Select, and_, bindparam, func, or_, select, union

from countermand.domain.events import EventKind
from countermand.domain.money.refunds import Refund
from countermand.store import tables as t
from countermand.store.columns import NumberList, one_of
from countermand.store.views import RefundRow, views

HINTED_MAX: Final = 100
"""One webhook makes the worker ask about so many refunds at most."""
FAILURES_MAX: Final = 100
"""How many failed refunds of a line are looked at for a reason that was given before."""


Mark = tuple[datetime, UUID]
"""How far a pass has come: the due time and the id of its last refund."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderGroup:
    """The refunds of one provider; without a provider, those of all providers except the ``others``."""

    provider: str | None
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundAt(RefundRow):
    """A refund, and the time that has come for it: to be settled, or to be checked."""

    at: datetime


def due_refunds(
    connection: Connection,
    now: datetime,
    limit: int,
    partitions: Collection[int],
    at: ProviderGroup,
    after: Mark | None = None,
) -> Sequence[RefundAt]:
    """Refunds of these partitions that are due, the longest due first."""
    return _due_by(connection, t.refunds.c.due_at, now, limit, partitions, at, after)


def refunds_to_check(
    connection: Connection,
    now: datetime,
    limit: int,
    partitions: Collection[int],
    at: ProviderGroup,
    after: Mark | None = None,
) -> Sequence[RefundAt]:
    """Done and parked refunds of these partitions whose check is due, the longest due first."""
    return _due_by(connection, t.refunds.c.check_at, now, limit, partitions, at, after)


def _due_by(
    connection: Connection,
    time: Column[Any],
    now: datetime,
    limit: int,
    partitions: Collection[int],
    at: ProviderGroup,
    after: Mark | None,
) -> Sequence[RefundAt]:
    """The rows whose ``time`` has come, sorted by it. It is their column ``at``."""
    given: dict[str, object] = {"partitions": sorted(partitions), "now": now, "most": limit}
    if after:
        given |= {"after_at": after[0], "after_id": after[1]}
    return views(RefundAt, connection.execute(_due(time, at, after is not None), given))


@cache
def _due(time: Column[Any], at: ProviderGroup, goes_on: bool) -> Select[Any]:
    id_of, provider, moment = t.refunds.c.id, t.refunds.c.provider, time.type
    query = select(t.refunds, time.label("at")).where(
        one_of(t.refunds.c.partition, bindparam("partitions", type_=NumberList())),
        time <= bindparam("now", type_=moment),
        provider == at.provider if at.provider else provider.not_in(sorted(at.others)),
    )
    if goes_on:
        after = bindparam("after_at", type_=moment)
        query = query.where(time >= after, or_(time > after, id_of > bindparam("after_id", type_=id_of.type)))
    return query.order_by(time, id_of).limit(bindparam("most", type_=Integer()))


def refunds_sharing(connection: Connection, retailer: UUID, refund: Refund) -> Sequence[RefundRow]:
    """A refund, and those of the same payment that share its call or may do so, oldest first."""
    refunds = t.refunds.c
    lead = refund.joined.lead if refund.joined else refund.id
    query = select(t.refunds).where(
        refunds.retailer_id == retailer,
        refunds.provider == refund.provider,
        refunds.payment_reference == refund.payment_reference,
        or_(refunds.state == "due", refunds.id == refund.id, refunds.joined_lead == lead),
    )
    return views(RefundRow, connection.execute(query.order_by(refunds.created_at, refunds.id)))


def refunds_of_payment(connection: Connection, retailer: UUID, refund: Refund) -> Sequence[RefundRow]:
    """All refunds of the same payment, this one too."""
    refunds = t.refunds.c
    query = select(t.refunds).where(
        refunds.retailer_id == retailer,
        refunds.provider == refund.provider,
        refunds.payment_reference == refund.payment_reference,
    )
    return views(RefundRow, connection.execute(query))


def was_parked_for(connection: Connection, retailer: UUID, refund: Refund, why: str) -> bool:
    """Whether a refund was parked for this reason before, among the last times. ``why`` is the sentence."""
    events = t.events.c
    query = (
        select(events.facts)
        .where(
            events.retailer_id == retailer, events.line_id == refund.line, events.kind == EventKind.REFUND_FAILED.value
        )
        .order_by(events.seq.desc())
        .limit(FAILURES_MAX)
    )
    told = (facts for (facts,) in connection.execute(query) if facts["refund"]["id"] == str(refund.id))
    return any(facts.get("note") == why for facts in told)


def counted_elsewhere(connection: Connection, retailer: UUID, provider: str, payment: str) -> int:
    """How much of what was refunded by hand at the provider is already counted in our refunds of this payment."""
    refunds = t.refunds.c
    query = select(func.coalesce(func.sum(refunds.elsewhere_minor), 0)).where(
        refunds.retailer_id == retailer, refunds.provider == provider, refunds.payment_reference == payment
    )
    return int(connection.execute(query).scalar_one())


def released_before(connection: Connection, retailer: UUID, refund: Refund) -> int:
    """How much of the same payment earlier releases are for, without those that a person closed."""
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


def retailer_of_payment(connection: Connection, provider: str, names: Collection[str]) -> UUID | None:
    """The retailer of the payment that its provider calls by one of these names: the first that named it."""
    directory = t.payment_directory.c
    query = select(directory.retailer_id).where(directory.provider == provider, directory.reference.in_(sorted(names)))
    return connection.execute(query.order_by(directory.since, directory.reference).limit(1)).scalar()


def refunds_notified(connection: Connection, provider: str, refund: UUID | None, payment: str) -> Sequence[RefundRow]:
    """The refunds that a webhook may be about: the one with this id and those that shared its call.

    Without an id, they are the refunds of the payment.
    """
    refunds = t.refunds.c
    of_it = (refunds.id == refund, refunds.joined_lead == refund) if refund else (refunds.payment_reference == payment,)
    # Each part uses an index of its own. With an OR, the planner might not.
    found = union(*(select(t.refunds).where(each, refunds.provider == provider) for each in of_it))
    rows = connection.execute(found.order_by("created_at", "id").limit(HINTED_MAX))
    return views(RefundRow, rows)
