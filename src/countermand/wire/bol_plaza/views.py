"""Our orders and parcels as Plaza's documents know them."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from countermand.domain.money.amounts import to_amount
from countermand.reads.orders import OpenOrder
from countermand.reads.shipments import ShipmentView
from countermand.reads.views import LineRow, OrderRow
from countermand.wire.bol_plaza.vocabulary import EARLIEST, LATEST, OfferCondition, Salutation
from countermand.wire.bol_plaza.writing import Address, Order, OrderItem, Shipment, ShippedItem

_SALUTATIONS: Final = {"male": Salutation.MALE, "female": Salutation.FEMALE}


def order(view: OpenOrder) -> Order:
    """An order of the open list, with what is left to ship of it."""
    row = view.row
    ship_to = _address(row.details)
    bill_to = row.details.get("billing_address")
    return Order(
        order_id=row.number,
        ordered_at=row.placed_at,
        passed_on_at=row.placed_at,
        ship_to=ship_to,
        bill_to=_full_address(bill_to) if bill_to else ship_to,
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
        customer=_address(view.order.details),
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


def _address(details: Mapping[str, Any]) -> Address:
    full = details.get("shipping_address")
    return _full_address(full) if full else _crux_address(details.get("address") or {})


def _full_address(given: dict[str, Any]) -> Address:
    return Address(
        salutation=_SALUTATIONS.get(given["salutation"], Salutation.UNKNOWN),
        first_name=given["first_name"],
        surname=given["last_name"],
        street=given["street"],
        house_number=given["house_number"],
        house_number_extended=given["house_number_extension"] or None,
        address_supplement=given["supplement"] or None,
        zip_code=given["postcode"],
        city=given["city"],
        country_code=given["country"],
        email=given["email"],
        delivery_phone_number=given["phone"] or None,
        company=given["company"] or None,
        vat_number=given["vat_number"] or None,
    )


def _crux_address(given: dict[str, Any]) -> Address:
    """An order that came through CRUX has one line for street and number."""
    first, _, last = (given.get("name") or "").rpartition(" ")
    return Address(
        salutation=Salutation.UNKNOWN,
        first_name=first,
        surname=last,
        street=given.get("address1") or "",
        house_number="",
        address_supplement=given.get("address2"),
        zip_code=given.get("postal_code") or "",
        city=given.get("city") or "",
        country_code=given.get("country") or "",
        email="",
        delivery_phone_number=given.get("phone_number"),
        company=given.get("business_name"),
    )
