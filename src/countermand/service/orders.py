"""New orders: their rows, and those of their lines."""

from dataclasses import dataclass, replace
from uuid import UUID

from countermand.domain.events import Event, EventKind
from countermand.domain.line import Line
from countermand.domain.money.payments import why_taken
from countermand.domain.orders import NewLine, PlaceOrder, why_not_placed
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.domain.search import key_of_payment, keys_of_customer, terms_of
from countermand.service.calls import Done, Outcome, Refused
from countermand.service.claims import claim
from countermand.service.rows import Rows
from countermand.service.telling import Telling
from countermand.service.workspace import Workspace
from countermand.store.codecs import allocation, buckets
from countermand.store.money import fresh_money


@dataclass(slots=True)
class Placing:
    """Places orders, and makes retailers and suppliers known to each other."""

    known: Workspace
    rows: Rows
    telling: Telling

    def place(self, command: PlaceOrder, door: str) -> Outcome:
        """Place one order, if its ids are free and it is in bounds."""
        ids = command.ids
        payments = command.money.payments if command.money else ()
        refusal = why_not_placed(command) or why_taken(payments, command.retailer, self.known.homes)
        if len(set(ids)) < len(ids) or not self.known.taken.isdisjoint(ids):
            refusal = Refusal(kind=RefusalKind.ORDER_EXISTS, detail="An order or a line with this id is there already.")
        if refusal:
            return Refused(refusal=refusal)
        self.known.taken.update(ids)
        claim(self.known, self.rows, command.retailer, payments)
        # What counts from the order counts from its receipt at the latest: a shop's clock may be ahead.
        command = replace(command, placed_at=min(command.placed_at, self.rows.now))
        self._add_order(command)
        for position, new in enumerate(command.lines, start=1):
            line = _fresh(command, new)
            self.known.meet(line, command.money is not None)
            self._connect(line)
            self._add_line(command, new, line, position)
            placed = Event(
                kind=EventKind.LINE_PLACED, seq=1, units=new.units, open=new.units, asked=0, cancelled=0, shipped=0
            )
            self.telling.tell(line, placed, command.actor, door)
        self._add_parts(command)
        self._add_keys(command)
        return Done()

    def _add_order(self, command: PlaceOrder) -> None:
        self.rows.add("id_directory", id=command.id, retailer_id=command.retailer)
        self.rows.add(
            "orders",
            retailer_id=command.retailer,
            id=command.id,
            number=self.rows.numbers.take(),
            reference=command.reference,
            placed_at=command.placed_at,
            sent_to_fulfiller=not command.held,
            customer_erased_at=None,
            currency=command.currency,
            details=command.details,
        )
        if command.money:
            self.rows.add("order_money", retailer_id=command.retailer, **fresh_money(command.id, command.money))

    def _add_parts(self, command: PlaceOrder) -> None:
        """Who may list the order, and what it is found by."""
        parts: dict[UUID, list[NewLine]] = {}
        for new in command.lines:
            parts.setdefault(new.fulfiller, []).append(new)
        for fulfiller, lines in parts.items():
            held = not command.held and fulfiller != command.retailer
            articles = [(line.sku, line.title) for line in lines]
            self.rows.add(
                "order_parts",
                retailer_id=command.retailer,
                order_id=command.id,
                fulfiller_id=fulfiller,
                placed_at=command.placed_at,
                held=held,
                terms=terms_of(command.retailer, fulfiller if held else None, articles),
            )

    def _add_keys(self, command: PlaceOrder) -> None:
        payments = command.money.payments if command.money else ()
        paid = {key_of_payment(each.reference) for each in payments if each.reference}
        for key in sorted(paid.union(keys_of_customer(command.details))):
            self.rows.add(
                "order_keys",
                retailer_id=command.retailer,
                key=key,
                placed_at=command.placed_at,
                order_id=command.id,
            )

    def _connect(self, line: Line) -> None:
        if line.fulfiller != line.retailer:
            self.rows.connect(line.retailer, line.fulfiller)

    def _add_line(self, command: PlaceOrder, new: NewLine, line: Line, position: int) -> None:
        number = self.rows.numbers.take()
        self.rows.add("id_directory", id=line.id, retailer_id=line.retailer)
        self.rows.add("line_numbers", number=number, retailer_id=line.retailer, line_id=line.id)
        self.rows.add(
            "lines",
            retailer_id=line.retailer,
            id=line.id,
            order_id=line.order,
            fulfiller_id=line.fulfiller,
            number=number,
            position=position,
            placed_at=line.placed_at,
            with_fulfiller=line.with_fulfiller,
            sku=new.sku,
            title=new.title,
            ordered=line.ordered,
            **buckets(line),
            **allocation(line),
            unit_price_minor=new.unit_price_minor,
            priced=command.money is not None,
            promised_on=new.promised_on,
            seq=line.seq,
            changed_at=self.rows.now,
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
