"""Endpoints as JSON, for the API and the command line. Their secrets are no part of it."""

from datetime import datetime
from typing import Annotated, TypedDict
from uuid import UUID

from pydantic import BaseModel, Field

from countermand.domain.dates import write_moment
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.events import EventKind
from countermand.domain.subscriptions import Resource
from countermand.ids import show


class EndpointOut(BaseModel):
    """An endpoint. ``state_reason`` says why it is not active."""

    id: str
    party: UUID
    url: str
    events: list[EventKind]
    resources: Annotated[
        list[Resource] | None,
        Field(description="which changes a subscription of bol's Retailer API reports; null for other endpoints"),
    ]
    label: str
    state: EndpointState
    state_reason: str
    failing_since: datetime | None
    created_at: datetime


class ListedEndpoint(TypedDict):
    """An endpoint as the command line shows it, with the id of its party."""

    id: str
    party: str
    url: str
    label: str
    events: list[str]
    resources: list[str] | None
    state: str
    state_reason: str
    failing_since: str | None
    created_at: str


def endpoint_document(endpoint: Endpoint) -> EndpointOut:
    """One endpoint."""
    return EndpointOut(
        id=show("ept", endpoint.id),
        party=endpoint.party,
        url=endpoint.url,
        events=list(endpoint.event_kinds),
        resources=list(endpoint.subscription.resources) if endpoint.subscription else None,
        label=endpoint.label,
        state=endpoint.state,
        state_reason=endpoint.state_reason,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
    )


def listed_endpoint(endpoint: Endpoint) -> ListedEndpoint:
    """One endpoint, for the command line."""
    shown = endpoint_document(endpoint)
    return {
        "id": shown.id,
        "party": str(endpoint.party),
        "url": shown.url,
        "label": shown.label,
        "events": [kind.value for kind in shown.events],
        "resources": None if shown.resources is None else [each.value for each in shown.resources],
        "state": shown.state.value,
        "state_reason": shown.state_reason,
        "failing_since": write_moment(shown.failing_since) if shown.failing_since else None,
        "created_at": write_moment(shown.created_at),
    }
