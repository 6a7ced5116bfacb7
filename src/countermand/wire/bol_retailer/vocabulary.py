"""The fixed words of the Retailer dialect alone. Source: docs/retailer.md."""

from enum import StrEnum
from typing import Final

from countermand.wire.bol.vocabulary import EventType

MEDIA_TYPE: Final = "application/vnd.retailer.v10+json"
ADVERTISER: Final = "application/vnd.advertiser.v10+json"
"""Understood below ``/shared`` as well."""

PAGE: Final = 50
"""How many orders, shipments and process statuses a page has."""


class ProcessEvent(StrEnum):
    """What a process status is about, of all that bol has; those that nothing here makes are never found."""

    CREATE_SHIPMENT = "CREATE_SHIPMENT"
    CANCEL_ORDER = "CANCEL_ORDER"
    CHANGE_TRANSPORT = "CHANGE_TRANSPORT"
    HANDLE_RETURN_ITEM = "HANDLE_RETURN_ITEM"
    CREATE_RETURN_ITEM = "CREATE_RETURN_ITEM"
    CREATE_INBOUND = "CREATE_INBOUND"
    DELETE_OFFER = "DELETE_OFFER"
    CREATE_OFFER = "CREATE_OFFER"
    UPDATE_OFFER = "UPDATE_OFFER"
    UPDATE_OFFER_STOCK = "UPDATE_OFFER_STOCK"
    UPDATE_OFFER_PRICE = "UPDATE_OFFER_PRICE"
    CREATE_OFFER_EXPORT = "CREATE_OFFER_EXPORT"
    UNPUBLISHED_OFFER_REPORT = "UNPUBLISHED_OFFER_REPORT"
    CREATE_PRODUCT_CONTENT = "CREATE_PRODUCT_CONTENT"
    CREATE_SUBSCRIPTION = "CREATE_SUBSCRIPTION"
    UPDATE_SUBSCRIPTION = "UPDATE_SUBSCRIPTION"
    DELETE_SUBSCRIPTION = "DELETE_SUBSCRIPTION"
    SEND_SUBSCRIPTION_TST_MSG = "SEND_SUBSCRIPTION_TST_MSG"
    CREATE_SHIPPING_LABEL = "CREATE_SHIPPING_LABEL"
    CREATE_REPLENISHMENT = "CREATE_REPLENISHMENT"
    UPDATE_REPLENISHMENT = "UPDATE_REPLENISHMENT"
    REQUEST_PRODUCT_DESTINATIONS = "REQUEST_PRODUCT_DESTINATIONS"
    CREATE_SOV_SEARCH_TERM_REPORT = "CREATE_SOV_SEARCH_TERM_REPORT"
    CREATE_SOV_CATEGORY_REPORT = "CREATE_SOV_CATEGORY_REPORT"
    UPLOAD_INVOICE = "UPLOAD_INVOICE"
    CREATE_CAMPAIGN_PERFORMANCE_REPORT = "CREATE_CAMPAIGN_PERFORMANCE_REPORT"

    @classmethod
    def of(cls, kept: str) -> "ProcessEvent":
        """What this API calls a process that is kept under bol's older name."""
        return cls.CREATE_SHIPMENT if kept == EventType.CONFIRM_SHIPMENT.value else cls(kept)

    @property
    def kept(self) -> str:
        """The name under which such a process is kept."""
        return EventType.CONFIRM_SHIPMENT.value if self is ProcessEvent.CREATE_SHIPMENT else self.value

    def describe(self, entity: str) -> str:
        """Return the sentence that a process status of this type carries."""
        return _DESCRIPTIONS.get(self, self.value.capitalize().replace("_", " ") + ".").format(entity)


_DESCRIPTIONS: Final = {
    ProcessEvent.CANCEL_ORDER: "Cancel order item with id {}.",
    ProcessEvent.CREATE_SHIPMENT: "Create shipment.",
    ProcessEvent.CHANGE_TRANSPORT: "Change transport with id {}.",
    ProcessEvent.HANDLE_RETURN_ITEM: "Handle the return item with return number {}.",
    ProcessEvent.CREATE_SUBSCRIPTION: "Create subscription.",
    ProcessEvent.UPDATE_SUBSCRIPTION: "Update subscription with id {}.",
    ProcessEvent.DELETE_SUBSCRIPTION: "Delete subscription with id {}.",
    ProcessEvent.SEND_SUBSCRIPTION_TST_MSG: "Send test message to subscription with id {}.",
}


class SubscriptionType(StrEnum):
    """How a seller is told. bol has queues of two clouds as well, which are not offered here."""

    WEBHOOK = "WEBHOOK"


class Indicator(StrEnum):
    """What bol measures of a seller. Only the first is known here."""

    CANCELLATIONS = "CANCELLATIONS"
    FULFILMENT = "FULFILMENT"
    PHONE_AVAILABILITY = "PHONE_AVAILABILITY"
    RESPONSE_TIME = "RESPONSE_TIME"
    CASE_ITEM_RATIO = "CASE_ITEM_RATIO"
    TRACK_AND_TRACE = "TRACK_AND_TRACE"
    RETURNS = "RETURNS"
    REVIEWS = "REVIEWS"
