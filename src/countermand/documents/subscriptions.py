"""Messages to subscriptions of bol's Retailer API, as JSON. Their shape is bol's (docs/retailer.md)."""

from datetime import datetime
from typing import Any
from uuid import UUID

from countermand.domain.dates import AMSTERDAM
from countermand.domain.events import EventKind
from countermand.domain.subscriptions import ORDER_CHANGES, Resource, Subscription
from countermand.reads.events import EventView
from countermand.reads.process_statuses import ProcessView


def order_message(of: Subscription, event: EventView) -> dict[str, Any]:
    """An order has changed."""
    return _message(of, event.at, Resource.ORDER.value, ORDER_CHANGES[EventKind(event.kind)], str(event.order_number))


def process_message(of: Subscription, process: ProcessView) -> dict[str, Any]:
    """A process status has become final."""
    at = process.settled_at or process.created_at
    return _message(of, at, Resource.PROCESS_STATUS.value, process.status, str(process.number))


def trial_message(of: Subscription, subscription: UUID, at: datetime) -> dict[str, Any]:
    """Somebody wants to see whether messages arrive."""
    return _message(of, at, "TEST", "TEST", str(subscription))


def _message(of: Subscription, at: datetime, resource: str, change: str, id: str) -> dict[str, Any]:  # noqa: A002
    return {
        "retailerId": str(of.retailer_number),
        "timestamp": at.astimezone(AMSTERDAM).isoformat(timespec="milliseconds"),
        "event": {"resource": resource, "type": change, "resourceId": id},
    }
