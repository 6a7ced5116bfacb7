"""Calls about orders: place, show and list them, hand held ones to their fulfillers, erase the customer."""

from contextlib import nullcontext
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel

from countermand.admin.callers import Caller
from countermand.admin.orders import erase_and_show
from countermand.documents.expanded import ExpandedOrder, OrderExpand, expanded_orders
from countermand.documents.lines import UnitsOut
from countermand.documents.new_orders import NewOrder
from countermand.documents.order_differences import differences
from countermand.documents.order_summaries import OrderOut, order_document
from countermand.documents.parties import PartyOut
from countermand.domain.commands import ReleaseOrder
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.money.amounts import write_minor
from countermand.domain.orders import PlaceOrder
from countermand.domain.refusals import UNKNOWN_ORDER
from countermand.fields import NeededNote
from countermand.ids import read
from countermand.reads.lines import LineDetail
from countermand.reads.order_lists import OrderFilter, PlaceInTime
from countermand.reads.order_summaries import (
    OrderQuery,
    OrderSummary,
    latest_of,
    list_order_summaries,
    order_summary,
    order_with_lines,
    stored_order,
)
from countermand.service.calls import Call, Done
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.authors import By
from countermand.wire.native.errors import PROBLEMS, invalid
from countermand.wire.native.meaning import (
    DOOR,
    party_named,
    place_in_time,
    read_place,
    scope_of,
)
from countermand.wire.native.messages import EXPAND, JsonRoute, Limit, Sought, Strict, Word
from countermand.wire.native.once import Once, Shown, change_once, location, one_by_one, submit_once
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.native.placing import order_meant
from countermand.wire.replies import CallError
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/orders", responses=PROBLEMS, route_class=JsonRoute)


OrderExpands = Annotated[list[OrderExpand], EXPAND]


class Reason(Strict):
    """Why."""

    note: NeededNote


class OrderPage(BaseModel):
    """Some orders, newest first. ``next`` is the ``after`` of the following page."""

    orders: list[ExpandedOrder]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which orders a list shows: those that match all of these. Parties are named by id or name."""

    retailer: Word | None = None
    supplier: Word | None = None
    sku: Word | None = None


@router.post(
    "", operation_id="orders.create", status_code=201, response_model=OrderOut, responses={200: {"model": OrderOut}}
)
async def create_order(services: Inside, who: Who, order: NewOrder, once: Once) -> Response:
    """Place an order.

    An order of the same retailer with the same reference and content is there already: then ``repeated`` is true, and
    the status is 200. With other content it is `order_exists`, and `differs` names the places. A dry run answers 200.
    """
    try:
        # The key of a dry run stays free.
        async with nullcontext() if order.dry_run else once.of(order) as key:
            return await _place(services, who, order, key)
    except CallError as error:
        raise await _with_differences(services, who, order, error) from None


async def _place(services: Services, who: Caller, order: NewOrder, key: IdempotencyKey | None) -> Response:
    command, retailer = await order_meant(services, who, order)

    def show(found: tuple[OrderSummary, list[LineDetail]] | None, done: Done) -> Shown:
        if found is None:
            return Shown(body=_dry(command, retailer))
        shown = order_document(found[0], scope_of(who), lines=found[1], repeated=done.order_repeated)
        if done.order_repeated:
            return Shown(body=shown)
        return Shown(body=shown, status=201, headers=location("orders", str(found[0].id)))

    return await submit_once(
        services,
        Call(command=command, door=DOOR, retailer=command.retailer, dry_run=order.dry_run),
        key,
        unknown=UNKNOWN_ORDER,
        question=lambda done: partial(order_with_lines, scope=scope_of(who), order=done.order or command.id),
        show=show,
        ask=one_by_one,
    )


async def _with_differences(services: Services, who: Caller, order: NewOrder, error: CallError) -> CallError:
    """The same, with what differs if another order is in the way."""
    there = error.refusal.order if error.refusal else None
    if there is None:
        return error
    stored = await services.database.read(partial(stored_order, scope=scope_of(who), order=there))
    if stored is not None:
        command, _ = await order_meant(services, who, order)
        error.differs = differences(order, command, stored)
    return error


def _dry(command: PlaceOrder, retailer: str) -> OrderOut:
    """The order that would be placed: it has no ids."""
    units = sum(line.units for line in command.lines)
    prices = [(line.units, line.unit_price_minor) for line in command.lines]
    known = [units * price for units, price in prices if price is not None]
    total = sum(known) if len(known) == len(prices) else None
    if command.money:
        total = command.money.total_minor
    return OrderOut(
        id=None,
        number=None,
        reference=command.reference,
        retailer=PartyOut(id=command.retailer, name=retailer),
        placed_at=command.placed_at,
        currency=command.currency,
        held=command.held,
        erased=False,
        line_count=len(command.lines),
        units=UnitsOut(ordered=units, open=units, asked=0, cancelled=0, shipped=0),
        total=None if total is None else write_minor(total, command.currency),
        total_minor=total,
        repeated=False,
    )


@router.get("", operation_id="orders.list")
async def list_orders(
    services: Inside,
    who: Who,
    filters: Annotated[Filters, Depends()],
    lookup: Sought,
    period: PeriodGiven,
    expand: OrderExpands = [],  # noqa: B006 - nothing changes it
    after: str | None = None,
    limit: Limit = 50,
) -> OrderPage:
    """Orders that the caller may see, newest first, of those that match all filters.

    `since` and `until` are about when they were placed. A supplier sees its own lines of an order that is not held.
    """
    wanted = OrderFilter(
        retailer=await party_named(services, filters.retailer),
        supplier=await party_named(services, filters.supplier),
        sku=filters.sku,
        placed_from=period.since,
        placed_before=period.until,
    )
    behind = await _begin(services, who, after) if after is not None else None
    query, scope = OrderQuery(filter=wanted, lookup=lookup, behind=behind, limit=limit + 1), scope_of(who)

    def look(connection: Any) -> OrderPage:
        rows = list_order_summaries(connection, scope, query)
        more = place_in_time(rows[limit - 1].placed_at, rows[limit - 1].id) if len(rows) > limit else None
        return OrderPage(orders=expanded_orders(connection, scope, rows[:limit], expand), next=more)

    return await services.database.read(look)


async def _begin(services: Services, who: Caller, after: str) -> PlaceInTime:
    """Where a page begins: after ``next`` of the page before, or after an order that the caller may see."""
    place, order = read_place(after), read("ord", after)
    if place is None and order is not None:
        place = await services.database.read(partial(latest_of, scope=scope_of(who), order=order))
    if place is None:
        raise invalid("after is not next of the page before, nor the id of an order.", "query", "after")
    return place


@router.get("/{order}", operation_id="orders.get")
async def get_order(services: Inside, who: Who, order: str, expand: OrderExpands = []) -> ExpandedOrder:  # noqa: B006
    """One order with its lines."""
    wanted, scope, names = read("ord", order), scope_of(who), {*expand, "lines"}

    def look(connection: Any) -> list[ExpandedOrder]:
        row = order_summary(connection, scope, wanted) if wanted else None
        return expanded_orders(connection, scope, [row] if row else [], names)

    found = await services.database.read(look)
    if not found:
        raise CallError.of(UNKNOWN_ORDER)
    return found[0]


@router.post("/{order}/release", operation_id="orders.release", response_model=OrderOut)
async def release_order(services: Inside, who: Who, order: str, once: Once) -> Response:
    """Hand a held order to its fulfillers. They see it, and answer its cancellations, from then on.

    An order that is not held is released already: ``repeated`` says so.
    """
    async with once.of() as key:
        row = await _summary(services, who, order)
        return await submit_once(
            services,
            Call(command=ReleaseOrder(order=row.id, actor=who.actor), door=DOOR, retailer=row.retailer_id),
            key,
            unknown=UNKNOWN_ORDER,
            question=lambda _: partial(order_with_lines, scope=scope_of(who), order=row.id),
            show=lambda found, _: _shown(who, found, repeated=row.sent_to_fulfiller),
            ask=one_by_one,
        )


@router.post("/{order}/erase", operation_id="orders.erase", response_model=OrderOut)
async def erase_order(services: Inside, who: Who, by: By, order: str, body: Reason, once: Once) -> Response:
    """Erase the customer's name, addresses and notes from an order. Amounts, reasons and events stay."""
    async with once.of(body) as key:
        row = await _summary(services, who, order)

        act = partial(erase_and_show, author=by, scope=scope_of(who), order=row.id, note=body.note)
        return await change_once(services, key, act, lambda done: _shown(who, done[1], repeated=not done[0].now))


Found = tuple[OrderSummary, list[LineDetail]] | None


def _shown(who: Caller, found: Found, *, repeated: bool) -> Shown:
    if found is None:
        raise CallError.of(UNKNOWN_ORDER)
    return Shown(body=order_document(found[0], scope_of(who), lines=found[1], repeated=repeated))


async def _summary(services: Services, who: Caller, text: str) -> OrderSummary:
    order = read("ord", text)
    row = None
    if order:
        row = await services.database.read(partial(order_summary, scope=scope_of(who), order=order))
    # Who holds lines of another retailer's order sees it, and does not act on it.
    if row is None or who.sees not in (None, row.retailer_id):
        raise CallError.of(UNKNOWN_ORDER)
    return row
