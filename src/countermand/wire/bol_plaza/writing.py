"""What a Plaza client is sent: Orders, Shipments, ProcessStatus and ServiceError, as bytes.

The documents are put together as text, since the tree that a library would build first costs more than the rest of
the answer. The tests hold every document against the schemas in this package.

What the clients in the field need, and what every function here therefore keeps to: lists in a default namespace
without a prefix, a process status with the literal prefix `ns1`, no attribute on a root, no empty element. Text that
XML cannot carry is left out; where that leaves nothing of a required element, a placeholder stands in. Times and days
are given in Dutch time and must lie between `vocabulary.EARLIEST` and `vocabulary.LATEST`.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Final

from countermand.wire.bol.addresses import Address
from countermand.wire.bol.meaning import ProcessStatus
from countermand.wire.bol.vocabulary import AMSTERDAM, FulfilmentMethod
from countermand.wire.bol_plaza.vocabulary import (
    EAN_CHARS_MAX,
    ERROR_CHARS_MAX,
    ERROR_NAMESPACE,
    PLAZA_NAMESPACE,
    SHIPMENT_REFERENCE_CHARS_MAX,
    TITLE_CHARS_MAX,
    TRACK_AND_TRACE_CHARS_MAX,
    TRANSPORTER_CODE_CHARS_MAX,
    OfferCondition,
    Salutation,
    Version,
)
from countermand.wire.replies import Header
from countermand.wire.response import Reply


@dataclass(frozen=True, kw_only=True)
class OrderItem:
    """One article of an open order."""

    order_item_id: int
    ean: str
    offer_reference: str | None = None
    title: str
    quantity: int
    offer_price: Decimal
    transaction_fee: Decimal
    latest_delivery_date: date | None = None
    """`PromisedDeliveryDate` in v2.0."""
    offer_condition: OfferCondition
    cancel_request: bool
    fulfilment_method: FulfilmentMethod = FulfilmentMethod.FBR


@dataclass(frozen=True, kw_only=True)
class Order:
    """An open order; it has at least one item."""

    order_id: int
    ordered_at: datetime
    passed_on_at: datetime
    """When the retailer could first see it."""
    ship_to: Address
    bill_to: Address
    items: tuple[OrderItem, ...]


@dataclass(frozen=True, kw_only=True)
class ShippedItem:
    """One order item as a shipment shows it."""

    order_item_id: int
    order_id: int
    sequence_number: int
    ordered_at: datetime
    latest_delivery_date: date | None = None
    """`PromisedDeliveryDate` in v2.0."""
    ean: str
    title: str | None = None
    quantity: int
    offer_price: Decimal
    offer_condition: OfferCondition
    offer_reference: str | None = None
    fulfilment_method: FulfilmentMethod = FulfilmentMethod.FBR


@dataclass(frozen=True, kw_only=True)
class Shipment:
    """What was sent, by whom and to whom; it has at least one item."""

    shipment_id: int | None = None
    shipped_at: datetime
    expected_delivery: datetime | None = None
    shipment_reference: str | None = None
    items: tuple[ShippedItem, ...]
    transport_id: int | None = None
    transporter_code: str | None = None
    track_and_trace: str | None = None
    shipping_label_id: int | None = None
    customer: Address


XML: Final = b"application/xml"


def write_orders(orders: Iterable[Order], version: Version) -> bytes:
    """Write the list of open orders; without any, its bare root."""
    content = "".join([_order(order, version) for order in orders])
    return _document(f'<Orders xmlns="{PLAZA_NAMESPACE}">{content}</Orders>')


def write_shipments(shipments: Iterable[Shipment], version: Version) -> bytes:
    """Write the list of shipments; without any, its bare root."""
    content = "".join([_shipment(shipment, version) for shipment in shipments])
    return _document(f'<Shipments xmlns="{PLAZA_NAMESPACE}">{content}</Shipments>')


def write_process_status(process: ProcessStatus) -> bytes:
    """Write a process status. Its prefix is part of the dialect: clients look for the letters `ns1`."""
    error, created, links = "", "", ""
    if process.error_message is not None:
        error = f"<ns1:errorMessage>{_required(process.error_message)}</ns1:errorMessage>"
    if process.created_at is not None:
        created = f"<ns1:createTimestamp>{_moment(process.created_at, 'milliseconds')}</ns1:createTimestamp>"
    if process.self_url is not None:
        href = _required(process.self_url)
        links = f'<ns1:Links><ns1:link ns1:rel="self" ns1:href="{href}" ns1:method="GET"/></ns1:Links>'
    entity_id = _required(str(process.entity_id))
    return _document(
        f'<ns1:ProcessStatus xmlns:ns1="{PLAZA_NAMESPACE}">'
        f"<ns1:id>{process.id}</ns1:id>"
        f"<ns1:sellerId>{process.seller_id}</ns1:sellerId>"
        f"<ns1:entityId>{entity_id}</ns1:entityId>"
        f"<ns1:eventType>{process.event_type.value}</ns1:eventType>"
        f"<ns1:description>{process.event_type.describe(entity_id)}</ns1:description>"
        f"<ns1:status>{process.status.value}</ns1:status>"
        f"{error}{created}{links}"
        "</ns1:ProcessStatus>"
    )


def write_service_error(code: int, text: str) -> bytes:
    """Write an error in the one form that all known clients can read."""
    return _document(
        f'<ServiceError xmlns="{ERROR_NAMESPACE}">'
        f"<ErrorCode>{code}</ErrorCode>"
        f"<ErrorMessage>{_clean(f'BOL-ERROR [PAI-{code}] = {text}', ERROR_CHARS_MAX)}</ErrorMessage>"
        "</ServiceError>"
    )


def xml_reply(status: int, body: bytes, *headers: Header) -> Reply:
    """A document."""
    return Reply(status=status, body=body, media_type=XML, headers=headers)


def _document(root: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>{root}'.encode()


def _order(order: Order, version: Version) -> str:
    items = "".join([_order_item(item, version) for item in order.items])
    return (
        "<Order>"
        f"<OrderId>{order.order_id}</OrderId>"
        f"<DateTimeCustomer>{_moment(order.ordered_at)}</DateTimeCustomer>"
        f"<DateTimeDropShipper>{_moment(order.passed_on_at)}</DateTimeDropShipper>"
        "<CustomerDetails>"
        f"<ShipmentDetails>{_address(order.ship_to)}</ShipmentDetails>"
        f"<BillingDetails>{_address(order.bill_to)}</BillingDetails>"
        "</CustomerDetails>"
        f"<OrderItems>{items}</OrderItems>"
        "</Order>"
    )


def _order_item(item: OrderItem, version: Version) -> str:
    old = version is Version.V2_0
    fee = f"<TransactionFee>{item.transaction_fee:.2f}</TransactionFee>"
    promised = _optional("PromisedDeliveryDate" if old else "LatestDeliveryDate", _day(item.latest_delivery_date))
    return (
        "<OrderItem>"
        f"<OrderItemId>{item.order_item_id}</OrderItemId>"
        f"<EAN>{_required(item.ean, EAN_CHARS_MAX)}</EAN>"
        f"{_optional('OfferReference', item.offer_reference)}"
        f"<Title>{_required(item.title, TITLE_CHARS_MAX)}</Title>"
        f"<Quantity>{item.quantity}</Quantity>"
        f"<OfferPrice>{item.offer_price:.2f}</OfferPrice>"
        f"{promised + fee if old else fee + promised}"
        f"<OfferCondition>{item.offer_condition.value}</OfferCondition>"
        f"<CancelRequest>{'true' if item.cancel_request else 'false'}</CancelRequest>"
        f"{'' if old else f'<FulfilmentMethod>{item.fulfilment_method.value}</FulfilmentMethod>'}"
        "</OrderItem>"
    )


def _shipment(shipment: Shipment, version: Version) -> str:
    old = version is Version.V2_0
    items = "".join([_shipped_item(item, version) for item in shipment.items])
    expected = shipment.expected_delivery if old else None
    return (
        "<Shipment>"
        f"{_optional('ShipmentId', _number(shipment.shipment_id))}"
        f"<ShipmentDate>{_moment(shipment.shipped_at)}</ShipmentDate>"
        f"{_optional('ExpectedDeliveryDate', None if expected is None else _moment(expected))}"
        f"{_optional('ShipmentReference', shipment.shipment_reference, SHIPMENT_REFERENCE_CHARS_MAX)}"
        f"<ShipmentItems>{items}</ShipmentItems>"
        f"{_transport(shipment)}"
        f"<CustomerDetails>{_address(shipment.customer, 'FirstName' if old else 'Firstname')}</CustomerDetails>"
        "</Shipment>"
    )


def _shipped_item(item: ShippedItem, version: Version) -> str:
    old = version is Version.V2_0
    sequence = f"<OrderItemSequenceNumber>{item.sequence_number}</OrderItemSequenceNumber>" if old else ""
    promised = _optional("PromisedDeliveryDate" if old else "LatestDeliveryDate", _day(item.latest_delivery_date))
    return (
        "<ShipmentItem><OrderItem>"
        f"<OrderItemId>{item.order_item_id}</OrderItemId>"
        f"<OrderId>{item.order_id}</OrderId>"
        f"{sequence}"
        f"<OrderDate>{_moment(item.ordered_at)}</OrderDate>"
        f"{promised}"
        f"<EAN>{_required(item.ean, EAN_CHARS_MAX)}</EAN>"
        f"{_optional('Title', item.title, TITLE_CHARS_MAX)}"
        f"<Quantity>{item.quantity}</Quantity>"
        f"<OfferPrice>{item.offer_price:.2f}</OfferPrice>"
        f"<OfferCondition>{item.offer_condition.value}</OfferCondition>"
        f"{_optional('OfferReference', item.offer_reference)}"
        f"<FulfilmentMethod>{item.fulfilment_method.value}</FulfilmentMethod>"
        "</OrderItem></ShipmentItem>"
    )


def _transport(shipment: Shipment) -> str:
    content = (
        f"{_optional('TransportId', _number(shipment.transport_id))}"
        f"{_optional('TransporterCode', shipment.transporter_code, TRANSPORTER_CODE_CHARS_MAX)}"
        f"{_optional('TrackAndTrace', shipment.track_and_trace, TRACK_AND_TRACE_CHARS_MAX)}"
        f"{_optional('ShippingLabelId', _number(shipment.shipping_label_id))}"
    )
    return f"<Transport>{content}</Transport>" if content else ""


_SALUTATIONS: Final = {"male": Salutation.MALE, "female": Salutation.FEMALE}


def _address(address: Address, first_name_tag: str = "Firstname") -> str:
    return (
        f"<SalutationCode>{_SALUTATIONS.get(address.salutation, Salutation.UNKNOWN).value}</SalutationCode>"
        f"<{first_name_tag}>{_required(address.first_name)}</{first_name_tag}>"
        f"<Surname>{_required(address.surname)}</Surname>"
        f"<Streetname>{_required(address.street)}</Streetname>"
        f"<Housenumber>{_required(address.house_number, placeholder='0')}</Housenumber>"
        f"{_optional('HousenumberExtended', address.house_number_extended)}"
        f"{_optional('AddressSupplement', address.address_supplement)}"
        f"{_optional('ExtraAddressInformation', address.extra_address_information)}"
        f"<ZipCode>{_required(address.zip_code)}</ZipCode>"
        f"<City>{_required(address.city)}</City>"
        f"<CountryCode>{_country(address.country_code)}</CountryCode>"
        f"<Email>{_required(address.email)}</Email>"
        f"{_optional('DeliveryPhoneNumber', address.delivery_phone_number)}"
        f"{_optional('Company', address.company)}"
        f"{_optional('VatNumber', address.vat_number)}"
    )


def _optional(tag: str, text: str | None, chars_max: int | None = None) -> str:
    content = _clean(text, chars_max) if text else ""
    return f"<{tag}>{content}</{tag}>" if content else ""


def _required(text: str, chars_max: int | None = None, *, placeholder: str = "-") -> str:
    return _clean(text, chars_max) or placeholder


def _clean(text: str, chars_max: int | None = None) -> str:
    """Return the text as it may stand in an element or an attribute: legal, trimmed, cut, escaped."""
    legal = _ILLEGAL.sub("", text) if _ILLEGAL.search(text) else text
    cut = legal.strip()[:chars_max].rstrip()
    return _SPECIAL.sub(_escape, cut) if _SPECIAL.search(cut) else cut


# What XML 1.0 has no way to write, not even as a number.
_ILLEGAL: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
_SPECIAL: Final = re.compile('[&<>"\t\n\r]')
# White space is escaped too, or a parser would hand out something else than was written.
_ESCAPES: Final = {
    "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "\t": "&#9;", "\n": "&#10;", "\r": "&#13;"
}  # fmt: skip


def _escape(match: re.Match[str]) -> str:
    return _ESCAPES[match[0]]


def _country(code: str) -> str:
    """Return two capital letters; ZZ, which ISO leaves to its users, where the data has none."""
    upper = code.strip().upper()
    return upper if _COUNTRY.fullmatch(upper) else "ZZ"


_COUNTRY: Final = re.compile("[A-Z]{2}")


def _number(number: int | None) -> str | None:
    return None if number is None else str(number)


@lru_cache(maxsize=256)
def _moment(moment: datetime, timespec: str = "seconds") -> str:
    """One moment is written many times: answers to calls of one batch have the time of the batch."""
    return moment.astimezone(AMSTERDAM).isoformat(timespec=timespec)


def _day(day: date | None) -> str | None:
    """Write a day with its offset, the only form of a bare date that every client can read."""
    if day is None:
        return None
    return f"{day.isoformat()}{datetime.combine(day, time(), AMSTERDAM).isoformat()[-6:]}"
