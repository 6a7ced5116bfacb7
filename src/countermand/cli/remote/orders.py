"""Orders at a service."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

from countermand.cli.nouns import Document, FoundOrders, ListedOrder, WantedOrders
from countermand.cli.remote.calling import calling, not_tried, own_scope, page_size, read_list
from countermand.cli.remote.finding import named
from countermand.domain.dates import write_moment
from countermand_client import Client
from countermand_client.models import Line, Order


class RemoteOrders:
    """Orders that the party of the token sees."""

    def first(self, wanted: WantedOrders, most: int) -> FoundOrders:
        """The newest ones."""
        with calling() as client:
            found = list(islice(_orders(client, wanted, most), most + 1))
            orders = [_listed(each) for each in _with_lines(client, found[:most])]
        return FoundOrders(orders=orders, total=len(found), is_exact=False)

    def read(self, wanted: WantedOrders, take: Callable[[Sequence[ListedOrder]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""
        with calling() as client:
            return read_list(_with_lines(client, _orders(client, wanted, most)), _listed, take, most)

    def erase(self, order: str, note: str) -> tuple[str, bool]:
        """Erase the customer of one."""
        not_tried()
        with calling() as client:
            before = client.orders.get(named("ord", order))
            if not before.erased:
                client.orders.erase(before.id, note=note)
            return named("ord", before.id), not before.erased


def _orders(client: Client, wanted: WantedOrders, most: int | None) -> Iterator[Order]:
    own_scope(wanted.party)
    return iter(client.orders.list(q=wanted.sought, reference=wanted.reference, limit=page_size(most)))


def _with_lines(client: Client, found: Iterable[Order]) -> Iterator[Order]:
    """A list has no lines, so that it stays short."""
    return (each if each.lines is not None else client.orders.get(each.id) for each in found)


def _listed(found: Order) -> ListedOrder:
    lines = found.lines or []
    head = {"reference": found.reference, "retailer": found.retailer.name, "placed_at": write_moment(found.placed_at)}
    document = {"id": found.id, "number": found.number, **head, "lines": [_line(each) for each in lines]}
    rows = [
        {"order": found.id, "order_number": found.number, **head, "line": each.id, "title": each.title, **_cells(each)}
        for each in lines
    ]
    return ListedOrder(document=document, rows=rows)


def _line(line: Line) -> Document:
    return {"id": line.id, **_cells(line)}


def _cells(line: Line) -> dict[str, Any]:
    units = line.units
    return {
        "number": line.number,
        "sku": line.sku,
        "held_by": line.fulfiller.name,
        "ordered": units.ordered,
        "open": units.open,
        "asked": units.asked,
        "cancelled": units.cancelled,
        "shipped": units.shipped,
    }
