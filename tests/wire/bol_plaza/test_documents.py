import re
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from xml.etree import ElementTree as ET

import bol.plaza.models as client
import pytest
from bol.plaza.api import MethodGroup, PlazaAPI
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree

import countermand.wire.bol_plaza as package
from countermand.wire.bol.addresses import Address
from countermand.wire.bol.meaning import ProcessStatus
from countermand.wire.bol.vocabulary import EventType, FulfilmentMethod, ReasonCode, Status
from countermand.wire.bol_plaza import vocabulary, writing
from countermand.wire.bol_plaza.messages import (
    Cancellation,
    ChangeTransportRequest,
    ShipmentRequest,
    Transport,
    read_cancellation,
    read_change_transport_request,
    read_shipment_request,
)
from countermand.wire.bol_plaza.vocabulary import (
    ErrorCode,
    OfferCondition,
    Salutation,
    Version,
)
from countermand.wire.bol_plaza.writing import Order, OrderItem, Shipment, ShippedItem
from countermand.wire.bol_plaza.xml import Unreadable

FOLDER = Path(str(package.__file__)).parent
PLAZA = etree.XMLSchema(etree.parse(FOLDER / "plazaapi.xsd"))
ERRORS = etree.XMLSchema(etree.parse(FOLDER / "serviceerror-1.5.xsd"))
NS = vocabulary.PLAZA_NAMESPACE


def assert_valid(document: bytes, schema: etree.XMLSchema = PLAZA) -> etree._Element:
    root = etree.fromstring(document)
    schema.assertValid(root)
    for element in root.iterdescendants():
        assert len(element) or element.text or element.attrib, f"{element.tag} is empty"
    assert not root.attrib
    return root


def cancellation(date_time: str = "2020-01-01T12:00:00Z", reason: str = "OTHER") -> bytes:
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><Cancellation xmlns="{NS}">'
        f"<DateTime>{date_time}</DateTime><ReasonCode>{reason}</ReasonCode></Cancellation>"
    ).encode()


# --- reading ---

DATE_TIMES = [
    ("2011-01-01T12:00:00", datetime(2011, 1, 1, 11, tzinfo=UTC)),
    ("2020-07-01T12:00:00", datetime(2020, 7, 1, 10, tzinfo=UTC)),
    ("2026-11-22T04:15:27.509507", datetime(2026, 11, 22, 3, 15, 27, 509507, tzinfo=UTC)),
    ("2017-02-09T11:39:48+00:00", datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC)),
    ("2017-02-09T12:39:48+01:00", datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC)),
    ("2017-02-09T12:39:48.1234567+01:00", datetime(2017, 2, 9, 11, 39, 48, 123456, tzinfo=UTC)),
    ("2017-02-09T11:39:48Z", datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC)),
    ("2017-02-09T11:39:48.5Z", datetime(2017, 2, 9, 11, 39, 48, 500000, tzinfo=UTC)),
    ("2017-02-09T11:39:48.0000001Z", datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC)),
    ("2017-02-09T06:39:48-05:00", datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC)),
    ("2017-02-09T12:39:48.5+01:00", datetime(2017, 2, 9, 11, 39, 48, 500000, tzinfo=UTC)),
    ("2017-02-09T24:00:00Z", datetime(2017, 2, 10, tzinfo=UTC)),
    ("2017-02-09T14:00:00+14:00", datetime(2017, 2, 9, tzinfo=UTC)),
    # The hour that does not exist and the hour that exists twice both count from before the clock is changed.
    ("2020-03-29T02:30:00", datetime(2020, 3, 29, 1, 30, tzinfo=UTC)),
    ("2020-10-25T02:30:00", datetime(2020, 10, 25, 0, 30, tzinfo=UTC)),
    (" \n\t2017-02-09T11:39:48Z\r\n", datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC)),
]


@pytest.mark.parametrize(("text", "moment"), DATE_TIMES)
def test_every_form_of_date_and_time_is_read(text: str, moment: datetime) -> None:
    read = read_cancellation(cancellation(date_time=text))
    assert read == Cancellation(cancelled_at=moment, reason=ReasonCode.OTHER)


@pytest.mark.parametrize("reason", list(ReasonCode))
def test_every_reason_is_read_and_in_the_schema(reason: ReasonCode) -> None:
    document = cancellation(reason=reason.value)
    read = read_cancellation(document)
    assert isinstance(read, Cancellation)
    assert read.reason is reason
    assert_valid(document)


# Wide of the edges by a day, so that no offset leads over them; hypothesis wants these two naive.
FIRST_DAY, LAST_DAY = datetime(1970, 1, 2), datetime(2199, 12, 30)  # noqa: DTZ001


@given(moment=st.datetimes(FIRST_DAY, LAST_DAY), minutes=st.integers(-14 * 60, 14 * 60))
def test_what_python_writes_is_read_back(moment: datetime, minutes: int) -> None:
    aware = moment.replace(tzinfo=timezone(timedelta(minutes=minutes)))
    read = read_cancellation(cancellation(date_time=aware.isoformat()))
    assert isinstance(read, Cancellation)
    assert read.cancelled_at == aware
    assert read.cancelled_at.tzinfo is UTC


def test_a_body_as_the_python_client_makes_it_is_read() -> None:
    group = MethodGroup(PlazaAPI("public", "private"), "order-items")
    body = group.create_request_xml(
        "Cancellation", DateTime=datetime(2020, 1, 1, 12, tzinfo=UTC), ReasonCode="OUT_OF_STOCK"
    )
    assert read_cancellation(body.encode()) == Cancellation(
        cancelled_at=datetime(2020, 1, 1, 12, tzinfo=UTC), reason=ReasonCode.OUT_OF_STOCK
    )


def test_a_shipment_as_the_python_client_makes_it_is_read() -> None:
    group = MethodGroup(PlazaAPI("public", "private"), "shipments")
    body = group.create_request_xml(
        "ShipmentRequest",
        OrderItemId="206605326",
        DateTime=datetime(2020, 1, 1, 12),  # noqa: DTZ001
        ExpectedDeliveryDate=date(2020, 7, 2),
        ShipmentReference="B & B".replace("&", "&amp;"),
        Transport={"TransporterCode": "DHL-GLOBAL-MAIL", "TrackAndTrace": None},
    )
    assert_valid(body.encode())
    assert read_shipment_request(body.encode()) == ShipmentRequest(
        order_item_id=206605326,
        shipped_at=datetime(2020, 1, 1, 11, tzinfo=UTC),
        expected_delivery=datetime(2020, 7, 1, 22, tzinfo=UTC),
        shipment_reference="B & B",
        shipping_label_code=None,
        transport=Transport(transporter_code="DHL-GLOBAL-MAIL", track_and_trace=None),
    )


def test_an_empty_transport_of_the_python_client_is_none() -> None:
    group = MethodGroup(PlazaAPI("public", "private"), "shipments")
    body = group.create_request_xml(
        "ShipmentRequest",
        OrderItemId=1,
        DateTime=datetime(2020, 1, 1, 12),  # noqa: DTZ001
        Transport={"TransporterCode": None, "TrackAndTrace": None},
    )
    read = read_shipment_request(body.encode())
    assert isinstance(read, ShipmentRequest)
    assert read.transport is None


def test_version_21_ships_without_a_date() -> None:
    body = (
        b'<ShipmentRequest xmlns="https://plazaapi.bol.com/services/xsd/v2.1/plazaapi.xsd">'
        b"<OrderItemId>206605326</OrderItemId><ShippingLabelCode>PLR</ShippingLabelCode></ShipmentRequest>"
    )
    read = read_shipment_request(body, Version.V2_1)
    assert isinstance(read, ShipmentRequest)
    assert (read.order_item_id, read.shipped_at, read.shipping_label_code) == (206605326, None, "PLR")
    refused = read_shipment_request(body, Version.V2_0)
    assert refused == Unreadable(code=ErrorCode.MISSING_TAG, sentence="Message is missing required tag DateTime.")


def test_a_changed_transport_is_read() -> None:
    body = (
        f'<ChangeTransportRequest xmlns="{NS}"><TransporterCode>TNT</TransporterCode>'
        "<TrackAndTrace>3SBOL</TrackAndTrace></ChangeTransportRequest>"
    ).encode()
    assert_valid(body)
    expected = ChangeTransportRequest(transporter_code="TNT", track_and_trace="3SBOL")
    assert read_change_transport_request(body) == expected


@pytest.mark.parametrize(
    ("document", "code", "sentence"),
    [
        (cancellation(date_time=""), 41201, "Message is missing required tag DateTime."),
        (b"<Cancellation><DateTime>2020-01-01T12:00:00Z</DateTime></Cancellation>", 41201,
         "Message is missing required tag ReasonCode."),
        (cancellation(date_time="yesterday"), 41100,
         "DateTime must be a date and time such as 2020-01-31T12:00:00+01:00."),
        (cancellation(date_time="0001-01-01T00:00:00"), 41100,
         "DateTime must be a date and time such as 2020-01-31T12:00:00+01:00."),
        (cancellation(date_time="1969-12-31T23:00:00Z"), 41100, "DateTime must lie between the years 1970 and 2200."),
        (cancellation(date_time="2200-01-01T00:00:00Z"), 41100, "DateTime must lie between the years 1970 and 2200."),
        (cancellation(reason="BORED"), 41100,
         "ReasonCode must be one of OUT_OF_STOCK, REQUESTED_BY_CUSTOMER, BAD_CONDITION, HIGHER_SHIPCOST, "
         "INCORRECT_PRICE, NOT_AVAIL_IN_TIME, NO_BOL_GUARANTEE, ORDERED_TWICE, RETAIN_ITEM, TECH_ISSUE, "
         "UNFINDABLE_ITEM, OTHER."),
        (cancellation() + b"<x/>", 41100,
         "The message is not well-formed XML: junk after document element in line 1, column 200."),
        (b"<Cancel/>", 41100, "The message must be a Cancellation."),
        (b"", 41100, "The message is empty; Cancellation was expected."),
    ],
)  # fmt: skip
def test_a_refusal_names_the_element(document: bytes, code: int, sentence: str) -> None:
    assert read_cancellation(document) == Unreadable(code=ErrorCode(code), sentence=sentence)


@pytest.mark.parametrize(
    ("element", "sentence"),
    [
        ("<OrderItemId>10000000000</OrderItemId>",
         "OrderItemId is 10000000000, but may not have a value larger than 9999999999."),
        ("<OrderItemId>1</OrderItemId><ShipmentReference>" + "x" * 101 + "</ShipmentReference>",
         "ShipmentReference has 101 characters, but may not have more than 100."),
        ("<OrderItemId>1</OrderItemId><Transport><TrackAndTrace>" + "x" * 51 + "</TrackAndTrace></Transport>",
         "TrackAndTrace has 51 characters, but may not have more than 50."),
    ],
)  # fmt: skip
def test_too_large_a_value_is_named(element: str, sentence: str) -> None:
    body = f"<ShipmentRequest><DateTime>2020-01-01T12:00:00Z</DateTime>{element}</ShipmentRequest>".encode()
    assert read_shipment_request(body) == Unreadable(code=ErrorCode.TOO_LARGE, sentence=sentence)


ENCODINGS = [("UTF-8", "utf-8"), ("UTF-8", "utf-8-sig"), ("UTF-16", "utf-16"), ("ISO-8859-1", "latin-1"),
             ("iso-8859-15", "iso-8859-15"), ("Windows-1252", "cp1252")]  # fmt: skip


@pytest.mark.parametrize(("declared", "codec"), ENCODINGS)
def test_the_encodings_of_xml_are_read(declared: str, codec: str) -> None:
    body = (
        f'<?xml version="1.0" encoding="{declared}"?><ShipmentRequest><OrderItemId>1</OrderItemId>'
        "<ShipmentReference>é</ShipmentReference></ShipmentRequest>"
    ).encode(codec)
    read = read_shipment_request(body, Version.V2_1)
    assert isinstance(read, ShipmentRequest)
    assert read.shipment_reference == "é"


pieces = st.sampled_from(
    ["<", ">", "/", "&", ";", "#", '"', "'", "=", "!", "?", "[", "]", "--", "<!--", "-->", "<![CDATA[", "]]>",
     "<!DOCTYPE",
     "<!ENTITY", "<?xml", "?>", " ", "\n", "Cancellation", "<Cancellation>", "</Cancellation>", "<DateTime>",
     "</DateTime>", "<ReasonCode>", "</ReasonCode>", "OTHER", "2020-01-01T12:00:00Z", "2020-01-01T12:00:00", "xmlns",
     ":", "urn:x", "&#x", "&#0;", "&lt;", "é", "\ud7ff", "\ufeff", "\x00", "🙂", "<Transport>", "</Transport>", "<x/>",
     "<ShipmentRequest>", "</ShipmentRequest>", "<OrderItemId>", "</OrderItemId>", "99999999999"]
)  # fmt: skip
codecs_ = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-7"])
scraps = st.builds(lambda parts, codec: "".join(parts).encode(codec), st.lists(pieces, max_size=30), codecs_)


@settings(max_examples=300)
@given(body=st.one_of(scraps, st.binary(max_size=200)))
def test_no_bytes_make_a_reader_raise(body: bytes) -> None:
    for read in (read_cancellation, read_shipment_request, read_change_transport_request):
        document = read(body)
        assert not isinstance(document, Unreadable) or document.sentence


@settings(max_examples=300)
@given(st.data())
def test_a_spoilt_cancellation_is_read_or_refused(data: st.DataObject) -> None:
    body = bytearray(cancellation())
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 3))] = data.draw(pieces).encode()
    read = read_cancellation(bytes(body))
    assert isinstance(read, Cancellation | Unreadable)


# --- writing ---

# Any character at all, also those that XML cannot write.
texts = st.text(st.characters(), max_size=40)
some_text = st.one_of(
    texts, st.sampled_from(["", " ", "\x00", "\ud800", "<&>\"'", "]]>", "\r\n\t", "a\nb", "🙂", "x" * 700])
)
moments = st.datetimes(FIRST_DAY, LAST_DAY, timezones=st.just(UTC))
days = st.dates(FIRST_DAY.date(), LAST_DAY.date())
ids = st.integers(0, 2**31 - 1)
money = st.decimals(-(10**7), 10**7, places=2) | st.decimals(0, 10**7, places=4)

addresses = st.builds(
    Address,
    salutation=st.sampled_from(("male", "female", "")),
    **dict.fromkeys(
        ["first_name", "surname", "street", "house_number", "zip_code", "city", "country_code", "email"], some_text
    ),
    **dict.fromkeys(
        ["house_number_extended", "address_supplement", "extra_address_information", "delivery_phone_number", "company",
         "vat_number"],
        st.none() | some_text,
    ),
)  # fmt: skip
order_items = st.builds(
    OrderItem,
    order_item_id=ids,
    ean=some_text,
    offer_reference=st.none() | some_text,
    title=some_text,
    quantity=st.integers(0, 10**6),
    offer_price=money,
    transaction_fee=money,
    latest_delivery_date=st.none() | days,
)
orders = st.builds(
    Order,
    order_id=ids,
    ordered_at=moments,
    passed_on_at=moments,
    ship_to=addresses,
    bill_to=addresses,
    items=st.lists(order_items, min_size=1, max_size=2).map(tuple),
)
shipped_items = st.builds(
    ShippedItem,
    order_item_id=ids,
    order_id=ids,
    sequence_number=ids,
    ordered_at=moments,
    latest_delivery_date=st.none() | days,
    ean=some_text,
    title=st.none() | some_text,
    quantity=st.integers(0, 10**6),
    offer_price=money,
    offer_reference=st.none() | some_text,
)
shipments = st.builds(
    Shipment,
    shipment_id=st.none() | ids,
    shipped_at=moments,
    expected_delivery=st.none() | moments,
    shipment_reference=st.none() | some_text,
    items=st.lists(shipped_items, min_size=1, max_size=2).map(tuple),
    transport_id=st.none() | ids,
    transporter_code=st.none() | some_text,
    track_and_trace=st.none() | some_text,
    shipping_label_id=st.none() | ids,
    customer=addresses,
)
process_statuses = st.builds(
    ProcessStatus,
    id=ids,
    seller_id=ids,
    entity_id=ids | some_text,
    error_message=st.none() | some_text,
    created_at=st.none() | moments,
    self_url=st.none() | some_text,
)


@settings(max_examples=60, deadline=None)
@given(listed=st.lists(orders, max_size=2), version=st.sampled_from(Version))
def test_any_orders_are_valid_and_readable_by_the_python_client(listed: list[Order], version: Version) -> None:
    document = writing.write_orders(listed, version)
    assert_valid(document)
    read = client.Orders.parse(None, ET.fromstring(document))
    assert [order.OrderId for order in read] == [str(order.order_id) for order in listed]


@settings(max_examples=60, deadline=None)
@given(listed=st.lists(shipments, max_size=2), version=st.sampled_from(Version))
def test_any_shipments_are_valid_and_readable_by_the_python_client(listed: list[Shipment], version: Version) -> None:
    document = writing.write_shipments(listed, version)
    assert_valid(document)
    read = client.Shipments.parse(None, ET.fromstring(document))
    assert len(read) == len(listed)


@settings(max_examples=150, deadline=None)
@given(process=process_statuses)
def test_any_process_status_is_valid_and_readable_by_the_python_client(process: ProcessStatus) -> None:
    document = writing.write_process_status(process)
    assert_valid(document)
    read = client.ProcessStatus.parse(None, ET.fromstring(document))
    assert (read.id, read.status) == (str(process.id), process.status.value)


@given(code=st.integers(41000, 41999), text=some_text)
def test_any_service_error_is_valid(code: int, text: str) -> None:
    root = assert_valid(writing.write_service_error(code, text), ERRORS)
    assert (root[1].text or "").startswith(f"BOL-ERROR [PAI-{code}] =")


@given(text=st.text(st.characters(codec="utf-8"), max_size=60))
def test_legal_text_comes_back_trimmed_and_otherwise_unchanged(text: str) -> None:
    process = ProcessStatus(
        id=1, seller_id=1, entity_id=1, event_type=EventType.CANCEL_ORDER, status=Status.FAILURE, error_message=text
    )
    root = etree.fromstring(writing.write_process_status(process))
    legal = re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]", "", text).strip()
    assert root.findtext(f"{{{NS}}}errorMessage") == (legal or "-")


PENDING = ProcessStatus(
    id=112748417,
    seller_id=925853,
    entity_id=206605326,
    event_type=EventType.CANCEL_ORDER,
    status=Status.PENDING,
    created_at=datetime(2016, 2, 17, 16, 30, 0, 142000, tzinfo=UTC),
    self_url="https://plazaapi.bol.com/services/rest/process-status/v2/112748417",
)


def test_a_process_status_to_the_letter() -> None:
    assert writing.write_process_status(PENDING).decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ns1:ProcessStatus xmlns:ns1="https://plazaapi.bol.com/services/xsd/v2/plazaapi.xsd">'
        "<ns1:id>112748417</ns1:id><ns1:sellerId>925853</ns1:sellerId><ns1:entityId>206605326</ns1:entityId>"
        "<ns1:eventType>CANCEL_ORDER</ns1:eventType>"
        "<ns1:description>Cancel order item with id 206605326.</ns1:description>"
        "<ns1:status>PENDING</ns1:status>"
        "<ns1:createTimestamp>2016-02-17T17:30:00.142+01:00</ns1:createTimestamp>"
        '<ns1:Links><ns1:link ns1:rel="self" '
        'ns1:href="https://plazaapi.bol.com/services/rest/process-status/v2/112748417" ns1:method="GET"/></ns1:Links>'
        "</ns1:ProcessStatus>"
    )


@pytest.mark.parametrize(
    ("event_type", "sentence"),
    [
        (EventType.CANCEL_ORDER, "Cancel order item with id 7."),
        (EventType.CONFIRM_SHIPMENT, "Confirm shipment for order item 7."),
        (EventType.CHANGE_TRANSPORT, "Change transport with id 7."),
        (EventType.HANDLE_RETURN_ITEM, "Handle the return item with returnNumber 7"),
    ],
)
def test_a_process_status_describes_itself(event_type: EventType, sentence: str) -> None:
    assert event_type.describe(7) == sentence


ANNA = Address(
    salutation="female",
    first_name="Anna",
    surname="de Vries & Zn",
    street="Keizersgracht",
    house_number="12",
    house_number_extended="A",
    zip_code="1015 CN",
    city="Amsterdam",
    country_code="nl",
    email="anna@verkopen.bol.com",
    company="",
)
ITEM = OrderItem(
    order_item_id=206605326,
    ean="9789062387410",
    offer_reference="SKU-1",
    title="Harry <Potter>",
    quantity=2,
    offer_price=Decimal("12.9"),
    transaction_fee=Decimal(3),
    latest_delivery_date=date(2017, 2, 10),
    offer_condition=OfferCondition.AS_NEW,
    cancel_request=True,
)
ORDER = Order(
    order_id=4123456789,
    ordered_at=datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC),
    passed_on_at=datetime(2017, 7, 9, 11, 40, tzinfo=UTC),
    ship_to=ANNA,
    bill_to=ANNA,
    items=(ITEM,),
)


def names(element: etree._Element) -> list[str]:
    return [etree.QName(child).localname for child in element]


def test_order_items_have_the_elements_of_their_version_in_order() -> None:
    old = assert_valid(writing.write_orders([ORDER], Version.V2_0)).find(f".//{{{NS}}}OrderItem")
    new = assert_valid(writing.write_orders([ORDER], Version.V2_1)).find(f".//{{{NS}}}OrderItem")
    assert old is not None
    assert new is not None
    assert names(old) == ["OrderItemId", "EAN", "OfferReference", "Title", "Quantity", "OfferPrice",
                          "PromisedDeliveryDate", "TransactionFee", "OfferCondition", "CancelRequest"]  # fmt: skip
    assert names(new) == ["OrderItemId", "EAN", "OfferReference", "Title", "Quantity", "OfferPrice", "TransactionFee",
                          "LatestDeliveryDate", "OfferCondition", "CancelRequest", "FulfilmentMethod"]  # fmt: skip


def test_an_order_is_written_for_every_client() -> None:
    document = writing.write_orders([ORDER], Version.V2_1).decode()
    assert document.startswith(f'<?xml version="1.0" encoding="UTF-8"?><Orders xmlns="{NS}"><Order>')
    for part in (
        "<DateTimeCustomer>2017-02-09T12:39:48+01:00</DateTimeCustomer>",
        "<DateTimeDropShipper>2017-07-09T13:40:00+02:00</DateTimeDropShipper>",
        "<Firstname>Anna</Firstname><Surname>de Vries &amp; Zn</Surname>",
        "<CountryCode>NL</CountryCode>",
        "<Title>Harry &lt;Potter&gt;</Title>",
        "<OfferPrice>12.90</OfferPrice><TransactionFee>3.00</TransactionFee>",
        "<LatestDeliveryDate>2017-02-10+01:00</LatestDeliveryDate>",
        "<CancelRequest>true</CancelRequest><FulfilmentMethod>FBR</FulfilmentMethod>",
    ):
        assert part in document
    assert "Company" not in document


def test_the_python_client_reads_an_order() -> None:
    (order,) = client.Orders.parse(None, ET.fromstring(writing.write_orders([ORDER], Version.V2_0)))
    (item,) = order.OrderItems
    assert order.DateTimeCustomer == ORDER.ordered_at
    assert order.CustomerDetails.ShipmentDetails.Surname == "de Vries & Zn"
    assert (item.OrderItemId, item.Quantity, item.OfferPrice) == ("206605326", 2, Decimal("12.90"))
    assert item.CancelRequest == "true"


def test_an_empty_list_is_a_bare_root() -> None:
    for write, root in ((writing.write_orders, "Orders"), (writing.write_shipments, "Shipments")):
        document = write([], Version.V2_1)
        assert names(assert_valid(document)) == []
        assert f'<{root} xmlns="{NS}">'.encode() in document


SHIPMENT = Shipment(
    shipment_id=5,
    shipped_at=datetime(2017, 2, 9, 11, 39, 48, tzinfo=UTC),
    expected_delivery=datetime(2017, 2, 10, 12, tzinfo=UTC),
    shipment_reference="REF",
    items=(
        ShippedItem(
            order_item_id=206605326,
            order_id=412,
            sequence_number=1,
            ordered_at=datetime(2017, 2, 8, tzinfo=UTC),
            latest_delivery_date=date(2017, 7, 10),
            ean="9789062387410",
            title="A book",
            quantity=1,
            offer_price=Decimal("9.99"),
            offer_condition=OfferCondition.NEW,
        ),
    ),
    transport_id=8,
    transporter_code="TNT",
    track_and_trace="3SBOL",
    customer=ANNA,
)


def test_shipments_have_the_elements_of_their_version() -> None:
    old = writing.write_shipments([SHIPMENT], Version.V2_0).decode()
    new = writing.write_shipments([SHIPMENT], Version.V2_1).decode()
    for part in ("<FirstName>", "<OrderItemSequenceNumber>", "<ExpectedDeliveryDate>", "<PromisedDeliveryDate>"):
        assert part in old
        assert part not in new
    for part in ("<Firstname>", "<LatestDeliveryDate>2017-07-10+02:00<"):
        assert part in new
        assert part not in old


def test_the_python_client_reads_a_shipment() -> None:
    document = writing.write_shipments([SHIPMENT], Version.V2_0)
    (shipment,) = client.Shipments.parse(None, ET.fromstring(document))
    assert shipment.ShipmentDate == SHIPMENT.shipped_at
    assert shipment.ShipmentItems[0].OrderItem.OfferPrice == Decimal("9.99")
    assert shipment.Transport.TrackAndTrace == "3SBOL"


def test_a_shipment_without_transport_has_no_transport_element() -> None:
    bare = Shipment(shipped_at=SHIPMENT.shipped_at, items=SHIPMENT.items, track_and_trace="\x00", customer=ANNA)
    assert b"Transport" not in writing.write_shipments([bare], Version.V2_1)


def test_a_service_error_to_the_letter() -> None:
    assert writing.write_service_error(41501, "Too many requests").decode() == (
        '<?xml version="1.0" encoding="UTF-8"?>'
        '<ServiceError xmlns="http://config.services.bol.com/schemas/serviceerror-1.5.xsd">'
        "<ErrorCode>41501</ErrorCode><ErrorMessage>BOL-ERROR [PAI-41501] = Too many requests</ErrorMessage>"
        "</ServiceError>"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [("ReasonCode", ReasonCode), ("OfferCondition", OfferCondition), ("FulfilmentMethod", FulfilmentMethod),
     ("EventType", EventType), ("Status", Status), ("SalutationCode", Salutation)],
)  # fmt: skip
def test_the_schema_lists_the_same_words(name: str, words: type[ReasonCode]) -> None:
    schema = etree.parse(FOLDER / "plazaapi.xsd")
    xs = "{http://www.w3.org/2001/XMLSchema}"
    listed = [
        value.get("value")
        for type_ in schema.iter(f"{xs}simpleType")
        if type_.get("name") == name
        for value in type_.iter(f"{xs}enumeration")
    ]
    assert listed == [word.value for word in words]


@pytest.mark.parametrize(
    "spoilt",
    [
        (b"<ns1:status>PENDING</ns1:status>", b"<ns1:status>FAILED</ns1:status>"),
        (b"ns1:rel=", b"rel="),
        (b"<ns1:sellerId>925853</ns1:sellerId>", b""),
        (b"142+01:00", b"142"),
    ],
)
def test_the_schema_notices_what_is_wrong(spoilt: tuple[bytes, bytes]) -> None:
    document = writing.write_process_status(PENDING)
    assert spoilt[0] in document
    assert not PLAZA.validate(etree.fromstring(document.replace(*spoilt)))
