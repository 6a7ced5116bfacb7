"""Trying an endpoint: a message about nothing, signed and sent like any other, and what the receiver makes of it."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import orjson

from countermand.admin.endpoints import PREFIX, Endpoint
from countermand.documents.events import write_test
from countermand.domain.delivery import Attempt
from countermand.domain.endpoint import is_mailbox, mailbox_of
from countermand.ids import show
from countermand.outlets.email import Mail
from countermand.outlets.email_text import trial_mail
from countermand.outlets.http.client import Webhooks
from countermand.outlets.signature import sign


async def try_endpoint(
    endpoint: Endpoint,
    *,
    secrets: Sequence[str],
    id: UUID,  # noqa: A002 - the word of the convention
    now: datetime,
    source: str,
    webhooks: Webhooks,
    mail: Mail,
) -> Attempt:
    """Make one attempt to send a test, whatever the state of the endpoint. Nothing is stored of it.

    ``id`` is the id of the message, ``source`` this service's base URL.
    """
    name = show(PREFIX, endpoint.id)
    if is_mailbox(endpoint.url):
        said = trial_mail(source)
        return await mail.send(mailbox_of(endpoint.url), said.subject, said.text, said.html, message_id=show("evt", id))
    body = orjson.dumps(write_test(endpoint=name, id=id, at=now, source=source))
    return await webhooks.post(endpoint.url, sign(secrets, show("evt", id), now, body), body)
