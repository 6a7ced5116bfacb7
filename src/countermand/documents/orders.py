"""Orders as JSON, read strictly, and the command that they become."""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Annotated, Any, Final, LiteralString, Self
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from countermand.domain.money.amounts import check_currency, rate_of_percent, to_minor, why_no_amount
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
    why_not,
)
from countermand.domain.orders import LINES_MAX, NewLine, PlaceOrder, Repeats, check_placed_at
from countermand.domain.parties import Actor
from countermand.domain.texts import TEXT_MAX
from countermand.fields import Amount, Day, LineId, Moment, Name, Number, OrderId, Percent, Text, Units, named
from countermand.ids import Ids


class Strict(BaseModel):
    """Unknown members are refused, so that a misspelt one is not lost unnoticed."""

    model_config = ConfigDict(extra="forbid")


class AddressIn(Strict):
    """Who and where, for delivery or for the bill."""

    salutation: Annotated[str, Field(pattern="^(male|female|unknown)$")] = "unknown"
    first_name: Text = ""
    last_name: Name
    company: Text = ""
    street: Name
    house_number: Name
    house_number_extension: Text = ""
    supplement: Text = ""
    postcode: Name
    city: Name
    country: Annotated[str, Field(pattern="^[A-Z]{2}$")]
    email: Text = ""
    phone: Text = ""
    vat_number: Text = ""


class LineIn(Strict):
    """One article. Without a ``supplier`` the retailer holds the goods itself."""

    id: LineId | None = None
    sku: Name
    units: Units
    title: Text = ""
    supplier: Name | None = None
    unit_price: Annotated[Number, Field(ge=0, max_digits=12, allow_inf_nan=False)] | None = None
    discount: Amount = Decimal(0)
    tax_percent: Percent = Decimal(0)
    tax: Amount | None = None
    fee: Annotated[Number, Field(ge=0, max_digits=12, decimal_places=2, allow_inf_nan=False)] = Decimal(0)
    ean: Annotated[str, Field(pattern="^[0-9]{1,13}$")] | None = None
    offer_reference: Text = ""
    condition: Annotated[str, Field(pattern="^(NEW|AS_NEW|GOOD|REASONABLE|MODERATE)$")] = "NEW"
    promised_on: Day | None = None


class DiscountIn(Strict):
    """A discount on the whole order; ``starts_from`` is the value of goods that earned it (docs/refunds.md)."""

    amount: Amount
    label: Text = ""
    starts_from: Amount = Decimal(0)
    below: Below = Below.KEEP


class ShippingIn(Strict):
    """A shipping charge, and when it goes back."""

    amount: Amount
    tax_percent: Percent = Decimal(0)
    tax: Amount | None = None
    refund: ShippingRule = ShippingRule.WITH_LAST_LINE


class PaymentIn(Strict):
    """A payment, or the order's share of one. ``reference`` is the provider's own name of it."""

    id: Annotated[str, Field(pattern="^[A-Za-z0-9_.-]{1,64}$")] | None = None
    provider: Annotated[str, Field(pattern="^[a-z][a-z0-9_-]{0,31}$")] = "manual"
    reference: Text = ""
    method: Method = Method.CARD
    captured: Amount = Decimal(0)
    authorised: Amount = Decimal(0)


NO_PRICE: Final = "every line of an order with payments needs a unit_price"

Currency = Annotated[
    str,
    Field(max_length=TEXT_MAX),
    AfterValidator(named("bad_currency", check_currency)),
    WithJsonSchema({"type": "string", "pattern": "^[A-Z]{3}$"}),
]


class OrderIn(Strict):
    """An order. ``retailer`` and ``supplier`` are names or ids of parties; ``held`` keeps it from the fulfillers.

    Its money is known if it names its payments: then every line needs a price, and what is cancelled is refunded. An
    empty list says that it is paid later.
    """

    id: OrderId | None = None
    retailer: Name
    reference: Name
    placed_at: Moment | None = None
    currency: Currency = "EUR"
    held: bool = False
    shipping_address: AddressIn | None = None
    billing_address: AddressIn | None = None
    lines: Annotated[Sequence[LineIn], Field(min_length=1, max_length=LINES_MAX)]
    tax: TaxMode = TaxMode.INCLUDED
    discounts: Annotated[Sequence[DiscountIn], Field(max_length=20)] = []
    shipping: Annotated[Sequence[ShippingIn], Field(max_length=20)] = []
    payments: Annotated[Sequence[PaymentIn], Field(max_length=20)] | None = None
    commission_returned: bool = False

    @model_validator(mode="after")
    def _holds_together(self) -> Self:
        wrong = [*_wrong_amounts(self), *_lines_without_price(self)]
        if wrong:
            raise ValidationError.from_exception_data(type(self).__name__, wrong)
        money = money_of(self, [UUID(int=place) for place in range(len(self.lines))])
        problem = why_not(money) if money else None
        if problem:
            raise ValueError(problem)
        return self


_AMOUNTS: Final = {
    "lines": ("unit_price", "discount", "tax", "fee"),
    "discounts": ("amount", "starts_from"),
    "shipping": ("amount", "tax"),
    "payments": ("captured", "authorised"),
}
"""The members that are amounts. Of an order without money the prices alone are read."""


def _wrong_amounts(order: OrderIn) -> Iterator[InitErrorDetails]:
    """What is no amount of the order's currency, each at its place."""
    read = {"lines": ("unit_price",)} if order.payments is None else _AMOUNTS
    for part, members in read.items():
        for at, each in enumerate(getattr(order, part)):
            for member in members:
                amount = getattr(each, member)
                problem = "" if amount is None else why_no_amount(amount, order.currency)
                if problem:
                    yield _wrong("bad_amount", problem, (part, at, member), amount)


def _lines_without_price(order: OrderIn) -> Iterator[InitErrorDetails]:
    """Of an order with money each line needs one."""
    for at, line in enumerate(order.lines if order.payments is not None else ()):
        if line.unit_price is None:
            yield _wrong("required", NO_PRICE, ("lines", at, "unit_price"), None)


def _wrong(code: LiteralString, problem: str, place: tuple[int | str, ...], given: object) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError(code, "{problem}", {"problem": problem}), loc=place, input=given)


def place(
    order: OrderIn,
    *,
    actor: Actor,
    party: Callable[[str], UUID],
    ids: Ids,
    now: datetime,
    repeats: Repeats = Repeats.NEVER,
) -> PlaceOrder:
    """The command for an order. ``party`` finds a party by name or id, and raises what it likes when it cannot.

    Raises:
        ValueError: it was placed in the future.
    """
    check_placed_at(order.placed_at, now)
    retailer = party(order.retailer)
    lines = tuple(_line(line, order.currency, retailer, party, ids) for line in order.lines)
    return PlaceOrder(
        id=order.id or ids.new(),
        actor=actor,
        retailer=retailer,
        reference=order.reference,
        placed_at=order.placed_at or now,
        currency=order.currency,
        held=order.held,
        lines=lines,
        money=money_of(order, [line.id for line in lines]),
        details={
            "shipping_address": order.shipping_address.model_dump() if order.shipping_address else None,
            "billing_address": order.billing_address.model_dump() if order.billing_address else None,
        },
        content=_content(order, party),
        repeats=repeats,
    )


_HOW_TO_PLACE = {"allow_same_reference", "dry_run"}
"""Members of a call that are no part of the order."""


def _content(order: OrderIn, party: Callable[[str], UUID]) -> str:
    """A fingerprint of what an order says, however amounts, ids and times are written."""
    said = order.model_dump(exclude=_HOW_TO_PLACE)
    said["retailer"] = party(order.retailer)
    for line in said["lines"]:
        line["supplier"] = party(line["supplier"]) if line["supplier"] else None
    return hashlib.sha256(json.dumps(said, default=_plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> str:
    match value:
        case Decimal():
            return f"{value.normalize():f}"
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
    return str(value)


def money_of(order: OrderIn, ids: Sequence[UUID]) -> OrderMoney | None:
    """What the order cost and how it was paid, its lines called by these ids; ``None`` when it names no payments.

    Raises:
        ValueError: a line has no price, or an amount has more decimals than the currency.
    """
    if order.payments is None:
        return None

    def minor(amount: Decimal) -> int:
        return to_minor(amount, order.currency)

    return OrderMoney(
        currency=order.currency,
        tax=order.tax,
        lines=tuple(_priced(line, each, order.currency) for line, each in zip(order.lines, ids, strict=True)),
        discounts=tuple(
            Discount(
                amount_minor=minor(each.amount),
                label=each.label,
                from_minor=minor(each.starts_from),
                below=each.below,
            )
            for each in order.discounts
        ),
        shipping=tuple(
            Shipping(
                amount_minor=minor(each.amount),
                tax_rate=_rate(each.tax_percent),
                tax_minor=None if each.tax is None else minor(each.tax),
                rule=each.refund,
            )
            for each in order.shipping
        ),
        payments=tuple(
            payment_of(each, order.currency, each.id or str(place))
            for place, each in enumerate(order.payments, start=1)
        ),
        commission_returned=order.commission_returned,
    )


def payment_of(payment: PaymentIn, currency: str, called: str) -> Payment:
    """The payment, under the id that it is called by.

    Raises:
        ValueError: an amount has more decimals than the currency.
    """
    return Payment(
        id=called,
        provider=payment.provider,
        reference=payment.reference,
        method=payment.method,
        captured_minor=to_minor(payment.captured, currency),
        authorised_minor=to_minor(payment.authorised, currency),
    )


def _priced(line: LineIn, id: UUID, currency: str) -> PricedLine:  # noqa: A002 - a line's id is its id
    if line.unit_price is None:
        raise ValueError(NO_PRICE)
    return PricedLine(
        id=id,
        units=line.units,
        unit_price_minor=to_minor(line.unit_price, currency),
        discount_minor=to_minor(line.discount, currency),
        tax_rate=_rate(line.tax_percent),
        tax_minor=None if line.tax is None else to_minor(line.tax, currency),
        commission_minor=to_minor(line.fee, currency),
    )


def _rate(percent: Decimal) -> Fraction:
    return rate_of_percent(str(percent))


def _line(line: LineIn, currency: str, retailer: UUID, party: Callable[[str], UUID], ids: Ids) -> NewLine:
    return NewLine(
        id=line.id or ids.new(),
        fulfiller=party(line.supplier) if line.supplier else retailer,
        sku=line.sku,
        units=line.units,
        title=line.title,
        unit_price_minor=None if line.unit_price is None else to_minor(line.unit_price, currency),
        promised_on=line.promised_on,
        details={
            "cost": None if line.unit_price is None else float(line.unit_price),
            "fee": str(line.fee),
            "ean": line.ean,
            "offer_reference": line.offer_reference,
            "condition": line.condition,
        },
    )
