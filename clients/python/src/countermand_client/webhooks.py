"""Checks that a webhook is from the service: signed as Standard Webhooks has it, and not old."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

from countermand_client.errors import WebhookError

if TYPE_CHECKING:
    from countermand_client.models import Envelope, Event, TestEvent

SIGNATURES_MAX: Final = 20


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secrets: str | Sequence[str],
    tolerance: float = 300,
    *,
    now: Callable[[], float] = time.time,
) -> Event | TestEvent | Envelope:
    """The event that a webhook brings.

    ``body`` is what was received, byte by byte. ``secrets`` is the endpoint's, or several while one is replaced.
    ``tolerance`` is how many seconds the clocks may be apart.

    Raises:
        WebhookError: it is not from the service, or not of this time. Nothing else is raised.
    """
    raw = body.encode("utf-8", "surrogatepass") if isinstance(body, str) else bytes(body)
    try:
        _check(raw, headers, [secrets] if isinstance(secrets, str) else secrets, tolerance, now())
        document = json.loads(raw)
        if not isinstance(document, dict):
            raise WebhookError("The body is no event.")
        from countermand_client.models import any_event

        return any_event(document)
    except WebhookError:
        raise
    except Exception as error:
        raise WebhookError(f"The body is no event: {type(error).__name__}.") from error


def _check(raw: bytes, headers: Mapping[str, str], secrets: Sequence[str], tolerance: float, now: float) -> None:
    given = {str(name).lower(): str(value) for name, value in headers.items()}
    try:
        id_, timestamp, signatures = (given[f"webhook-{each}"] for each in ("id", "timestamp", "signature"))
    except KeyError as missing:
        raise WebhookError(f"There is no header {missing.args[0]}.") from None
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 11):
        raise WebhookError("webhook-timestamp is no number of seconds.")
    if abs(now - int(timestamp)) > tolerance:
        raise WebhookError(f"The webhook is more than {tolerance:g} seconds away from now.")
    if not secrets:
        raise WebhookError("There is no secret to check it with.")
    expected = [_signature(secret, id_, timestamp, raw) for secret in secrets]
    sent = [each.encode("utf-8", "replace") for each in signatures.split(" ")[:SIGNATURES_MAX]]
    # Each is compared with each, so that the time it takes says nothing about which one was near.
    if not any([hmac.compare_digest(mine, theirs) for mine in expected for theirs in sent]):  # noqa: C419
        raise WebhookError("No signature is by a secret of this endpoint.")


def _signature(secret: str, id_: str, timestamp: str, raw: bytes) -> bytes:
    try:
        key = b64decode(secret.removeprefix("whsec_"), validate=True)
    except ValueError:
        raise WebhookError("A secret is not as the service writes them: whsec_ and base64.") from None
    if not key:
        raise WebhookError("A secret is empty.")
    signed = hmac.new(key, f"{id_}.{timestamp}.".encode("utf-8", "replace") + raw, hashlib.sha256).digest()
    return b"v1," + b64encode(signed)


def sign(body: bytes, id: str, secret: str, *, now: Callable[[], float] = time.time) -> dict[str, str]:  # noqa: A002
    """The headers of a webhook, for tests of a receiver and for programs that forward events.

    Raises:
        WebhookError: the secret is malformed.
    """
    timestamp = str(int(now()))
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": _signature(secret, id, timestamp, body).decode(),
    }
