"""Which lines a batch is about, and the lock on them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.commands import AboutOrder, Command
from countermand.domain.money.commands import Fellow, SendRefund, SettleRefund
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import PartyKind
from countermand.service.calls import NO_LINE, Call
from countermand.store import statements as sql
from countermand.store.columns import Record

Orders = frozenset[tuple[UUID, UUID]]
"""Orders, each by its retailer and its id."""


@dataclass(frozen=True, slots=True)
class Locked:
    """The calls with their lines' ids, the rows of these lines, and the ids that are taken of those they want."""

    calls: Sequence[Call]
    rows: Sequence[Record]
    taken: Collection[UUID] = ()


def lock(connection: Connection, calls: Sequence[Call], whole: Orders) -> Locked:
    """Lock the lines of all calls, and all lines of the orders in ``whole``, in one order everywhere."""
    if not whole and all(call.line_number is not None and call.retailer for call in calls):
        pairs = sorted({(call.retailer, call.line_number) for call in calls if call.retailer})
        rows = connection.execute(sql.LOCK_LINES_OF_NUMBERS, {"lines": pairs}).all()
        return Locked(_with_ids(calls, {(row.retailer_id, row.number): row.id for row in rows}), rows)
    calls = _by_id(connection, calls)
    homes = _homes(connection, calls)
    lines = sorted(_lines(connection, calls, homes, whole))
    if not lines and all(call.about is NO_LINE for call in calls):
        return Locked(calls, [], homes.keys())
    # Also where there is none: what is absent must not be quicker to answer than what is another's.
    rows = connection.execute(sql.LOCK_LINES, {"lines": lines or [(NO_LINE, NO_LINE)]}).all()
    return Locked(calls, rows, homes.keys())


def fellows_of(command: Command | PlaceOrder) -> Sequence[Fellow]:
    """The refunds that share a call with the one that a command is about."""
    return command.fellows if isinstance(command, SendRefund | SettleRefund) else ()


def _by_id(connection: Connection, calls: Sequence[Call]) -> Sequence[Call]:
    numbers = sorted({call.line_number for call in calls if call.line_number is not None})
    if not numbers:
        return calls
    rows = connection.execute(sql.LINES_OF_NUMBERS, {"numbers": numbers}).all()
    known = {(row.retailer_id, row.number): row.line_id for row in rows}
    return _with_ids(calls, known | {(None, row.number): row.line_id for row in rows})


def _with_ids(calls: Sequence[Call], known: dict[tuple[UUID | None, int], UUID]) -> Sequence[Call]:
    """The calls with their lines' ids, where they came with bol's numbers. An unknown number means no line."""
    found = []
    for call in calls:
        if call.line_number is not None and not isinstance(call.command, PlaceOrder | AboutOrder):
            line = known.get((call.retailer, call.line_number), NO_LINE)
            found.append(replace(call, command=replace(call.command, line=line)))
        else:
            found.append(call)
    return found


def _homes(connection: Connection, calls: Sequence[Call]) -> dict[UUID, UUID]:
    """The retailers of what is named without one, and of what an order wants for ids though it is there already."""
    fresh = {each for call in calls if isinstance(call.command, PlaceOrder) for each in call.command.ids}
    anybodys, speakers = set(fresh), set[tuple[UUID, UUID]]()
    for call in calls:
        if call.retailer is None:
            actor = getattr(call.command, "actor", None)
            if actor is None or actor.kind is PartyKind.PLATFORM or isinstance(call.command, PlaceOrder):
                anybodys.add(call.about)
            else:
                speakers.add((call.about, actor.party))
    found: dict[UUID, UUID] = {}
    if anybodys:
        rows = connection.execute(sql.RETAILERS_OF, {"ids": sorted(anybodys)})
        found |= {row.id: row.retailer_id for row in rows}
    if speakers:
        theirs = sql.RETAILERS_OF_SPEAKERS[connection.dialect.name]
        rows = connection.execute(theirs, {"speakers": sorted(speakers)})
        found |= {row.id: row.retailer_id for row in rows}
    return found


def _lines(
    connection: Connection, calls: Sequence[Call], homes: dict[UUID, UUID], whole: Orders
) -> set[tuple[UUID, UUID]]:
    lines: set[tuple[UUID, UUID]] = set()
    orders = set(whole)
    for call in calls:
        about = call.about
        retailer = call.retailer or homes.get(about, NO_LINE)
        if about is not NO_LINE:
            (orders if isinstance(call.command, AboutOrder) else lines).add((retailer, about))
            lines |= {(retailer, each.line) for each in fellows_of(call.command)}
    if orders:
        found = connection.execute(sql.LINES_OF_ORDERS, {"orders": sorted(orders)})
        lines |= {(row.retailer_id, row.id) for row in found}
    return lines
