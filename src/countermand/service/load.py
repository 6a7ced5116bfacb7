"""Everything that deciding a batch takes, read under the lock on its lines."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import groupby
from uuid import UUID

from sqlalchemy import Connection

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
from countermand.domain.line import Cancellation, Line, State
from countermand.domain.money.commands import AddPayment, RefundCommand
from countermand.domain.money.payments import names_of
from countermand.domain.money.pricing import Payment
from countermand.domain.orders import PlaceOrder
from countermand.service.agreements import Agreements
from countermand.service.calls import Call
from countermand.service.locking import Locked, Orders, fellows_of, lock
from countermand.service.strangers import drop_strange_lines
from countermand.service.workspace import Workspace
from countermand.store import statements as sql
from countermand.store.codecs import cancellation_of, decided_of, line_of, noted_of, parcel_of, refund_of
from countermand.store.columns import Record


class AskedTogetherError(Exception):
    """Lines were locked without others whose fate hangs on theirs: roll back, and begin again with these ``orders``.

    They cannot be locked now. Two batches that each hold one line of an order and want the other would never end.
    """

    def __init__(self, orders: Orders) -> None:
        super().__init__(f"{len(orders)} orders have lines that were asked together")
        self.orders = orders


def load(
    connection: Connection, calls: Sequence[Call], agreements: Agreements, whole: Orders
) -> tuple[Sequence[Call], Workspace]:
    """Lock the lines of all calls, read what deciding takes. Returns the calls with their lines' ids.

    Raises:
        AskedTogetherError: more orders must be loaded whole.
    """
    locked, departures = drop_strange_lines(connection, lock(connection, calls, whole), whole)
    known = Workspace(set(locked.taken))
    asked = _asked(connection, locked)
    for row in locked.rows:
        line = line_of(row, tuple(asked.get(row.id, ())))
        known.meet(replace(line, departed=departures[row.id]) if row.id in departures else line, row.priced)
    known.stored.update(each.id for asks in asked.values() for each in asks)
    _load_noted(connection, locked.calls, known)
    _load_decided(connection, locked.calls, known)
    _load_articles(connection, locked.calls, known)
    _check_together(locked.calls, known, whole)
    _load_agreements(connection, locked, known, agreements)
    _load_answers(connection, locked.calls, known)
    _load_refunds(connection, locked.calls, known)
    _load_parcels(connection, locked.calls, known)
    _load_homes(connection, locked.calls, known)
    return locked.calls, known


def _asked(connection: Connection, locked: Locked) -> dict[UUID, list[Cancellation]]:
    """The cancellations of each line that may matter (``Line.cancellations``)."""
    named = {each for call in locked.calls for each in _cancellations_named(call.command)}
    answered = _answered_before(locked)
    rows = [row for row in locked.rows if row.asked or named or row.id in answered]
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


def _answered_before(locked: Locked) -> set[UUID]:
    """The lines whose earlier cancellations matter: to an answer that may be a repeat, and to why nothing is open."""
    told = {call.about for call in locked.calls if _is_answer(call.command)}
    asked = {call.about for call in locked.calls if isinstance(call.command, _NeedsOpenUnits)}
    return {
        row.id
        for row in locked.rows
        if (row.seq > 1 and {row.id, row.order_id} & told)
        or (row.cancelled and not row.open and {row.id, row.order_id} & asked)
    }


def _load_noted(connection: Connection, calls: Sequence[Call], known: Workspace) -> None:
    told = [(known.lines[line], call.command) for call in calls for line in known.lines_of(call.command)]
    lines = {line.id: line.retailer for line, command in told if _may_be_repeated(line, command)}
    if lines:
        parameters = {"retailers": sorted(set(lines.values())), "lines": sorted(lines)}
        for row in connection.execute(sql.NOTED_ON_LINES, parameters):
            line = known.lines[row.line_id]
            known.lines[line.id] = replace(line, noted=line.noted | {noted_of(row)})


def _load_decided(connection: Connection, calls: Sequence[Call], known: Workspace) -> None:
    """What was decided of cancellations before, where a call may repeat it or has seen them at another step."""
    lines = {
        known.lines[line].id: known.lines[line].retailer
        for call in calls
        for line in known.lines_of(call.command)
        if _may_come_again(known.lines[line], call.command)
    }
    if not lines:
        return
    told: dict[tuple[UUID, UUID], list[Record]] = {}
    parameters = {"retailers": sorted(set(lines.values())), "lines": sorted(lines)}
    for row in connection.execute(sql.DECIDED_ON_LINES, parameters):
        told.setdefault((row.line_id, row.cancellation_id), []).append(row)
    for line in (known.lines[each] for each in lines):
        cancellations = (replace(c, decided=decided_of(told.get((line.id, c.id), ()))) for c in line.cancellations)
        known.lines[line.id] = replace(line, cancellations=tuple(cancellations))


def _load_articles(connection: Connection, calls: Sequence[Call], known: Workspace) -> None:
    """What a line that is to be given away is found by."""
    lines = {each.line for call in calls if isinstance(each := call.command, Reassign) and each.line in known.lines}
    if lines:
        pairs = sorted((known.lines[line].retailer, line) for line in lines)
        retailers = sorted({retailer for retailer, _ in pairs})
        for row in connection.execute(sql.ARTICLES, {"lines": pairs, "retailers": retailers}):
            known.articles[row.id] = (row.sku, row.title, row.sent_to_fulfiller)


def _check_together(calls: Sequence[Call], known: Workspace, whole: Orders) -> None:
    loaded = {call.command.order for call in calls if isinstance(call.command, AboutOrder)}
    loaded |= {order for _, order in whole}
    missing = {
        (line.retailer, line.order)
        for line in known.lines.values()
        if line.order not in loaded and any(ask.group for ask in line.asks)
    }
    if missing:
        raise AskedTogetherError(whole | missing)


def _load_agreements(connection: Connection, locked: Locked, known: Workspace, agreements: Agreements) -> None:
    retailers = {line.retailer for line in known.lines.values()}
    parties = {party for line in known.lines.values() for party in line.told}
    for call in locked.calls:
        if isinstance(call.command, PlaceOrder):
            retailers.add(call.command.retailer)
            parties |= {call.command.retailer, *(line.fulfiller for line in call.command.lines)}
        if isinstance(call.command, Reassign):
            parties.add(call.command.fulfiller)
    if retailers:
        agreements.learn(connection, _revision(connection, locked.rows), retailers, parties)
    for line in known.lines.values() if agreements.gone else ():
        if line.fulfiller in agreements.gone:
            known.lines[line.id] = replace(line, fulfiller_gone=True)


def _revision(connection: Connection, rows: Sequence[Record]) -> int:
    revision: int = rows[0].revision if rows else connection.execute(sql.REVISION).scalar_one()
    return revision


def _load_answers(connection: Connection, calls: Sequence[Call], known: Workspace) -> None:
    once = [
        (retailer, call.once.caller, call.once.key)
        for call in calls
        if call.once and (retailer := known.retailer_of(call))
    ]
    if once:
        retailers, callers, keys = (sorted(set(each)) for each in zip(*once, strict=True))
        given = {"retailers": retailers, "callers": callers, "keys": keys}
        for row in connection.execute(sql.ANSWERS_GIVEN, given):
            known.answers[row.retailer_id, row.caller, row.key] = (row.fingerprint, row.answer, row.created_at)


def _load_refunds(connection: Connection, calls: Sequence[Call], known: Workspace) -> None:
    commands = [call.command for call in calls if isinstance(call.command, RefundCommand)]
    named = {(each.line, each.refund) for command in commands for each in (command, *fellows_of(command))}
    wanted = sorted({(known.lines[line].retailer, refund) for line, refund in named if line in known.lines})
    if wanted:
        for row in connection.execute(sql.REFUNDS, {"refunds": wanted}):
            known.refunds[row.id] = refund_of(row)


def _load_parcels(connection: Connection, calls: Sequence[Call], known: Workspace) -> None:
    """The parcels of the orders that a call reports or corrects one of; without a shipped unit there are none."""
    about = {call.command.order for call in calls if isinstance(call.command, ShipOrder | ChangeParcel)}
    orders = {
        (line.retailer, line.order)
        for order in about
        for line in map(known.lines.__getitem__, known.lines_of_order.get(order, ()))
        if line.shipped
    }
    if orders:
        parameters = {"retailers": sorted({retailer for retailer, _ in orders}), "orders": sorted(orders)}
        shipments = connection.execute(sql.SHIPMENTS_OF_ORDERS, parameters).all()
        for (order, _), rows in groupby(shipments, key=lambda row: (row.order_id, row.id)):
            known.parcels.setdefault(order, []).append(parcel_of(list(rows)))


def _cancellations_named(command: Command | PlaceOrder) -> Iterator[UUID]:
    for each in command.lines if isinstance(command, ShipOrder) else (command,):
        named: UUID | None = getattr(each, "cancellation", None)
        if named is not None:
            yield named


def _load_homes(connection: Connection, calls: Sequence[Call], known: Workspace) -> None:
    named = names_of(payment for call in calls for payment in _payments_named(call.command))
    if named:
        providers, references = (sorted(set(each)) for each in zip(*named, strict=True))
        for row in connection.execute(sql.RETAILERS_OF_PAYMENTS, {"providers": providers, "references": references}):
            known.homes[row.provider, row.reference] = row.retailer_id


def _payments_named(command: Command | PlaceOrder) -> Sequence[Payment]:
    if isinstance(command, AddPayment):
        return (command.payment,)
    return command.money.payments if isinstance(command, PlaceOrder) and command.money else ()


def _is_answer(command: Command | PlaceOrder) -> bool:
    return isinstance(command, AcceptCancellation | DeclineCancellation | AnswerOrder | RetailerCancel)


_NeedsOpenUnits = AskCancellation | AskLines | CancelOrder | CancelOwn | Ship | ShipOrder | Allocate | AllocateOrder


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


def _may_be_repeated(line: Line, command: Command | PlaceOrder) -> bool:
    """Whether it may say again what was noted on the line before and changed nothing."""
    if isinstance(command, NoteCancellation):
        return True
    ships = isinstance(command, Ship | ShipOrder)
    may_be_late = ships or _is_answer(command)
    return (ships and line.cancelled > 0) or (may_be_late and any(each.by_policy for each in line.cancellations))
