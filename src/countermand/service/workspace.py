"""The workspace of a batch: what was read, as the calls so far left it, and what has to be written."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from countermand.domain.cancellation import NewId
from countermand.domain.commands import AboutOrder, Command
from countermand.domain.events import Event
from countermand.domain.idempotency import KeptAnswer
from countermand.domain.line import Cancellation, Line
from countermand.domain.money.account import OrderAccount
from countermand.domain.money.payments import PaymentName, names_of
from countermand.domain.money.pricing import Payment
from countermand.domain.money.refunds import Refund
from countermand.domain.orders import PlacedOrder, PlaceOrder
from countermand.domain.parcels import ReportedParcel
from countermand.domain.parties import Actor
from countermand.service.agreements import Agreements
from countermand.service.calls import Call, Done
from countermand.service.numbers import EventIds, Numbers
from countermand.store import statements as sql
from countermand.store.engines.protocol import Engine
from countermand.store.parts import Moved

Row = dict[str, Any]

Key = tuple[UUID, str, str]
"""An idempotency key: whose space it is in, the caller, and the key."""

Orders = frozenset[tuple[UUID, UUID]]
"""Orders, each by its retailer and its id."""


@dataclass(frozen=True, slots=True)
class More:
    """Orders of which a batch needs more than its calls name: all lines of an order (``whole``), or its ``money``."""

    whole: Orders = frozenset()
    money: Orders = frozenset()


class MoreNeededError(Exception):
    """A batch needs more than was loaded: roll it back, and start again with more.

    It cannot be locked now. Two batches that each hold one line of an order and want the other would never end.
    """

    def __init__(self, more: More) -> None:
        super().__init__(f"{len(more.whole)} whole orders and the money of {len(more.money)} are needed")
        self.more = more


@dataclass(slots=True)
class LaneState:
    """What a lane keeps from one batch to the next, and the engine that it writes with."""

    engine: Engine
    numbers: Numbers = field(default_factory=Numbers)
    agreements: Agreements = field(default_factory=Agreements)
    event_ids: EventIds = field(default_factory=EventIds)


@dataclass(frozen=True, slots=True)
class Owed:
    """Units of a priced line were cancelled: money goes back for them."""

    line: UUID
    event: Event
    actor: Actor | None
    door: str


@dataclass(slots=True)
class Workspace:
    """What one batch knows, and what it is about to write.

    Read: ``taken`` are those ids that the calls want for something new and that something else has, ``priced`` the
    lines of orders whose money is known, and ``stored`` the cancellations that have a row. ``articles`` are the SKU and
    title of lines that may get another fulfiller, and whether those know of the order. ``parcels`` are those of each
    order about whose parcels there is a call, ``homes`` says whose those payments are that the calls name,
    ``releases`` are those of orders of which a payment is captured, and ``placed`` those orders that a new one may
    repeat.

    Changed: ``touched`` are the lines that are no longer as they are stored, ``answered`` the cancellations, each with
    its line and the door it was asked at, ``repaid`` the refunds, and
    ``accounts_changed`` the orders whose account is another.

    To write: ``new`` and ``changed`` rows by table, process statuses that are ``settled`` by cancellation,
    ``transports`` by parcel, and ``terms`` by order, of those that were paid later. ``moved`` are lines that have
    another fulfiller, ``released`` orders that are no longer held, ``scored`` says whose cards change, and
    ``to_reply`` are calls whose reply is made here, with the answers that are saved with it under a key. All are made
    of the time of the batch, ``now``, of fresh ids and of bol's numbers.
    """

    calls: Sequence[Call]
    more: More
    now: datetime
    new_id: NewId
    lane: LaneState
    taken: set[UUID] = field(default_factory=set)

    lines: dict[UUID, Line] = field(default_factory=dict)
    lines_of_order: dict[UUID, list[UUID]] = field(default_factory=dict)
    priced: set[UUID] = field(default_factory=set)
    stored: set[UUID] = field(default_factory=set)
    answers: dict[Key, KeptAnswer] = field(default_factory=dict)
    accounts: dict[UUID, OrderAccount] = field(default_factory=dict)
    refunds: dict[UUID, Refund] = field(default_factory=dict)
    releases: dict[UUID, list[UUID]] = field(default_factory=dict)
    articles: dict[UUID, tuple[str, str, bool]] = field(default_factory=dict)
    parcels: dict[UUID, list[ReportedParcel]] = field(default_factory=dict)
    homes: dict[PaymentName, UUID] = field(default_factory=dict)
    placed: list[PlacedOrder] = field(default_factory=list)

    touched: dict[UUID, Line] = field(default_factory=dict)
    answered: dict[UUID, tuple[Line, Cancellation, str]] = field(default_factory=dict)
    owed: list[Owed] = field(default_factory=list)
    repaid: dict[UUID, Refund] = field(default_factory=dict)
    accounts_changed: set[UUID] = field(default_factory=set)

    new: dict[str, list[Row]] = field(default_factory=dict)
    changed: dict[str, list[Row]] = field(default_factory=dict)
    settled: dict[UUID, Row] = field(default_factory=dict)
    transports: dict[UUID, Row] = field(default_factory=dict)
    terms: dict[UUID, Row] = field(default_factory=dict)
    moved: list[Moved] = field(default_factory=list)
    released: set[tuple[UUID, UUID]] = field(default_factory=set)
    scored: set[tuple[UUID, datetime]] = field(default_factory=set)
    to_reply: list[tuple[Row | None, Call, Done]] = field(default_factory=list)

    # Read

    def meet(self, line: Line, priced: bool) -> None:
        """Add a line, loaded or new."""
        self.lines[line.id] = line
        self.lines_of_order.setdefault(line.order, []).append(line.id)
        if priced:
            self.priced.add(line.id)

    def lines_of(self, command: Command | PlaceOrder) -> Sequence[UUID]:
        """The lines that a command is about, if there are any."""
        if isinstance(command, PlaceOrder):
            return ()
        if isinstance(command, AboutOrder):
            return self.lines_of_order.get(command.order, ())
        return (command.line,) if command.line in self.lines else ()

    def retailer_of(self, call: Call) -> UUID | None:
        """The retailer of a call, also if the API did not name it; ``None`` if the call is about something unknown."""
        if call.retailer:
            return call.retailer
        if isinstance(call.command, PlaceOrder):
            return call.command.retailer
        lines = self.lines_of(call.command)
        return self.lines[lines[0]].retailer if lines else None

    def account_of(self, line: Line) -> OrderAccount:
        """The money of a line's order, which is about to change.

        Raises:
            MoreNeededError: it was not locked.
        """
        account = self.accounts.get(line.order)
        if account is None:
            raise MoreNeededError(More(self.more.whole, self.more.money | {(line.retailer, line.order)}))
        return account

    def change_account(self, account: OrderAccount) -> None:
        """Set the account of an order."""
        self.accounts[account.order] = account
        self.accounts_changed.add(account.order)

    # Write

    def add(self, table: str, **values: Any) -> Row:
        """Insert a row with all columns. It can be changed until the batch is written."""
        self.new.setdefault(table, []).append(values)
        return values

    def change(self, table: str, retailer: UUID, of_id: UUID, values: Row) -> None:
        """Update a row that is stored. ``values`` has at least the columns of ``statements.CHANGED_COLUMNS``."""
        changed = {parameter: values[name] for name, parameter in sql.CHANGES[table]}
        self.changed.setdefault(table, []).append({"of_retailer": retailer, "of_id": of_id, **changed})

    def connect(self, retailer: UUID, supplier: UUID) -> None:
        """Connect a retailer and a supplier, if they are not connected yet."""
        known = self.new.setdefault("connections", [])
        if not any((each["retailer_id"], each["supplier_id"]) == (retailer, supplier) for each in known):
            self.add("connections", retailer_id=retailer, supplier_id=supplier, since=self.now)

    def claim(self, retailer: UUID, payments: Iterable[Payment]) -> None:
        """Record that these payments belong to this retailer, unless that is recorded.

        The first that names one has it; the key of the directory holds that for all lanes.
        """
        for provider, reference in sorted(names_of(payments) - self.homes.keys()):
            self.homes[provider, reference] = retailer
            self.add("payment_directory", provider=provider, reference=reference, retailer_id=retailer, since=self.now)
