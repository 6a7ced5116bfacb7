"""How every adapter calls its provider, and the results that mean the same with every provider."""

import asyncio
import time
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any, Final, TypeVar

import structlog

from countermand.documents.sentences import one_line
from countermand.ids import Clock
from countermand.observability import metrics
from countermand.outlets.http.client import NoAnswerError, Outbound, retry_after
from countermand.payments.answers import BODY_MAX, Document, UnreadableError, document_of
from countermand.payments.provider import ListedRefund, Movement, ProviderResult, RefundRequest, WaitingFor

TOTAL_S: Final = 60.0
"""How long one request may take, with the checks before and after it."""
MESSAGE_MAX: Final = 200
SOON_S: Final = 5.0
"""When to try again after a call that met another call with the same key under way."""

RETAILER: Final = "countermand_retailer"
"""Metadata of a payment at the provider: the id of the retailer that it belongs to."""
REFERENCE: Final = "countermand_reference"
KEY: Final = "countermand_key"
"""Metadata of a refund at the provider: our id, and the key under which it was sent."""

log = structlog.get_logger()

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """An answer of a provider, whatever its status. ``replayed``: the provider repeats its first answer to this key."""

    status: int
    document: Document
    retry_after_s: float | None
    replayed: bool = False

    @property
    def done(self) -> bool:
        """Whether the provider did what the call asked for."""
        return 200 <= self.status < 300


class Api:
    """The API of one provider: its name, where it is, and the headers that every call to it has."""

    def __init__(self, name: str, outbound: Outbound, base_url: str, headers: Mapping[str, str], clock: Clock) -> None:
        self._name = name
        self._outbound = outbound
        self._base_url = base_url.rstrip("/")
        self._headers = headers
        self._clock = clock

    async def call(self, method: str, path: str, body: bytes = b"", **headers: str) -> Reply:
        """Call; ``idempotency_key`` becomes the header ``Idempotency-Key``.

        Raises:
            NoAnswerError: no answer came.
            UnreadableError: an answer came that cannot be read.
        """
        named = {name.replace("_", "-").title(): value for name, value in headers.items()}
        began, answered = time.perf_counter(), "none"
        try:
            answer = await self._outbound.call(
                method, f"{self._base_url}{path}", {**self._headers, **named}, body, answer_max=BODY_MAX
            )
            answered = f"{answer.status // 100}xx"
        finally:
            metrics.PROVIDER_CALLS.add(self._name, answered)
            metrics.PROVIDER_SECONDS.observe(time.perf_counter() - began, self._name)
        wait_s = retry_after(answer, self._clock())
        if answer.status in _WITHOUT_DOCUMENT:
            return Reply(status=answer.status, document={}, retry_after_s=wait_s)
        replayed = answer.header(b"idempotent-replayed") == "true"
        return Reply(status=answer.status, document=document_of(answer), retry_after_s=wait_s, replayed=replayed)

    async def close(self) -> None:
        """Close the connections."""
        await self._outbound.close()


_WITHOUT_DOCUMENT: Final = frozenset(
    (
        HTTPStatus.ACCEPTED,
        HTTPStatus.NO_CONTENT,
        HTTPStatus.UNAUTHORIZED,
        HTTPStatus.FORBIDDEN,
        HTTPStatus.TOO_MANY_REQUESTS,
    )
)
"""These are clear without a document. A proxy on the way may answer with them."""


async def result_of(work: Coroutine[Any, Any, T]) -> T | ProviderResult:
    """The result of a call. Whatever it raises means that the result is unknown."""
    try:
        async with asyncio.timeout(TOTAL_S):
            return await work
    except TimeoutError:
        return unknown(f"The provider took more than {TOTAL_S:g} seconds in all.")
    except (NoAnswerError, UnreadableError) as error:
        return unknown(error)
    except Exception:
        log.exception("provider_call_failed")
        return unknown("The call failed here, and was logged.")


async def listed_or_none(work: "Coroutine[Any, Any, list[ProviderRefund]]") -> Sequence[ListedRefund] | None:
    """The refunds that a call lists; ``None`` if it raises."""
    found = await answer_or_none(work)
    return None if found is None else tuple(each.refund for each in found)


async def answer_or_none(work: Coroutine[Any, Any, T]) -> T | None:
    """The answer to a question; ``None`` if it raises."""
    try:
        async with asyncio.timeout(TOTAL_S):
            return await work
    except (TimeoutError, NoAnswerError, UnreadableError):
        return None
    except Exception:
        log.exception("provider_question_failed")
        return None


def not_admitted(provider: str, setting: str, reply: Reply) -> ProviderResult | None:
    """The result if the provider did not even read the request; ``None`` if it did.

    Nothing has moved then. The same request goes through once there is a valid API key, or fewer calls.
    """
    match reply.status:
        case HTTPStatus.UNAUTHORIZED:
            sentence = f"{provider} does not accept the API key (401). Renew it and set {setting}."
        case HTTPStatus.FORBIDDEN:
            sentence = f"{provider} does not allow this to the API key (403). Set {setting} to one that may refund."
        case HTTPStatus.TOO_MANY_REQUESTS:
            sentence = f"{provider} asks for fewer calls (429)."
        case _:
            return None
    return ProviderResult(movement=Movement.LATER, result=sentence, retry_after_s=reply.retry_after_s)


def sentence_of(provider: str, status: int, title: str, message: str) -> str:
    """An answer as a sentence, with the provider's own message on one printable line."""
    words = one_line(message, MESSAGE_MAX).rstrip(".")
    title = one_line(title, MESSAGE_MAX)
    return f"{provider} answered {status}" + (f" {title}" if title else "") + (f": {words}." if words else ".")


def unsent(error: NoAnswerError) -> ProviderResult:
    """The result if no answer came to a request."""
    movement = Movement.UNKNOWN if error.sent else Movement.LATER
    return ProviderResult(movement=movement, result=str(error))


def unknown(why: object) -> ProviderResult:
    """It is unknown whether money moved."""
    return ProviderResult(movement=Movement.UNKNOWN, result=str(why))


def refused(why: object) -> ProviderResult:
    """Nothing has moved, and nothing will by itself."""
    return ProviderResult(movement=Movement.REFUSED, result=str(why))


def payment_unknown(provider: str, request: RefundRequest) -> ProviderResult:
    """The provider account has no such payment.

    It may be another account than the one that took an earlier request before, so this is no word on the request.
    """
    result = f"{provider} does not know the payment {request.payment}. Look at its name and at the API key's account."
    return ProviderResult(movement=Movement.UNKNOWN, result=result, needs_person=True)


def about_the_call(why: object) -> ProviderResult:
    """The provider rejects how it was called, not the refund. That is no refusal, and a person has to look at it."""
    return ProviderResult(movement=Movement.LATER, result=str(why), needs_person=True)


def captured_instead(request: RefundRequest, left_minor: int) -> ProviderResult:
    """A part of what was to be released is captured: only ``left_minor`` is not, and earlier releases come first."""
    captured = min(request.amount_minor, request.amount_minor + request.before_minor - left_minor)
    result = "The payment has been captured: what was to be released is refunded."
    return ProviderResult(movement=Movement.REFUSED, result=result, captured_minor=captured)


def released(request: RefundRequest, why: str) -> ProviderResult:
    """The authorisation has been released."""
    return ProviderResult(
        movement=Movement.CONFIRMED,
        result=why,
        provider_id=request.payment,
        amount_minor=request.amount_minor,
        currency=request.currency,
    )


def of_other_currency(currency: str, request: RefundRequest) -> ProviderResult:
    """A payment that is not in the currency of the request: the same digits would be another amount."""
    result = f"The payment is in {currency} and the refund in {request.currency}. Nothing was sent."
    return ProviderResult(movement=Movement.REFUSED, result=result, currency=currency)


def payment_unread(why: object) -> ProviderResult:
    """The payment could not be read, so nothing was sent."""
    return ProviderResult(movement=Movement.LATER, result=f"The payment could not be checked before. {why}")


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderRefund:
    """A refund at the provider: its key, its payment, and its state as a sentence."""

    refund: ListedRefund
    key: str
    payment: str
    result: str
    waiting_for: WaitingFor | None = None

    def result_for(self, payment: str) -> ProviderResult:
        """The result of a request for this payment. A refund of another payment moved none of its money."""
        fits = self.payment == payment
        result = (
            self.result
            if fits
            else f"This refund is of another payment, {self.payment}. Look at both payments at the provider."
        )
        return ProviderResult(
            movement=self.refund.movement,
            result=result,
            provider_id=self.refund.provider_id,
            amount_minor=self.refund.amount_minor if fits else 0,
            currency=self.refund.currency,
            waiting_for=self.waiting_for if fits else None,
        )


def result_from_list(provider: str, held: Sequence[ProviderRefund], request: RefundRequest) -> ProviderResult:
    """The result of a request according to the provider's list of refunds.

    A refund that failed, or was cancelled, and was then sent again under another key says nothing about this request.
    If there are two, the result has the sum of both, so that neither is taken for the request.
    """
    ours = [each for each in held if each.refund.reference == request.reference]
    valid = [each for each in ours if each.refund.movement is not Movement.REFUSED]
    failed = [each for each in ours if each.refund.movement is Movement.REFUSED and each.key == request.key]
    if len(valid) > 1:
        return replace(
            valid[0].result_for(request.payment),
            result=f"{provider} holds {len(valid)} refunds with the reference {request.reference}.",
            amount_minor=sum(each.refund.amount_minor for each in valid),
        )
    for each in valid or failed:
        return each.result_for(request.payment)
    return ProviderResult(
        movement=Movement.ABSENT, result=f"{provider} has no refund with the reference {request.reference}."
    )
