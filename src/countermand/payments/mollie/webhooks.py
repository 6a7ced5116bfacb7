"""Mollie's webhooks: unsigned ones that carry an id and nothing else, and signed ones with a whole event."""

import hashlib
import hmac
import re
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import parse_qsl

from countermand.payments.answers import Document, UnreadableError, inner, read_document, text_if_any
from countermand.payments.client import REFERENCE
from countermand.payments.provider import ForgedError, Notified

HEADER: Final = "x-mollie-signature"
HEADER_MAX: Final = 2048
SIGNATURES_MAX: Final = 20
FORM_MAX: Final = 512

_PAYMENT: Final = re.compile(r"tr_[A-Za-z0-9]{1,100}", re.ASCII)
_REFUND: Final = re.compile(r"re_[A-Za-z0-9]{1,100}", re.ASCII)


def read_notice(headers: Mapping[str, str], body: bytes, *, secret: str) -> Sequence[Notified]:
    """Which payment or refund a webhook is about; empty if it is about something else.

    Raises:
        ForgedError: its signature is wrong, or missing though there is a secret.
    """
    signed = next((value for name, value in headers.items() if name.lower() == HEADER), None)
    if signed is None and secret:
        raise ForgedError("There is no header X-Mollie-Signature.")
    if signed is None:
        return _plain(body)
    _check(signed, body, secret)
    try:
        return _event(read_document(body))
    except UnreadableError as error:
        raise ForgedError(f"It is signed, and unreadable. {error}") from None


def _plain(body: bytes) -> Sequence[Notified]:
    """``id=tr_…``. Anybody can send this, so it is only a reason to ask Mollie."""
    if len(body) > FORM_MAX:
        return ()
    ids = [value for name, value in parse_qsl(body.decode("latin-1")) if name == "id"]
    if len(ids) != 1 or not _PAYMENT.fullmatch(ids[0]):
        return ()
    return (Notified(provider_id="", reference="", payment=ids[0]),)


def _check(signed: str, body: bytes, secret: str) -> None:
    """While a secret is being replaced, there are two signatures in one list."""
    if not secret:
        raise ForgedError("It is signed, and the setting mollie_webhook_secret is empty.")
    if len(signed) > HEADER_MAX:
        raise ForgedError("The signature is too long.")
    expected = f"sha256={hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}".encode()
    given = [each.strip().encode("utf-8", "replace") for each in signed.split(",")[:SIGNATURES_MAX]]
    # All are compared, so that the time that this takes does not reveal which one was nearly right.
    if not any([hmac.compare_digest(expected, each) for each in given]):  # noqa: C419
        raise ForgedError("No signature is by the secret of this endpoint.")


def _event(event: Document) -> Sequence[Notified]:
    embedded = inner(event, "_embedded")
    entity = next((each for each in embedded.values() if isinstance(each, dict)), event)
    id = text_if_any(entity, "id")  # noqa: A001
    if text_if_any(entity, "resource") == "payment" and _PAYMENT.fullmatch(id):
        return (Notified(provider_id="", reference="", payment=id),)
    refund = id if _REFUND.fullmatch(id) else text_if_any(event, "entityId")
    if not _REFUND.fullmatch(refund):
        return ()
    payment = text_if_any(entity, "paymentId")
    return (
        Notified(
            provider_id=refund,
            reference=text_if_any(inner(entity, "metadata"), REFERENCE),
            payment=payment if _PAYMENT.fullmatch(payment) else "",
        ),
    )
