"""Subscriptions of bol's Retailer API: endpoints that are told in bol's words that something has changed.

What a message says is settled in docs/decisions/0033.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from countermand.domain.events import EventKind
from countermand.domain.problems import UnfitError


class Resource(StrEnum):
    """What a subscription can report changes of."""

    PROCESS_STATUS = "PROCESS_STATUS"
    ORDER = "ORDER"


PROCESS_FINISHED: Final = "process.finished"
"""The kind of a notice about a process status that has become final. It is about no line, and no event."""

ORDER_CHANGES: Final = {
    EventKind.LINE_PLACED: "CREATED",
    EventKind.CANCELLATION_ASKED: "CANCELLATION_REQUESTED",
    EventKind.CANCELLATION_DECLINED: "CANCELLATION_ENDED",
    EventKind.CANCELLATION_WITHDRAWN: "CANCELLATION_ENDED",
    EventKind.CANCELLATION_LAPSED: "CANCELLATION_ENDED",
    EventKind.CANCELLATION_ACCEPTED: "CANCELLED",
    EventKind.LINE_SHIPPED: "SHIPPED",
}
"""The events after which an order is another one for a client of this API, and what bol's message calls each."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscription:
    """What makes an endpoint a subscription: which changes it reports, and the number that bol gives its retailer."""

    resources: tuple[Resource, ...]
    retailer_number: int

    @property
    def reports_processes(self) -> bool:
        """Whether it reports that a process status has become final."""
        return Resource.PROCESS_STATUS in self.resources

    def reports(self, kind: EventKind) -> bool:
        """Whether it reports an event of this kind."""
        return Resource.ORDER in self.resources and kind in ORDER_CHANGES

    @property
    def kept(self) -> dict[str, Any]:
        """The document that is kept of it."""
        return {"resources": [each.value for each in self.resources], "retailer": self.retailer_number}


def subscription_of(kept: Mapping[str, Any]) -> Subscription:
    """The subscription that was kept as this document."""
    return Subscription(resources=tuple(map(Resource, kept["resources"])), retailer_number=kept["retailer"])


class SubscribedError(UnfitError):
    """The endpoint is a subscription: which messages it gets is changed through bol's Retailer API."""

    code = "subscribed"
