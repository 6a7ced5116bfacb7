"""One order in a world, and short words for what its parties do with it."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import (
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
    Parcel,
    PassDeadline,
    RetailerCancel,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.service.calls import Call, Done, Outcome, ProcessRequest, Refused
from countermand.store import tables as t
from tests.store.holding import Rows, rows
from tests.support.world import World

WISH = ProcessRequest(event_type="CANCEL_ORDER", entity_id="1")
NOBODYS = UUID(int=0xDEAD)
OPERATOR = Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator")


@dataclass
class Sale:
    """An order and its parties. ``asked`` is the cancellation that was made last."""

    world: World
    order: UUID
    lines: tuple[UUID, ...]
    asked: UUID = NOBODYS
    parcel: UUID = NOBODYS
    heard: list[Outcome] = field(default_factory=list)

    async def say(self, command: Command, **more: Any) -> Outcome:
        """Send a command down the road. Retailers' calls name the retailer, others do not, as the doors do it."""
        actor = getattr(command, "actor", None)
        retailer = self.world.retailer if actor and actor.party == self.world.retailer else None
        call = Call(command=command, **{"door": "test", "retailer": retailer, **more})
        outcome = await self.world.application.lanes.submit(call)
        if isinstance(outcome, Done) and outcome.cancellations:
            self.asked = outcome.cancellations[-1]
        self.heard.append(outcome)
        return outcome

    async def done(self, command: Command, **more: Any) -> Done:
        outcome = await self.say(command, **more)
        assert isinstance(outcome, Done), outcome
        return outcome

    async def refused(self, command: Command, **more: Any) -> Refused:
        outcome = await self.say(command, **more)
        assert isinstance(outcome, Refused), outcome
        return outcome

    @property
    def line(self) -> UUID:
        return self.lines[0]

    @property
    def retailer(self) -> Actor:
        return self.world.actor(self.world.retailer)

    @property
    def supplier(self) -> Actor:
        return self.world.actor(self.world.supplier)

    async def buckets(self, place: int = 0) -> tuple[int, int, int, int]:
        return await self.world.buckets(self.lines[place])

    async def cancellations(self) -> Rows:
        """Of all lines, oldest first."""
        found = await rows(self.world.application.database, t.cancellations, t.cancellations.c.order_id == self.order)
        return sorted(found, key=lambda row: (row["asked_at"], row["id"]))

    async def events(self, place: int = 0) -> Rows:
        return await rows(self.world.application.database, t.events, t.events.c.line_id == self.lines[place])

    # Words

    def ask(self, units: int | None = None, *, key: str = "", place: int = 0) -> AskCancellation:
        return AskCancellation(line=self.lines[place], actor=self.retailer, units=units, key=key)

    def customer_asks(self, units: int | None = None, *, key: str = "", place: int = 0) -> AskCancellation:
        return AskCancellation(
            line=self.lines[place],
            actor=OPERATOR,
            asker=Asker.CUSTOMER,
            units=units,
            key=key,
            reason=CancelReason.REQUESTED_BY_CUSTOMER,
        )

    def accept(self, units: int | None = None, *, named: bool = False, place: int = 0) -> AcceptCancellation:
        cancellation = self.asked if named else None
        return AcceptCancellation(line=self.lines[place], actor=self.supplier, cancellation=cancellation, units=units)

    def passes_on(self) -> AcceptCancellation:
        return AcceptCancellation(line=self.line, actor=self.retailer)

    def decline(self, *, named: bool = False, place: int = 0) -> DeclineCancellation:
        return DeclineCancellation(
            line=self.lines[place],
            actor=self.supplier,
            reason=DeclineReason.IN_PACKING,
            cancellation=self.asked if named else None,
            note="on the belt",
        )

    def withdraw(self) -> WithdrawCancellation:
        return WithdrawCancellation(line=self.line, actor=self.retailer, asker=Asker.RETAILER)

    def pass_deadline(self) -> PassDeadline:
        return PassDeadline(line=self.line, cancellation=self.asked)

    def cancel_own(self, units: int | None = None, *, actor: Actor | None = None) -> CancelOwn:
        return CancelOwn(line=self.line, actor=actor or self.supplier, reason=CancelReason.OUT_OF_STOCK, units=units)

    def retailer_cancel(self, reason: CancelReason = CancelReason.REQUESTED_BY_CUSTOMER) -> RetailerCancel:
        return RetailerCancel(line=self.line, actor=self.retailer, reason=reason)

    def ship(self, units: int | None = None, *, override: bool = False, place: int = 0) -> Ship:
        return Ship(line=self.lines[place], actor=self.supplier, units=units, override=override)

    def allocate(self, accepted: int = 0, backordered: int = 0, rejected: int = 0, *, place: int = 0) -> Allocate:
        return Allocate(
            line=self.lines[place],
            actor=self.supplier,
            accepted=accepted,
            backordered=backordered,
            rejected=rejected,
        )

    def cancel_order(self) -> CancelOrder:
        return CancelOrder(order=self.order, actor=self.retailer, note="wrong size")

    def answer_order(self, decline_reason: DeclineReason | None = None) -> AnswerOrder:
        return AnswerOrder(order=self.order, actor=self.supplier, decline_reason=decline_reason)

    def allocate_order(self, *lines: Allocate) -> AllocateOrder:
        return AllocateOrder(order=self.order, actor=self.supplier, lines=lines)

    def ask_lines(self, *lines: AskCancellation) -> AskLines:
        return AskLines(order=self.order, actor=self.retailer, lines=lines)

    def change_parcel(self, carrier: str | None, tracking_number: str | None) -> ChangeParcel:
        return ChangeParcel(
            order=self.order,
            actor=self.supplier,
            parcel=self.parcel,
            lines=(self.line,),
            carrier=carrier,
            tracking_number=tracking_number,
        )

    def ship_order(self, *lines: Ship, parcel: UUID | None = None) -> ShipOrder:
        self.parcel = parcel = parcel or self.world.application.ids.new()
        return ShipOrder(
            order=self.order,
            actor=self.supplier,
            lines=lines,
            parcel=Parcel(id=parcel, tracking_number="3S1", carrier="PostNL", attributes=(("colour", "red"),)),
        )


async def new_sale(world: World, *units: int, **more: Any) -> Sale:
    """Place an order, of one line of five units unless told otherwise."""
    placed = await world.order(*(units or (5,)), **more)
    return Sale(world=world, order=placed.id, lines=tuple(line.id for line in placed.lines))


def once(key: str = "k1", fingerprint: str = "f1", caller: str = "shop") -> IdempotencyKey:
    return IdempotencyKey(caller=caller, key=key, fingerprint=fingerprint)
