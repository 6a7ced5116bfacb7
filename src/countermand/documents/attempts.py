"""Attempts as JSON: what was sent, and what came back.

What was sent is written anew from its event, as it is at every attempt. It lacks the signature, and the link by which
anybody could answer.
"""

from datetime import UTC, datetime
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, Field

from countermand.documents.events import TEST_KIND, write
from countermand.documents.samples import write_sample
from countermand.documents.subscriptions import order_message, process_message, trial_message
from countermand.domain.addresses.kinds import kind_of
from countermand.domain.events import EventKind
from countermand.domain.parties import PartyKind
from countermand.domain.subscriptions import Subscription, subscription_of
from countermand.ids import show
from countermand.reads.attempts import AttemptView
from countermand.reads.events import EventView
from countermand.reads.process_statuses import ProcessView
from countermand.reads.scope import Scope


class AttemptRequestOut(BaseModel):
    """What was sent, without its signature. Of an e-mail there is only the address."""

    url: Annotated[str, Field(description="where it was sent")]
    headers: Annotated[dict[str, str], Field(description="the headers, without the signature")]
    body: Annotated[str, Field(description="the body, without the link to answer")]


class AttemptOut(BaseModel):
    """One attempt to send a notice or a test."""

    id: Annotated[str, Field(description="its id")]
    notice: Annotated[str | None, Field(description="id of the notice; null for a test")]
    endpoint: Annotated[str, Field(description="id of the endpoint")]
    at: Annotated[datetime, Field(description="when it began")]
    ok: Annotated[bool, Field(description="whether the receiver took it")]
    duration_ms: Annotated[int, Field(description="how long it took")]
    request: AttemptRequestOut
    status: Annotated[int | None, Field(description="the status of the answer; null if there was none")]
    answer: Annotated[str, Field(description="the first 1 kB of the answer")]
    error: Annotated[str, Field(description="why there was no answer; empty if there was one")]


def attempt_document(row: AttemptView, source: str) -> AttemptOut:
    """One attempt. ``source`` is the service's base URL."""
    return AttemptOut(
        id=show("att", row.id),
        notice=show("ntc", row.notice_id) if row.notice_id else None,
        endpoint=show("ept", row.endpoint_id),
        at=row.at,
        ok=row.ok,
        duration_ms=row.duration_ms,
        request=_request(row, source),
        status=row.status,
        answer=row.answer,
        error=row.error,
    )


def _request(row: AttemptView, source: str) -> AttemptRequestOut:
    if not kind_of(row.url).is_signed:
        return AttemptRequestOut(url=row.url, headers={}, body="")
    headers = {"Content-Type": "application/json", "User-Agent": "Countermand"}
    if row.subscription is not None:
        message = _message(row, subscription_of(row.subscription))
        return AttemptRequestOut(url=row.url, headers=headers, body=orjson.dumps(message).decode() if message else "")
    headers |= {
        "webhook-id": show("evt", row.event_id),
        "webhook-timestamp": str(int(row.at.astimezone(UTC).timestamp())),
    }
    return AttemptRequestOut(url=row.url, headers=headers, body=_body(row, source))


def _message(row: AttemptView, subscription: Subscription) -> dict[str, Any] | None:
    match row.event:
        case ProcessView() as process:
            return process_message(subscription, process)
        case EventView() as event:
            return order_message(subscription, event)
        case None:
            return None if row.notice_id else trial_message(subscription, row.endpoint_id, row.at)


def _body(row: AttemptView, source: str) -> str:
    if isinstance(row.event, EventView):
        reader = Scope(party=row.party_id, kind=PartyKind(row.party_kind))
        return orjson.dumps(write(row.event, reader=reader, source=source)).decode()
    if row.notice_id is not None:
        return ""
    kind = None if row.kind == TEST_KIND else EventKind(row.kind)
    endpoint = show("ept", row.endpoint_id)
    return orjson.dumps(write_sample(kind, endpoint=endpoint, id=row.event_id, at=row.at, source=source)).decode()
