"""Refunds, quotes and payments as JSON, for the API and the command line. Amounts are decimal text."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import BaseModel, Field

from countermand.domain.money.account import OrderAccount
from countermand.domain.money.amounts import write_minor
from countermand.domain.money.commands import Movement, WaitingFor
from countermand.domain.money.pricing import OrderMoney, Part
from countermand.domain.money.refunds import RefundKind, RefundState
from countermand.domain.parties import PartyKind
from countermand.ids import show
from countermand.reads.refunds import Quoted, RefundView
from countermand.reads.scope import Scope


class PartOut(BaseModel):
    """What one payment would give back: ``refund`` is sent, ``release`` is never captured."""

    id: str
    provider: str
    method: str
    reference: str
    refund: str
    refund_minor: int
    release: str
    release_minor: int


class QuotedLine(BaseModel):
    """A line, and how many of its units."""

    line: UUID
    units: int


class QuoteOut(BaseModel):
    """What would go back, in amounts of the order's currency."""

    order: UUID
    lines: list[QuotedLine]
    currency: str
    refund: str
    refund_minor: int
    release: str
    release_minor: int
    goods: str
    goods_minor: int
    shipping: str
    shipping_minor: int
    tax: str
    tax_minor: int
    discount_taken_back: str
    discount_taken_back_minor: int
    unpaid: str
    unpaid_minor: int
    commission_returned: str
    commission_returned_minor: int
    payments: list[PartOut]


class RefundOut(BaseModel):
    """What one payment owes for one cancellation, and the state of that refund."""

    id: str
    cancellation: str
    order: UUID
    line: UUID
    reference: str
    retailer: str
    retailer_id: UUID
    sku: str
    kind: str
    amount: str
    amount_minor: int
    refunded_elsewhere: str
    refunded_elsewhere_minor: int
    currency: str
    state: RefundState
    waiting_for: WaitingFor | None
    payment: str
    provider: str
    payment_reference: str
    method: str
    provider_reference: str
    attempts: int
    due_at: datetime | None
    last_result: str
    created_at: datetime
    settled_at: datetime | None
    note: str
    step: int
    can: Annotated[
        list[Literal["mark_paid", "close", "retry", "correct"]], Field(description="what the caller can do with it now")
    ]


class PaymentOut(BaseModel):
    """A payment: what was captured or only reserved of it, and what was refunded or released, or is about to be."""

    id: str
    provider: str
    method: str
    reference: str
    captured: str
    captured_minor: int
    authorised: str
    authorised_minor: int
    refunded: str
    refunded_minor: int
    released: str
    released_minor: int


class PaymentsOut(BaseModel):
    """How an order is paid. ``left_to_pay`` does not count units that were cancelled before they were paid."""

    order: UUID
    currency: str
    total: str
    total_minor: int
    left_to_pay: str
    left_to_pay_minor: int
    payments: list[PaymentOut]
    repeated: Annotated[bool, Field(description="true if the call repeated an earlier one and changed nothing")]


def quote_document(quoted: Quoted) -> dict[str, Any]:
    """What would go back for some units."""
    currency, back = quoted.money.currency, quoted.back

    def amount(minor: int) -> str:
        return write_minor(minor, currency)

    document = QuoteOut(
        order=quoted.order,
        lines=[QuotedLine(line=line, units=units) for line, units in quoted.units.items()],
        currency=currency,
        refund=amount(back.refund_minor),
        refund_minor=back.refund_minor,
        release=amount(back.release_minor),
        release_minor=back.release_minor,
        goods=amount(back.goods_minor),
        goods_minor=back.goods_minor,
        shipping=amount(back.shipping_minor),
        shipping_minor=back.shipping_minor,
        tax=amount(back.tax_minor),
        tax_minor=back.tax_minor,
        discount_taken_back=amount(back.taken_back_minor),
        discount_taken_back_minor=back.taken_back_minor,
        unpaid=amount(back.unpaid_minor),
        unpaid_minor=back.unpaid_minor,
        commission_returned=amount(back.commission_minor),
        commission_returned_minor=back.commission_minor,
        payments=[_part(quoted.money, part) for part in back.payments],
    )
    return document.model_dump(mode="json")


def _part(money: OrderMoney, part: Part) -> PartOut:
    payment = next(each for each in money.payments if each.id == part.payment)
    return PartOut(
        id=payment.id,
        provider=payment.provider,
        method=payment.method,
        reference=payment.reference,
        refund=write_minor(part.refund_minor, money.currency),
        refund_minor=part.refund_minor,
        release=write_minor(part.release_minor, money.currency),
        release_minor=part.release_minor,
    )


def payments_document(account: OrderAccount, *, repeated: bool = False) -> dict[str, Any]:
    """How an order is paid; ``repeated`` if the call that is answered changed nothing."""
    currency = account.money.currency
    document = PaymentsOut(
        order=account.order,
        currency=currency,
        total=write_minor(account.money.total_minor, currency),
        total_minor=account.money.total_minor,
        left_to_pay=write_minor(account.left_to_pay_minor, currency),
        left_to_pay_minor=account.left_to_pay_minor,
        payments=[
            PaymentOut(
                id=each.id,
                provider=each.provider,
                method=each.method,
                reference=each.reference,
                captured=write_minor(each.captured_minor, currency),
                captured_minor=each.captured_minor,
                authorised=write_minor(each.authorised_minor, currency),
                authorised_minor=each.authorised_minor,
                refunded=write_minor(account.given_back_by(each.id)[0], currency),
                refunded_minor=account.given_back_by(each.id)[0],
                released=write_minor(account.given_back_by(each.id)[1], currency),
                released_minor=account.given_back_by(each.id)[1],
            )
            for each in account.money.payments
        ],
        repeated=repeated,
    )
    return document.model_dump(mode="json")


RefundDeed = Literal["mark_paid", "close", "retry", "correct"]


def deeds_of(row: RefundView, scope: Scope | None) -> list[RefundDeed]:
    """What this party can do with a refund now: only the platform can do anything."""
    if scope is None or scope.kind is not PartyKind.PLATFORM:
        return []
    deeds: list[RefundDeed] = []
    if row.state in (RefundState.BY_HAND, RefundState.PARKED):
        deeds += ["mark_paid", "close"]
    if row.state == RefundState.PARKED and row.movement != Movement.CONFIRMED:
        deeds.append("retry")
    corrected = row.state in (RefundState.BY_HAND, RefundState.PARKED, RefundState.CONFIRMED)
    if corrected and row.kind == RefundKind.REFUND.value:
        deeds.append("correct")
    return deeds


def refund_document(row: RefundView, scope: Scope | None = None) -> RefundOut:
    """One refund, as this party sees it."""
    return RefundOut(
        id=show("rfd", row.id),
        cancellation=show("can", row.cancellation_id),
        order=row.order_id,
        line=row.line_id,
        reference=row.order_reference,
        retailer=row.retailer_name,
        retailer_id=row.retailer_id,
        sku=row.sku,
        kind=row.kind,
        amount=write_minor(row.amount_minor, row.currency),
        amount_minor=row.amount_minor,
        refunded_elsewhere=write_minor(row.elsewhere_minor, row.currency),
        refunded_elsewhere_minor=row.elsewhere_minor,
        currency=row.currency,
        state=row.state,
        waiting_for=row.waiting_for,
        payment=row.payment_id,
        provider=row.provider,
        payment_reference=row.payment_reference,
        method=row.method,
        provider_reference=row.provider_reference,
        attempts=row.attempts,
        due_at=row.due_at,
        last_result=row.last_result,
        created_at=row.created_at,
        settled_at=row.settled_at,
        note=row.note,
        step=row.step,
        can=deeds_of(row, scope),
    )
