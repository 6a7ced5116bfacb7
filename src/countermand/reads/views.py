"""What several reads return: views of the rows that most things are made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyView:
    """A party."""

    id: UUID
    number: int
    kind: str
    name: str
    status: str
    created_at: datetime
    name_folded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order by itself."""

    retailer_id: UUID
    id: UUID
    number: int
    reference: str
    placed_at: datetime
    sent_to_fulfiller: bool
    currency: str
    details: Mapping[str, Any]
    customer_erased_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LineRow:
    """A line by itself."""

    retailer_id: UUID
    id: UUID
    order_id: UUID
    fulfiller_id: UUID
    number: int
    position: int
    placed_at: datetime
    with_fulfiller: bool
    sku: str
    title: str
    ordered: int
    open: int
    asked: int
    cancelled: int
    shipped: int
    allocated: bool
    accepted: int
    backordered: int
    rejected: int
    backorder_on: date | None
    unit_price_minor: int | None
    priced: bool
    promised_on: date | None
    seq: int
    changed_at: datetime
    details: Mapping[str, Any]
    unfinished: bool
    sku_folded: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ShipmentRow:
    """A parcel by itself."""

    retailer_id: UUID
    id: UUID
    order_id: UUID
    fulfiller_id: UUID
    number: int
    reported_at: datetime
    carrier: str
    tracking_number: str
    details: Mapping[str, Any]
    tracking_folded: str | None = None
