"""What a batch knows: the lines that its calls are about, as the calls so far left them, and what hangs on these."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from countermand.domain.commands import AboutOrder, Command
from countermand.domain.line import Line
from countermand.domain.money.payments import PaymentName
from countermand.domain.money.refunds import Refund
from countermand.domain.orders import PlaceOrder
from countermand.domain.parcels import ReportedParcel
from countermand.service.calls import Call

Key = tuple[UUID, str, str]
"""An idempotency key: of which retailer, who calls, and the key."""

Given = tuple[str, dict[str, Any], datetime]
"""What was answered under a key: the fingerprint of the call, the answer as it is kept, and when."""


@dataclass(slots=True)
class Workspace:
    """Lines by their ids, and by their orders; ``touched`` are those that are no longer as they are stored.

    ``articles`` are the SKU and title of lines that may get another fulfiller, and whether those know of the order.
    ``priced`` are the lines of orders whose money is known, ``stored`` the cancellations that have a row, and
    ``taken`` those ids that the calls want for something new and that something else has. ``parcels`` are those of each
    order about whose parcels there is a call, and ``homes`` says whose those payments are that the calls name.
    """

    taken: set[UUID]
    lines: dict[UUID, Line] = field(default_factory=dict)
    lines_of_order: dict[UUID, list[UUID]] = field(default_factory=dict)
    touched: dict[UUID, Line] = field(default_factory=dict)
    priced: set[UUID] = field(default_factory=set)
    stored: set[UUID] = field(default_factory=set)
    answers: dict[Key, Given] = field(default_factory=dict)
    refunds: dict[UUID, Refund] = field(default_factory=dict)
    articles: dict[UUID, tuple[str, str, bool]] = field(default_factory=dict)
    parcels: dict[UUID, list[ReportedParcel]] = field(default_factory=dict)
    homes: dict[PaymentName, UUID] = field(default_factory=dict)

    def meet(self, line: Line, priced: bool) -> None:
        """Learn of a line, loaded or new."""
        self.lines[line.id] = line
        self.lines_of_order.setdefault(line.order, []).append(line.id)
        if priced:
            self.priced.add(line.id)

    def touch(self, line: Line) -> None:
        """A line is like this now."""
        self.lines[line.id] = self.touched[line.id] = line

    def lines_of(self, command: Command | PlaceOrder) -> list[UUID]:
        """The lines that a command is about, as far as there are any."""
        if isinstance(command, PlaceOrder):
            return []
        if isinstance(command, AboutOrder):
            return self.lines_of_order.get(command.order, [])
        return [command.line] if command.line in self.lines else []

    def retailer_of(self, call: Call) -> UUID | None:
        """Whose call it is, also where the door did not say; ``None`` when it is about nothing there is."""
        if call.retailer:
            return call.retailer
        if isinstance(call.command, PlaceOrder):
            return call.command.retailer
        lines = self.lines_of(call.command)
        return self.lines[lines[0]].retailer if lines else None
