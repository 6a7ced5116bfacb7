"""Where an order differs from the one that is there, as JSON pointers into what was handed in."""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from countermand.documents.orders import OrderIn
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.reads.lines import LineDetail
from countermand.reads.order_summaries import StoredOrder
from countermand.store.money import terms_of_money

DIFFERENCES_MAX: Final = 100


def differences(given: OrderIn, meant: PlaceOrder, there: StoredOrder) -> list[str]:
    """The places that differ, as far as what is there can tell; the whole where it cannot any more."""
    found = [*_of_order(given, meant, there), *_of_lines(meant, there), *_of_money(meant, there)]
    return list(dict.fromkeys(found))[:DIFFERENCES_MAX] or [""]


def _of_order(given: OrderIn, meant: PlaceOrder, there: StoredOrder) -> Iterator[str]:
    row = there.row
    if given.id and given.id != row.id:
        yield "/id"
    if given.placed_at and given.placed_at != row.placed_at:
        yield "/placed_at"
    if meant.reference != row.reference:
        yield "/reference"
    if meant.currency != row.currency:
        yield "/currency"
    if meant.held is row.sent_to_fulfiller:
        yield "/held"
    if row.customer_erased_at is None:
        for address in ("shipping_address", "billing_address"):
            yield from _members(f"/{address}", meant.details[address] or {}, row.details.get(address) or {})


def _of_lines(meant: PlaceOrder, there: StoredOrder) -> Iterator[str]:
    for place in range(max(len(meant.lines), len(there.lines))):
        at = f"/lines/{place}"
        if place >= len(meant.lines) or place >= len(there.lines):
            yield at
        else:
            yield from (f"{at}/{name}" for name in _of_line(meant.lines[place], there.lines[place]))


def _of_line(new: NewLine, there: LineDetail) -> Iterator[str]:
    pairs = {
        "supplier": (new.fulfiller, there.fulfiller_id),
        "sku": (new.sku, there.sku),
        "units": (new.units, there.ordered),
        "title": (new.title, there.title),
        "unit_price": (new.unit_price_minor, there.unit_price_minor),
        "promised_on": (new.promised_on, there.promised_on),
        **{name: (new.details[name], there.details.get(name)) for name in ("ean", "offer_reference", "condition")},
    }
    yield from (name for name, (one, other) in pairs.items() if one != other)


def _of_money(meant: PlaceOrder, there: StoredOrder) -> Iterator[str]:
    if meant.money is None or there.terms is None:
        if meant.money or there.terms:
            yield "/payments"
        return
    terms = terms_of_money(meant.money)
    for name in ("tax", "discounts", "shipping", "payments", "commission_returned"):
        if terms[name] != there.terms[name]:
            yield f"/{name}"
    for place, (one, other) in enumerate(zip(terms["lines"], there.terms["lines"], strict=False)):
        yield from (f"/lines/{place}/{name}" for column, name in _OF_PRICE.items() if one[column] != other[column])


_OF_PRICE: Final = {
    "discount_minor": "discount",
    "tax_rate": "tax_percent",
    "tax_minor": "tax",
    "commission_minor": "fee",
}


def _members(at: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> Iterator[str]:
    yield from (f"{at}/{name}" for name in {**one, **other} if one.get(name) != other.get(name))
