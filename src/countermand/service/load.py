"""Loads all that deciding a batch needs, under the locks of its lines. Rows end here: a workspace holds values."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from uuid import UUID

from sqlalchemy import Connection

from countermand.domain.cancellation import NewId
from countermand.domain.commands import (
    AboutOrder,
    AcceptCancellation,
    Allocate,
    AllocateOrder,
    AnswerOrder,
    AskCancellation,
    AskLines,
    CancelOrder,
    CancelOwn,
    ChangeParcel,
    Command,
    DeclineCancellation,
    NoteCancellation,
    Reassign,
    RetailerCancel,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.line import NO_LINE, Cancellation, Departed, Line, State
from countermand.domain.orders import PlacedOrder, PlaceOrder, Repeats
from countermand.domain.parties import Actor, PartyKind
from countermand.ids import Clock
from countermand.service.calls import Call
from countermand.service.load_money import SharesCall, load_accounts, load_money
from countermand.service.workspace import LaneState, More, MoreNeededError, Orders, Workspace
from countermand.store import statements as sql
from countermand.store.codecs import cancellation_of, decided_of, line_of, parcel_of, remark_of
from countermand.store.columns import Record
from countermand.store.engines.protocol import Engine
from countermand.store.idempotency import kept_answer

Departures = Mapping[UUID, tuple[Departed, ...]]
"""The former fulfillers of each line."""


def load(
    connection: Connection, calls: Sequence[Call], clock: Clock, new_id: NewId, lane: LaneState, more: More
) -> Workspace:
    """Lock the lines of all calls, and read what deciding them takes.

    Raises:
        MoreNeededError: more orders must be loaded whole.
    """
    locked = lock(connection, calls, more.whole, lane.engine)
    rows, departures = _known_to_speakers(connection, locked, more.whole)
    # A call that only asks to cancel needs its line and what waits on it: nothing else is read for it.
    others = [call for call in locked.calls if not isinstance(call.command, AskCancellation)]
    asked = _asked(connection, locked.calls, others, rows)
    work = Workspace(locked.calls, more, clock(), new_id, lane, set(locked.taken))
    for row in rows:
        line = line_of(row, tuple(asked.get(row.id, ())))
        work.meet(replace(line, departed=departures[row.id]) if row.id in departures else line, row.priced)
    work.stored.update(each.id for asks in asked.values() for each in asks)
    if others:
        commands = [(line, call.command) for call in others for line in work.lines_of(call.command)]
        _load_remarks(connection, commands, work)
        _load_decided(connection, commands, work)
        _load_articles(connection, others, work)
    _check_together(locked.calls, work)
    _load_agreements(connection, rows, work)
    _load_answers(connection, work)
    if others:
        load_money(connection, others, work)
        _load_parcels(connection, others, work)
        _load_placed(connection, others, work)
    if work.priced:
        load_accounts(connection, work)
    return work


def about(command: Command | PlaceOrder) -> UUID:
    """The line or the order that a command is about; ``NO_LINE`` if it creates one."""
    line: UUID | None = getattr(command, "line", None)
    order: UUID = getattr(command, "order", NO_LINE)
    return line or order


def by_retailer(connection: Connection, calls: Sequence[Call], engine: Engine) -> list[list[int]]:
    """The places of the calls that are about one retailer, for each; those that name nothing known are together."""
    known = _by_id(connection, calls)
    homes = _homes(connection, known, engine)
    found: dict[UUID, list[int]] = {}
    for place, call in enumerate(known):
        placed = call.command.retailer if isinstance(call.command, PlaceOrder) else None
        retailer = placed or call.retailer or homes.get(about(call.command), NO_LINE)
        found.setdefault(retailer, []).append(place)
    return list(found.values())


# The lines, and their locks


@dataclass(frozen=True, slots=True)
class Locked:
    """The calls with their lines' ids, the rows of these lines, and the ids that are taken of those they want."""

    calls: Sequence[Call]
    rows: Sequence[Record]
    taken: Collection[UUID] = ()


def lock(connection: Connection, calls: Sequence[Call], whole: Orders, engine: Engine) -> Locked:
    """Lock the lines of all calls, and all lines of the orders in ``whole``, in one order everywhere."""
    if not whole and all(call.line_number is not None and call.retailer for call in calls):
        pairs = sorted(
            {(call.retailer, call.line_number) for call in calls if call.retailer and call.line_number is not None}
        )
        rows = engine.lock(connection, sql.LOCK_LINES_OF_NUMBERS, pairs)
        return Locked(_with_ids(calls, {(row.retailer_id, row.number): row.id for row in rows}), rows)
    calls = _by_id(connection, calls)
    homes = _homes(connection, calls, engine)
    lines, absent = _lines(connection, calls, homes, whole)
    if not lines and not absent:
        return Locked(calls, [], homes.keys())
    # Also if there is none: a missing line must not be answered faster than a line of another party.
    rows = engine.lock(connection, sql.LOCK_LINES, sorted(lines, key=_ids) or [(NO_LINE, NO_LINE)])
    return Locked(calls, rows, homes.keys())


def _ids(pair: tuple[UUID, UUID]) -> tuple[int, int]:
    return pair[0].int, pair[1].int


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


def _homes(connection: Connection, calls: Sequence[Call], engine: Engine) -> dict[UUID, UUID]:
    """The retailers of what is named without one, and of what an order wants for ids though it is there already."""
    anybodys, speakers = set[UUID](), set[tuple[UUID, UUID]]()
    for call in calls:
        if isinstance(call.command, PlaceOrder):
            anybodys.update(call.command.ids)
        if call.retailer is None:
            actor = getattr(call.command, "actor", None)
            if actor is None or actor.kind is PartyKind.PLATFORM or isinstance(call.command, PlaceOrder):
                anybodys.add(about(call.command))
            else:
                speakers.add((about(call.command), actor.party))
    found: dict[UUID, UUID] = {}
    if anybodys:
        rows = connection.execute(sql.RETAILERS_OF, {"ids": sorted(anybodys)})
        found |= {row.id: row.retailer_id for row in rows}
    if speakers:
        found |= engine.retailers_of_speakers(connection, sorted(speakers))
    return found


def _lines(
    connection: Connection, calls: Sequence[Call], homes: dict[UUID, UUID], whole: Orders
) -> tuple[set[tuple[UUID, UUID]], bool]:
    """The lines of these calls, each with its retailer, and whether any call is about a line or an order at all."""
    lines, orders, any_named = set[tuple[UUID, UUID]](), set(whole), False
    for call in calls:
        named = about(call.command)
        if named is NO_LINE:
            continue
        any_named = True
        retailer = call.retailer or homes.get(named, NO_LINE)
        (orders if isinstance(call.command, AboutOrder) else lines).add((retailer, named))
        if isinstance(call.command, SharesCall):
            lines.update((retailer, each.line) for each in call.command.fellows)
    if orders:
        found = connection.execute(sql.LINES_OF_ORDERS, {"orders": sorted(orders)})
        lines.update((row.retailer_id, row.id) for row in found)
    return lines, any_named


# The parties of the lines


def _known_to_speakers(connection: Connection, locked: Locked, whole: Orders) -> tuple[Sequence[Record], Departures]:
    """The lines that somebody of the batch has to do with, and who held them before where that may matter.

    What is a stranger's is dropped before anything else is read. To a stranger the rules would say that there is no
    such line, only after more statements than for a line that is absent: the time would reveal that there is one.
    """
    speakers = _speakers(locked)
    departures = _departures(connection, locked.rows, speakers)
    rows = [
        row
        for row, actors in zip(locked.rows, speakers.of_rows, strict=True)
        if not actors
        or (whole and (row.retailer_id, row.order_id) in whole)
        or any(_concerns(row, actor, departures) for actor in actors)
    ]
    return rows, departures


@dataclass(frozen=True, slots=True)
class _Speakers:
    """The actors of each row, in the order of rows, and whether a party names something that does not exist."""

    of_rows: Sequence[Sequence[Actor | None]]
    of_absent: bool


def _speakers(locked: Locked) -> _Speakers:
    """The actors of each line; a deadline has none."""
    of_lines, of_orders = _named_by(locked.calls)
    of_rows = []
    for row in locked.rows:
        actors = of_lines.get(row.id, ())
        of_rows.append([*actors, *of_orders.get(row.order_id, ())] if of_orders else actors)
    if not of_orders and len(of_lines) == sum(map(bool, of_rows)):
        return _Speakers(of_rows, of_absent=False)
    there = {row.id for row in locked.rows} | {row.order_id for row in locked.rows}
    absent = [actors for named, actors in (*of_lines.items(), *of_orders.items()) if named not in there]
    of_absent = any(actor and actor.kind is not PartyKind.PLATFORM for actors in absent for actor in actors)
    return _Speakers(of_rows, of_absent)


_Named = dict[UUID, list[Actor | None]]


def _named_by(calls: Sequence[Call]) -> tuple[_Named, _Named]:
    """The actors of each line, and of each order."""
    of_lines: _Named = {}
    of_orders: _Named = {}
    for call in calls:
        if (named := about(call.command)) is not NO_LINE:
            found = of_orders if isinstance(call.command, AboutOrder) else of_lines
            found.setdefault(named, []).append(getattr(call.command, "actor", None))
    return of_lines, of_orders


def _departures(
    connection: Connection, rows: Sequence[Record], speakers: _Speakers
) -> dict[UUID, tuple[Departed, ...]]:
    wanted = {
        (row.retailer_id, row.id)
        for row, actors in zip(rows, speakers.of_rows, strict=True)
        if any(_may_have_departed(row, actor) for actor in actors)
    }
    if not wanted and speakers.of_absent:
        # A missing line takes the same queries as a line of another party.
        wanted = {(NO_LINE, NO_LINE)}
    if not wanted:
        return {}
    found: dict[UUID, tuple[Departed, ...]] = {}
    for row in connection.execute(sql.DEPARTED, {"lines": sorted(wanted)}):
        left = Departed(party=row.former_id, to=row.fulfiller_id, at=row.at, to_name=row.name)
        found[row.line_id] = (*found.get(row.line_id, ()), left)
    return found


def _may_have_departed(row: Record, actor: Actor | None) -> bool:
    """Whether somebody that does not hold the goods may have held them. A line of one event has not moved."""
    if actor is None or actor.kind is PartyKind.PLATFORM or actor.party == row.fulfiller_id:
        return False
    return bool(row.seq > 1 or actor.party != row.retailer_id)


def _concerns(row: Record, actor: Actor | None, departures: Departures) -> bool:
    if actor is None or actor.kind is PartyKind.PLATFORM or actor.party == row.retailer_id:
        return True
    if actor.party == row.fulfiller_id and row.with_fulfiller:
        return True
    return any(actor.party == each.party for each in departures.get(row.id, ()))


# The cancellations of the lines


def _asked(
    connection: Connection, calls: Sequence[Call], others: Sequence[Call], rows: Sequence[Record]
) -> dict[UUID, list[Cancellation]]:
    """The cancellations of each line that may matter (``Line.cancellations``)."""
    named = {each for call in others for each in _cancellations_named(call.command)}
    answered = _answered_before(calls, rows)
    rows = [row for row in rows if row.asked or named or row.id in answered]
    if not rows:
        return {}
    parameters = {
        "retailers": sorted({row.retailer_id for row in rows}),
        "lines": sorted(row.id for row in rows),
        "ids": sorted(named),
        "answered": sorted(answered),
    }
    asked: dict[UUID, list[Cancellation]] = {}
    for row in connection.execute(sql.CANCELLATIONS_OF_LINES, parameters):
        asked.setdefault(row.line_id, []).append(cancellation_of(row))
    return asked


def _cancellations_named(command: Command | PlaceOrder) -> Iterator[UUID]:
    for each in command.lines if isinstance(command, ShipOrder) else (command,):
        named: UUID | None = getattr(each, "cancellation", None)
        if named is not None:
            yield named


def _answered_before(calls: Sequence[Call], rows: Sequence[Record]) -> set[UUID]:
    """The lines whose earlier cancellations matter: to an answer that may be a repeat, and to why nothing is open."""
    rows = [row for row in rows if row.seq > 1]
    if not rows:
        return set()
    answered = {about(call.command) for call in calls if _is_answer(call.command)}
    asked = {about(call.command) for call in calls if isinstance(call.command, _NeedsOpenUnits)}
    return {
        row.id
        for row in rows
        if {row.id, row.order_id} & answered or (row.cancelled and not row.open and {row.id, row.order_id} & asked)
    }


def _is_answer(command: Command | PlaceOrder) -> bool:
    return isinstance(command, AcceptCancellation | DeclineCancellation | AnswerOrder | RetailerCancel)


_NeedsOpenUnits = AskCancellation | AskLines | CancelOrder | CancelOwn | Ship | ShipOrder | Allocate | AllocateOrder


def _check_together(calls: Sequence[Call], work: Workspace) -> None:
    """Lines that were asked together are decided together.

    Raises:
        MoreNeededError: some of them were locked without the others.
    """
    grouped = {
        (line.retailer, line.order)
        for line in work.lines.values()
        if line.cancellations and any(ask.group for ask in line.asks)
    }
    if not grouped:
        return
    loaded = {call.command.order for call in calls if isinstance(call.command, AboutOrder)}
    loaded |= {order for _, order in work.more.whole}
    missing = {(retailer, order) for retailer, order in grouped if order not in loaded}
    if missing:
        raise MoreNeededError(More(work.more.whole | missing, work.more.money))


# Earlier remarks and decisions


_OfLines = Sequence[tuple[UUID, Command | PlaceOrder]]
"""Commands, each with a line that it is about."""


def _load_remarks(connection: Connection, commands: _OfLines, work: Workspace) -> None:
    lines = {
        line: work.lines[line].retailer for line, command in commands if _may_be_repeated(work.lines[line], command)
    }
    if lines:
        parameters = {"retailers": sorted(set(lines.values())), "lines": sorted(lines)}
        for row in connection.execute(sql.REMARKS_ON_LINES, parameters):
            line = work.lines[row.line_id]
            work.lines[line.id] = replace(line, remarks=line.remarks | {remark_of(row)})


def _may_be_repeated(line: Line, command: Command | PlaceOrder) -> bool:
    """Whether a command may repeat a remark on the line."""
    if isinstance(command, NoteCancellation):
        return True
    ships = isinstance(command, Ship | ShipOrder)
    may_be_late = ships or _is_answer(command)
    return (ships and line.cancelled > 0) or (may_be_late and any(each.by_policy for each in line.cancellations))


def _load_decided(connection: Connection, commands: _OfLines, work: Workspace) -> None:
    """Earlier decisions on cancellations, if a call may repeat one or names another step."""
    lines = {
        line: work.lines[line].retailer for line, command in commands if _may_come_again(work.lines[line], command)
    }
    if not lines:
        return
    decisions: dict[tuple[UUID, UUID], list[Record]] = {}
    parameters = {"retailers": sorted(set(lines.values())), "lines": sorted(lines)}
    for row in connection.execute(sql.DECIDED_ON_LINES, parameters):
        decisions.setdefault((row.line_id, row.cancellation_id), []).append(row)
    for line in (work.lines[each] for each in lines):
        cancellations = (replace(c, decided=decided_of(decisions.get((line.id, c.id), ()))) for c in line.cancellations)
        work.lines[line.id] = replace(line, cancellations=tuple(cancellations))


def _may_come_again(line: Line, command: Command | PlaceOrder) -> bool:
    """Whether it may answer what was answered before: where another party's answer is due, or that to another step.

    Who gives a line away has to know who answered what of it.
    """
    if isinstance(command, Reassign):
        return bool(line.asks)
    return any(_is_elsewhere(line, each) for each in _answers(command) if each.line == line.id)


_Answer = AcceptCancellation | DeclineCancellation | WithdrawCancellation | Ship


def _answers(command: Command | PlaceOrder) -> Sequence[_Answer]:
    if isinstance(command, ShipOrder):
        return [each for each in command.lines if each.cancellation]
    if isinstance(command, Ship):
        return [command] if command.cancellation else []
    return [command] if isinstance(command, AcceptCancellation | DeclineCancellation | WithdrawCancellation) else []


def _is_elsewhere(line: Line, answer: _Answer) -> bool:
    named = [c for c in line.cancellations if c.id == answer.cancellation] if answer.cancellation else line.asks
    return any(
        c.state is not State.ASKED
        or (c.awaiting != answer.actor.party if answer.step is None else c.step != answer.step)
        for c in named
    )


def _load_articles(connection: Connection, calls: Sequence[Call], work: Workspace) -> None:
    """The SKUs and titles of lines that are given to another fulfiller."""
    lines = {each.line for call in calls if isinstance(each := call.command, Reassign) and each.line in work.lines}
    if lines:
        pairs = sorted((work.lines[line].retailer, line) for line in lines)
        retailers = sorted({retailer for retailer, _ in pairs})
        for row in connection.execute(sql.ARTICLES, {"lines": pairs, "retailers": retailers}):
            work.articles[row.id] = (row.sku, row.title, row.sent_to_fulfiller)


# Policies, endpoints and saved answers


def _load_agreements(connection: Connection, rows: Sequence[Record], work: Workspace) -> None:
    retailers, parties = set[UUID](), set[UUID]()
    for line in work.lines.values():
        retailers.add(line.retailer)
        parties.update(line.notified)
    for call in work.calls:
        command = call.command
        if isinstance(command, PlaceOrder):
            retailers.add(command.retailer)
            parties |= {command.retailer, *(line.fulfiller for line in command.lines)}
        elif isinstance(command, Reassign):
            parties.add(command.fulfiller)
        if call.process and call.retailer:
            # It is told how the call ends, also if there is no such line.
            retailers.add(call.retailer)
            parties.add(call.retailer)
    agreements = work.lane.agreements
    if retailers:
        agreements.learn(connection, _revision(connection, rows), retailers, parties)
    for line in work.lines.values() if agreements.gone else ():
        if line.fulfiller in agreements.gone:
            work.lines[line.id] = replace(line, fulfiller_gone=True)


def _revision(connection: Connection, rows: Sequence[Record]) -> int:
    revision: int = rows[0].revision if rows else connection.execute(sql.REVISION).scalar_one()
    return revision


def _load_answers(connection: Connection, work: Workspace) -> None:
    once = [
        (owner, caller, call.once.key)
        for call in work.calls
        if call.once
        for owner, caller in call.once.places(work.retailer_of(call))
    ]
    if once:
        owners, callers, keys = (sorted(set(each)) for each in zip(*once, strict=True))
        given = {"retailers": owners, "callers": callers, "keys": keys}
        for row in connection.execute(sql.ANSWERS_GIVEN, given):
            work.answers[row.retailer_id, row.caller, row.key] = kept_answer(row)


# Parcels


def _load_parcels(connection: Connection, calls: Sequence[Call], work: Workspace) -> None:
    """The parcels of the orders that a call reports or corrects one of; without a shipped unit there are none."""
    named = {call.command.order for call in calls if isinstance(call.command, ShipOrder | ChangeParcel)}
    orders = {
        (line.retailer, line.order)
        for order in named
        for line in map(work.lines.__getitem__, work.lines_of_order.get(order, ()))
        if line.shipped
    }
    if orders:
        parameters = {"retailers": sorted({retailer for retailer, _ in orders}), "orders": sorted(orders)}
        shipments = connection.execute(sql.SHIPMENTS_OF_ORDERS, parameters).all()
        for (order, _), rows in groupby(shipments, key=lambda row: (row.order_id, row.id)):
            work.parcels.setdefault(order, []).append(parcel_of(list(rows)))


def _load_placed(connection: Connection, calls: Sequence[Call], work: Workspace) -> None:
    """Orders that a new one may repeat. Another process that places an order of this reference now is waited for."""
    orders = [each for call in calls if isinstance(each := call.command, PlaceOrder) and each.repeats != Repeats.NEVER]
    if not orders:
        return
    work.lane.engine.hold(connection, sorted({f"order {each.retailer} {each.reference}" for each in orders}))
    given = {
        "retailers": sorted({each.retailer for each in orders}),
        "references": sorted({each.reference for each in orders}),
        "orders": sorted({(each.retailer, each.id) for each in orders}, key=_ids),
    }
    work.placed = [
        PlacedOrder(
            id=row.id, retailer=row.retailer_id, reference=row.reference, content=row.details.get("content") or ""
        )
        for row in connection.execute(sql.PLACED_ORDERS, given)
    ]
