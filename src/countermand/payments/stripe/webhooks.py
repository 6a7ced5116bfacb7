"""Stripe's webhooks: ``Stripe-Signature: t=…,v1=…``, an HMAC-SHA256 over time and body."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from countermand.payments.answers import UnreadableError, inner, read_document, text_if_any
from countermand.payments.client import REFERENCE
from countermand.payments.provider import ForgedError, Notified

TOLERANCE_S: Final = 300
HEADER: Final = "stripe-signature"
HEADER_MAX: Final = 4096
SIGNATURES_MAX: Final = 20

_REFUND: Final = re.compile(r"(re|pyr)_[A-Za-z0-9_]{1,200}", re.ASCII)
_PAYMENT: Final = re.compile(r"(pi|ch|py)_[A-Za-z0-9_]{1,200}", re.ASCII)


def read_notice(headers: Mapping[str, str], body: bytes, *, secret: str, now: datetime) -> Sequence[Notified]:
    """Which refund or payment an event is about; empty if it is about something else.

    Raises:
        ForgedError: it was not signed with the secret, or not recently.
    """
    _check(headers, body, secret, now)
    try:
        event = read_document(body)
    except UnreadableError as error:
        raise ForgedError(f"It is signed, and unreadable. {error}") from None
    subject = inner(inner(event, "data"), "object")
    id = text_if_any(subject, "id")  # noqa: A001
    match text_if_any(subject, "object"):
        case "refund" if _REFUND.fullmatch(id):
            named = [text_if_any(subject, "payment_intent"), text_if_any(subject, "charge")]
            reference = text_if_any(inner(subject, "metadata"), REFERENCE)
            return _notices([each for each in named if _PAYMENT.fullmatch(each)] or [""], id, reference)
        case "charge":
            return _notices([each for each in (text_if_any(subject, "payment_intent"), id) if _PAYMENT.fullmatch(each)])
        case "payment_intent" if _PAYMENT.fullmatch(id):
            return _notices([id])
    return ()


def _notices(payments: Sequence[str], refund: str = "", reference: str = "") -> Sequence[Notified]:
    """One for each name of the payment: orders name it by its intent or by its charge."""
    return tuple(Notified(provider_id=refund, reference=reference, payment=payment) for payment in payments)


def _check(headers: Mapping[str, str], body: bytes, secret: str, now: datetime) -> None:
    header = next((value for name, value in headers.items() if name.lower() == HEADER), "")
    if not header or len(header) > HEADER_MAX:
        raise ForgedError("There is no header Stripe-Signature that can be read.")
    parts = [part.strip().partition("=") for part in header.split(",")]
    times = [value for name, _, value in parts if name == "t"]
    signatures = [value for name, _, value in parts if name == "v1"][:SIGNATURES_MAX]
    if len(times) != 1 or not re.fullmatch(r"[1-9][0-9]{0,10}", times[0], re.ASCII):
        raise ForgedError("The signature names no time.")
    if abs(now.timestamp() - int(times[0])) > TOLERANCE_S:
        raise ForgedError(f"It was signed more than {TOLERANCE_S} seconds before or after now.")
    expected = hmac.new(secret.encode(), times[0].encode() + b"." + body, hashlib.sha256).hexdigest().encode()
    # All are compared, so that the time that this takes does not reveal which one was nearly right.
    if not any([hmac.compare_digest(expected, each.encode("utf-8", "replace")) for each in signatures]):  # noqa: C419
        raise ForgedError("No signature is by the secret of this endpoint.")
