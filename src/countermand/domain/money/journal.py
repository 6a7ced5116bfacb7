"""The journal: what is owed to customers and what they have back, as postings between accounts."""

from dataclasses import replace
from typing import Final

from countermand.domain.events import EventKind
from countermand.domain.money.pricing import OrderMoney, Returned
from countermand.domain.money.refunds import Posting, Refund, RefundKind, RefundOutcome, RefundState

RETAILER: Final = "retailer"
REFUNDS_DUE: Final = "refunds_due"
COMMISSION: Final = "commission"
"""The accounts. Each provider has one besides: ``provider:stripe``."""


def with_postings(before: Refund | None, outcome: RefundOutcome, kind: EventKind | None = None) -> RefundOutcome:
    """The same outcome with its postings. All postings are of ``kind``, if it is given."""
    split = _postings(None, outcome.split) if outcome.split else ()
    return replace(outcome, postings=_postings(before, outcome.refund, kind) + split)


def commission_postings(money: OrderMoney, back: Returned) -> list[Posting]:
    """The commission that the retailer gets back for cancelled units, if there is any."""
    if not back.commission_minor:
        return []
    return [
        Posting(
            kind=EventKind.REFUND_DUE,
            debit=COMMISSION,
            credit=RETAILER,
            amount_minor=back.commission_minor,
            currency=money.currency,
        )
    ]


def _postings(before: Refund | None, after: Refund, kind: EventKind | None = None) -> tuple[Posting, ...]:
    """The difference between two states of a refund, in what is owed and in what the customer has back."""
    owed_before, returned_before = _accounts(before) if before else (0, 0)
    owed, returned = _accounts(after)
    due = owed + returned - owed_before - returned_before
    rows = (
        (due, RETAILER, REFUNDS_DUE, EventKind.REFUND_DUE, EventKind.REFUND_CLOSED),
        (returned - returned_before, REFUNDS_DUE, _account(after), EventKind.REFUND_DONE, EventKind.REFUND_FAILED),
    )
    return tuple(
        Posting(
            kind=kind or (forward if amount > 0 else backward),
            debit=debit if amount > 0 else credit,
            credit=credit if amount > 0 else debit,
            amount_minor=abs(amount),
            currency=after.currency,
            refund=after.id,
        )
        for amount, debit, credit, forward, backward in rows
        if amount
    )


def balances_of(refund: Refund) -> dict[str, int]:
    """What each account has received from a refund so far, in minor units; what an account gave is negative.

    All postings of the refund come to the same. They sum to zero.
    """
    owed, returned = _accounts(refund)
    balances = {RETAILER: -owed - returned, REFUNDS_DUE: owed, _account(refund): returned}
    return {account: minor for account, minor in balances.items() if minor}


def _accounts(refund: Refund) -> tuple[int, int]:
    """What is owed, and what the customer has back. A release moves no money, so it is in no account."""
    if refund.kind is RefundKind.RELEASE:
        return 0, 0
    returned = refund.returned_minor
    return 0 if refund.state is RefundState.CLOSED else max(0, refund.amount_minor - returned), returned


def _account(refund: Refund) -> str:
    return f"provider:{refund.provider}"
