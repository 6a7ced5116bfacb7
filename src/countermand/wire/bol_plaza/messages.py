"""What a Plaza client sends: Cancellation, ShipmentRequest and ChangeTransportRequest.

Each reader answers with the document or with an `Unreadable`, and raises for nothing that a client can send.

A time without a zone is read as Dutch time. Clients that send one print their computer's local time (the Python
client does so by default) and served Dutch shops; the service itself spoke in Dutch offsets. A client that meant GMT
is off by an hour or two in a time that is kept as its claim and decides nothing.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from countermand.wire.body_types import charset_of, unsupported_charset, unsupported_coding
from countermand.wire.bol.vocabulary import AMSTERDAM, ReasonCode
from countermand.wire.bol_plaza.errors import PlazaError
from countermand.wire.bol_plaza.vocabulary import (
    EARLIEST,
    ID_MAX,
    LATEST,
    SHIPMENT_REFERENCE_CHARS_MAX,
    SHIPPING_LABEL_CODE_CHARS_MAX,
    TRACK_AND_TRACE_CHARS_MAX,
    TRANSPORTER_CODE_CHARS_MAX,
    ErrorCode,
    Version,
)
from countermand.wire.bol_plaza.xml import (
    CHARSETS,
    RefusedError,
    Shape,
    Unreadable,
    in_utf8,
    read_leaves,
    refuse,
)
from countermand.wire.replies import CallError, Problem
from countermand.wire.response import Scope

_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Cancellation:
    """An order item is not going to be sent: since when, and why. The time is the client's claim, in UTC."""

    cancelled_at: datetime
    reason: ReasonCode


@dataclass(frozen=True, kw_only=True)
class Transport:
    """Who carries a parcel, and under what number."""

    transporter_code: str | None
    track_and_trace: str | None


@dataclass(frozen=True, kw_only=True)
class ShipmentRequest:
    """One order item has been sent. Times are the client's claims, in UTC; v2.1 has none."""

    order_item_id: int
    shipped_at: datetime | None
    expected_delivery: datetime | None
    shipment_reference: str | None
    shipping_label_code: str | None
    transport: Transport | None


@dataclass(frozen=True, kw_only=True)
class ChangeTransportRequest:
    """A correction of the carrier or the number of a parcel."""

    transporter_code: str
    track_and_trace: str


def read_cancellation(body: bytes) -> Cancellation | Unreadable:
    """Read the body of a PUT on an order item's cancellation."""

    def build(leaves: _Texts) -> Cancellation:
        return Cancellation(
            cancelled_at=leaves.required("DateTime", _date_time),
            reason=leaves.required("ReasonCode", _reason_code),
        )

    return _read(body, _CANCELLATION, build)


def read_shipment_request(body: bytes, version: Version = Version.V2_0) -> ShipmentRequest | Unreadable:
    """Read the body of a POST of a shipment. `DateTime` is required in v2.0 and was dropped in v2.1."""

    def build(leaves: _Texts) -> ShipmentRequest:
        shipped_at = leaves.required if version is Version.V2_0 else leaves.optional
        return ShipmentRequest(
            order_item_id=leaves.required("OrderItemId", _order_item_id),
            shipped_at=shipped_at("DateTime", _date_time),
            expected_delivery=leaves.optional("ExpectedDeliveryDate", _date_or_date_time),
            shipment_reference=leaves.optional("ShipmentReference", _at_most(SHIPMENT_REFERENCE_CHARS_MAX)),
            shipping_label_code=leaves.optional("ShippingLabelCode", _at_most(SHIPPING_LABEL_CODE_CHARS_MAX)),
            transport=_transport(leaves),
        )

    return _read(body, _SHIPMENT_REQUEST, build)


def read_change_transport_request(body: bytes) -> ChangeTransportRequest | Unreadable:
    """Read the body of a PUT on a transport."""

    def build(leaves: _Texts) -> ChangeTransportRequest:
        return ChangeTransportRequest(
            transporter_code=leaves.required("TransporterCode", _at_most(TRANSPORTER_CODE_CHARS_MAX)),
            track_and_trace=leaves.required("TrackAndTrace", _at_most(TRACK_AND_TRACE_CHARS_MAX)),
        )

    return _read(body, _CHANGE_TRANSPORT_REQUEST, build)


_CANCELLATION: Final = Shape(root="Cancellation", leaves=frozenset({"DateTime", "ReasonCode"}))
_SHIPMENT_REQUEST: Final = Shape(
    root="ShipmentRequest",
    leaves=frozenset(
        {
            "OrderItemId",
            "DateTime",
            "ExpectedDeliveryDate",
            "ShipmentReference",
            "ShippingLabelCode",
            "Transport/TransporterCode",
            "Transport/TrackAndTrace",
        }
    ),
    containers=frozenset({"Transport"}),
)
_CHANGE_TRANSPORT_REQUEST: Final = Shape(
    root="ChangeTransportRequest", leaves=frozenset({"TransporterCode", "TrackAndTrace"})
)


def _transport(leaves: "_Texts") -> Transport | None:
    code = leaves.optional("Transport/TransporterCode", _at_most(TRANSPORTER_CODE_CHARS_MAX))
    number = leaves.optional("Transport/TrackAndTrace", _at_most(TRACK_AND_TRACE_CHARS_MAX))
    if code is None and number is None:
        return None
    return Transport(transporter_code=code, track_and_trace=number)


def readable(document: _T | Unreadable) -> _T:
    """The document.

    Raises:
        PlazaError: it cannot be read.
    """
    if isinstance(document, Unreadable):
        raise PlazaError(Problem.MALFORMED, document.code.value, document.sentence)
    return document


def in_known_charset(scope: Scope, body: bytes) -> bytes:
    """What a call carries, in the encoding that the document names, or in UTF-8.

    Raises:
        CallError: nobody here understands how it is written.
    """
    unsupported = unsupported_coding(scope) or unsupported_charset(scope, CHARSETS, "application/xml")
    if unsupported:
        raise CallError(Problem.UNSUPPORTED_MEDIA_TYPE, unsupported.sentence, unsupported.header)
    charset = charset_of(scope)
    return in_utf8(body, charset) if charset else body


def _read(body: bytes, shape: Shape, build: "Callable[[_Texts], _T]") -> _T | Unreadable:
    texts = read_leaves(body, shape)
    if isinstance(texts, Unreadable):
        return texts
    try:
        return build(_Texts(texts=texts))
    except RefusedError as refused:
        return refused.unreadable


@dataclass(frozen=True, kw_only=True)
class _Texts:
    """The texts of a document's elements, and how to ask for them. An empty element is as good as none."""

    texts: dict[str, str]

    def required(self, path: str, read: Callable[[str, str], _T]) -> _T:
        name = _last(path)
        text = self.texts.get(path)
        if not text:
            refuse(f"Message is missing required tag {name}.", ErrorCode.MISSING_TAG)
        return read(name, text)

    def optional(self, path: str, read: Callable[[str, str], _T]) -> _T | None:
        text = self.texts.get(path)
        return read(_last(path), text) if text else None


def _last(path: str) -> str:
    return path.rpartition("/")[2]


def _reason_code(name: str, text: str) -> ReasonCode:
    try:
        return ReasonCode(text)
    except ValueError:
        refuse(f"{name} must be one of {', '.join(ReasonCode)}.")


def _order_item_id(name: str, text: str) -> int:
    match = _NUMBER.fullmatch(text)
    if match is None:
        refuse(f"{name} must be a whole number above 0.")
    digits = match[1]
    # Counted before it is converted: Python itself refuses to convert thousands of digits.
    if len(digits) > len(str(ID_MAX)) or int(digits) > ID_MAX:
        refuse(f"{name} is {_shortened(digits)}, but may not have a value larger than {ID_MAX}.", ErrorCode.TOO_LARGE)
    return int(digits)


_NUMBER: Final = re.compile(r"\+?0*([1-9][0-9]*)")


def _shortened(text: str) -> str:
    return text if len(text) <= 30 else f"{text[:30]}…"


def _at_most(chars_max: int) -> Callable[[str, str], str]:
    def read(name: str, text: str) -> str:
        if len(text) > chars_max:
            refuse(f"{name} has {len(text)} characters, but may not have more than {chars_max}.", ErrorCode.TOO_LARGE)
        return text

    return read


# xs:dateTime. A fraction may be of any length (.NET writes seven digits, Python six, PHP none), an hour may be 24, and
# a zone is at most fourteen hours away.
_TIME: Final = r"T([0-9]{2}):[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?"
_ZONE: Final = r"(Z|[+-](?:0[0-9]|1[0-3]):[0-5][0-9]|[+-]14:00)?"
_DATE: Final = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_DATE_TIME: Final = re.compile(_DATE + _TIME + _ZONE)
_DATE_OR_DATE_TIME: Final = re.compile(f"{_DATE}(?:{_TIME})?{_ZONE}")
_MIDNIGHT: Final = re.compile(r"T24(:00:00)(?:\.0+)?")


def _date_time(name: str, text: str) -> datetime:
    return _moment(_DATE_TIME, name, text)


def _date_or_date_time(name: str, text: str) -> datetime:
    """Take a day as its beginning: the element is called a date, and Python users hand their library a `date`."""
    return _moment(_DATE_OR_DATE_TIME, name, text)


def _moment(form: re.Pattern[str], name: str, text: str) -> datetime:
    match = form.fullmatch(text)
    moment = _utc(text, match[1]) if match else None
    if moment is None:
        refuse(f"{name} must be a date and time such as 2020-01-31T12:00:00+01:00.")
    if not EARLIEST <= moment < LATEST:
        refuse(f"{name} must lie between the years {EARLIEST.year} and {LATEST.year}.")
    return moment


def _utc(text: str, hour: str | None) -> datetime | None:
    """The moment that a text of the right form stands for; `None` for a day or an hour that there is not."""
    if hour is None:
        text = f"{text[:10]}T00:00:00{text[10:]}"
    # XML Schema has an hour 24, the end of the day.
    start = _MIDNIGHT.sub(r"T00\1", text) if hour == "24" else text
    try:
        local = datetime.fromisoformat(start) + timedelta(days=start != text)
        return (local if local.tzinfo else local.replace(tzinfo=AMSTERDAM)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
