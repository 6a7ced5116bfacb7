"""What was paid, and what went back: the truth. Amounts are decimal numbers of their currency."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any


class ProblemError(Exception):
    """Why the provider does not do it. The name is one of the provider's own reasons."""


@dataclass(kw_only=True)
class Payment:
    """A payment. What is authorised and not captured can be released."""

    id: str
    currency: str
    authorised: Decimal
    captured: Decimal
    released: bool = False
    disputed: bool = False

    @property
    def left(self) -> Decimal:
        return Decimal(0) if self.released else self.authorised - self.captured


@dataclass(kw_only=True)
class Refund:
    """A refund: pending, succeeded, failed, or something that nobody has heard of."""

    id: str
    payment: str
    amount: Decimal
    currency: str
    metadata: dict[str, str]
    status: str
    created_at: datetime

    @property
    def reference(self) -> str:
        return self.metadata.get("countermand_reference", "")

    @property
    def standing(self) -> bool:
        return self.status != "failed"


@dataclass(kw_only=True)
class Kept:
    """The answer that was given under a key, and until when it is given again."""

    request: bytes
    status: int
    body: bytes
    until: datetime


@dataclass(kw_only=True)
class Ledger:
    """The books. ``clock`` says what time it is there; keys are forgotten after ``keys_for``."""

    clock: Callable[[], datetime]
    keys_for: timedelta = timedelta(hours=24)
    file: Path | None = None
    payments: dict[str, Payment] = field(default_factory=dict)
    refunds: dict[str, Refund] = field(default_factory=dict)
    keys: dict[str, Kept] = field(default_factory=dict)
    funds: bool = True
    bank_agrees: bool = True
    by_payment: dict[str, list[Refund]] = field(default_factory=lambda: defaultdict(list))
    doomed: set[str] = field(default_factory=set)
    """Refunds that the bank will send back."""
    news: list[str] = field(default_factory=list)
    """Refunds whose state has changed, oldest first: what webhooks tell of."""

    def pay(self, payment: str, amount: str, currency: str = "EUR", *, captured: str | None = None) -> Payment:
        """A customer pays, all of it captured unless said otherwise."""
        whole = Decimal(amount)
        paid = Payment(
            id=payment, currency=currency, authorised=whole, captured=whole if captured is None else Decimal(captured)
        )
        self.payments[payment] = paid
        return paid

    def refund(self, payment: str, amount: Decimal, metadata: dict[str, str], status: str = "succeeded") -> Refund:
        """Move money back.

        Raises:
            ProblemError: there is no such payment, or not so much left, or no funds.
        """
        paid = self.payments.get(payment)
        if paid is None:
            raise ProblemError("no_payment")
        if not paid.captured:
            raise ProblemError("not_captured")
        if paid.disputed:
            raise ProblemError("disputed")
        if amount > paid.captured - self.refunded(payment):
            raise ProblemError("too_much")
        if not self.funds:
            raise ProblemError("no_funds")
        made = Refund(
            id=f"re_{len(self.refunds) + 1:06d}",
            payment=payment,
            amount=amount,
            currency=paid.currency,
            metadata=metadata,
            status=status,
            created_at=self.clock(),
        )
        self.refunds[made.id] = made
        self.by_payment[payment].append(made)
        self._note(made)
        return made

    def refund_the_rest_by_hand(self, payment: str) -> None:
        """Somebody at the shop has refunded what is left in the provider's own console."""
        rest = self.payments[payment].captured - self.refunded(payment)
        if rest:
            self.refund(payment, rest, {})

    def turn(self, refund: str, status: str) -> None:
        """The bank's word on a refund, which may come days later."""
        self.refunds[refund].status = status
        self._note(self.refunds[refund])

    def days_pass(self) -> None:
        """The banks have done their work: what was pending has succeeded, and what was doomed has failed."""
        for each in list(self.refunds.values()):
            if each.id in self.doomed and each.status != "failed":
                self.turn(each.id, "failed")
            elif each.status == "pending":
                self.turn(each.id, "succeeded")

    def release(self, payment: str) -> None:
        """Let go of what is left, if the bank agrees."""
        if payment not in self.payments:
            raise ProblemError("no_payment")
        if not self.payments[payment].left:
            raise ProblemError("nothing_left")
        if self.bank_agrees:
            self.payments[payment].released = True

    def refunded(self, payment: str) -> Decimal:
        """What stands refunded of a payment."""
        return sum((each.amount for each in self.of(payment) if each.standing), Decimal(0))

    def of(self, payment: str) -> Iterator[Refund]:
        """The refunds of a payment, oldest first."""
        return iter(self.by_payment[payment])

    def moved(self, reference: str) -> list[Refund]:
        """The refunds that stand for one reference. More than one is money lost."""
        return [each for each in self.refunds.values() if each.standing and each.reference == reference]

    def kept(self, key: str) -> Kept | None:
        """The answer that a key stands for, unless it is forgotten."""
        found = self.keys.get(key)
        return found if found and found.until > self.clock() else None

    def keep(self, key: str, request: bytes, status: int, body: bytes) -> None:
        self.keys[key] = Kept(request=request, status=status, body=body, until=self.clock() + self.keys_for)

    def document(self) -> dict[str, Any]:
        """Everything, to be compared with."""
        return {
            "payments": [_plain(asdict(each)) for each in self.payments.values()],
            "refunds": [_plain(asdict(each)) for each in self.refunds.values()],
        }

    def _note(self, refund: Refund) -> None:
        self.news.append(refund.id)
        if self.file:
            with self.file.open("a") as file:
                file.write(json.dumps(_plain(asdict(refund))) + "\n")


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value if isinstance(value, bool | dict) else str(value) for name, value in row.items()}
