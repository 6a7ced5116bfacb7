"""Stripe: refunds and releases by its API, with an ``Idempotency-Key`` and our reference in the metadata.

Facts relied on, from Stripe's documentation:

- A key is kept for at least 24 hours. Stripe repeats the first answer under it, also an error of its server, but not
  the answers to too many calls or to a missing API key.
- A refund names no currency. It has that of its payment, so the payment is read before.
- Cancelling an intent releases all that can still be captured, never a part.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Final
from urllib.parse import urlencode

from countermand.ids import Clock, system_clock
from countermand.outlets.http.client import NoAnswerError, Outbound
from countermand.payments.adapter import Adapter
from countermand.payments.answers import Document, UnreadableError, inner, integer, items, text, text_if_any
from countermand.payments.client import (
    KEY,
    REFERENCE,
    RETAILER,
    SOON_S,
    Api,
    ProviderRefund,
    Reply,
    about_the_call,
    captured_instead,
    not_admitted,
    of_other_currency,
    payment_unknown,
    payment_unread,
    refused,
    released,
    sentence_of,
    unknown,
    unsent,
)
from countermand.payments.provider import (
    ListedRefund,
    Movement,
    Notified,
    ProviderPayment,
    ProviderResult,
    RefundRequest,
    WaitingFor,
)
from countermand.payments.stripe.amounts import UnwritableError, from_stripe, to_stripe
from countermand.payments.stripe.webhooks import read_notice

URL: Final = "https://api.stripe.com"
VERSION: Final = "2025-04-30.basil"
"""The version of the API that answers are read as, whatever the account's own is."""
PAGE: Final = 100
PAGES_MAX: Final = 10
LATER_S: Final = 24 * 3600.0
FOREVER_S: Final = 10**11
"""No time of Stripe's is later: the seconds of the year 5138."""

_PAYMENT: Final = re.compile(r"(pi|ch|py)_[A-Za-z0-9_]{1,200}", re.ASCII)
_MEANING: Final = {
    "succeeded": Movement.CONFIRMED,
    "pending": Movement.ACCEPTED,
    "requires_action": Movement.ACCEPTED,
    "failed": Movement.REFUSED,
    "canceled": Movement.REFUSED,
}
_ABOUT_THE_REFUND: Final = frozenset(
    (
        "amount_too_large",
        "amount_too_small",
        "charge_already_refunded",
        "charge_disputed",
        "charge_expired_for_capture",
        "charge_not_refundable",
        "invalid_charge_amount",
        "payment_intent_unexpected_state",
        "refund_disputed_payment",
    )
)
_NAMED_BY_THE_REFUND: Final = frozenset({"amount", "charge", "payment_intent"})
_NO_FUNDS: Final = frozenset({"balance_insufficient", "insufficient_funds"})


class Stripe(Adapter):
    """The adapter. It owns ``outbound``, and closes it.

    Raises:
        ValueError: the API key or the secret of webhooks is blank.
    """

    name = "stripe"
    called = "Stripe"
    key_lifetime = timedelta(hours=23)

    def __init__(
        self,
        outbound: Outbound,
        *,
        api_key: str,
        webhook_secret: str,
        base_url: str = URL,
        clock: Clock = system_clock,
    ) -> None:
        if not api_key.strip() or not webhook_secret.strip():
            raise ValueError("Stripe needs an API key and the secret of its webhooks")
        headers = {"Authorization": f"Bearer {api_key}", "Stripe-Version": VERSION}
        super().__init__(Api(self.name, outbound, base_url, headers, clock))
        self._webhook_secret = webhook_secret
        self._clock = clock

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notified]:
        """Which refunds and payments an event is about. What it says about them is not used.

        Raises:
            ForgedError: Stripe did not sign it, or not recently.
        """
        return read_notice(headers, body, secret=self._webhook_secret, now=self._clock())

    async def _find_payment(self, payment: str) -> ProviderPayment | ProviderResult:
        if not _PAYMENT.fullmatch(payment):
            return ProviderPayment()
        reply = await self._payment(payment)
        if found := not_admitted("Stripe", "stripe_api_key", reply):
            return found
        if reply.status == HTTPStatus.NOT_FOUND:
            return ProviderPayment()
        if not reply.done:
            return payment_unread(_message_of(reply))
        other = text_if_any(reply.document, "latest_charge" if payment.startswith("pi_") else "payment_intent")
        return ProviderPayment(
            currency=text(reply.document, "currency", at_most=3).upper(),
            retailer=text_if_any(inner(reply.document, "metadata"), RETAILER),
            names=(other,) if other else (),
        )

    # Refunds

    async def _refund(self, request: RefundRequest) -> ProviderResult:
        return await self._why_not_sent(request) or await self._send(request)

    async def _why_not_sent(self, request: RefundRequest) -> ProviderResult | None:
        """Why a request is not sent, if there is a reason. Nothing has moved then."""
        if not _PAYMENT.fullmatch(request.payment):
            return refused(f"{request.payment!r} is no payment of Stripe: write pi_… or ch_….")
        try:
            to_stripe(request.amount_minor, request.currency)
            reply = await self._payment(request.payment)
            if not reply.done:
                return self._not_found(reply, request)
            currency = text(reply.document, "currency", at_most=3).upper()
        except UnwritableError as error:
            return refused(error)
        except (NoAnswerError, UnreadableError) as error:
            return payment_unread(error)
        if currency != request.currency:
            return of_other_currency(currency, request)
        if not _any_captured(reply.document):
            return refused("Nothing of the payment was captured: it is to be released, not refunded.")
        return None

    async def _payment(self, payment: str) -> Reply:
        kind = "payment_intents" if payment.startswith("pi_") else "charges"
        return await self._api.call("GET", f"/v1/{kind}/{payment}")

    def _not_found(self, reply: Reply, request: RefundRequest) -> ProviderResult:
        if found := not_admitted("Stripe", "stripe_api_key", reply):
            return found
        if reply.status == HTTPStatus.NOT_FOUND:
            return payment_unknown("Stripe", request)
        return payment_unread(_message_of(reply))

    async def _send(self, request: RefundRequest) -> ProviderResult:
        of = "payment_intent" if request.payment.startswith("pi_") else "charge"
        body = urlencode(
            {
                of: request.payment,
                "amount": to_stripe(request.amount_minor, request.currency),
                f"metadata[{REFERENCE}]": request.reference,
                f"metadata[{KEY}]": request.key,
            }
        )
        return await self._sent(request, self._post("/v1/refunds", body.encode(), request.key), _held)

    async def _post(self, path: str, body: bytes, key: str) -> Reply:
        return await self._api.call(
            "POST", path, body, content_type="application/x-www-form-urlencoded", idempotency_key=key
        )

    async def _not_sent(self, request: RefundRequest, reply: Reply) -> ProviderResult:
        if found := not_admitted("Stripe", "stripe_api_key", reply):
            return found
        error = inner(reply.document, "error")
        message = _message_of(reply)
        if reply.status == HTTPStatus.CONFLICT:
            return replace(unknown(message), retry_after_s=SOON_S)
        if reply.status >= 500 or not error:
            return await self._or_found(request, unknown(message))
        if text_if_any(error, "code") in _NO_FUNDS:
            otherwise = ProviderResult(
                movement=Movement.LATER,
                result=f"Waiting for funds at Stripe. {message}",
                spent=True,
                waiting_for=WaitingFor.FUNDS,
            )
        elif _is_about_the_refund(error):
            otherwise = replace(refused(message), spent=True)
        else:
            otherwise = about_the_call(message)
        return await self._or_found(request, otherwise)

    async def _held(self, payment: str) -> list[ProviderRefund]:
        if not _PAYMENT.fullmatch(payment):
            raise UnreadableError(f"{payment!r} is no payment of Stripe.")
        query = {"payment_intent" if payment.startswith("pi_") else "charge": payment, "limit": str(PAGE)}
        found: list[ProviderRefund] = []
        for _ in range(PAGES_MAX):
            reply = await self._api.call("GET", f"/v1/refunds?{urlencode(query)}")
            if not reply.done:
                raise UnreadableError(_message_of(reply))
            page = [_held(each, payment) for each in items(reply.document, "data")]
            found += page
            if reply.document.get("has_more") is not True:
                return found
            if not page:
                break
            query["starting_after"] = page[-1].refund.provider_id
        raise UnreadableError(f"Stripe has more refunds for {payment} than are read here.")

    async def _captured(self, payment: str) -> int:
        reply = await self._payment(payment)
        if not reply.done:
            raise UnreadableError(_message_of(reply))
        return _received(reply.document)

    # Releases

    async def _release(self, request: RefundRequest) -> ProviderResult:
        if not _PAYMENT.fullmatch(request.payment) or not request.payment.startswith("pi_"):
            return refused(f"{request.payment!r} cannot be released: only a payment intent of Stripe, pi_…, can.")
        try:
            to_stripe(request.amount_minor, request.currency)
            reply = await self._payment(request.payment)
            if not reply.done:
                return self._not_found(reply, request)
            if found := _release_result(reply.document, request):
                return found
        except UnwritableError as error:
            return refused(error)
        except (NoAnswerError, UnreadableError) as error:
            return payment_unread(error)
        return await self._cancel(request)

    async def _cancel(self, request: RefundRequest) -> ProviderResult:
        try:
            reply = await self._post(f"/v1/payment_intents/{request.payment}/cancel", b"", request.key)
            found = _release_result(reply.document, request) if reply.done else None
        except NoAnswerError as error:
            return unsent(error)
        except UnreadableError as error:
            return unknown(error)
        if found := found or not_admitted("Stripe", "stripe_api_key", reply):
            return found
        no = 400 <= reply.status < 500 and reply.status != HTTPStatus.CONFLICT
        # Either way, the intent is read before the request is sent again.
        return ProviderResult(
            movement=Movement.LATER if no else Movement.UNKNOWN,
            result=_message_of(reply),
            retry_after_s=SOON_S,
            spent=no,
        )


def _held(refund: Document, asked: str) -> ProviderRefund:
    """A refund as Stripe writes it. If it names no payment, it belongs to the one that was asked for.

    Raises:
        UnreadableError: it is not one.
    """
    if text_if_any(refund, "object") != "refund":
        raise UnreadableError("The answer is no refund.")
    currency, status = text(refund, "currency", at_most=3).upper(), text(refund, "status")
    try:
        amount_minor = from_stripe(integer(refund, "amount"), currency)
    except UnwritableError as error:
        raise UnreadableError(str(error)) from None
    payment = text_if_any(refund, "payment_intent" if asked.startswith("pi_") else "charge") or asked
    return ProviderRefund(
        refund=ListedRefund(
            provider_id=text(refund, "id"),
            reference=text_if_any(inner(refund, "metadata"), REFERENCE),
            amount_minor=amount_minor,
            currency=currency,
            movement=_MEANING.get(status, Movement.UNKNOWN),
            made_at=_moment(refund),
        ),
        key=text_if_any(inner(refund, "metadata"), KEY),
        payment=payment,
        result=_sentence(refund, status),
        waiting_for=WaitingFor.FUNDS if _lacks_funds(refund, status) else None,
    )


def _is_about_the_refund(error: Document) -> bool:
    """Whether Stripe refuses the refund or its key; otherwise it rejects how it was called."""
    if text_if_any(error, "code") in _ABOUT_THE_REFUND or text_if_any(error, "type") == "idempotency_error":
        return True
    return text_if_any(error, "param") in _NAMED_BY_THE_REFUND and text_if_any(error, "code") != "resource_missing"


def _moment(refund: Document) -> datetime | None:
    created = refund.get("created")
    return datetime.fromtimestamp(created, UTC) if type(created) is int and 0 <= created < FOREVER_S else None


def _any_captured(payment: Document) -> bool:
    """Whether any of it was captured. Refunding what was not would release the whole authorisation."""
    if text_if_any(payment, "object") == "charge":
        return payment.get("captured") is True
    return text(payment, "status") != "requires_capture" or payment.get("amount_received") not in (None, 0)


def _lacks_funds(refund: Document, status: str) -> bool:
    """Whether the refund waits for the balance, or failed only because of it."""
    why = {"pending": "pending_reason", "failed": "failure_reason"}.get(status, "")
    return text_if_any(refund, why) == "insufficient_funds"


def _sentence(refund: Document, status: str) -> str:
    reason = text_if_any(refund, "failure_reason") or text_if_any(refund, "pending_reason")
    if status == "pending" and reason == "insufficient_funds":
        return "Waiting for funds: Stripe has the refund, and sends it once the balance is enough."
    if _lacks_funds(refund, status):
        return "Waiting for funds: the balance at Stripe was too low, so the refund failed and is sent again."
    if status == "requires_action":
        return "Stripe has the refund and waits for the customer, who was asked by e-mail where to send it."
    if status not in _MEANING:
        return f"Stripe says the refund is {status!r}, which is unknown here."
    return f"Stripe says the refund is {status}" + (f": {reason.replace('_', ' ')}." if reason else ".")


def _release_result(intent: Document, request: RefundRequest) -> ProviderResult | None:
    """The result of a release according to the state of the intent; ``None`` if the intent is to be cancelled.

    Raises:
        UnreadableError: the answer is no intent.
    """
    if text(intent, "object") != "payment_intent" or text(intent, "id") != request.payment:
        raise UnreadableError("The answer is not about this payment.")
    status, currency = text(intent, "status"), text(intent, "currency", at_most=3).upper()
    if currency != request.currency:
        return of_other_currency(currency, request)
    if status == "canceled":
        return released(request, "Stripe says the payment is canceled: nothing of it will be captured.")
    if status not in ("succeeded", "requires_capture"):
        return refused(f"The payment is {status!r} at Stripe: there is nothing to release.")
    left, wanted = _not_captured(intent, status), request.amount_minor + request.before_minor
    if left < wanted:
        return captured_instead(request, left)
    if status == "succeeded":
        return released(request, "A part of the payment was captured, and Stripe has released the rest.")
    if left > wanted:
        sentence = "Stripe releases a part only when the rest is captured. This waits for that capture."
        return ProviderResult(movement=Movement.LATER, result=sentence, retry_after_s=LATER_S)
    return None


def _not_captured(intent: Document, status: str) -> int:
    amount = _minor(intent, "amount")
    if status == "requires_capture":
        return _minor(intent, "amount_capturable") if "amount_capturable" in intent else amount
    return amount - _received(intent)


def _received(payment: Document) -> int:
    """How much of a payment was captured, of an intent or of a charge."""
    if text_if_any(payment, "object") == "charge":
        name = "amount_captured" if "amount_captured" in payment else "amount"
        return _minor(payment, name) if payment.get("captured") is True else 0
    if "amount_received" in payment:
        return _minor(payment, "amount_received")
    return _minor(payment, "amount") if text(payment, "status") == "succeeded" else 0


def _minor(payment: Document, name: str) -> int:
    try:
        return from_stripe(integer(payment, name), text(payment, "currency", at_most=3).upper())
    except UnwritableError as error:
        raise UnreadableError(str(error)) from None


def _message_of(reply: Reply) -> str:
    error = inner(reply.document, "error")
    code = text_if_any(error, "code") or text_if_any(error, "type")
    return sentence_of("Stripe", reply.status, code, text_if_any(error, "message"))
