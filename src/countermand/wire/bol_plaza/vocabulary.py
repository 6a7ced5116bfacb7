"""The fixed words of the Plaza dialect: versions, namespaces, codes and states."""

from datetime import UTC, datetime
from enum import Enum, StrEnum
from typing import Final
from zoneinfo import ZoneInfo

PLAZA_NAMESPACE: Final = "https://plazaapi.bol.com/services/xsd/v2/plazaapi.xsd"
ERROR_NAMESPACE: Final = "http://config.services.bol.com/schemas/serviceerror-1.5.xsd"

AMSTERDAM: Final = ZoneInfo("Europe/Amsterdam")

# Inside these years every moment has an offset of whole minutes in Amsterdam and survives any change of zone,
# so what was read can be stored and written again without a surprise at the edge of the calendar.
EARLIEST: Final = datetime(1970, 1, 1, tzinfo=UTC)
LATEST: Final = datetime(2200, 1, 1, tzinfo=UTC)

# Nine nines and one more: the largest id of the v1 schema, the only one that was ever published.
ID_MAX: Final = 9_999_999_999
TRANSPORTER_CODE_CHARS_MAX: Final = 20
TRACK_AND_TRACE_CHARS_MAX: Final = 50
SHIPMENT_REFERENCE_CHARS_MAX: Final = 100
# The sheet gives no limit for a label code; a code nobody can type is not one.
SHIPPING_LABEL_CODE_CHARS_MAX: Final = 100
TITLE_CHARS_MAX: Final = 500
EAN_CHARS_MAX: Final = 13
ERROR_CHARS_MAX: Final = 256


class Version(Enum):
    """Which representation of the same URL the `Accept` header chose."""

    V2_0 = "2.0"
    V2_1 = "2.1"


class ErrorCode(Enum):
    """The error codes of documents; those of authentication are in `signature.Denial`."""

    SCHEMA = 41100
    MISSING_TAG = 41201
    TOO_LARGE = 41202


class ReasonCode(StrEnum):
    """Why a retailer cancels an order item. Only `REQUESTED_BY_CUSTOMER` answers a customer's ask."""

    OUT_OF_STOCK = "OUT_OF_STOCK"
    REQUESTED_BY_CUSTOMER = "REQUESTED_BY_CUSTOMER"
    BAD_CONDITION = "BAD_CONDITION"
    HIGHER_SHIPCOST = "HIGHER_SHIPCOST"
    INCORRECT_PRICE = "INCORRECT_PRICE"
    NOT_AVAIL_IN_TIME = "NOT_AVAIL_IN_TIME"
    NO_BOL_GUARANTEE = "NO_BOL_GUARANTEE"
    ORDERED_TWICE = "ORDERED_TWICE"
    RETAIN_ITEM = "RETAIN_ITEM"
    TECH_ISSUE = "TECH_ISSUE"
    UNFINDABLE_ITEM = "UNFINDABLE_ITEM"
    OTHER = "OTHER"


class EventType(StrEnum):
    """What a process status is about."""

    CANCEL_ORDER = "CANCEL_ORDER"
    CONFIRM_SHIPMENT = "CONFIRM_SHIPMENT"
    CHANGE_TRANSPORT = "CHANGE_TRANSPORT"
    HANDLE_RETURN_ITEM = "HANDLE_RETURN_ITEM"

    def describe(self, entity_id: int | str) -> str:
        """Return the sentence that a process status of this type carries."""
        return _DESCRIPTIONS[self].format(entity_id)


_DESCRIPTIONS: Final = {
    EventType.CANCEL_ORDER: "Cancel order item with id {}.",
    EventType.CONFIRM_SHIPMENT: "Confirm shipment for order item {}.",
    EventType.CHANGE_TRANSPORT: "Change transport with id {}.",
    EventType.HANDLE_RETURN_ITEM: "Handle the return item with returnNumber {}",
}


class Status(StrEnum):
    """How far a process is. All but `PENDING` are final."""

    PENDING = "PENDING"
    SUCCESS = "SUCCESS"
    FAILURE = "FAILURE"
    TIMEOUT = "TIMEOUT"


class OfferCondition(StrEnum):
    """The state of the article that was offered."""

    NEW = "NEW"
    AS_NEW = "AS_NEW"
    GOOD = "GOOD"
    REASONABLE = "REASONABLE"
    MODERATE = "MODERATE"
    BAD = "BAD"
    UNKNOWN = "UNKNOWN"


class FulfilmentMethod(StrEnum):
    """Who sends the goods: by retailer, or by bol."""

    FBR = "FBR"
    FBB = "FBB"


class Salutation(StrEnum):
    """How to address a customer."""

    MALE = "01"
    FEMALE = "02"
    UNKNOWN = "03"
