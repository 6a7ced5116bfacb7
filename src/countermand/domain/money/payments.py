"""Payments that came after the order was handed in: added, and captured.

Neither changes what has gone back. Units that were cancelled before they were paid owe nothing, and what was released
is not captured any more. So what goes back still follows from what is cancelled alone (docs/refunds.md).
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import assert_never
from uuid import UUID

from countermand.domain.cancellation import acts_for_retailer
from countermand.domain.events import EventKind, ReportedPayment
from countermand.domain.line import Decision, Line
from countermand.domain.money.amounts import write_minor
from countermand.domain.money.commands import AddPayment, CapturePayment, PaymentCommand
from countermand.domain.money.pricing import OrderMoney, Payment, Units, returned, too_fine
from countermand.domain.money.refunds import MANUAL
from countermand.domain.refusals import NO_MONEY, UNKNOWN_ORDER, Refusal, RefusalKind
from countermand.domain.transition import unmoved

PaymentName = tuple[str, str]
"""A provider, and the provider's own name of a payment. It belongs to one retailer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Paid:
    """What a command made of an order's money, and what each of its lines is told: nothing, if it changed nothing.

    ``added`` are payments that were not known before. ``refunded_instead_minor`` was to be released and never was: it
    is captured now, so it is refunded.
    """

    money: OrderMoney
    decisions: tuple[Decision, ...]
    added: tuple[Payment, ...] = ()
    refunded_instead_minor: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Releases:
    """What became of a payment's releases, in minor units: ``pending`` ones are on their way, ``stuck`` ones are not.

    What is neither has been let go.
    """

    pending_minor: int = 0
    stuck_minor: int = 0


def decide_payment(
    lines: Sequence[Line],
    money: OrderMoney | None,
    cancelled: Units,
    moved: Mapping[str, tuple[int, int]],
    command: PaymentCommand,
    homes: Mapping[PaymentName, UUID],
    releases: Releases = Releases(),
) -> Paid | Refusal:
    """Decide one command on the payments of an order. Never raises for a business case.

    ``money`` is ``None`` where the order came without prices, ``cancelled`` counts the cancelled units of each line,
    ``moved`` is what each payment refunded and released, ``homes`` whose the payments are that are known, and
    ``releases`` how those of a payment that is captured are getting on.
    """
    if not acts_for_retailer(lines[0], command.actor):
        return UNKNOWN_ORDER
    if money is None:
        return NO_MONEY
    known = {payment.id: payment for payment in money.payments}
    match command:
        case AddPayment():
            taken = why_taken([command.payment], lines[0].retailer, homes)
            changed, kind = _added(money, cancelled, known, command.payment, taken), EventKind.PAYMENT_ADDED
        case CapturePayment():
            changed, kind = _captured(money, known, moved, command, releases), EventKind.PAYMENT_CAPTURED
        case _:  # pragma: no cover
            assert_never(command)
    if isinstance(changed, Refusal):
        return changed
    if changed == known.get(changed.id):
        return Paid(money=money, decisions=tuple(Decision(line=line) for line in lines))
    payments = tuple({**known, changed.id: changed}.values())
    told = ReportedPayment(
        id=changed.id,
        captured_minor=changed.captured_minor,
        authorised_minor=changed.authorised_minor,
        currency=money.currency,
    )
    decisions = tuple(unmoved(line, [kind], payment=told) for line in lines)
    added = () if changed.id in known else (changed,)
    _, released = moved.get(changed.id, (0, 0))
    instead = max(0, released - changed.authorised_minor)
    money = replace(money, payments=payments)
    return Paid(money=money, decisions=decisions, added=added, refunded_instead_minor=instead)


def captured_instead(payment: Payment, moved: tuple[int, int], minor: int) -> tuple[Payment, tuple[int, int]]:
    """A payment of which so much was to be released and had been captured, and what it refunded and released then.

    The provider lets go of nothing else: what is not released of it counts as captured.
    """
    refunded, released = moved[0] + minor, moved[1] - minor
    known = replace(payment, captured_minor=payment.covers_minor - released, authorised_minor=released)
    return known, (refunded, released)


def left_to_pay(money: OrderMoney, cancelled: Units) -> int:
    """What of an order is neither paid nor fell away with what was cancelled, in minor units."""
    return money.unpaid_minor - returned(money, cancelled).unpaid_minor


def names_of(payments: Iterable[Payment]) -> set[PaymentName]:
    """What these payments are known by, as far as it names money that a provider moves."""
    return {(each.provider, each.reference) for each in payments if each.provider != MANUAL and each.reference}


def why_taken(payments: Iterable[Payment], retailer: UUID, homes: Mapping[PaymentName, UUID]) -> Refusal | None:
    """Why this retailer cannot have these payments: one of them is another's. Whose, is not told."""
    taken = [name for name in sorted(names_of(payments)) if homes.get(name, retailer) != retailer]
    if not taken:
        return None
    provider, reference = taken[0]
    detail = f"The payment {reference} of {provider} belongs to another retailer."
    return Refusal(kind=RefusalKind.PAYMENT_TAKEN, detail=detail)


def _added(
    money: OrderMoney, cancelled: Units, known: Mapping[str, Payment], payment: Payment, taken: Refusal | None
) -> Payment | Refusal:
    before = known.get(payment.id)
    if before is not None and before != payment:
        return Refusal(kind=RefusalKind.PAYMENT_EXISTS, detail=f"This order has another payment called {payment.id}.")
    if before is None and taken:
        return taken
    if before is None and (fine := too_fine(payment, money.currency)):
        return _differs(fine)
    left = left_to_pay(money, cancelled)
    if before is None and payment.covers_minor > left:
        return _differs(f"Of this order, {write_minor(left, money.currency)} {money.currency} is left to pay.")
    return payment


def _captured(
    money: OrderMoney,
    known: Mapping[str, Payment],
    moved: Mapping[str, tuple[int, int]],
    command: CapturePayment,
    releases: Releases,
) -> Payment | Refusal:
    payment = known.get(command.payment)
    if payment is None:
        detail = f"This order has no payment called {command.payment}."
        return Refusal(kind=RefusalKind.UNKNOWN_PAYMENT, detail=detail)
    _, released = moved.get(payment.id, (0, 0))
    # What a person has to see to, or has given up, was not let go: it may have been captured as well.
    gone = released - releases.stuck_minor
    most, more = payment.covers_minor - gone, command.captured_minor - payment.captured_minor
    currency = money.currency
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
