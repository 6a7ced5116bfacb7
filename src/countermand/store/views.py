"""What leaves the store: a frozen dataclass whose fields have the names of the columns that were asked for."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar
from uuid import UUID

from countermand.store.columns import Record

View = TypeVar("View")


def view(kind: type[View], row: Record) -> View:
    """The row as a view of this kind."""
    return kind(**row._asdict())


def views(kind: type[View], rows: Iterable[Record]) -> list[View]:
    """The rows as views of this kind."""
    return [kind(**row._asdict()) for row in rows]


def view_or_none(kind: type[View], row: Record | None) -> View | None:
    """The row as a view, if there is one."""
    return None if row is None else view(kind, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefundRow:
    """A refund with its retailer, as it is stored."""

    retailer_id: UUID
    id: UUID
    partition: int
    order_id: UUID
    line_id: UUID
    cancellation_id: UUID
    payment_id: str
    provider: str
    payment_reference: str
    method: str
    kind: str
    amount_minor: int
    elsewhere_minor: int
    currency: str
    state: str
    round: int
    attempts: int
    due_at: datetime | None
    sent_at: datetime | None
    provider_reference: str
    movement: str | None
    last_result: str
    created_at: datetime
    settled_at: datetime | None
    note: str
    check_at: datetime | None
    paid_minor: int
    moved_minor: int
    step: int
    corrected_step: int | None
    parked_at: datetime | None
    no_provider: bool
    waiting_for: str | None
    joined_lead: UUID | None
    joined_number: int | None
    joined_round: int | None
    joined_share_minor: int | None
    joined_total_minor: int | None
