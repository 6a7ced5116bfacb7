"""The money of an order as it is kept: a document of terms, in which only payments change, and what moved so far."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any
from uuid import UUID

from countermand.domain.line import Line
from countermand.domain.money.commands import PaymentCommand
from countermand.domain.money.payments import Paid, PaymentName, Releases, captured_instead, decide_payment
from countermand.domain.money.pricing import (
    Below,
    Discount,
    Method,
    OrderMoney,
    Part,
    Payment,
    PricedLine,
    Returned,
    Shipping,
    ShippingRule,
    TaxMode,
    quote,
)
from countermand.domain.refusals import Refusal


def fresh_money(order: UUID, money: OrderMoney) -> dict[str, Any]:
    """The row for the money of a new order."""
    return {"id": order, "terms": terms_of_money(money), "cancelled": {}, "given_back": {}}


def terms_of_money(money: OrderMoney) -> dict[str, Any]:
    """The document for what an order cost and how it was paid. Rates are kept as fractions, since they are exact."""
    return {
        "currency": money.currency,
        "tax": money.tax.value,
        "lines": [
            {
                "id": line.id.hex,
                "units": line.units,
                "unit_price_minor": line.unit_price_minor,
                "discount_minor": line.discount_minor,
                "tax_rate": str(line.tax_rate),
                "tax_minor": line.tax_minor,
                "commission_minor": line.commission_minor,
            }
            for line in money.lines
        ],
        "discounts": [
            {
                "amount_minor": each.amount_minor,
                "label": each.label,
                "from_minor": each.from_minor,
                "below": each.below.value,
            }
            for each in money.discounts
        ],
        "shipping": [
            {
                "amount_minor": each.amount_minor,
                "tax_rate": str(each.tax_rate),
                "tax_minor": each.tax_minor,
                "rule": each.rule.value,
            }
            for each in money.shipping
        ],
        "payments": [
            {
                "id": each.id,
                "provider": each.provider,
                "reference": each.reference,
                "method": each.method.value,
                "captured_minor": each.captured_minor,
                "authorised_minor": each.authorised_minor,
            }
            for each in money.payments
        ],
        "commission_returned": money.commission_returned,
    }


def money_of_terms(terms: dict[str, Any]) -> OrderMoney:
    """The money that a document states."""
    return OrderMoney(
        currency=terms["currency"],
        tax=TaxMode(terms["tax"]),
        lines=tuple(
            PricedLine(**{**each, "id": UUID(each["id"]), "tax_rate": Fraction(each["tax_rate"])})
            for each in terms["lines"]
        ),
        discounts=tuple(Discount(**{**each, "below": Below(each["below"])}) for each in terms["discounts"]),
        shipping=tuple(
            Shipping(**{**each, "tax_rate": Fraction(each["tax_rate"]), "rule": ShippingRule(each["rule"])})
            for each in terms["shipping"]
        ),
        payments=tuple(Payment(**{**each, "method": Method(each["method"])}) for each in terms["payments"]),
        commission_returned=terms["commission_returned"],
    )


def units_of(counted: dict[str, int]) -> dict[UUID, int]:
    """How many units of each line, out of a document."""
    return {UUID(line): units for line, units in counted.items()}


def moved_of(given_back: dict[str, list[int]]) -> dict[str, tuple[int, int]]:
    """What each payment refunded and released, out of a document."""
    return {payment: (refunded, released) for payment, (refunded, released) in given_back.items()}


def given_back(row: dict[str, Any], line: UUID, units: int) -> tuple[OrderMoney, Returned]:
    """What goes back for so many more cancelled units, noted in the row of the order's money."""
    money, moved = money_of_terms(row["terms"]), moved_of(row["given_back"])
    back = quote(money, units_of(row["cancelled"]), {line: units}, moved)
    row["cancelled"] = {**row["cancelled"], line.hex: row["cancelled"].get(line.hex, 0) + units}
    row["given_back"] = {
        part.payment: [before + more for before, more in zip(moved.get(part.payment, (0, 0)), _of(part), strict=True)]
        for part in back.payments
    }
    return money, back


def paid(
    row: dict[str, Any] | None,
    lines: Sequence[Line],
    command: PaymentCommand,
    homes: Mapping[PaymentName, UUID],
    releases: Releases,
) -> Paid | Refusal:
    """What a payment makes of an order, noted in the row of the order's money, if it has one."""
    if row is None:
        return decide_payment(lines, None, {}, {}, command, homes)
    money, moved = money_of_terms(row["terms"]), moved_of(row["given_back"])
    outcome = decide_payment(lines, money, units_of(row["cancelled"]), moved, command, homes, releases)
    if isinstance(outcome, Paid):
        row["terms"] = terms_of_money(outcome.money)
    return outcome


def note_captured_instead(row: dict[str, Any], payment: str, minor: int) -> None:
    """So much that was to be released of a payment had been captured: noted in the row of the order's money."""
    money, moved = money_of_terms(row["terms"]), moved_of(row["given_back"])
    known = {each.id: each for each in money.payments}
    known[payment], after = captured_instead(known[payment], moved[payment], minor)
    row["terms"] = terms_of_money(replace(money, payments=tuple(known.values())))
    row["given_back"] = {**row["given_back"], payment: list(after)}


def _of(part: Part) -> tuple[int, int]:
    return part.refund_minor, part.release_minor
