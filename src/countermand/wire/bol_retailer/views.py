"""Our orders, parcels, process statuses and scorecards as the Retailer API knows them."""

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.money.amounts import to_amount
from countermand.domain.scoring import NORM, Figures, Week
from countermand.reads.process_statuses import ProcessView
from countermand.reads.seller_orders import SellerOrder
from countermand.reads.shipments import ShipmentView
from countermand.reads.views import LineRow, OrderRow, PartyView
from countermand.wire.bol import addresses
from countermand.wire.bol.addresses import Address
from countermand.wire.bol.meaning import ProcessStatus
from countermand.wire.bol.vocabulary import AMSTERDAM, FulfilmentMethod, Status
from countermand.wire.bol_retailer.errors import CONTENT_TYPE
from countermand.wire.bol_retailer.vocabulary import Indicator, ProcessEvent, SubscriptionType
from countermand.wire.response import Reply, json_bytes

Document = dict[str, Any]

EXPIRES: Final = timedelta(days=3)
"""How long after the promised day bol cancels an item that nobody confirmed; shown, and decided by the policy alone."""


def answer(status: int, document: Document) -> Reply:
    """A document as it is sent."""
    return Reply(status=status, body=json_bytes(document), media_type=CONTENT_TYPE)


# Orders


def reduced_order(view: SellerOrder) -> Document:
    """An order of the list."""
    return {
        "orderId": str(view.row.number),
        "orderPlacedDateTime": moment(view.row.placed_at),
        "orderItems": [_reduced_item(view, line) for line in view.lines],
    }


def _reduced_item(view: SellerOrder, line: LineRow) -> Document:
    return {
        "orderItemId": str(line.number),
        "ean": line.details.get("ean") or "0",
        "fulfilmentMethod": FulfilmentMethod.FBR.value,
        "fulfilmentStatus": "OPEN" if line.unfinished else "HANDLED",
        "quantity": line.ordered,
        "quantityShipped": line.shipped,
        "quantityCancelled": line.cancelled,
        "cancellationRequest": line.id in view.asked_by_customer,
        "latestChangedDateTime": moment(line.changed_at),
    }


def order(view: SellerOrder) -> Document:
    """One order, whole."""
    return {
        "orderId": str(view.row.number),
        "pickupPoint": False,
        "orderPlacedDateTime": moment(view.row.placed_at),
        "shipmentDetails": _person(addresses.ship_to(view.row.details)),
        "billingDetails": _payer(view.row),
        "orderItems": [_item(view, line) for line in view.lines],
    }


def _item(view: SellerOrder, line: LineRow) -> Document:
    return {
        "orderItemId": str(line.number),
        "cancellationRequest": line.id in view.asked_by_customer,
        **_article(line),
        "quantity": line.ordered,
        "quantityShipped": line.shipped,
        "quantityCancelled": line.cancelled,
        **_prices(line, view.row, line.ordered),
        "latestChangedDateTime": moment(line.changed_at),
    }


def _article(line: LineRow) -> Document:
    """What both an order and a parcel say of an item."""
    return {
        "fulfilment": _fulfilment(line),
        "offer": {
            "offerId": str(line.id),
            "reference": line.details.get("offer_reference") or line.sku,
        },
        "product": {"ean": line.details.get("ean") or "0", "title": line.title or line.sku},
    }


def _fulfilment(line: LineRow) -> Document:
    promised: date | None = line.promised_on
    document: Document = {
        "method": FulfilmentMethod.FBR.value,
        "distributionParty": "RETAILER",
        "timeFrameType": "REGULAR",
    }
    if promised:
        document["latestDeliveryDate"] = promised.isoformat()
        if promised < date.max - EXPIRES:
            document["expiryDate"] = (promised + EXPIRES).isoformat()
    return document


def _prices(line: LineRow, of: OrderRow, units: int) -> Document:
    minor = line.unit_price_minor or 0
    return {
        "unitPrice": _amount(minor, of.currency),
        "totalPrice": _amount(minor * units, of.currency),
        "discounts": [],
        "commission": float(line.details.get("fee") or 0),
        "additionalServices": [],
    }


def _amount(minor: int, currency: str) -> float:
    """A number, as this API has amounts: two digits behind the point survive any reader."""
    return float(to_amount(minor, currency))


def _person(address: Address) -> Document:
    return {
        "salutation": address.salutation.upper() or "UNKNOWN",
        "firstName": address.first_name,
        "surname": address.surname,
        "streetName": address.street,
        "houseNumber": address.house_number,
        "zipCode": address.zip_code,
        "city": address.city,
        "countryCode": address.country_code.upper(),
        **_given(
            houseNumberExtension=address.house_number_extended,
            extraAddressInformation=address.extra_address_information or address.address_supplement,
            email=address.email,
            company=address.company,
            deliveryPhoneNumber=address.delivery_phone_number,
        ),
    }


def _payer(row: OrderRow) -> Document:
    address = addresses.bill_to(row.details)
    document = _person(address)
    document.pop("deliveryPhoneNumber", None)
    return {
        **document,
        "email": address.email,
        **_given(vatNumber=address.vat_number, orderReference=row.reference),
    }


def _given(**members: str | None) -> Document:
    return {name: value for name, value in members.items() if value}


# Shipments


def reduced_shipment(view: ShipmentView) -> Document:
    """A parcel of the list."""
    return {
        "shipmentId": str(view.row.number),
        "shipmentDateTime": moment(view.row.reported_at),
        "shipmentReference": view.row.details["reference"],
        "order": {"orderId": str(view.order.number), "orderPlacedDateTime": moment(view.order.placed_at)},
        "shipmentItems": [
            {"orderItemId": str(line.number), "ean": line.details.get("ean") or "0"} for line, _ in view.contents
        ],
        "transport": {"transportId": str(view.row.number)},
    }


def shipment(view: ShipmentView) -> Document:
    """One parcel, whole."""
    return {
        **reduced_shipment(view),
        "pickupPoint": False,
        "shipmentItems": [_shipped(line, units, view.order) for line, units in view.contents],
        "transport": {
            "transportId": str(view.row.number),
            **_given(transporterCode=view.row.carrier, trackAndTrace=view.row.tracking_number),
            "transportEvents": [],
        },
        "shipmentDetails": _person(addresses.ship_to(view.order.details)),
        "billingDetails": _payer(view.order),
    }


def _shipped(line: LineRow, units: int, of: OrderRow) -> Document:
    prices = _prices(line, of, units)
    return {
        "orderItemId": str(line.number),
        **_article(line),
        "quantity": line.ordered,
        "quantityShipped": units,
        "unitPrice": prices["unitPrice"],
        "commission": prices["commission"],
    }


# Process statuses


def process_status(row: ProcessView, url: str) -> Document:
    """A process status as it is polled. ``url`` is below which they are found."""
    failure = row.error_message or ""
    return _process(
        row.number, ProcessEvent.of(row.event_type), row.entity_id, row.status, row.created_at, url, failure
    )


def queued(status: ProcessStatus, url: str) -> Document:
    """The process status that a call is answered with: pending, whatever it came to."""
    at = status.created_at
    event = ProcessEvent.of(status.event_type.value)
    return _process(status.id, event, str(status.entity_id), status.status.value, at, url)


def pending(number: int, event: ProcessEvent, entity: str, at: datetime, url: str) -> Document:
    """The process status that a call about a subscription is answered with."""
    return _process(number, event, entity, Status.PENDING.value, at, url)


def _process(
    number: int, event: ProcessEvent, entity: str, state: str, at: datetime | None, url: str, failure: str = ""
) -> Document:
    return {
        "processStatusId": str(number),
        **_given(entityId=entity),
        "eventType": event.value,
        "description": event.describe(entity),
        "status": state,
        **_given(errorMessage=failure),
        **_given(createTimestamp=moment(at) if at else None),
        "links": [{"rel": "self", "href": f"{url}{number}", "method": "GET"}],
    }


# Subscriptions


def subscription(endpoint: Endpoint) -> Document:
    """Where a seller is told. It is not enabled where sending was stopped, by whomever."""
    assert endpoint.subscription is not None
    return {
        "id": str(endpoint.id),
        "resources": [each.value for each in endpoint.subscription.resources],
        "url": endpoint.url,
        "subscriptionType": SubscriptionType.WEBHOOK.value,
        "enabled": endpoint.state is EndpointState.ACTIVE,
    }


def signature_key(id: UUID, public: str) -> Document:  # noqa: A002
    """A public key by which a receiver checks messages."""
    return {"id": str(id), "type": "RSA", "publicKey": public}


# Performance


def indicators(wanted: Iterable[Indicator], week: Week, figures: Figures) -> Document:
    """What is measured of a seller in a week. Of what is not measured here only the norm is told."""
    return {"performanceIndicators": [_indicator(each, week, figures) for each in wanted]}


def _indicator(indicator: Indicator, week: Week, figures: Figures) -> Document:
    condition, norm = NORMS[indicator]
    details: Document = {"period": {"week": f"{week.number:02}", "year": str(week.year)}}
    if indicator is Indicator.CANCELLATIONS and figures.value is not None and figures.distance is not None:
        details["score"] = {
            "conforms": figures.conforms,
            "numerator": figures.numerator,
            "denominator": figures.ordered,
            "value": float(figures.value),
            "distanceToNorm": float(figures.distance),
        }
    details["norm"] = {"condition": condition, "value": norm}
    return {
        "name": indicator.value,
        "type": "AVERAGE" if indicator is Indicator.REVIEWS else "PERCENTAGE",
        "details": details,
    }


NORMS: Final = {
    Indicator.CANCELLATIONS: ("<=", float(NORM)),
    Indicator.FULFILMENT: (">=", 0.93),
    Indicator.PHONE_AVAILABILITY: (">=", 0.9),
    Indicator.RESPONSE_TIME: (">=", 0.9),
    Indicator.CASE_ITEM_RATIO: ("<=", 0.05),
    Indicator.TRACK_AND_TRACE: (">=", 1.0),
    Indicator.RETURNS: ("<=", 0.05),
    Indicator.REVIEWS: (">=", 8.0),
}
"""bol's norms (docs/retailer.md); the first one is that of our scorecards."""


# Sellers


def retailer(party: PartyView) -> Document:
    """A seller."""
    return {
        "retailerId": str(party.number),
        "displayName": party.name,
        "registrationDate": party.created_at.astimezone(AMSTERDAM).date().isoformat(),
    }


@lru_cache(maxsize=256)
def moment(at: datetime) -> str:
    """One moment is written many times: answers to calls of one batch have the time of the batch."""
    return at.astimezone(AMSTERDAM).isoformat(timespec="seconds")
