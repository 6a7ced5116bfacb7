"""What the database holds, read past the service, and what must be true of it."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Table, select

from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.engines.opening import open_database
from tests.crash.story import Order, State, Units

ORDERS_A_READ = 500
ANSWERED = {"accepted", "declined", "withdrawn", "lapsed"}
BUCKETS = ("open", "asked", "cancelled", "shipped")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Everything the database holds about some orders."""

    lines: dict[UUID, Record]
    cancellations: dict[UUID, list[Record]]
    events: dict[UUID, list[Record]]
    shipped: dict[UUID, list[Record]]
    shipments: dict[UUID, Record]
    processes: list[Record]
    records: dict[str, Record]

    def state(self, order: Order) -> State:
        """The buckets of an order's lines."""
        return tuple(units_of(self.lines[line]) for line in order.planted.lines)


def read_facts(url: str, orders: Sequence[Order]) -> Facts:
    """Read all there is about these orders, in a connection of our own."""
    return asyncio.run(_read(url, orders))


async def _read(url: str, orders: Sequence[Order]) -> Facts:
    database = await open_database(url, read_timeout_s=None)
    try:
        return await database.read(lambda connection: _facts(connection, orders))
    finally:
        await database.close()


def _facts(connection: Connection, orders: Sequence[Order]) -> Facts:
    lines: list[Record] = []
    cancellations: list[Record] = []
    events: list[Record] = []
    shipped: list[Record] = []
    shipments: list[Record] = []
    for first in range(0, len(orders), ORDERS_A_READ):
        some = orders[first : first + ORDERS_A_READ]
        retailers = {order.planted.retailer.party for order in some}
        line_ids = [line for order in some for line in order.planted.lines]
        lines += _rows(connection, t.lines, retailers, "id", line_ids)
        cancellations += _rows(connection, t.cancellations, retailers, "line_id", line_ids)
        events += _rows(connection, t.events, retailers, "line_id", line_ids)
        shipped += _rows(connection, t.shipment_lines, retailers, "line_id", line_ids)
        shipments += _rows(connection, t.shipments, retailers, "order_id", [order.planted.id for order in some])
    return Facts(
        lines={row.id: row for row in lines},
        cancellations=_by_line(cancellations),
        events=_by_line(sorted(events, key=lambda row: int(row.seq))),
        shipped=_by_line(shipped),
        shipments={row.id: row for row in shipments},
        processes=list(connection.execute(select(t.process_statuses))),
        records={row.key: row for row in connection.execute(select(t.idempotency_records))},
    )


def _rows(
    connection: Connection, table: Table, retailers: Iterable[UUID], column: str, ids: Sequence[UUID]
) -> list[Record]:
    query = select(table).where(table.c.retailer_id.in_(list(retailers)), table.c[column].in_(ids))
    return list(connection.execute(query))


def _by_line(rows: Iterable[Record]) -> dict[UUID, list[Record]]:
    found: dict[UUID, list[Record]] = {}
    for row in rows:
        found.setdefault(row.line_id, []).append(row)
    return found


def units_of(row: Any) -> Units:
    """The four buckets of a row."""
    return Units(row.open, row.asked, row.cancelled, row.shipped)


def broken(facts: Facts, orders: Sequence[Order]) -> list[str]:
    """Every half transaction: what one table tells and another does not."""
    problems = []
    for order in orders:
        for line in order.planted.lines:
            problems += [f"line {line}: {problem}" for problem in _broken_line(facts, line)]
        for key in order.keys:
            if key not in facts.records:
                problems.append(f"order {order.planted.id}: no record of its key {key} (I13)")
    known = {row.id: row for rows in facts.cancellations.values() for row in rows}
    problems += _broken_records(facts, known)
    problems += _broken_processes(facts, known)
    problems += _broken_shipments(facts)
    return problems


def _broken_line(facts: Facts, line: UUID) -> Iterable[str]:
    row = facts.lines.get(line)
    if row is None:
        yield "is gone"
        return
    cancellations = facts.cancellations.get(line, [])
    events = facts.events.get(line, [])
    units = units_of(row)
    if sum(units) != row.ordered or min(units) < 0:
        yield f"{units} is not {row.ordered} (I2)"
    if sum(each.units for each in cancellations if each.state == "asked") != units.asked:
        yield "its asked units are not those of its cancellations (I2)"
    if sum(each.accepted_units for each in cancellations) != units.cancelled:
        yield "its cancelled units are not those of its cancellations (I2)"
    if sum(each.units for each in facts.shipped.get(line, [])) != units.shipped:
        yield "its shipped units are not those of its parcels (I2)"
    if [each.seq for each in events] != list(range(1, row.seq + 1)):
        yield f"its events are {[each.seq for each in events]}, its seq is {row.seq} (I8)"
    yield from _broken_chain(row, events)
    yield from _broken_cancellations(cancellations, events)


def _broken_chain(row: Record, events: Sequence[Record]) -> Iterable[str]:
    """Each event's buckets follow from those before it by the units it names; the last ones are the line's (I7)."""
    if not events:
        yield "it has no events (I7)"
        return
    before = Units(row.ordered, 0, 0, 0)
    for event in events:
        after = Units(*(event.facts[name] for name in BUCKETS))
        moved = sum(abs(new - old) for new, old in zip(after, before, strict=True))
        if event.kind in _UNMOVING and moved:
            yield f"its event {event.seq}, {event.kind}, moved units (I7)"
        if event.kind not in _UNMOVING and moved != 2 * event.facts["units"]:
            yield f"its event {event.seq}, {event.kind}, moved {before} to {after} (I7)"
        before = after
    if before != units_of(row):
        yield f"its last event says {before}, the line says {units_of(row)} (I7)"


_UNMOVING = {"line.placed", "line.allocated", "line.transport_changed", "cancellation.passed_on"}


def _broken_cancellations(cancellations: Sequence[Record], events: Sequence[Record]) -> Iterable[str]:
    reported: dict[UUID, list[str]] = {}
    for event in events:
        if event.cancellation_id:
            reported.setdefault(event.cancellation_id, []).append(event.kind.removeprefix("cancellation."))
    for each in cancellations:
        expected = [] if each.asker == "nobody" else ["asked"]
        if each.state in ANSWERED:
            expected.append(each.state)
        if reported.pop(each.id, []) != expected:
            yield f"its cancellation {each.id} is {each.state}, and its events tell something else (I7)"
    if reported:
        yield f"its events tell of cancellations that do not exist: {sorted(map(str, reported))} (I7)"


def _broken_records(facts: Facts, known: dict[UUID, Record]) -> Iterable[str]:
    """Only of records whose cancellations belong to orders that were read."""
    for row in facts.records.values():
        named = [UUID(each) for each in row.answer.get("cancellations", ())]
        there = [each for each in named if each in known]
        if there and len(there) != len(named):
            yield f"key {row.key} was answered with cancellations that are not stored (I13)"


def _broken_processes(facts: Facts, known: dict[UUID, Record]) -> Iterable[str]:
    for row in facts.processes:
        pending = row.status == "PENDING"
        if pending != (row.settled_at is None):
            yield f"process {row.number} is {row.status} and settled at {row.settled_at}"
        if pending and row.cancellation_id in known and known[row.cancellation_id].state != "asked":
            yield f"process {row.number} waits for a cancellation that has its answer"


def _broken_shipments(facts: Facts) -> Iterable[str]:
    filled = {row.shipment_id for rows in facts.shipped.values() for row in rows}
    for shipment in facts.shipments.keys() ^ filled:
        yield f"parcel {shipment} and what is in it are not both stored"
