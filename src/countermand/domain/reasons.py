"""Why units are cancelled, and why a cancellation is declined, with bol's name for each reason."""

from enum import StrEnum
from typing import Final


class CancelReason(StrEnum):
    """Why units are cancelled. Source: bol's twelve codes (docs/plaza.md); CRUX names none."""

    NOT_STATED = "not_stated"
    REQUESTED_BY_CUSTOMER = "requested_by_customer"
    OUT_OF_STOCK = "out_of_stock"
    BAD_CONDITION = "bad_condition"
    SHIPPING_TOO_COSTLY = "shipping_too_costly"
    INCORRECT_PRICE = "incorrect_price"
    NOT_AVAILABLE_IN_TIME = "not_available_in_time"
    GUARANTEE_NOT_MET = "guarantee_not_met"
    ORDERED_TWICE = "ordered_twice"
    ITEM_RETAINED = "item_retained"
    TECHNICAL_ISSUE = "technical_issue"
    ITEM_NOT_FOUND = "item_not_found"
    BACKORDER_TOO_LATE = "backorder_too_late"
    REJECTED_AT_ALLOCATION = "rejected_at_allocation"
    OTHER = "other"


class DeclineReason(StrEnum):
    """Why a fulfiller declines. ``NOT_STATED`` comes only from APIs whose decline has no reason (CRUX)."""

    NOT_STATED = "not_stated"
    ALREADY_SHIPPED = "already_shipped"
    ALREADY_PICKED = "already_picked"
    IN_PACKING = "in_packing"
    MADE_TO_ORDER = "made_to_order"
    OTHER = "other"


BOL_REASONS: Final = {
    "OUT_OF_STOCK": CancelReason.OUT_OF_STOCK,
    "REQUESTED_BY_CUSTOMER": CancelReason.REQUESTED_BY_CUSTOMER,
    "BAD_CONDITION": CancelReason.BAD_CONDITION,
    "HIGHER_SHIPCOST": CancelReason.SHIPPING_TOO_COSTLY,
    "INCORRECT_PRICE": CancelReason.INCORRECT_PRICE,
    "NOT_AVAIL_IN_TIME": CancelReason.NOT_AVAILABLE_IN_TIME,
    "NO_BOL_GUARANTEE": CancelReason.GUARANTEE_NOT_MET,
    "ORDERED_TWICE": CancelReason.ORDERED_TWICE,
    "RETAIN_ITEM": CancelReason.ITEM_RETAINED,
    "TECH_ISSUE": CancelReason.TECHNICAL_ISSUE,
    "UNFINDABLE_ITEM": CancelReason.ITEM_NOT_FOUND,
    "OTHER": CancelReason.OTHER,
}
"""bol's name of each reason, in the order bol lists them. Source: docs/plaza.md."""
