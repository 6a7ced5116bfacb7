"""Why units are cancelled or why a cancellation is declined: one catalogue, of which each dialect has its own names."""

from enum import StrEnum


class CancelReason(StrEnum):
    """Why units are cancelled. They cover the reasons of every dialect; some have none."""

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
    """Why a fulfiller declines. ``NOT_STATED`` is only for dialects whose decline carries no reason."""

    NOT_STATED = "not_stated"
    ALREADY_SHIPPED = "already_shipped"
    ALREADY_PICKED = "already_picked"
    IN_PACKING = "in_packing"
    MADE_TO_ORDER = "made_to_order"
    OTHER = "other"
