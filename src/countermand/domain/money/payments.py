"""Payments after the order was placed: they are added, and captured.

Neither changes what has gone back. Units that were cancelled before they were paid owe nothing, and what was released
cannot be captured any more. So what goes back still follows only from what is cancelled (docs/refunds.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from countermand.domain.events import EventKind, ReportedPayment
from countermand.domain.line import Decision, Line
from countermand.domain.money.account import OrderAccount
from countermand.domain.money.amounts import write_minor
from countermand.domain.money.commands import AddPayment, CapturePayment, PaymentCommand
from countermand.domain.money.pricing import Payment, too_fine
from countermand.domain.money.refunds import MANUAL
from countermand.domain.money.releases import NO_RELEASES, Releases
from countermand.domain.refusals import NO_MONEY, UNKNOWN_ORDER, Refusal, RefusalKind
from countermand.domain.transition import unmoved

PaymentName = tuple[str, str]
"""A provider, and its own name for a payment. The payment belongs to one retailer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What a command did to an order's account, and the decision on each line: no events if nothing changed.

    ``added`` are payments that the order did not have. ``refunded_instead_minor`` was to be released and never was: it
    is captured now, so it is refunded.
    """

    account: OrderAccount
    decisions: tuple[Decision, ...]
    added: tuple[Payment, ...] = ()
    refunded_instead_minor: int = 0


def decide_payment(
    lines: Sequence[Line],
    account: OrderAccount | None,
    command: PaymentCommand,
    homes: Mapping[PaymentName, UUID],
    releases: Releases = NO_RELEASES,
) -> Paid | Refusal:
    """Decide one command on the payments of an order. Never raises for a business case.

    ``account`` is ``None`` where the order came without prices. ``homes`` has the retailer of each payment that has
    one. ``releases`` are those of the payment that the command captures.
    """
    if not lines[0].is_for_retailer(command.actor):
        return UNKNOWN_ORDER
    if account is None:
        return NO_MONEY
    match command:
        case AddPayment():
            taken = why_taken([command.payment], lines[0].retailer, homes)
            changed, kind = _added(account, command.payment, taken), EventKind.PAYMENT_ADDED
        case CapturePayment():
            changed, kind = _captured(account, command, releases), EventKind.PAYMENT_CAPTURED
        case _:  # pragma: no cover
            assert_never(command)
    if isinstance(changed, Refusal):
        return replace(changed, order=account.order)
    before = account.payment(changed.id)
    if changed == before:
        return Paid(account=account, decisions=tuple(Decision(line=line) for line in lines))
    reported = ReportedPayment(
        id=changed.id,
        captured_minor=changed.captured_minor,
        authorised_minor=changed.authorised_minor,
        currency=account.money.currency,
    )
    _, released = account.given_back_by(changed.id)
    return Paid(
        account=account.with_payment(changed),
        decisions=tuple(unmoved(line, [kind], payment=reported) for line in lines),
        added=() if before else (changed,),
        refunded_instead_minor=max(0, released - changed.authorised_minor),
    )


def names_of(payments: Iterable[Payment]) -> set[PaymentName]:
    """The names of these payments, without those that a person pays back."""
    return {(each.provider, each.reference) for each in payments if each.provider != MANUAL and each.reference}


def why_taken(payments: Iterable[Payment], retailer: UUID, homes: Mapping[PaymentName, UUID]) -> Refusal | None:
    """Why this retailer cannot have these payments: one of them belongs to another retailer, which is not named."""
    taken = [name for name in sorted(names_of(payments)) if homes.get(name, retailer) != retailer]
    if not taken:
        return None
    provider, reference = taken[0]
    detail = f"The payment {reference} of {provider} belongs to another retailer."
    return Refusal(kind=RefusalKind.PAYMENT_TAKEN, detail=detail)


def _added(account: OrderAccount, payment: Payment, taken: Refusal | None) -> Payment | Refusal:
    before, currency = account.payment(payment.id), account.money.currency
    if before is not None and before != payment:
        return Refusal(kind=RefusalKind.PAYMENT_EXISTS, detail=f"This order has another payment called {payment.id}.")
    if before is not None:
        return payment
    if taken:
        return taken
    if fine := too_fine(payment, currency):
        return _differs(fine)
    left = account.left_to_pay_minor
    if payment.covers_minor > left:
        return _differs(f"Of this order, {write_minor(left, currency)} {currency} is left to pay.")
    return payment


def _captured(account: OrderAccount, command: CapturePayment, releases: Releases) -> Payment | Refusal:
    payment, currency = account.payment(command.payment), account.money.currency
    if payment is None:
        detail = f"This order has no payment called {command.payment}."
        return Refusal(kind=RefusalKind.UNKNOWN_PAYMENT, detail=detail)
    _, released = account.given_back_by(payment.id)
    # A release that is parked or closed was not carried out, so the provider may have captured that money as well.
    gone = released - releases.stuck_minor
    most, more = payment.covers_minor - gone, command.captured_minor - payment.captured_minor
    if more < 0:
        return _differs(f"Of this payment, {write_minor(payment.captured_minor, currency)} {currency} was captured.")
    if command.captured_minor > most:
        became = "is being released" if releases.pending_minor else "was released"
        freed = f", as {write_minor(gone, currency)} {became}" if gone else ""
        return _differs(f"Of this payment, {write_minor(most, currency)} {currency} can be captured{freed}.")
    changed = replace(payment, captured_minor=command.captured_minor, authorised_minor=payment.authorised_minor - more)
    fine = too_fine(changed, currency)
    return _differs(fine) if fine and more else changed


def _differs(detail: str) -> Refusal:
    return Refusal(kind=RefusalKind.PAYMENT_DIFFERS, detail=detail)
