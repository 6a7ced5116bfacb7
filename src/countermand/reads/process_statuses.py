"""How asynchronous calls are doing."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, bindparam, select

from countermand.domain.subscriptions import PROCESS_FINISHED
from countermand.store import tables as t
from countermand.store.columns import NumberList, PairList, one_of, pair_of
from countermand.store.views import view, view_or_none


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessView:
    """An asynchronous call and how it is doing."""

    retailer_id: UUID
    number: int
    event_type: str
    entity_id: str
    status: str
    error_message: str | None
    cancellation_id: UUID | None
    claimed_at: str | None
    created_at: datetime
    settled_at: datetime | None

    @property
    def kind(self) -> str:
        """The kind of the notices about it."""
        return PROCESS_FINISHED


def process_status(connection: Connection, retailer: UUID, number: int) -> ProcessView | None:
    """How an asynchronous call of this retailer is doing."""
    processes = t.process_statuses.c
    query = select(t.process_statuses).where(processes.retailer_id == retailer, processes.number == number)
    return view_or_none(ProcessView, connection.execute(query).first())


def process_statuses(connection: Connection, retailer: UUID, numbers: Sequence[int]) -> list[ProcessView]:
    """Those of these calls that there are, by number."""
    processes = t.process_statuses.c
    wanted = one_of(processes.number, bindparam("numbers", list(numbers), type_=NumberList()))
    query = select(t.process_statuses).where(processes.retailer_id == retailer, wanted)
    found = [view(ProcessView, row) for row in connection.execute(query)]
    return sorted(found, key=lambda each: each.number)


def processes_about(
    connection: Connection, retailer: UUID, event_type: str, entity: str, *, start: int, count: int
) -> list[ProcessView]:
    """The calls of this type about an order item, a parcel or a subscription, newest first."""
    processes = t.process_statuses.c
    mine = (processes.retailer_id == retailer, processes.entity_id == entity, processes.event_type == event_type)
    query = select(t.process_statuses).where(*mine).order_by(processes.created_at.desc(), processes.number.desc())
    return [view(ProcessView, row) for row in connection.execute(query.offset(start).limit(count))]


def processes_for_sending(connection: Connection, keys: Collection[tuple[UUID, int]]) -> list[ProcessView]:
    """These process statuses, by retailer and number; those that are gone are left out."""
    pairs: list[tuple[UUID, UUID | int]] = [*sorted(keys)]
    processes = t.process_statuses.c
    mine = pair_of(processes.retailer_id, processes.number, bindparam("processes", pairs, type_=PairList()))
    return [view(ProcessView, row) for row in connection.execute(select(t.process_statuses).where(mine))]
