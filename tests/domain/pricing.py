"""Orders with money: short words for tests, and a strategy that makes any."""

from collections.abc import Sequence
from fractions import Fraction
from uuid import UUID

from hypothesis import strategies as st

from countermand.domain.money.pricing import (
    Below,
    Discount,
    Method,
    OrderMoney,
    Payment,
    PricedLine,
    Returned,
    Shipping,
    ShippingRule,
    TaxMode,
    quote,
)

RATES = [Fraction(0), Fraction(24, 100), Fraction(21, 100), Fraction(8875, 100_000)]


def line(number: int, units: int, unit_price_minor: int, **more: object) -> PricedLine:
    return PricedLine(id=UUID(int=number), units=units, unit_price_minor=unit_price_minor, **more)  # type: ignore[arg-type]


def card(captured_minor: int = 0, authorised_minor: int = 0, *, id: str = "card") -> Payment:  # noqa: A002
    return Payment(
        id=id, provider="manual", reference=id, captured_minor=captured_minor, authorised_minor=authorised_minor
    )


def step(money: OrderMoney, *units: int, before: Sequence[int] = ()) -> Returned:
    """The quote for so many units of the first line, the second, and so on."""
    return quote(money, counts(money, before), counts(money, units))


def counts(money: OrderMoney, units: Sequence[int]) -> dict[UUID, int]:
    return {each.id: n for each, n in zip(money.lines, units, strict=False)}


@st.composite
def priced_lines(draw: st.DrawFn, number: int) -> PricedLine:
    units, price = draw(st.integers(1, 9)), draw(st.one_of(st.integers(0, 20), st.integers(0, 100_000)))
    return PricedLine(
        id=UUID(int=number),
        units=units,
        unit_price_minor=price,
        discount_minor=draw(st.one_of(st.just(0), st.integers(0, units * price))),
        tax_rate=draw(st.sampled_from(RATES)),
        commission_minor=draw(st.integers(0, 500)),
    )


@st.composite
def orders(draw: st.DrawFn) -> OrderMoney:
    """Any order whose money holds together."""
    lines = tuple(draw(priced_lines(number)) for number in range(1, draw(st.integers(1, 5)) + 1))
    left = value = sum(each.value_minor for each in lines)
    discounts = []
    for _ in range(draw(st.integers(0, 2))):
        amount = draw(st.integers(0, left))
        left -= amount
        starts_from = draw(st.integers(0, value))
        below = draw(st.sampled_from(Below))
        discounts.append(Discount(amount_minor=amount, from_minor=starts_from, below=below))
    charges = st.builds(
        Shipping,
        amount_minor=st.integers(0, 2_000),
        tax_rate=st.sampled_from(RATES),
        rule=st.sampled_from(ShippingRule),
    )
    unpaid = OrderMoney(
        currency=draw(st.sampled_from(["EUR", "JPY", "KWD"])),
        lines=lines,
        tax=draw(st.sampled_from(TaxMode)),
        discounts=tuple(discounts),
        shipping=tuple(draw(st.lists(charges, max_size=2))),
        commission_returned=draw(st.booleans()),
    )
    return OrderMoney(**{**_given(unpaid), "payments": draw(payments(unpaid.total_minor))})  # type: ignore[arg-type]


@st.composite
def payments(draw: st.DrawFn, total_minor: int) -> tuple[Payment, ...]:
    """Payments that cover an amount, or less of it."""
    left = draw(st.one_of(st.just(total_minor), st.integers(0, total_minor)))
    paid = []
    for number in range(draw(st.integers(1, 3)) - 1, -1, -1):
        here = draw(st.integers(0, left)) if number else left
        left -= here
        captured = draw(st.one_of(st.just(here), st.integers(0, here)))
        method = draw(st.sampled_from(Method))
        paid.append(
            Payment(
                id=f"p{number}",
                provider="manual",
                reference=f"r{number}",
                method=method,
                captured_minor=captured,
                authorised_minor=here - captured,
            )
        )
    return tuple(paid)


@st.composite
def step_by_step(draw: st.DrawFn, money: OrderMoney) -> list[dict[UUID, int]]:
    """Some units of the order, cancelled in steps of any size, several lines at once or one after the other."""
    left = {each.id: draw(st.integers(0, each.units)) for each in money.lines}
    if draw(st.booleans()):
        left = {each.id: each.units for each in money.lines}
    steps = []
    while any(left.values()):
        taken = {each: draw(st.integers(0, units)) for each, units in left.items()}
        if not any(taken.values()):
            taken = {next(each for each, units in left.items() if units): 1}
        left = {each: units - taken.get(each, 0) for each, units in left.items()}
        steps.append(taken)
    return steps


def _given(money: OrderMoney) -> dict[str, object]:
    names = ("currency", "lines", "tax", "discounts", "shipping", "payments", "commission_returned")
    return {name: getattr(money, name) for name in names}
