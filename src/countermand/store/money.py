"""The money of an order as it is stored: a document of its terms, the cancelled units, and what went back."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any
from uuid import UUID

from countermand.domain.money.account import OrderAccount
from countermand.domain.money.pricing import (
    Below,
    Discount,
    Method,
    OrderMoney,
    Payment,
    PricedLine,
    Shipping,
    ShippingRule,
    TaxMode,
)


def account_of(row: Mapping[str, Any]) -> OrderAccount:
    """The account that a row holds."""
    return OrderAccount(
        retailer=row["retailer_id"],
        order=row["id"],
        money=money_of_terms(row["terms"]),
        cancelled=units_of(row["cancelled"]),
        given_back=given_back_of(row["given_back"]),
    )


def account_row(account: OrderAccount) -> dict[str, Any]:
    """The row for an account."""
    return {
        "retailer_id": account.retailer,
        "id": account.order,
        "terms": terms_of_money(account.money),
        "cancelled": {line.hex: units for line, units in account.cancelled.items()},
        "given_back": {payment: list(moved) for payment, moved in account.given_back.items()},
    }


def terms_of_money(money: OrderMoney) -> dict[str, Any]:
    """The document for what an order cost and how it was paid. Rates are stored as fractions, which are exact."""
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


def units_of(document: dict[str, int]) -> dict[UUID, int]:
    """How many units of each line, from a document."""
    return {UUID(line): units for line, units in document.items()}


def given_back_of(document: dict[str, list[int]]) -> dict[str, tuple[int, int]]:
    """What each payment refunded and released, from a document."""
    return {payment: (refunded, released) for payment, (refunded, released) in document.items()}
