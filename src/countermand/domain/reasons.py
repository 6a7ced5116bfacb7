"""Why units are cancelled or why a cancellation is declined: one catalogue, of which each dialect has its own names."""

from enum import StrEnum
from typing import Final, Literal


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


AskReason = Literal[
    CancelReason.NOT_STATED,
    CancelReason.REQUESTED_BY_CUSTOMER,
    CancelReason.OUT_OF_STOCK,
    CancelReason.BAD_CONDITION,
    CancelReason.SHIPPING_TOO_COSTLY,
    CancelReason.INCORRECT_PRICE,
    CancelReason.NOT_AVAILABLE_IN_TIME,
    CancelReason.GUARANTEE_NOT_MET,
    CancelReason.ORDERED_TWICE,
    CancelReason.ITEM_RETAINED,
    CancelReason.TECHNICAL_ISSUE,
    CancelReason.ITEM_NOT_FOUND,
    CancelReason.BACKORDER_TOO_LATE,
    CancelReason.OTHER,
]
"""What an ask can say. Only a supplier can know what it rejected at allocation."""

StatedReason = Literal[
    DeclineReason.ALREADY_SHIPPED,
    DeclineReason.ALREADY_PICKED,
    DeclineReason.IN_PACKING,
    DeclineReason.MADE_TO_ORDER,
    DeclineReason.OTHER,
]
"""What a decline says where there is room for a reason."""

CANCEL_MEANINGS: Final[dict[CancelReason, str]] = {
    CancelReason.NOT_STATED: "No reason was given. It is the default.",
    CancelReason.REQUESTED_BY_CUSTOMER: "The customer wants it.",
    CancelReason.OUT_OF_STOCK: "The article is out of stock.",
    CancelReason.BAD_CONDITION: "The article is damaged.",
    CancelReason.SHIPPING_TOO_COSTLY: "Shipping costs more than was expected.",
    CancelReason.INCORRECT_PRICE: "The price was wrong.",
    CancelReason.NOT_AVAILABLE_IN_TIME: "The article cannot be delivered by the promised day.",
    CancelReason.GUARANTEE_NOT_MET: "The article cannot meet the guarantee of the marketplace.",
    CancelReason.ORDERED_TWICE: "The same was ordered twice.",
    CancelReason.ITEM_RETAINED: "The retailer keeps the article.",
    CancelReason.TECHNICAL_ISSUE: "A fault of a system led to the order.",
    CancelReason.ITEM_NOT_FOUND: "The article is not where it should be.",
    CancelReason.BACKORDER_TOO_LATE: "The article is on back-order, and comes too late.",
    CancelReason.REJECTED_AT_ALLOCATION: "The supplier reported at allocation that it does not have these units.",
    CancelReason.OTHER: "None of the others. A note can say more.",
}
"""What each reason for a cancellation means."""

DECLINE_MEANINGS: Final[dict[DeclineReason, str]] = {
    DeclineReason.NOT_STATED: "No reason was given. Only CRUX has such declines.",
    DeclineReason.ALREADY_SHIPPED: "The units are on their way. A policy can require the parcel as proof.",
    DeclineReason.ALREADY_PICKED: "The units are taken from the shelf, and cannot be stopped.",
    DeclineReason.IN_PACKING: "The units are being packed.",
    DeclineReason.MADE_TO_ORDER: "The units are made for this customer.",
    DeclineReason.OTHER: "None of the others. A note can say more.",
}
"""What each reason for a decline means."""
