"""The rules of refunds against the oracle, over generated orders and steps.

COUNTERMAND_ORACLE_ORDERS says how many; ``make oracle`` runs the long one.
"""

import ast
import os
from collections import Counter
from fractions import Fraction
from pathlib import Path
from random import Random
from typing import Any
from uuid import UUID

from countermand.domain.money.account import OrderAccount, captured_instead
from countermand.domain.money.commands import AddPayment, CapturePayment
from countermand.domain.money.payments import Paid, decide_payment
from countermand.domain.money.pricing import (
    Below,
    Discount,
    OrderMoney,
    PricedLine,
    Shipping,
    ShippingRule,
    TaxMode,
    quote,
    why_not,
)
from countermand.domain.money.pricing import Payment as PaymentOfRules
from tests.domain.story import RETAILER, held_by_supplier
from tests.oracle import money as oracle
from tests.oracle.money import Oracle, Payment

ORDERS = int(
    os.environ.get("COUNTERMAND_ORACLE_ORDERS", "13000" if os.environ.get("COUNTERMAND_LONG") == "1" else "250")
)
RATES = [Fraction(0), Fraction(9, 100), Fraction(21, 100), Fraction(24, 100), Fraction(8875, 100_000)]
LINE = held_by_supplier()


def test_the_oracle_imports_nothing_of_what_it_judges() -> None:
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {name.name for node in ast.walk(tree) if isinstance(node, ast.Import) for name in node.names}
    assert not [name for name in imported if name and name.startswith(("countermand", "tests"))]


def test_the_rules_and_the_oracle_say_the_same_of_every_step() -> None:
    steps: Counter[str] = Counter()
    for seed in range(ORDERS):
        Pair(Random(seed)).run(steps)
    print(f"{ORDERS} orders, {sum(steps.values())} steps, 0 differences: {dict(steps)}")
    assert {"cancel", "add", "capture", "captured instead", "add, refused", "capture, refused"} <= set(steps)


class Pair:
    """One generated order, in the hands of the rules and of the oracle."""

    def __init__(self, dice: Random) -> None:
        self.dice = dice
        self.order = _order(dice)
        blank = Oracle(self.order, [])
        self.oracle = Oracle(self.order, _payments(dice, self.order["currency"], blank.total()))
        self.money = _as_rules(self.order, self.oracle.payments)
        self.ids = [line.id for line in self.money.lines]
        self.cancelled = dict.fromkeys(self.ids, 0)
        self.moved = {payment.id: (0, 0) for payment in self.money.payments}

    def run(self, steps: Counter[str]) -> None:
        assert (why_not(self.money), self.money.total_minor) == (None, self.oracle.total())
        for _ in range(self.dice.randint(4, 24)):
            act = self.dice.choice([self.cancel, self.cancel, self.cancel, self.add, self.capture, self.instead])
            if done := act():
                steps[done] += 1
        self.cancel_rest()
        steps["cancel"] += 1
        for payment in self.oracle.payments:
            assert payment.refunded <= payment.captured
            assert payment.released <= payment.authorised

    def cancel(self) -> str:
        left = [line["units"] - n for line, n in zip(self.order["lines"], self.oracle.cancelled, strict=True)]
        units = [self.dice.randint(0, n) if self.dice.random() < 0.6 else 0 for n in left]
        return self._cancel(units) if any(units) else ""

    def cancel_rest(self) -> None:
        self._cancel([line["units"] - n for line, n in zip(self.order["lines"], self.oracle.cancelled, strict=True)])

    def _cancel(self, units: list[int]) -> str:
        more = dict(zip(self.ids, units, strict=True))
        back = quote(self.money, self.cancelled, more, self.moved)
        expected = self.oracle.cancel(units)
        given = {part.payment: (part.refund_minor, part.release_minor) for part in back.payments}
        assert (back.goods_minor, back.shipping_minor) == (expected.goods, expected.shipping), self.order
        assert (back.tax_minor, back.commission_minor) == (expected.tax, expected.commission), self.order
        assert (back.unpaid_minor, given) == (expected.unpaid, expected.payments), self.order
        self.cancelled = {line: n + more[line] for line, n in self.cancelled.items()}
        for payment, (refund, release) in given.items():
            refunded, released = self.moved.get(payment, (0, 0))
            self.moved[payment] = (refunded + refund, released + release)
        assert self.moved == {each.id: (each.refunded, each.released) for each in self.oracle.payments}
        return "cancel"

    def add(self) -> str:
        left = max(1, self.oracle.unpaid() + 10)
        whole = self.dice.randint(1, left) if self.dice.random() < 0.9 else left * 2
        captured = self.dice.choice([0, whole, self.dice.randint(0, whole)])
        new = Payment(f"p{len(self.oracle.payments)}", _provider(self.dice), captured, whole - captured)
        command = AddPayment(order=LINE.order, actor=RETAILER, payment=_payment(new))
        took = self._decide(command)
        assert self.oracle.add(new) is took, (self.order, new)
        if took:
            self.moved[new.id] = (0, 0)
        return "add" if took else "add, refused"

    def capture(self) -> str:
        if not self.oracle.payments:
            return ""
        payment = self.dice.choice(self.oracle.payments)
        captured = self.dice.randint(0, payment.whole + 2)
        if self.dice.random() < 0.5:
            captured = payment.whole - payment.released
        command = CapturePayment(order=LINE.order, actor=RETAILER, payment=payment.id, captured_minor=captured)
        took = self._decide(command)
        assert self.oracle.capture(payment, captured) is took, (self.order, payment, captured)
        return "capture" if took else "capture, refused"

    def instead(self) -> str:
        """Releases come back as captured: one cancellation's, or all."""
        released = [payment for payment in self.oracle.payments if payment.released]
        if not released:
            return ""
        payment = self.dice.choice(released)
        step = oracle.STEPS.get((payment.provider, self.order["currency"]), 1)
        amount = self.dice.choice([payment.released, self.dice.randint(1, payment.released) // step * step])
        if not amount:
            return ""
        after = captured_instead(self._account(), payment.id, amount)
        self.money, self.moved = after.money, dict(after.given_back)
        self.oracle.captured_instead(payment, amount)
        self._same_payments()
        return "captured instead"

    def _account(self) -> OrderAccount:
        return OrderAccount(
            retailer=LINE.retailer,
            order=LINE.order,
            money=self.money,
            cancelled=self.cancelled,
            given_back=self.moved,
        )

    def _decide(self, command: AddPayment | CapturePayment) -> bool:
        outcome = decide_payment([LINE], self._account(), command, {})
        if not isinstance(outcome, Paid):
            return False
        self.money = outcome.account.money
        return True

    def _same_payments(self) -> None:
        rules = [(each.id, each.captured_minor, each.authorised_minor) for each in self.money.payments]
        assert rules == [(each.id, each.captured, each.authorised) for each in self.oracle.payments]


def _provider(dice: Random) -> str:
    return dice.choice(["manual", "stripe"])


def _order(dice: Random) -> dict[str, Any]:
    lines: list[dict[str, Any]] = []
    for _ in range(dice.randint(1, 5)):
        units, price = dice.randint(1, 9), dice.choice([dice.randint(0, 20), dice.randint(0, 100_000)])
        discount = dice.choice([0, dice.randint(0, units * price)])
        line = {"units": units, "price": price, "discount": discount, "rate": dice.choice(RATES)}
        lines.append(line | {"commission": dice.randint(0, 500), "tax": None})
    value = left = sum(line["units"] * line["price"] - line["discount"] for line in lines)
    discounts = []
    for _ in range(dice.randint(0, 2)):
        amount = dice.randint(0, left)
        left -= amount
        below = dice.choice(["keep", "claw_back"])
        discounts.append({"amount": amount, "from": dice.randint(0, value), "below": below})
    rules = ["with_last_line", "by_share", "never"]
    shipping = [
        {"amount": dice.randint(0, 2_000), "rate": dice.choice(RATES), "tax": None, "rule": dice.choice(rules)}
        for _ in range(dice.randint(0, 2))
    ]
    return {
        "currency": dice.choice(["EUR", "JPY", "KWD"]),
        "tax": dice.choice(["included", "added"]),
        "lines": lines,
        "discounts": discounts,
        "shipping": shipping,
        "commission_back": dice.random() < 0.5,
    }


def _payments(dice: Random, currency: str, total: int) -> list[Payment]:
    left = dice.choice([total, dice.randint(0, total), 0])
    found = []
    for number in range(dice.randint(0, 3)):
        provider = _provider(dice)
        step = oracle.STEPS.get((provider, currency), 1)
        whole = dice.choice([left, dice.randint(0, left)]) // step * step
        captured = dice.choice([0, whole, dice.randint(0, whole) // step * step])
        left -= whole
        found.append(Payment(f"p{number}", provider, captured, whole - captured))
    return found


def _payment(payment: Payment) -> PaymentOfRules:
    return PaymentOfRules(
        id=payment.id,
        provider=payment.provider,
        reference=payment.id,
        captured_minor=payment.captured,
        authorised_minor=payment.authorised,
    )


def _as_rules(order: dict[str, Any], payments: list[Payment]) -> OrderMoney:
    return OrderMoney(
        currency=order["currency"],
        tax=TaxMode(order["tax"]),
        lines=tuple(
            PricedLine(
                id=UUID(int=number),
                units=line["units"],
                unit_price_minor=line["price"],
                discount_minor=line["discount"],
                tax_rate=line["rate"],
                commission_minor=line["commission"],
            )
            for number, line in enumerate(order["lines"], start=1)
        ),
        discounts=tuple(
            Discount(amount_minor=each["amount"], from_minor=each["from"], below=Below(each["below"]))
            for each in order["discounts"]
        ),
        shipping=tuple(
            Shipping(amount_minor=each["amount"], tax_rate=each["rate"], rule=ShippingRule(each["rule"]))
            for each in order["shipping"]
        ),
        payments=tuple(_payment(each) for each in payments),
        commission_returned=order["commission_back"],
    )


def _with_payments(money: OrderMoney, payments: tuple[PaymentOfRules, ...]) -> OrderMoney:
    return OrderMoney(
        currency=money.currency,
        tax=money.tax,
        lines=money.lines,
        discounts=money.discounts,
        shipping=money.shipping,
        payments=payments,
        commission_returned=money.commission_returned,
    )
