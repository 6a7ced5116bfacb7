"""Endpoints as JSON, for the API and the command line. Their secrets are no part of it."""

from datetime import datetime
from typing import TypedDict
from uuid import UUID

from pydantic import BaseModel

from countermand.domain.dates import write_moment
from countermand.domain.endpoint import Endpoint, EndpointState
from countermand.domain.events import EventKind
from countermand.ids import show


class EndpointOut(BaseModel):
    """An endpoint. ``state_reason`` says why it is not active."""

    id: str
    party: UUID
    url: str
    events: list[EventKind]
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
        "state": shown.state.value,
        "state_reason": shown.state_reason,
        "failing_since": write_moment(shown.failing_since) if shown.failing_since else None,
        "created_at": write_moment(shown.created_at),
    }
