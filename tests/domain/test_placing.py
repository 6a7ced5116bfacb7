"""Placing: what an order must have."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import pytest

from countermand.domain.orders import LINES_MAX, UNITS_MAX, NewLine, PlaceOrder, why_not_placed
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
    refusal = why_not_placed(order([NewLine(id=ORDER, sku="A", units=each, **HELD) for each in units]))
    assert (refusal.kind if refusal else None) == (None if placed else RefusalKind.UNITS_INVALID)


def test_an_order_brings_its_own_id_and_those_of_its_lines() -> None:
    lines = [UUID(int=11), UUID(int=12)]
    assert order([NewLine(id=each, sku="A", units=1, **HELD) for each in lines]).ids == (ORDER, *lines)


HELD: Final[dict[str, Any]] = {"fulfiller": SUPPLIER.party, "details": {}}


def order(lines: Sequence[NewLine]) -> PlaceOrder:
    return PlaceOrder(
        id=ORDER,
        actor=RETAILER,
        retailer=RETAILER.party,
        reference="PO-1",
        placed_at=PLACED,
        lines=tuple(lines),
        details={},
    )
