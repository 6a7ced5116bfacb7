"""Lists of orders and cancellations."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Final, Literal, TypeVar

from cyclopts import Parameter

from countermand.cli import nouns
from countermand.cli.nouns import Shown, WantedCancellations, WantedOrders
from countermand.cli.orders import LimitFlag
from countermand.cli.output import Exit, csv_printer, fail, print_json, print_table, say, say_more
from countermand.cli.running import CsvFlag, DatabaseFlag, JsonFlag

T = TypeVar("T")

Read = Callable[[Callable[[Sequence[T]], None], int | None], bool]
"""Hands rows on, some at once and so many in all, and says whether there are more."""

Sought = Annotated[
    str | None,
    Parameter(
        help="Of the order with this reference, number of bol's, payment, customer, e-mail address or id",
    ),
]
ListedState = Literal["asked", "accepted", "declined", "withdrawn", "lapsed", "escalated"]

ORDERS_SHOWN: Final = 20
CANCELLATIONS_SHOWN: Final = 50
ROWS_SHOWN: Final = 50


def orders(
    sought: Sought = None,
    *,
    party: Annotated[str | None, Parameter(help="As this party sees them")] = None,
    reference: Annotated[str | None, Parameter(help="With this purchase order number")] = None,
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List orders, newest first: 20 of them unless --limit says otherwise, and all with --csv."""
    found = nouns.orders(database)
    wanted = WantedOrders(sought=sought, party=party, reference=reference)
    if csv:
        return export(partial(found.read, wanted), _ORDER_COLUMNS, lambda each: each.rows, limit)
    shown = found.first(wanted, limit or ORDERS_SHOWN)
    if json:
        print_json([each.document for each in shown.orders])
    else:
        _show_orders([each.document for each in shown.orders])
    if shown.total > len(shown.orders):
        at_least = "" if shown.is_exact else "at least "
        say(f"{len(shown.orders)} of {at_least}{shown.total} orders; --limit shows more.")
    return None


def export(
    read: Read[T],
    columns: Sequence[str],
    rows_of: Callable[[T], Sequence[Mapping[str, object]]],
    limit: int | None,
) -> None:
    """Write a list as a file, page by page: all of it, unless there is a limit."""
    add = csv_printer(columns)
    more = read(lambda found: add(row for each in found for row in rows_of(each)), limit)
    if more and limit:
        say_more("first", limit)


def newest_of(read: Read[T], limit: int | None) -> list[T]:
    """The first rows of a list, which are the newest; says that there are more, if there are."""
    rows: list[T] = []
    most = limit or ROWS_SHOWN
    if read(rows.extend, most):
        say_more("newest", most)
    return rows


def _show_orders(found: Sequence[Mapping[str, Any]]) -> None:
    rows = [
        (each["reference"], each["retailer"], line["sku"], line["held_by"], _units(line), line["id"], each["id"])
        for each in found
        for line in each["lines"]
    ]
    columns = ("Reference", "Retailer", "SKU", "Held by", "Units", "Line", "Order")
    print_table(columns, rows, empty="There are no orders.")


def cancellations(
    sought: Sought = None,
    *,
    state: Annotated[ListedState | None, Parameter(help="Where they stand; escalated ones wait for you")] = None,
    party: Annotated[str | None, Parameter(help="As this party sees them")] = None,
    awaiting: Annotated[
        str | None, Parameter(help="Those that wait for this party; for Platform, the escalated ones")
    ] = None,
    late: Annotated[
        bool, Parameter(negative=(), help="Only those whose deadline has passed, or that were escalated for it")
    ] = False,
    sort: Annotated[Literal["newest", "due"], Parameter(help="due: what waits, the longest due first")] = "newest",
    limit: LimitFlag | None = None,
    csv: CsvFlag = False,
    database: DatabaseFlag = None,
    json: JsonFlag = False,
) -> None:
    """List cancellations, newest or longest due first: 50 unless --limit says otherwise, and all with --csv."""
    if sort == "due" and state not in (None, "asked", "escalated"):
        fail(Exit.USAGE, "usage", f"--sort due lists what waits for an answer; {state} ones have theirs.")

    wanted = WantedCancellations(
        sought=sought, state=state, party=party, awaiting=awaiting, late=late, by_due=sort == "due"
    )
    found = nouns.cancellations(database)
    if csv:
        return export(partial(found.read, wanted), _CANCELLATION_COLUMNS, lambda row: [_cancellation_row(row)], limit)
    rows: list[Shown] = []
    most = limit or CANCELLATIONS_SHOWN
    if found.read(wanted, rows.extend, most):
        say_more("newest" if sort == "newest" else "longest due", most)
    if json:
        print_json([row.document for row in rows])
    else:
        _show_cancellations(rows)
    return None


def _cancellation_row(row: Shown) -> dict[str, object]:
    return {**row.document, "awaiting": row.awaited}


def _show_cancellations(rows: Sequence[Shown]) -> None:
    shown = [(*_cells(row), row.awaited, _due(row), row.document["step"]) for row in rows]
    columns = (
        "Id",
        "State",
        "Units",
        "SKU",
        "Reference",
        "Retailer",
        "Held by",
        "Asked by",
        "Asked at (UTC)",
        "Awaiting",
        "Answer due",
        "Step",
    )
    print_table(columns, shown, empty="There are no cancellations.")


def _cells(row: Shown) -> tuple[object, ...]:
    told = row.document
    return (
        told["id"],
        "escalated" if told["escalated"] else told["state"],
        f"{told['units']} of {row.of_units}",
        told["sku"],
        told["reference"],
        told["retailer"],
        told["held_by"],
        told["asker"],
        minute(told["asked_at"]),
    )


def _due(row: Shown) -> str:
    """When the answer is due, while one is."""
    told = row.document
    return minute(told["due_at"]) if told["state"] == "asked" and not row.agreed else ""


def minute(written: str | None) -> str:
    """A time of a document, as tables have it."""
    return f"{datetime.fromisoformat(written):%Y-%m-%d %H:%M}" if written else ""


def _units(line: Mapping[str, Any]) -> str:
    return ", ".join(f"{line[word]} {word}" for word in ("open", "asked", "cancelled", "shipped") if line[word])


_UNITS: Final = ("ordered", "open", "asked", "cancelled", "shipped")
_ORDER_COLUMNS: Final = (
    "order",
    "order_number",
    "reference",
    "retailer",
    "placed_at",
    "line",
    "number",
    "sku",
    "title",
    "held_by",
    *_UNITS,
)


_CANCELLATION_COLUMNS: Final = (
    "id",
    "state",
    "escalated",
    "units",
    "accepted_units",
    "waiting_units",
    "sku",
    "reference",
    "retailer",
    "held_by",
    "asker",
    "asked_at",
    "awaiting",
    "due_at",
    "step",
    "line",
    "number",
    "order",
)
