"""Calls about parcels: report one, correct one, show and list them."""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AfterValidator, BaseModel, Field

from countermand.admin.callers import Caller
from countermand.documents.shipments import ShipmentOut, shipment_document
from countermand.domain.commands import ChangeParcel, Parcel, Ship, ShipOrder
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.orders import LINES_MAX
from countermand.domain.refusals import UNKNOWN_ORDER
from countermand.fields import Day, LineId, OrderId, Text
from countermand.ids import read
from countermand.reads import shipments as shipment_reads
from countermand.reads.shipments import ParcelFilter
from countermand.service.calls import Call, Done
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.meaning import DOOR, scope_of
from countermand.wire.native.messages import JsonRoute, Limit, LineIn, Strict, Word, distinct
from countermand.wire.native.once import Once, Shown, location, one_by_one, submit_once
from countermand.wire.native.pages import begin
from countermand.wire.native.periods import PeriodGiven
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/shipments", responses=PROBLEMS, route_class=JsonRoute)


class ShipmentIn(Strict):
    """A parcel with units of lines of one order: all of them, or none. Without ``units``, all that can ship.

    ``override`` ships units too that somebody asked to cancel, which declines that.
    """

    order: OrderId
    lines: Annotated[list[LineIn], Field(min_length=1, max_length=LINES_MAX), AfterValidator(distinct)]
    carrier: Text = ""
    tracking_number: Text = ""
    method: Text = ""
    shipped_on: Day | None = None
    reference: Text = ""
    override: bool = False


class TransportIn(Strict):
    """Another carrier or number; what is not said stays."""

    carrier: Text | None = None
    tracking_number: Text | None = None


class ShipmentPage(BaseModel):
    """Some parcels, newest first. ``next`` is the ``after`` of the following page."""

    shipments: list[ShipmentOut]
    next: str | None


@dataclass(frozen=True, kw_only=True)
class Filters:
    """Which parcels a list shows: those that match all of these."""

    order: OrderId | None = None
    line: LineId | None = None
    tracking_number: Word | None = None


@router.post(
    "",
    operation_id="shipments.create",
    status_code=201,
    response_model=ShipmentOut,
    responses={200: {"model": ShipmentOut}},
)
async def create_shipment(services: Inside, who: Who, body: ShipmentIn, once: Once) -> Response:
    """Report a parcel. The same parcel again, by its number, `reference` and lines, is a repeat: status 200."""
    async with once.of(body) as key:
        parcel = Parcel(
            id=services.ids.new(),
            tracking_number=body.tracking_number,
            carrier=body.carrier,
            method=body.method,
            shipped_on=body.shipped_on,
            reference=body.reference,
        )
        lines = [Ship(line=e.line, actor=who.actor, units=e.units, override=body.override) for e in body.lines]
        command = ShipOrder(order=body.order, actor=who.actor, lines=tuple(lines), parcel=parcel)

        def show(found: shipment_reads.Parcel | None, done: Done) -> Shown:
            if found is None:
                raise CallError.of(UNKNOWN_ORDER)
            if found.row.id != parcel.id:
                return Shown(body=shipment_document(found, repeated=True))
            made = location("shipments", str(parcel.id))
            return Shown(body=shipment_document(found), status=201, headers=made)

        return await submit_once(
            services,
            Call(command=command, door=DOOR),
            key,
            unknown=UNKNOWN_ORDER,
            question=lambda done: partial(
                shipment_reads.parcel_by_id, scope=scope_of(who), parcel=done.parcel or parcel.id
            ),
            show=show,
            ask=one_by_one,
        )


@router.get("", operation_id="shipments.list")
async def list_shipments(
    services: Inside,
    who: Who,
    filters: Annotated[Filters, Depends()],
    period: PeriodGiven,
    after: str | None = None,
    limit: Limit = 50,
) -> ShipmentPage:
    """Parcels, newest first: of a retailer's orders, or those that a supplier sent."""
    wanted = ParcelFilter(
        order=filters.order,
        line=filters.line,
        tracking_number=filters.tracking_number,
        since=period.since,
        until=period.until,
        after=begin("shp", after, "a parcel"),
        limit=limit + 1,
    )
    rows = await services.database.read(partial(shipment_reads.list_parcels, scope=scope_of(who), wanted=wanted))
    more = str(rows[limit - 1].row.id) if len(rows) > limit else None
    return ShipmentPage(shipments=[shipment_document(row) for row in rows[:limit]], next=more)


@router.get("/{shipment}", operation_id="shipments.get")
async def get_shipment(services: Inside, who: Who, shipment: str) -> ShipmentOut:
    """One parcel."""
    return shipment_document(await _named(services, who, shipment))


@router.patch("/{shipment}", operation_id="shipments.update", response_model=ShipmentOut)
async def update_shipment(services: Inside, who: Who, shipment: str, body: TransportIn, once: Once) -> Response:
    """Correct the carrier or the number of a parcel. The party that sent it can, and the platform."""
    async with once.of(body) as key:
        return await _correct(services, who, await _named(services, who, shipment), body, key)


async def _correct(
    services: Services, who: Caller, found: shipment_reads.Parcel, body: TransportIn, key: IdempotencyKey | None
) -> Response:
    row = found.row
    command = ChangeParcel(
        order=row.order_id,
        actor=who.actor,
        parcel=row.id,
        lines=tuple(line for line, _ in found.contents),
        carrier=body.carrier,
        tracking_number=body.tracking_number,
    )
    same = body.carrier in (None, row.carrier) and body.tracking_number in (None, row.tracking_number)
    return await submit_once(
        services,
        Call(command=command, door=DOOR, retailer=row.retailer_id),
        key,
        unknown=UNKNOWN_ORDER,
        question=lambda _: partial(shipment_reads.parcel_by_id, scope=scope_of(who), parcel=row.id),
        show=lambda after, _: Shown(body=shipment_document(after or found, repeated=same)),
        ask=one_by_one,
    )


async def _named(services: Services, who: Caller, text: str) -> shipment_reads.Parcel:
    wanted: UUID | None = read("shp", text)
    found = None
    if wanted:
        found = await services.database.read(partial(shipment_reads.parcel_by_id, scope=scope_of(who), parcel=wanted))
    if found is None:
        raise CallError(Problem.UNKNOWN_SHIPMENT, "There is no such parcel that you can act on.")
    return found
