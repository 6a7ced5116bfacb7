"""Placing: what an order must have."""

import pytest

from countermand.domain.order import LINES_MAX, UNITS_MAX, NewLine, PlaceOrder, why_not_placed
from countermand.domain.refusals import RefusalKind
from tests.domain.story import ORDER, PLACED, RETAILER, SUPPLIER


@pytest.mark.parametrize(
    ("units", "placed"),
    [
        ([1], True),
        ([UNITS_MAX], True),
        ([1] * LINES_MAX, True),
        ([], False),
        ([1] * (LINES_MAX + 1), False),
        ([0], False),
        ([1, -1], False),
        ([UNITS_MAX + 1], False),
    ],
)
def test_an_order_has_lines_and_a_line_has_units(units: list[int], placed: bool) -> None:
    lines = [NewLine(id=ORDER, fulfiller=SUPPLIER.party, sku="A", units=each, details={}) for each in units]
    command = PlaceOrder(
        id=ORDER,
        actor=RETAILER,
        retailer=RETAILER.party,
        reference="PO-1",
        placed_at=PLACED,
        lines=tuple(lines),
        details={},
    )
    refusal = why_not_placed(command)
    assert (refusal.kind if refusal else None) == (None if placed else RefusalKind.UNITS_INVALID)
