"""The fixed words that all of bol's APIs use: reasons, process statuses, and who fulfils."""

from enum import StrEnum
from typing import Final

from countermand.domain.dates import AMSTERDAM as AMSTERDAM
from countermand.domain.reasons import CancelReason


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


class FulfilmentMethod(StrEnum):
    """Who sends the goods: by retailer, or by bol."""

    FBR = "FBR"
    FBB = "FBB"


REASONS: Final = {
    ReasonCode.OUT_OF_STOCK: CancelReason.OUT_OF_STOCK,
    ReasonCode.REQUESTED_BY_CUSTOMER: CancelReason.REQUESTED_BY_CUSTOMER,
    ReasonCode.BAD_CONDITION: CancelReason.BAD_CONDITION,
    ReasonCode.HIGHER_SHIPCOST: CancelReason.SHIPPING_TOO_COSTLY,
    ReasonCode.INCORRECT_PRICE: CancelReason.INCORRECT_PRICE,
    ReasonCode.NOT_AVAIL_IN_TIME: CancelReason.NOT_AVAILABLE_IN_TIME,
    ReasonCode.NO_BOL_GUARANTEE: CancelReason.GUARANTEE_NOT_MET,
    ReasonCode.ORDERED_TWICE: CancelReason.ORDERED_TWICE,
    ReasonCode.RETAIN_ITEM: CancelReason.ITEM_RETAINED,
    ReasonCode.TECH_ISSUE: CancelReason.TECHNICAL_ISSUE,
    ReasonCode.UNFINDABLE_ITEM: CancelReason.ITEM_NOT_FOUND,
    ReasonCode.OTHER: CancelReason.OTHER,
}
"""What each of bol's reasons means here, in the order bol lists them. Source: docs/plaza.md."""
