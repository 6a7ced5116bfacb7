"""Mollie: refunds and releases by its API, with an ``Idempotency-Key`` and our reference in the metadata.

Facts relied on, from Mollie's documentation and its plug-ins:

- A key is kept for an hour. A repeated call is answered as the first was.
- A second refund of the same amount on the same payment within an hour is refused (409), whatever its key.
- If the balance is too low, a refund is queued and sent later.
- A release is of all that is left, never of a part. It is requested, and happens if the bank agrees.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Final

import orjson

from countermand.domain.money.amounts import parse_minor, write_minor
from countermand.ids import Clock, system_clock
from countermand.outlets.http.client import NoAnswerError, Outbound
from countermand.payments.adapter import Adapter
from countermand.payments.answers import Document, UnreadableError, inner, items, text, text_if_any
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
from countermand.payments.mollie.webhooks import read_notice
from countermand.payments.provider import (
    ListedRefund,
    Movement,
    Notified,
    ProviderPayment,
    ProviderResult,
    RefundRequest,
    WaitingFor,
)

URL: Final = "https://api.mollie.com"
PAGE: Final = 250
PAGES_MAX: Final = 10
EQUAL_APART: Final = timedelta(hours=1)
"""For how long Mollie refuses a second refund of the same amount."""
LATER_S: Final = 24 * 3600.0
RELEASING_S: Final = 60.0

_PAYMENT: Final = re.compile(r"tr_[A-Za-z0-9]{1,100}", re.ASCII)
_AMOUNT: Final = re.compile(r"[0-9]{1,15}(\.[0-9]{1,4})?", re.ASCII)
_NEXT: Final = re.compile(r"[?&]from=(re_[A-Za-z0-9]{1,100})(?:&|$)", re.ASCII)
_MEANING: Final = {
    "refunded": Movement.CONFIRMED,
    "queued": Movement.ACCEPTED,
    "pending": Movement.ACCEPTED,
    "processing": Movement.ACCEPTED,
    "failed": Movement.REFUSED,
    "canceled": Movement.REFUSED,
}
_ABOUT_THE_REFUND: Final = (HTTPStatus.UNPROCESSABLE_ENTITY,)
"""What Mollie answers when it has understood the call and refuses the refund."""
_NO_FUNDS: Final = re.compile(r"balance|\bfunds\b|insufficient|saldo")
_OF_PAYMENT: Final = re.compile(r"maximum|remaining|higher than the (payment|amount)")
"""What Mollie writes if the balance is too low, and if less of the payment is left. Its errors have no codes."""
_NOT_THERE: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.GONE)


class Mollie(Adapter):
    """The adapter. It owns ``outbound``, and closes it.

    ``webhook_secret`` is for the signed webhooks of an organisation; without one, only the unsigned ones of single
    payments are taken.

    Raises:
        ValueError: the API key is blank.
    """

    name = "mollie"
    called = "Mollie"
    key_lifetime = timedelta(minutes=50)
    """Mollie keeps keys for an hour."""
    equal_refunds_apart: timedelta | None = EQUAL_APART

    def __init__(
        self,
        outbound: Outbound,
        *,
        api_key: str,
        webhook_secret: str = "",
        base_url: str = URL,
        clock: Clock = system_clock,
    ) -> None:
        if not api_key.strip():
            raise ValueError("Mollie needs an API key")
        super().__init__(Api(self.name, outbound, base_url, {"Authorization": f"Bearer {api_key}"}, clock))
        self._webhook_secret = webhook_secret

    def read_webhook(self, headers: Mapping[str, str], body: bytes) -> Sequence[Notified]:
        """Which payment or refund a webhook is about. What it says about them is not used.

        Raises:
            ForgedError: Mollie did not sign it, though it is signed or has to be.
        """
        return read_notice(headers, body, secret=self._webhook_secret)

    async def _find_payment(self, payment: str) -> ProviderPayment | ProviderResult:
        if not _PAYMENT.fullmatch(payment):
            return ProviderPayment()
        reply = await self._api.call("GET", f"/v2/payments/{payment}")
        if found := not_admitted("Mollie", "mollie_api_key", reply):
            return found
        if reply.status in _NOT_THERE:
            return ProviderPayment()
        if not reply.done:
            return payment_unread(_message_of(reply))
        ours = text_if_any(inner(reply.document, "metadata"), RETAILER)
        return ProviderPayment(currency=_amount(reply.document, "amount")[1], retailer=ours)

    # Refunds

    async def _refund(self, request: RefundRequest) -> ProviderResult:
        if not _PAYMENT.fullmatch(request.payment):
            return _no_payment(request)
        document = {
            "amount": {"currency": request.currency, "value": write_minor(request.amount_minor, request.currency)},
            "description": f"Refund {request.reference}",
            "metadata": {REFERENCE: request.reference, KEY: request.key},
        }
        call = self._post(f"/v2/payments/{request.payment}/refunds", orjson.dumps(document), request.key)
        return await self._sent(request, call, _held)

    async def _post(self, path: str, body: bytes, key: str) -> Reply:
        return await self._api.call("POST", path, body, content_type="application/json", idempotency_key=key)

    async def _not_sent(self, request: RefundRequest, reply: Reply) -> ProviderResult:
        if found := not_admitted("Mollie", "mollie_api_key", reply):
            return found
        message = _message_of(reply)
        detail = text_if_any(reply.document, "detail").lower()
        if reply.status in _NOT_THERE and "status" in reply.document:
            return payment_unknown("Mollie", request)
        if reply.status >= 500 or "status" not in reply.document:
            otherwise = unknown(message)
        elif reply.status == HTTPStatus.CONFLICT and "duplicate" in detail:
            sentence = f"Mollie takes no second refund of the same amount within an hour. {message}"
            otherwise = ProviderResult(movement=Movement.LATER, result=sentence, spent=True)
            otherwise = replace(
                otherwise, waiting_for=WaitingFor.EQUAL_REFUND, retry_after_s=EQUAL_APART.total_seconds()
            )
        elif reply.status == HTTPStatus.CONFLICT:
            otherwise = replace(unknown(message), retry_after_s=SOON_S)
        elif _NO_FUNDS.search(detail) and not _OF_PAYMENT.search(detail):
            sentence = f"Waiting for funds at Mollie. {message}"
            otherwise = ProviderResult(
                movement=Movement.LATER, result=sentence, spent=True, waiting_for=WaitingFor.FUNDS
            )
        elif reply.status in _ABOUT_THE_REFUND or "idempoten" in detail:
            otherwise = replace(refused(message), spent=True)
        else:
            otherwise = about_the_call(message)
        return await self._or_found(request, otherwise)

    async def _held(self, payment: str) -> list[ProviderRefund]:
        if not _PAYMENT.fullmatch(payment):
            raise UnreadableError(f"{payment!r} is no payment of Mollie.")
        path = f"/v2/payments/{payment}/refunds?limit={PAGE}"
        found: list[ProviderRefund] = []
        start = ""
        for _ in range(PAGES_MAX):
            reply = await self._api.call("GET", path + start)
            if not reply.done:
                raise UnreadableError(_message_of(reply))
            found += [_held(each, payment) for each in items(inner(reply.document, "_embedded"), "refunds")]
            following = inner(inner(reply.document, "_links"), "next")
            if not following:
                return found
            # Only the cursor is taken from the link, so that a link cannot send calls elsewhere.
            place = _NEXT.search(text(following, "href", at_most=2000))
            if place is None:
                break
            start = f"&from={place[1]}"
        raise UnreadableError(f"Mollie has more refunds for {payment} than are read here.")

    # Releases

    async def _release(self, request: RefundRequest) -> ProviderResult:
        if not _PAYMENT.fullmatch(request.payment):
            return _no_payment(request)
        try:
            reply = await self._payment(request.payment)
            if not reply.done:
                return self._payment_unread(request, reply)
            if found := _release_result(reply.document, request):
                return found
        except (NoAnswerError, UnreadableError) as error:
            return payment_unread(error)
        return await self._send_release(request)

    async def _payment(self, payment: str) -> Reply:
        return await self._api.call("GET", f"/v2/payments/{payment}")

    async def _captured(self, payment: str) -> int:
        if not _PAYMENT.fullmatch(payment):
            raise UnreadableError(f"{payment!r} is no payment of Mollie.")
        reply = await self._payment(payment)
        if not reply.done:
            raise UnreadableError(_message_of(reply))
        return _captured(reply.document)

    def _payment_unread(self, request: RefundRequest, reply: Reply) -> ProviderResult:
        if found := not_admitted("Mollie", "mollie_api_key", reply):
            return found
        if reply.status in _NOT_THERE:
            return payment_unknown("Mollie", request)
        return payment_unread(_message_of(reply))

    async def _send_release(self, request: RefundRequest) -> ProviderResult:
        """Request the release, and read whether it has happened. Requesting it again is safe."""
        try:
            reply = await self._post(f"/v2/payments/{request.payment}/release-authorization", b"{}", request.key)
            if found := not_admitted("Mollie", "mollie_api_key", reply):
                return found
            if not reply.done:
                no = 400 <= reply.status < 500 and reply.status != HTTPStatus.CONFLICT
                movement = Movement.LATER if no else Movement.UNKNOWN
                return ProviderResult(movement=movement, result=_message_of(reply), retry_after_s=RELEASING_S, spent=no)
            after = await self._payment(request.payment)
            if after.done and (found := _release_result(after.document, request)):
                return found
        except NoAnswerError as error:
            return unsent(error)
        except UnreadableError as error:
            return unknown(error)
        sentence = "Mollie has been asked to release it, and the bank has not agreed yet."
        return replace(unknown(sentence), retry_after_s=RELEASING_S)


def _no_payment(request: RefundRequest) -> ProviderResult:
    return refused(f"{request.payment!r} is no payment of Mollie: write tr_….")


def _amount(document: Document, name: str) -> tuple[int, str]:
    """An amount as Mollie writes it, ``{"currency": "EUR", "value": "10.00"}``, in minor units.

    Raises:
        UnreadableError: the amount is missing or malformed.
    """
    amount = inner(document, name)
    currency, value = text(amount, "currency", at_most=3), text(amount, "value")
    try:
        if not _AMOUNT.fullmatch(value):
            raise ValueError
        return parse_minor(value, currency), currency
    except ValueError:
        raise UnreadableError(f"The answer has no usable {name}.") from None


def _held(refund: Document, asked: str) -> ProviderRefund:
    """A refund as Mollie writes it. If it names no payment, it belongs to the one that was asked for.

    Raises:
        UnreadableError: it is not one.
    """
    if text_if_any(refund, "resource") != "refund":
        raise UnreadableError("The answer is no refund.")
    amount_minor, currency = _amount(refund, "amount")
    status, ours = text(refund, "status"), inner(refund, "metadata")
    return ProviderRefund(
        refund=ListedRefund(
            provider_id=text(refund, "id"),
            reference=text_if_any(ours, REFERENCE),
            amount_minor=amount_minor,
            currency=currency,
            movement=_MEANING.get(status, Movement.UNKNOWN),
            made_at=_moment(text_if_any(refund, "createdAt")),
        ),
        key=text_if_any(ours, KEY),
        payment=text_if_any(refund, "paymentId") or asked,
        result=_sentence(status),
        waiting_for=WaitingFor.FUNDS if status == "queued" else None,
    )


def _moment(written: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(written)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _sentence(status: str) -> str:
    if status == "queued":
        return "Waiting for funds: Mollie has the refund, and sends it once the balance is enough."
    if status not in _MEANING:
        return f"Mollie says the refund is {status!r}, which is unknown here."
    return f"Mollie says the refund is {status}."


def _release_result(payment: Document, request: RefundRequest) -> ProviderResult | None:
    """The result of a release according to the state of the payment; ``None`` if the release is to be requested.

    Raises:
        UnreadableError: the answer is no payment.
    """
    if text_if_any(payment, "resource") != "payment" or text(payment, "id") != request.payment:
        raise UnreadableError("The answer is not about this payment.")
    amount, currency = _amount(payment, "amount")
    if currency != request.currency:
        return of_other_currency(currency, request)
    left, wanted = amount - _captured(payment), request.amount_minor + request.before_minor
    match text(payment, "status"):
        case "canceled" | "expired" as status:
            return released(request, f"Mollie says the payment is {status}: nothing of it will be captured.")
        case "paid" | "authorized" if left < wanted:
            return captured_instead(request, left)
        case "paid":
            return released(request, "A part of the payment was captured, and Mollie has released the rest.")
        case "authorized" if left > wanted:
            sentence = "Mollie releases all that is left or nothing. This waits until the rest is captured."
            return ProviderResult(movement=Movement.LATER, result=sentence, retry_after_s=LATER_S)
        case "authorized":
            return None
        case status:
            return refused(f"The payment is {status!r} at Mollie: there is nothing to release.")


def _captured(payment: Document) -> int:
    """How much of a payment was captured. A payment that was paid at once does not name it: all was captured."""
    if inner(payment, "amountCaptured"):
        return _amount(payment, "amountCaptured")[0]
    return _amount(payment, "amount")[0] if text(payment, "status") == "paid" else 0


def _message_of(reply: Reply) -> str:
    title, detail = text_if_any(reply.document, "title"), text_if_any(reply.document, "detail")
    return sentence_of("Mollie", reply.status, title, detail)
