"""What waits, in numbers, for the metrics: each read from an index, and counted to a bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Connection, Table, bindparam, func, literal_column, select

from countermand.store import outbox
from countermand.store import tables as t
from countermand.store.columns import IdList, one_of
from countermand.store.engines.protocol import Pair

COUNTED_MAX: Final = 10_000
"""So many are counted at most: beyond that, one more says nothing."""

PAIRS_MAX: Final = 500
"""Of so many partitions and endpoints the oldest notice is looked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """How much waits, and since when what should not wait has been due; ``None`` where nothing is."""

    oldest_notice: datetime | None
    oldest_deadline: datetime | None
    stopped_endpoints: int
    refunds_in_doubt: int
    refunds_parked: int
    escalated: int
    jobs_open: int


def backlog(connection: Connection, now: datetime) -> Backlog:
    """All of it, at a moment."""
    return Backlog(
        oldest_notice=_oldest_notice(connection, now),
        oldest_deadline=_oldest_deadline(connection, now),
        stopped_endpoints=_count(connection, t.endpoints, literal_column(t.STOPPED)),
        refunds_in_doubt=_count(connection, t.refunds, t.refunds.c.state == "unknown"),
        refunds_parked=_count(connection, t.refunds, t.refunds.c.state == "parked"),
        escalated=_count(connection, t.cancellations, literal_column(t.ESCALATED)),
        jobs_open=_count(connection, t.jobs, literal_column(t.OPEN_JOB)),
    )


def _count(connection: Connection, table: Table, where: ColumnElement[bool]) -> int:
    some = select(literal_column("1")).select_from(table).where(where).limit(COUNTED_MAX).subquery()
    return int(connection.execute(select(func.count()).select_from(some)).scalar_one())


def _oldest_notice(connection: Connection, now: datetime) -> datetime | None:
    """Of endpoints that answer: what waits for one that fails says nothing about this service."""
    pairs = outbox.waiting(connection, now, range(t.PARTITIONS))[:PAIRS_MAX]
    answering = _answering(connection, pairs)
    due = outbox.due(connection, now, [pair for pair in pairs if pair[1] in answering], 1)
    return min((notice.due_at for notice in due), default=None)


def _answering(connection: Connection, pairs: Sequence[Pair]) -> frozenset[object]:
    endpoints = t.endpoints.c
    query = select(endpoints.id).where(
        one_of(endpoints.id, bindparam("ids", type_=IdList())),
        endpoints.state == "active",
        endpoints.failing_since.is_(None),
    )
    return frozenset(connection.execute(query, {"ids": sorted({endpoint for _, endpoint in pairs})}).scalars())


def _oldest_deadline(connection: Connection, now: datetime) -> datetime | None:
    due_at = t.cancellations.c.due_at
    query = select(due_at).where(literal_column(t.WAITS), t.cancellations.c.agreed.is_(False), due_at <= now)
    return connection.execute(query.order_by(due_at, t.cancellations.c.id).limit(1)).scalar()
