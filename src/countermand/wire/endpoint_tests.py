"""A test is sent to an endpoint at once. It is no event, and no notice: what came of it is an attempt by itself."""

import time
from uuid import uuid5

from countermand.documents.events import TEST_KIND
from countermand.domain.delivery import Attempt, Verdict
from countermand.domain.endpoint import UNCONFIRMED, Endpoint
from countermand.domain.events import EventKind
from countermand.domain.idempotency import IdempotencyKey
from countermand.store.attempts import AttemptRow
from countermand.wire.services import Services


async def send_test(
    services: Services, endpoint: Endpoint, kind: EventKind | None, key: IdempotencyKey | None = None
) -> AttemptRow:
    """Send a sample of a kind of event, or a test about nothing. A mailbox that is not confirmed gets none.

    Two processes may get the same call at once, and send it both. Its ``webhook-id`` comes of its key, so that a
    receiver knows the repeat.
    """
    message = uuid5(endpoint.id, f"{key.caller} {key.key}") if key else services.ids.new()
    at, began = services.clock(), time.monotonic()
    if endpoint.unconfirmed_since is not None:
        attempt = Attempt(verdict=Verdict.FAILED, result=UNCONFIRMED)
    else:
        attempt = await services.outlets.of(endpoint).test(endpoint, message, at, kind)
    return AttemptRow(
        retailer_id=endpoint.party,
        id=services.ids.new(),
        notice_id=None,
        endpoint_id=endpoint.id,
        event_id=message,
        line_id=None,
        seq=None,
        kind=kind.value if kind else TEST_KIND,
        url=endpoint.url,
        at=at,
        ok=attempt.verdict is Verdict.DELIVERED,
        duration_ms=round((time.monotonic() - began) * 1000),
        status=attempt.status,
        answer=attempt.answer,
        error=attempt.error,
    )
