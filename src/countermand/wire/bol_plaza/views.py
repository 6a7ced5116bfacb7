"""Our orders and parcels as Plaza's documents know them."""

from datetime import date
from decimal import Decimal

from countermand.domain.money.amounts import to_amount
from countermand.reads.orders import OpenOrder
from countermand.reads.shipments import ShipmentView
from countermand.reads.views import LineRow, OrderRow
from countermand.wire.bol import addresses
from countermand.wire.bol_plaza.vocabulary import EARLIEST, LATEST, OfferCondition
from countermand.wire.bol_plaza.writing import Order, OrderItem, Shipment, ShippedItem


def order(view: OpenOrder) -> Order:
    """An order of the open list, with what is left to ship of it."""
    row = view.row
    return Order(
        order_id=row.number,
        ordered_at=row.placed_at,
        passed_on_at=row.placed_at,
        ship_to=addresses.ship_to(row.details),
        bill_to=addresses.bill_to(row.details),
        items=tuple(
            OrderItem(
                order_item_id=line.number,
                ean=line.details.get("ean") or "0",
                offer_reference=line.details.get("offer_reference") or line.sku,
                title=line.title or line.sku,
                quantity=line.open + line.asked,
                offer_price=_amount(line.unit_price_minor, row.currency),
                transaction_fee=Decimal(line.details.get("fee") or 0),
                latest_delivery_date=_promised(line),
                offer_condition=OfferCondition(line.details.get("condition") or "NEW"),
                cancel_request=line.id in view.asked_by_customer,
            )
            for line in view.lines
        ),
    )


def shipment(view: ShipmentView) -> Shipment:
    """A parcel as the list of shipments shows it."""
    row, details = view.row, view.row.details
    return Shipment(
        shipment_id=row.number,
        shipped_at=row.reported_at,
        shipment_reference=details["reference"] or None,
        items=tuple(_shipped(line, units, view.order) for line, units in view.contents),
        transport_id=row.number,
        transporter_code=row.carrier or None,
        track_and_trace=row.tracking_number or None,
        customer=addresses.ship_to(view.order.details),
    )


def _shipped(line: LineRow, units: int, of: OrderRow) -> ShippedItem:
    return ShippedItem(
        order_item_id=line.number,
        order_id=of.number,
        sequence_number=line.position,
        ordered_at=of.placed_at,
        latest_delivery_date=_promised(line),
        ean=line.details.get("ean") or "0",
        title=line.title or None,
        quantity=units,
        offer_price=_amount(line.unit_price_minor, of.currency),
        offer_condition=OfferCondition(line.details.get("condition") or "NEW"),
        offer_reference=line.details.get("offer_reference") or line.sku,
    )


def _promised(line: LineRow) -> date | None:
    """A day outside the calendar of these documents is a typing error of some caller."""
    day: date | None = line.promised_on
    return day if day and EARLIEST.date() <= day < LATEST.date() else None


def _amount(minor: int | None, currency: str) -> Decimal:
    return to_amount(minor or 0, currency)
