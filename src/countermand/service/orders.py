"""New orders: their rows, and those of their lines."""

from dataclasses import replace
from uuid import UUID

from countermand.domain.events import Event, EventKind
from countermand.domain.line import Line
from countermand.domain.money.account import OrderAccount
from countermand.domain.money.payments import why_taken
from countermand.domain.orders import NewLine, PlacedOrder, PlaceOrder, placed_before, why_not_placed
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.domain.search import folded, key_of_payment, keys_of_customer, terms_of
from countermand.service.calls import Done, Outcome, Refused
from countermand.service.effects import record
from countermand.service.workspace import Workspace
from countermand.store.codecs import line_changes
from countermand.store.money import account_row


def place(work: Workspace, command: PlaceOrder, door: str) -> Outcome:
    """Place one order, if its ids are free and it is in bounds. One that is there already is not placed again."""
    before = placed_before(command, work.placed)
    if isinstance(before, PlacedOrder):
        return Done(order=before.id, order_repeated=True, at=work.now)
    if before:
        return Refused(refusal=before)
    ids = command.ids
    payments = command.money.payments if command.money else ()
    refusal = why_not_placed(command) or why_taken(payments, command.retailer, work.homes)
    if len(set(ids)) < len(ids) or not work.taken.isdisjoint(ids):
        refusal = Refusal(kind=RefusalKind.ORDER_EXISTS, detail="An order or a line with this id is there already.")
    if refusal:
        return Refused(refusal=refusal)
    work.taken.update(ids)
    work.claim(command.retailer, payments)
    # What counts from the order counts from its receipt at the latest: a shop's clock may be ahead.
    command = replace(command, placed_at=min(command.placed_at, work.now))
    _add_order(work, command)
    for position, new in enumerate(command.lines, start=1):
        _place_line(work, command, new, position, door)
    _add_parts(work, command)
    _add_keys(work, command)
    work.placed.append(
        PlacedOrder(id=command.id, retailer=command.retailer, reference=command.reference, content=command.content)
    )
    return Done(order=command.id, at=work.now)


def _place_line(work: Workspace, command: PlaceOrder, new: NewLine, position: int, door: str) -> None:
    line = _fresh(command, new)
    work.meet(line, command.money is not None)
    if line.fulfiller != line.retailer:
        work.connect(line.retailer, line.fulfiller)
    _add_line(work, command, new, line, position)
    units = new.units
    placed = Event(kind=EventKind.LINE_PLACED, seq=1, units=units, open=units, asked=0, cancelled=0, shipped=0)
    record(work, line, placed, command.actor, door)


def _add_order(work: Workspace, command: PlaceOrder) -> None:
    work.add("id_directory", id=command.id, retailer_id=command.retailer)
    work.add(
        "orders",
        retailer_id=command.retailer,
        id=command.id,
        number=work.lane.numbers.take(),
        reference=command.reference,
        placed_at=command.placed_at,
        sent_to_fulfiller=not command.held,
        customer_erased_at=None,
        currency=command.currency,
        details={**command.details, "content": command.content} if command.content else command.details,
    )
    if command.money:
        account = OrderAccount(retailer=command.retailer, order=command.id, money=command.money)
        work.accounts[command.id] = account
        work.add("order_money", **account_row(account))


def _add_parts(work: Workspace, command: PlaceOrder) -> None:
    """Who may list the order, and what it is found by."""
    parts: dict[UUID, list[NewLine]] = {}
    for new in command.lines:
        parts.setdefault(new.fulfiller, []).append(new)
    for fulfiller, lines in parts.items():
        held = not command.held and fulfiller != command.retailer
        articles = [(line.sku, line.title) for line in lines]
        work.add(
            "order_parts",
            retailer_id=command.retailer,
            order_id=command.id,
            fulfiller_id=fulfiller,
            placed_at=command.placed_at,
            held=held,
            terms=terms_of(command.retailer, fulfiller if held else None, articles),
            reference_folded=folded(command.reference),
        )


def _add_keys(work: Workspace, command: PlaceOrder) -> None:
    payments = command.money.payments if command.money else ()
    paid = {key_of_payment(each.reference) for each in payments if each.reference}
    for key in sorted(paid.union(keys_of_customer(command.details))):
        work.add(
            "order_keys",
            retailer_id=command.retailer,
            key=key,
            placed_at=command.placed_at,
            order_id=command.id,
        )


def _add_line(work: Workspace, command: PlaceOrder, new: NewLine, line: Line, position: int) -> None:
    number = work.lane.numbers.take()
    work.add("id_directory", id=line.id, retailer_id=line.retailer)
    work.add("line_numbers", number=number, retailer_id=line.retailer, line_id=line.id)
    work.add(
        "lines",
        retailer_id=line.retailer,
        id=line.id,
        order_id=line.order,
        number=number,
        position=position,
        placed_at=line.placed_at,
        sku=new.sku,
        title=new.title,
        ordered=line.ordered,
        **line_changes(line),
        unit_price_minor=new.unit_price_minor,
        priced=command.money is not None,
        promised_on=new.promised_on,
        changed_at=work.now,
        details=new.details,
    )


def _fresh(command: PlaceOrder, new: NewLine) -> Line:
    return Line(
        id=new.id,
        retailer=command.retailer,
        order=command.id,
        fulfiller=new.fulfiller,
        placed_at=command.placed_at,
        ordered=new.units,
        open=new.units,
        with_fulfiller=not command.held or new.fulfiller == command.retailer,
    )
