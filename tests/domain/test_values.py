"""The values themselves: what cannot be said at all."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.domain.story import Story, accept, ask, held_by_retailer, held_by_supplier, not_yet_sent


@pytest.mark.parametrize(
    ("buckets", "match"),
    [
        ({"open": 4}, "do not sum"),
        ({"open": 6}, "do not sum"),
        ({"asked": 1}, "do not sum"),
        ({"open": 6, "asked": -1}, "negative"),
        ({"open": -1, "asked": 6}, "negative"),
        ({"open": 6, "cancelled": -1}, "negative"),
        ({"open": 6, "shipped": -1}, "negative"),
    ],
)
def test_a_line_whose_units_do_not_sum_cannot_be(buckets: dict[str, Any], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        replace(held_by_supplier(), **buckets)


def test_a_line_is_never_edited_in_place() -> None:
    """mypy holds it, at no cost; each story of these tests holds that no rule goes around it (``Story.decide``)."""
    before = held_by_supplier()
    story = Story(line=before)
    cancellation = story.asked(ask(2))
    story.heeds(accept(cancellation=cancellation))
    assert before == held_by_supplier()
    assert story.line != before
    if TYPE_CHECKING:
        before.open = 4  # type: ignore[misc]


def test_the_retailer_decides_alone_while_no_supplier_has_the_order() -> None:
    assert not held_by_supplier().retailer_decides
    assert held_by_retailer().retailer_decides
    assert not_yet_sent().retailer_decides


def test_a_line_notifies_its_retailer_and_a_supplier_that_has_the_order() -> None:
    line = held_by_supplier()
    assert line.notified == (line.retailer, line.fulfiller)
    assert not_yet_sent().notified == held_by_retailer().notified == (line.retailer,)
