"""Payments of an order: list them, add one after the order was placed, record a capture."""

from collections.abc import Callable
from decimal import Decimal
from functools import partial
from typing import Annotated, Final

from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.responses import JSONResponse, Response

from countermand.admin.callers import Caller
from countermand.documents.orders import PaymentIn, payment_of
from countermand.documents.refunds import PaymentsOut, payments_document
from countermand.domain.line import Decision
from countermand.domain.money.account import OrderAccount
from countermand.domain.money.amounts import to_minor, why_no_amount
from countermand.domain.money.commands import AddPayment, CapturePayment, PaymentCommand
from countermand.domain.refusals import UNKNOWN_ORDER, Refusal
from countermand.fields import AmountText
from countermand.ids import read
from countermand.input_errors import error_at
from countermand.reads import refunds
from countermand.service.calls import Call, Done
from countermand.wire.native.auth import Inside, Who
from countermand.wire.native.errors import PROBLEMS
from countermand.wire.native.meaning import DOOR, scope_of
from countermand.wire.native.messages import JsonRoute, Strict
from countermand.wire.native.once import Once, Shown, one_by_one, submit_once
from countermand.wire.replies import CallError, Problem
from countermand.wire.services import Services

router: Final = APIRouter(prefix="/v1/orders", responses=PROBLEMS, route_class=JsonRoute)

PaymentId = Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,64}$")]


class NewPayment(PaymentIn):
    """A payment, or the order's share of one. The same payment again, with the same ``id``, changes nothing."""

    id: PaymentId
    captured: AmountText = Decimal(0)
    authorised: AmountText = Decimal(0)


class Captured(Strict):
    """How much of a payment has been captured in all."""

    captured: AmountText


@router.get("/{order}/payments", operation_id="payments.list", responses={200: {"model": PaymentsOut}})
async def list_payments(services: Inside, who: Who, order: str) -> JSONResponse:
    """How an order is paid."""
    account = await _account(services, who, order)
    if isinstance(account, Refusal):
        raise CallError.of(account)
    return JSONResponse(payments_document(account))


@router.post("/{order}/payments", operation_id="payments.create", responses={200: {"model": PaymentsOut}})
async def add_payment(services: Inside, who: Who, order: str, body: NewPayment, once: Once) -> Response:
    """Add a payment to an order that was placed before. It cannot be more than is left to pay."""

    def command(account: OrderAccount) -> PaymentCommand:
        return AddPayment(
            order=account.order, actor=who.actor, payment=payment_of(body, account.money.currency, body.id)
        )

    return await _do(services, who, order, body, once, command)


@router.post(
    "/{order}/payments/{payment}/capture", operation_id="payments.capture", responses={200: {"model": PaymentsOut}}
)
async def capture_payment(services: Inside, who: Who, order: str, payment: str, body: Captured, once: Once) -> Response:
    """Record how much of a payment has been captured in all. What was released cannot be captured."""

    def command(account: OrderAccount) -> PaymentCommand:
        captured = to_minor(body.captured, account.money.currency)
        return CapturePayment(order=account.order, actor=who.actor, payment=payment, captured_minor=captured)

    return await _do(services, who, order, body, once, command)


async def _do(
    services: Services,
    who: Caller,
    order: str,
    body: BaseModel,
    once: Once,
    make: Callable[[OrderAccount], PaymentCommand],
) -> Response:
    found = await _account(services, who, order)
    # The currency of an order never changes, so a repeat is told the same before its key counts.
    call = found if isinstance(found, Refusal) else (_meant(make, body, found), found)
    async with once.of(body) as key:
        if isinstance(call, Refusal):
            raise CallError.of(call)
        command, before = call
        return await submit_once(
            services,
            Call(command=command, door=DOOR, retailer=before.retailer),
            key,
            unknown=UNKNOWN_ORDER,
            question=lambda _: partial(refunds.account_by_order, scope=scope_of(who), order=before.order),
            show=lambda after, done: Shown(
                body=payments_document(before if isinstance(after, Refusal) else after, repeated=_changed_nothing(done))
            ),
            ask=one_by_one,
        )


def _meant(make: Callable[[OrderAccount], PaymentCommand], body: BaseModel, account: OrderAccount) -> PaymentCommand:
    currency, amounts = account.money.currency, {name: getattr(body, name, None) for name in ("captured", "authorised")}
    problems = {name: why_no_amount(amount, currency) for name, amount in amounts.items() if amount is not None}
    errors = [error_at(("body", name), "bad_amount", f"{why}.") for name, why in problems.items() if why]
    if errors:
        raise CallError(Problem.INVALID, errors[0]["detail"], errors=errors)
    return make(account)


def _changed_nothing(done: Done) -> bool:
    return not any(isinstance(each.outcome, Decision) and each.outcome.events for each in done.outcomes)


async def _account(services: Services, who: Caller, order: str) -> OrderAccount | Refusal:
    wanted = read("ord", order)
    if wanted is None:
        return UNKNOWN_ORDER
    return await services.database.read(partial(refunds.account_by_order, scope=scope_of(who), order=wanted))
