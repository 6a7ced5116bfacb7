"""How the two providers write requests and answers, written down a second time for the fake."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Protocol
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.support.payments.ledger import Ledger, Payment, ProblemError, Refund
from tests.support.payments.script import Fault
from tests.support.receiver import Received

DECIMALS = {"JPY": 0, "KRW": 0, "KWD": 3, "TND": 3, "BHD": 3}
STRIPE_DECIMALS = {**DECIMALS, "ISK": 2, "UGX": 2, "MGA": 0}
MOLLIE_DECIMALS = {**DECIMALS, "ISK": 0}
MOLLIE_STATES = {"pending": "pending", "succeeded": "refunded", "failed": "failed"}


@dataclass(frozen=True, kw_only=True)
class Move:
    """A wish to move money, as it was read from a request. Without an amount, it is a release."""

    payment: str
    amount: Decimal | None = None
    currency: str = ""
    metadata: Mapping[str, str] = ()  # type: ignore[assignment]


class BadRequestError(Exception):
    """The provider cannot make sense of the request."""


class Dialect(Protocol):
    """What differs between the providers."""

    def read(self, request: Received) -> Move | None:
        """The wish in a request; ``None`` if it only asks."""

    def asked(self, ledger: Ledger, request: Received) -> tuple[int, Any]:
        """The answer to a question."""

    def refund(self, refund: Refund) -> Any:
        """A refund, as an answer shows it."""

    def released(self, ledger: Ledger, payment: Payment) -> tuple[int, Any]:
        """The answer to a release."""

    def error(self, status: int, reason: str) -> Any:
        """An answer that says no."""

    def refusal(self, problem: str) -> tuple[int, Any]:
        """The status and the answer for one of the ledger's problems."""


def disguised(refund: Refund, fault: Fault) -> Refund:
    """The refund as an answer shows it, which is not always as it is."""
    match fault:
        case Fault.OTHER_CURRENCY:
            return replace(refund, currency="SEK")
        case Fault.OTHER_AMOUNT:
            return replace(refund, amount=refund.amount + 1)
        case Fault.OTHER_PAYMENT:
            return replace(refund, payment=refund.payment + "0")
    return refund


class StripeDialect:
    """``/v1``: forms in, JSON out, amounts in whole numbers."""

    def read(self, request: Received) -> Move | None:
        if request.method != "POST":
            return None
        path = urlsplit(request.target).path
        if found := re.fullmatch(r"/v1/payment_intents/(pi_\w+)/cancel", path):
            return Move(payment=found[1])
        if path != "/v1/refunds" or request.headers.get("content-type") != "application/x-www-form-urlencoded":
            raise BadRequestError("parameter_unknown")
        form = dict(parse_qsl(request.body.decode(), strict_parsing=True))
        payment = form.pop("payment_intent", "") or form.pop("charge", "")
        amount = form.pop("amount", "")
        metadata = {name[9:-1]: value for name, value in form.items() if name.startswith("metadata[")}
        if len(metadata) != len(form) or not re.fullmatch("[1-9][0-9]*", amount):
            raise BadRequestError("parameter_unknown")
        return Move(payment=payment, amount=Decimal(amount), metadata=metadata)

    def in_ledger(self, ledger: Ledger, move: Move) -> Move:
        """With the amount in the currency of its payment."""
        paid = ledger.payments.get(move.payment)
        if paid is None or move.amount is None:
            return move
        step = {"ISK": 100, "UGX": 100, "KWD": 10, "TND": 10, "BHD": 10}.get(paid.currency, 1)
        if move.amount % step:
            raise BadRequestError("invalid_charge_amount_no_decimal_compatible")
        return replace(move, amount=move.amount.scaleb(-STRIPE_DECIMALS.get(paid.currency, 2)), currency=paid.currency)

    def asked(self, ledger: Ledger, request: Received) -> tuple[int, Any]:
        url = urlsplit(request.target)
        if found := re.fullmatch(r"/v1/(payment_intents|charges)/(\w+)", url.path):
            paid = ledger.payments.get(found[2])
            return (200, self._payment(ledger, paid)) if paid else self.refusal("no_payment")
        if url.path != "/v1/refunds":
            return 404, self.error(404, "resource_missing")
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        newest_first = list(ledger.of(query.get("payment_intent") or query.get("charge", "")))[::-1]
        after = query.get("starting_after")
        if after:
            newest_first = newest_first[[each.id for each in newest_first].index(after) + 1 :]
        page = newest_first[: int(query.get("limit", "10"))]
        more = len(newest_first) > len(page)
        return 200, {"object": "list", "data": [self.refund(each) for each in page], "has_more": more}

    def refund(self, refund: Refund) -> Any:
        kind = "payment_intent" if refund.payment.startswith("pi_") else "charge"
        reason = {"pending_reason": "processing"} if refund.status == "pending" else {}
        return {
            "id": refund.id,
            "object": "refund",
            "amount": self._units(refund.amount, refund.currency),
            "charge": None,
            "payment_intent": None,
            kind: refund.payment,
            "currency": refund.currency.lower(),
            "metadata": refund.metadata,
            "status": refund.status,
            "created": int(refund.created_at.timestamp()),
            "failure_reason": "expired_or_canceled_card" if refund.status == "failed" else None,
            **reason,
        }

    def released(self, ledger: Ledger, payment: Payment) -> tuple[int, Any]:
        return 200, self._payment(ledger, payment)

    def error(self, status: int, reason: str) -> Any:
        kind = "idempotency_error" if reason == "idempotency_error" else "invalid_request_error"
        return {"error": {"type": kind, "code": reason, "message": reason.replace("_", " ").capitalize() + "."}}

    def refusal(self, problem: str) -> tuple[int, Any]:
        status, code = {
            "no_payment": (404, "resource_missing"),
            "too_much": (400, "charge_already_refunded"),
            "disputed": (400, "charge_disputed"),
            "no_funds": (400, "balance_insufficient"),
            "not_captured": (400, "charge_not_refundable"),
            "nothing_left": (400, "payment_intent_unexpected_state"),
        }[problem]
        return status, self.error(status, code)

    def webhook(self, refund: Refund, secret: str, now: datetime) -> tuple[dict[str, str], bytes]:
        """An event about a refund, signed."""
        event = {"object": "event", "type": "refund.updated", "data": {"object": self.refund(refund)}}
        body = json.dumps(event).encode()
        at = int(now.timestamp())
        signature = hmac.new(secret.encode(), f"{at}.".encode() + body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "Stripe-Signature": f"t={at},v1={signature}"}, body

    def _payment(self, ledger: Ledger, paid: Payment) -> Any:
        intent = paid.id.startswith("pi_")
        open_ = bool(paid.left) and not paid.captured
        status = "canceled" if paid.released and not paid.captured else "requires_capture" if open_ else "succeeded"
        return {
            "id": paid.id,
            "object": "payment_intent" if intent else "charge",
            "amount": self._units(paid.authorised, paid.currency),
            "amount_received": self._units(paid.captured, paid.currency),
            "amount_capturable": self._units(paid.left, paid.currency) if open_ else 0,
            "captured": bool(paid.captured),
            "currency": paid.currency.lower(),
            "status": status,
        }

    def _units(self, amount: Decimal, currency: str) -> int:
        return int(amount.scaleb(STRIPE_DECIMALS.get(currency, 2)))


class MollieDialect:
    """``/v2``: JSON in and out, amounts as decimal text."""

    def read(self, request: Received) -> Move | None:
        if request.method != "POST":
            return None
        path = urlsplit(request.target).path
        if found := re.fullmatch(r"/v2/payments/(tr_\w+)/release-authorization", path):
            return Move(payment=found[1])
        found = re.fullmatch(r"/v2/payments/(tr_\w+)/refunds", path)
        if not found or request.headers.get("content-type") != "application/json":
            raise BadRequestError("Unknown route.")
        document = json.loads(request.body)
        amount = document["amount"]
        decimals = MOLLIE_DECIMALS.get(amount["currency"], 2)
        pattern = r"[0-9]+" + (rf"\.[0-9]{{{decimals}}}" if decimals else "")
        try:
            if not re.fullmatch(pattern, amount["value"]):
                raise BadRequestError("The amount contains an invalid value.")
            value = Decimal(amount["value"])
        except InvalidOperation:
            raise BadRequestError("The amount contains an invalid value.") from None
        return Move(payment=found[1], amount=value, currency=amount["currency"], metadata=document["metadata"])

    def in_ledger(self, ledger: Ledger, move: Move) -> Move:
        """As it is, if it could be carried out."""
        paid = ledger.payments.get(move.payment)
        if paid and move.amount is not None and move.currency != paid.currency:
            raise BadRequestError(f"The payment is in {paid.currency}.")
        for each in ledger.of(move.payment):
            recent = (ledger.clock() - each.created_at).total_seconds() < 3600
            if each.amount == move.amount and each.standing and recent:
                raise ProblemError("duplicate")
        return move

    def asked(self, ledger: Ledger, request: Received) -> tuple[int, Any]:
        url = urlsplit(request.target)
        found = re.fullmatch(r"/v2/payments/(tr_\w+)(/refunds)?", url.path)
        paid = ledger.payments.get(found[1]) if found else None
        if not found or paid is None:
            return self.refusal("no_payment")
        if not found[2]:
            return 200, self._payment(paid)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        newest_first = list(ledger.of(paid.id))[::-1]
        if "from" in query:
            newest_first = newest_first[[each.id for each in newest_first].index(query["from"]) :]
        limit = int(query.get("limit", "50"))
        rest = newest_first[limit:]
        links = {"next": {"href": f"https://elsewhere.example{url.path}?from={rest[0].id}"} if rest else None}
        page = [self.refund(each) for each in newest_first[:limit]]
        return 200, {"count": len(page), "_embedded": {"refunds": page}, "_links": links}

    def refund(self, refund: Refund) -> Any:
        return {
            "resource": "refund",
            "id": refund.id,
            "amount": self._amount(refund.amount, refund.currency),
            "status": MOLLIE_STATES.get(refund.status, refund.status),
            "metadata": refund.metadata or None,
            "paymentId": refund.payment,
            "createdAt": refund.created_at.isoformat(),
            "_links": {},
        }

    def released(self, ledger: Ledger, payment: Payment) -> tuple[int, Any]:
        return 202, None

    def error(self, status: int, reason: str) -> Any:
        return {"status": status, "title": "Error", "detail": reason}

    def refusal(self, problem: str) -> tuple[int, Any]:
        status, detail = {
            "no_payment": (404, "No payment exists with token tr_…."),
            "too_much": (422, "The amount is higher than the maximum"),
            "disputed": (422, "The amount is higher than the maximum"),
            "no_funds": (422, "Your balance is too low for this refund"),
            "not_captured": (422, "The payment is not paid"),
            "nothing_left": (422, "The payment is not authorized"),
            "duplicate": (409, "A duplicate refund has been detected"),
        }[problem]
        return status, self.error(status, detail)

    def webhook(self, refund: Refund, secret: str, now: datetime) -> tuple[dict[str, str], bytes]:
        """News of a refund: signed if there is a secret, else the id of its payment."""
        if not secret:
            return {"Content-Type": "application/x-www-form-urlencoded"}, f"id={refund.payment}".encode()
        event = {
            "resource": "event",
            "id": "event_1",
            "type": f"refund.{MOLLIE_STATES.get(refund.status, refund.status)}",
            "entityId": refund.id,
            "_embedded": {"entity": self.refund(refund)},
        }
        body = json.dumps(event).encode()
        signature = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
        return {"Content-Type": "application/json", "X-Mollie-Signature": f"sha256={signature}"}, body

    def _payment(self, paid: Payment) -> Any:
        open_ = bool(paid.left) and not paid.captured
        status = "canceled" if paid.released and not paid.captured else "authorized" if open_ else "paid"
        return {
            "resource": "payment",
            "id": paid.id,
            "status": status,
            "amount": self._amount(paid.authorised, paid.currency),
            **({"amountCaptured": self._amount(paid.captured, paid.currency)} if paid.captured else {}),
        }

    def _amount(self, amount: Decimal, currency: str) -> Any:
        decimals = MOLLIE_DECIMALS.get(currency, 2)
        return {"currency": currency, "value": f"{amount:.{decimals}f}"}
