"""Notices of one endpoint that are sent again, in small steps along the keys of one retailer after the other."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, bindparam, select, update

from countermand.domain.delivery import NoticeState
from countermand.ids import earliest
from countermand.store import tables as t
from countermand.store.changes import change_any
from countermand.store.columns import IdList, one_of

PAGE: Final = 500

_SKEW: Final = timedelta(hours=1)
"""An id may be a little older than what it names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovery:
    """Which notices: of this endpoint, in one of these states, made from ``since`` on and before ``until``."""

    endpoint: UUID
    states: Collection[str]
    since: datetime
    until: datetime


STATES: Final = {
    "dead": (NoticeState.DEAD.value,),
    "all": (NoticeState.DEAD.value, NoticeState.SENT.value),
}
"""Which notices are sent again, by the word of the call."""


def recovery_terms(endpoint: UUID, *, since: datetime, until: datetime, which: str) -> dict[str, Any]:
    """What a job keeps of what it was asked."""
    return {"endpoint": endpoint.hex, "since": since.isoformat(), "until": until.isoformat(), "which": which}


def recovery_of(terms: Mapping[str, Any]) -> Recovery:
    """What these terms ask for."""
    return Recovery(
        endpoint=UUID(terms["endpoint"]),
        states=STATES[terms["which"]],
        since=datetime.fromisoformat(terms["since"]),
        until=datetime.fromisoformat(terms["until"]),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What one step did: how many are due again, and after which notice the next one begins; ``None`` at the end."""

    count: int
    after: UUID | None


def recover_some(
    connection: Connection, wanted: Recovery, *, retailer: UUID, after: UUID | None, now: datetime
) -> Recovered:
    """Look at the next 500 notices of a retailer, and make those due that are wanted."""
    notices = t.notices.c
    query = (
        select(notices.id, notices.endpoint_id, notices.state, notices.created_at)
        .where(
            notices.retailer_id == retailer,
            notices.id > (after or earliest(wanted.since - _SKEW)),
            notices.id < earliest(wanted.until + _SKEW),
        )
        .order_by(notices.id)
        .limit(PAGE)
    )
    rows = connection.execute(query).all()
    mine = [
        row.id
        for row in rows
        if row.endpoint_id == wanted.endpoint
        and row.state in wanted.states
        and wanted.since <= row.created_at < wanted.until
    ]
    count = _make_due(connection, wanted, retailer, mine, now) if mine else 0
    return Recovered(count=count, after=rows[-1].id if len(rows) == PAGE else None)


def _make_due(connection: Connection, wanted: Recovery, retailer: UUID, ids: list[UUID], now: datetime) -> int:
    notices = t.notices.c
    # What was sent or replayed meanwhile is left alone.
    mine = (
        notices.retailer_id == retailer,
        one_of(notices.id, bindparam("ids", ids, IdList())),
        notices.state.in_(sorted(wanted.states)),
    )
    return change_any(connection, update(t.notices).where(*mine).values(state="due", due_at=now, attempts=0))
