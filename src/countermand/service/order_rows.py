"""Orders in the file of a job: a JSON object each, or a line of CSV for each line of an order."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from pydantic import ValidationError

from countermand.documents.new_orders import NewOrder
from countermand.domain.bulk_rows import BadRow, CellProblem, columns
from countermand.domain.csv_records import Record
from countermand.domain.numbers import read_whole
from countermand.domain.orders import LINES_MAX
from countermand.domain.spreadsheets import untamed
from countermand.input_errors import error_named

OF_ORDER: Final = ("retailer", "reference", "placed_at", "currency")
OF_LINE: Final = ("sku", "units", "supplier", "title", "unit_price", "promised_on")
ERRORS_MAX: Final = 100

PERSONAL: Final = frozenset({"shipping_address", "billing_address"})
"""What the results do not repeat of an order: it would outlive the erasure of the customer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderRow:
    """An order to be placed. ``place`` is where it is in its file."""

    place: int
    order: NewOrder


def order_columns(header: Sequence[str]) -> list[str]:
    """The columns of a table of orders.

    Raises:
        ValueError: they are not those of orders.
    """
    names = columns(header, (*OF_ORDER, *OF_LINE))
    missing = [each for each in ("retailer", "reference", "sku", "units") if each not in names]
    if missing:
        raise ValueError(f"the column {missing[0]} is missing")
    return names


def grouped(names: Sequence[str], records: Iterator[Record]) -> Iterator[tuple[int, Sequence[Record]]]:
    """The records of one order after the other, each after the place of its first one: those with one reference."""
    group: list[Record] = []
    first = 0
    for place, record in enumerate(records, start=1):
        if group and _order_of(names, record) != _order_of(names, group[0]):
            yield first, group
            group = []
        if not group:
            first = place
        # An order with more lines than it may have is refused; no more of it is held.
        if len(group) <= LINES_MAX:
            group.append(record)
    if group:
        yield first, group


def _order_of(names: Sequence[str], record: Record) -> object:
    """What lines of one order have in common; a record that is no line is by itself."""
    if record.problem or len(record.cells) < len(names):
        return record
    return tuple(record.cells[names.index(each)].strip() for each in ("retailer", "reference"))


def read_order(place: int, given: Mapping[str, Any]) -> OrderRow | BadRow:
    """An order as ``orders.create`` takes it."""
    try:
        return OrderRow(place=place, order=NewOrder.model_validate(given))
    except ValidationError as error:
        problems = [_problem(each) for each in error.errors()[:ERRORS_MAX]]
    return BadRow(place=place, message="; ".join(map(str, problems[:5])) + ".", problems=problems)


def _problem(error: Mapping[str, Any]) -> CellProblem:
    way = error["loc"]
    told = error_named({**error, "loc": ("body", *way)})
    return CellProblem(name=".".join(map(str, way)) or "order", code=told["code"], detail=told["detail"], way=way)


def order_of_cells(lines: Sequence[Mapping[str, str]]) -> dict[str, Any] | CellProblem:
    """The order that these lines say together: what they say of all of it has to be the same, or said once."""
    order: dict[str, Any] = {}
    for name in OF_ORDER:
        said = {text for line in lines if (text := line.get(name, "").strip())}
        if len(said) > 1:
            return CellProblem(name=name, code="not_listed", detail="differs between the lines of this order")
        if said:
            order[name] = untamed(said.pop())
    order["lines"] = [_line(line) for line in lines]
    return order


def _line(cells: Mapping[str, str]) -> dict[str, Any]:
    line: dict[str, Any] = {name: untamed(text) for name in OF_LINE if (text := cells.get(name, "").strip())}
    try:
        line["units"] = read_whole(line.get("units", ""))
    except ValueError:
        # The order says what is wrong with it.
        line.setdefault("units", "")
    return line
