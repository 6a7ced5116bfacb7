"""What a message of CRUX means: the command, or the question, that it stands for."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final
from uuid import UUID

from countermand.admin.callers import Caller
from countermand.domain.commands import Allocate, AllocateOrder, Parcel, Ship, ShipOrder
from countermand.domain.line_status import LineStatus
from countermand.domain.money.amounts import digits_of, rounded
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.reads.cancellations import PAGE_MAX
from countermand.reads.order_lists import OrderFilter
from countermand.reads.scope import Scope
from countermand.wire.crux import messages
from countermand.wire.crux.views import ALLOCATIONS, DESIGNATIONS, STATUSES

CURRENCY: Final = "USD"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One authenticated call: who calls, in which generation, and what it says.

    The path names a line or an order by its ``id``, or orders by their ``reference``, or nothing.
    """

    caller: Caller
    timp: bool
    id: UUID
    reference: str
    body: Any

    @property
    def scope(self) -> Scope:
        """What the caller may see."""
        return Scope(party=self.caller.party, kind=self.caller.kind)


def place_order(
    request: Request, message: messages.CreateOrder, new_id: Callable[[], UUID], now: datetime
) -> PlaceOrder:
    """The order that a retailer places."""
    return PlaceOrder(
        id=new_id(),
        actor=request.caller.actor,
        retailer=request.caller.party,
        reference=message.reference,
        placed_at=now,
        currency=CURRENCY,
        lines=tuple(_new_line(sku, new_id()) for sku in message.skus),
        details={
            "address": message.address.model_dump(),
            "carrier": message.shipping_carrier,
            "method": message.shipping_method,
            "notes": message.notes,
            "order_fee": _float(message.order_fee),
            "tax": _float(message.tax),
            "shipping_cost": _float(message.shipping_cost),
            "dropship_fee": _float(message.dropship_fee),
            "attributes": messages.pairs(message.attributes),
            "submitted_by": {"name": request.caller.user_name, "email": request.caller.email},
        },
    )


def _new_line(sku: messages.Sku, id: UUID) -> NewLine:  # noqa: A002 - a line's id is its id
    return NewLine(
        id=id,
        fulfiller=sku.supplier,
        sku=sku.sku_id,
        units=sku.quantity,
        unit_price_minor=_minor(sku.cost),
        details={
            "cost": _float(sku.cost),
            "carrier": sku.carrier,
            "method": sku.method,
            "instructions": sku.instructions,
            "attributes": messages.pairs(sku.attributes),
        },
    )


def _minor(cost: Decimal | None) -> int | None:
    """A price may have four decimals here; what goes back for a unit has the currency's, half a cent being one."""
    return None if cost is None else rounded(Fraction(cost) * 10 ** digits_of(CURRENCY))


def _float(value: Any) -> float | None:
    return None if value is None else float(value)


def allocate(request: Request, message: messages.Allocate, order: UUID) -> AllocateOrder:
    """How much of each line a supplier has."""
    lines = tuple(
        Allocate(
            line=each.line_item_uuid,
            actor=request.caller.actor,
            accepted=each.allocation.quantity_accepted,
            backordered=each.allocation.quantity_backordered,
            rejected=each.allocation.quantity_rejected,
            backorder_on=each.allocation.backorder_date,
        )
        for each in message.line_items
    )
    return AllocateOrder(order=order, actor=request.caller.actor, lines=lines)


def ship(request: Request, message: messages.Track, order: UUID, parcel: UUID) -> ShipOrder:
    """The parcel that a supplier reports."""
    sent = Parcel(
        id=parcel,
        tracking_number=message.tracking_number,
        carrier=message.carrier or "",
        method=message.method or "",
        weight=str(message.weight) if message.weight is not None else "",
        cost=str(message.cost) if message.cost is not None else "",
        shipped_on=message.shipped_on,
        reference=message.reference or "",
        attributes=tuple((a.attribute_name, a.attribute_value or "") for a in message.attributes or ()),
    )
    lines = tuple(
        Ship(line=each.line_item_uuid, actor=request.caller.actor, units=each.quantity) for each in message.line_items
    )
    return ShipOrder(order=order, actor=request.caller.actor, lines=lines, parcel=sent)


def order_filter(message: messages.ListOrders, *, timp: bool) -> OrderFilter:
    """Which orders are wanted."""
    return OrderFilter(
        placed_from=message.start_date,
        placed_to=message.end_date,
        reference=message.po_number or None,
        term=None if timp else message.term or None,
        title_word=(message.term or None) if timp else None,
        parties=tuple(message.org_uuids),
        sent=message.sent_to_supplier,
        allocation=tuple(_ALLOCATIONS.get(each) for each in message.line_item_allocation_statuses if each),
        statuses=tuple(_DESIGNATIONS.get(each) for each in message.line_item_designation if each),
        line_statuses=tuple(_status(each) for each in message.line_item_status if each),
        conjunction=message.status_conjunction,
    )


_ALLOCATIONS: Final = {word: allocation for allocation, word in ALLOCATIONS.items()}
_DESIGNATIONS: Final = {word: status for status, word in DESIGNATIONS.items()}
_STATUSES: Final = {status.value: status for status in LineStatus if status is not LineStatus.SHIPPED} | {
    "has_tracking": LineStatus.SHIPPED
}


def _status(word: str) -> LineStatus | None:
    return LineStatus.SHIPPED if word == STATUSES[LineStatus.SHIPPED] else _STATUSES.get(word.lower())


def newest_first(sort: messages.Sort | None) -> bool:
    """Without a sort, or by an unknown key: oldest first. By date: ``asc`` ascends, anything else descends."""
    return sort is not None and sort.key == "date" and (sort.dir or "").lower() != "asc"


def page_size(message: messages.ListOrders, *, limit_is_size: bool) -> int:
    """How many orders are wanted: ``limit`` is that number, or the place at which the page ends."""
    if message.limit is None:
        return PAGE_MAX
    end = message.limit if limit_is_size else message.limit - message.start
    return max(0, min(end, PAGE_MAX))
