"""The money of one order: what it cost and how it was paid, how much is cancelled, and what each payment gave back."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from uuid import UUID

from countermand.domain.money.pricing import OrderMoney, Payment, Returned, Units, quote, returned

GivenBack = Mapping[str, tuple[int, int]]
"""How much each payment refunded and released, in minor units."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderAccount:
    """The money of one order, as the decisions so far left it.

    ``cancelled`` counts the cancelled units of each line. ``given_back`` is what each payment refunded and released,
    which includes what is still due.
    """

    retailer: UUID
    order: UUID
    money: OrderMoney
    cancelled: Units = field(default_factory=dict)
    given_back: GivenBack = field(default_factory=dict)

    @property
    def left_to_pay_minor(self) -> int:
        """What is not paid, without what was cancelled before it was paid."""
        return self.money.unpaid_minor - returned(self.money, self.cancelled).unpaid_minor

    def payment(self, called: str) -> Payment | None:
        """The payment that the order calls so, if it has one."""
        return next((each for each in self.money.payments if each.id == called), None)

    def given_back_by(self, payment: str) -> tuple[int, int]:
        """How much one payment refunded and released."""
        return self.given_back.get(payment, (0, 0))

    def with_payment(self, payment: Payment) -> "OrderAccount":
        """The account after a payment was added or changed."""
        payments = {each.id: each for each in self.money.payments} | {payment.id: payment}
        return replace(self, money=replace(self.money, payments=tuple(payments.values())))


def give_back(account: OrderAccount, line: UUID, units: int) -> tuple[OrderAccount, Returned]:
    """What goes back for so many more cancelled units, and the account after it."""
    back = quote(account.money, account.cancelled, {line: units}, account.given_back)
    given_back = {}
    for part in back.payments:
        refunded, released = account.given_back_by(part.payment)
        given_back[part.payment] = (refunded + part.refund_minor, released + part.release_minor)
    cancelled = {**account.cancelled, line: account.cancelled.get(line, 0) + units}
    return replace(account, cancelled=cancelled, given_back=given_back), back


def captured_instead(account: OrderAccount, payment: str, minor: int) -> OrderAccount:
    """The account after so much that was to be released of a payment turned out to be captured.

    The provider releases nothing else: what is not released of the payment counts as captured.
    """
    known = account.payment(payment)
    assert known is not None  # one of its releases was decided on
    refunded, released = account.given_back[payment]
    refunded, released = refunded + minor, released - minor
    changed = replace(known, captured_minor=known.covers_minor - released, authorised_minor=released)
    given_back = {**account.given_back, payment: (refunded, released)}
    return replace(account.with_payment(changed), given_back=given_back)
