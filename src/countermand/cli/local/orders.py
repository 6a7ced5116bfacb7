"""Orders of a database."""

from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection

from countermand.admin.erasure import Erased, erase
from countermand.admin.finding import scope_of
from countermand.cli.nouns import FoundOrders, ListedOrder, WantedOrders
from countermand.cli.parties import author, find_id
from countermand.cli.running import ask_database, read_pages, read_settings, with_database
from countermand.documents.order_lists import order_document, order_line_rows
from countermand.ids import show
from countermand.reads import orders as reads
from countermand.reads.lookup import Lookup
from countermand.reads.order_lists import OrderFilter, PlaceInTime
from countermand.reads.orders import OrderView
from countermand.road import Application


class LocalOrders:
    """Orders, read from the database."""

    def __init__(self, database: str | None) -> None:
        self._settings = read_settings(database=database)

    def first(self, wanted: WantedOrders, most: int) -> FoundOrders:
        """The newest ones."""

        def question(connection: Connection) -> tuple[int, list[OrderView]]:
            scope = scope_of(connection, wanted.party)
            if wanted.sought is not None:
                lookup = Lookup(anything=wanted.sought, reference=wanted.reference)
                found = reads.orders_by_lookup(connection, scope, lookup, most + 1)
                return len(found), found[:most]
            filtered = OrderFilter(reference=wanted.reference)
            return reads.list_orders(connection, scope, filtered, start=0, count=most, newest_first=True)

        total, views = ask_database(self._settings, question)
        return FoundOrders(orders=[_listed(view) for view in views], total=total, is_exact=wanted.sought is None)

    def read(self, wanted: WantedOrders, take: Callable[[Sequence[ListedOrder]], None], most: int | None) -> bool:
        """Hand ``take`` so many of them, newest first. Returns whether there are more."""

        def page(connection: Connection, count: int, last: OrderView | None) -> Sequence[OrderView]:
            place = PlaceInTime(last.row.placed_at, last.row.id) if last else None
            scope = scope_of(connection, wanted.party)
            if wanted.sought is not None:
                lookup = Lookup(anything=wanted.sought, reference=wanted.reference)
                return reads.orders_by_lookup(connection, scope, lookup, count, place)
            return reads.orders_behind(connection, scope, OrderFilter(reference=wanted.reference), place, count)

        return read_pages(self._settings, page, lambda views: take([_listed(view) for view in views]), most)

    def erase(self, order: str, note: str) -> tuple[str, bool]:
        """Erase the customer of one."""
        wanted = find_id("ord", order)

        async def work(application: Application) -> Erased:
            forget = partial(erase, author=author(application), order=wanted, note=note)
            return await application.database.write(forget)

        return show("ord", wanted), with_database(self._settings, work).now


def _listed(view: OrderView) -> ListedOrder:
    return ListedOrder(document=dict(order_document(view)), rows=[dict(row) for row in order_line_rows(view)])
