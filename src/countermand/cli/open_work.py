"""What waits in the demo once its stories are told, so that each first page of the console has something to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from countermand.admin import endpoints
from countermand.admin.callers import PLATFORM
from countermand.app import Service, opened
from countermand.cli.orders import DOOR, operator
from countermand.cli.sample import PastClock
from countermand.documents.orders import OrderIn, place
from countermand.domain.commands import AcceptCancellation, AskCancellation, Command
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.reasons import CancelReason
from countermand.ids import system_clock
from countermand.service.calls import Call, Done
from countermand.settings import Settings

RETAILER: Final = "Fine Shoes"
SUPPLIER: Final = "Alpine Supply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An order of one line that is asked to be cancelled: when, by whom, and whether the supplier has said yes."""

    sku: str
    title: str
    price: str
    units: int
    asked: float
    """So many hours ago."""
    asker: Asker
    accepted: bool = False
    provider: str = "manual"
    note: str = ""


ITEMS: Final = (
    Item(sku="boot-42", title="Hiking boot", price="89.95", units=2, asked=46.8, asker=Asker.RETAILER),
    Item(sku="wax-100", title="Wax, 100 ml", price="7.25", units=3, asked=30, asker=Asker.RETAILER),
    Item(
        sku="lace-red",
        title="Red laces",
        price="4.50",
        units=4,
        asked=5,
        asker=Asker.RETAILER,
        note="The customer has ordered blue ones in their place.",
    ),
    Item(sku="boot-42", title="Hiking boot", price="89.95", units=1, asked=46.2, asker=Asker.CUSTOMER),
    Item(sku="wax-100", title="Wax, 100 ml", price="7.25", units=2, asked=3, asker=Asker.CUSTOMER),
    Item(
        sku="boot-42",
        title="Hiking boot",
        price="89.95",
        units=1,
        asked=26,
        asker=Asker.RETAILER,
        accepted=True,
        provider="stripe",
    ),
    Item(sku="lace-red", title="Red laces", price="4.50", units=2, asked=20, asker=Asker.RETAILER, accepted=True),
)
"""Some wait for the supplier, some for the retailer. No provider is set up, so one of the refunds stays parked."""


async def leave_work(settings: Settings, parties: Mapping[str, str]) -> None:
    """Leave asks that wait, refunds that wait for a person, and endpoints that nobody answers at."""
    now = system_clock()
    clock = PastClock(now)
    async with opened(settings, clock) as application:
        await OpenWork(application, clock, {name: UUID(party) for name, party in parties.items()}).make(now)


class OpenWork:
    """Makes it, each thing at its time."""

    def __init__(self, application: Service, clock: PastClock, parties: Mapping[str, UUID]) -> None:
        self._application, self._clock, self._parties = application, clock, parties

    async def make(self, now: datetime) -> None:
        """All of it, up to this time."""
        for path, name in (("shoes", RETAILER), ("alpine", SUPPLIER)):
            await self._add_endpoint(f"http://127.0.0.1:9/{path}", self._parties[name])
        for number, item in enumerate(ITEMS):
            await self._leave(item, f"PO-{2001 + number}", now)

    async def _add_endpoint(self, url: str, party: UUID) -> None:
        application = self._application
        add = partial(
            endpoints.add,
            ids=application.ids,
            keyring=application.keyring,
            now=self._clock(),
            party=party,
            url=url,
            rules=application.settings.address_rules,
            by="demo",
        )
        await application.database.write(add)

    async def _leave(self, item: Item, reference: str, now: datetime) -> None:
        asked_at = now - timedelta(hours=item.asked)
        order = self._order(item, reference, asked_at - timedelta(hours=2))
        line = order.lines[0].id
        await self._do(asked_at - timedelta(hours=2), order)
        await self._do(asked_at, self._ask(item, line))
        if item.accepted:
            yes = AcceptCancellation(line=line, actor=self._actor(SUPPLIER, PartyKind.SUPPLIER))
            await self._do(asked_at + timedelta(hours=1), yes)

    def _order(self, item: Item, reference: str, at: datetime) -> PlaceOrder:
        captured = f"{item.units * float(item.price):.2f}"
        order = OrderIn.model_validate(
            {
                "retailer": RETAILER,
                "reference": reference,
                "payments": [{"provider": item.provider, "reference": f"pay-{reference}", "captured": captured}],
                "lines": [
                    {
                        "sku": item.sku,
                        "title": item.title,
                        "unit_price": item.price,
                        "units": item.units,
                        "supplier": SUPPLIER,
                    }
                ],
            }
        )
        return place(order, actor=operator(), party=self._parties.__getitem__, ids=self._application.ids, now=at)

    def _ask(self, item: Item, line: UUID) -> Command:
        by_customer = item.asker is Asker.CUSTOMER
        return AskCancellation(
            line=line,
            # What the customer wishes comes through the shop of the platform.
            actor=Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="shop")
            if by_customer
            else self._actor(RETAILER, PartyKind.RETAILER),
            asker=item.asker,
            units=item.units,
            reason=CancelReason.REQUESTED_BY_CUSTOMER if by_customer else CancelReason.ORDERED_TWICE,
            note=item.note,
        )

    def _actor(self, name: str, kind: PartyKind) -> Actor:
        return Actor(party=self._parties[name], kind=kind, name=name)

    async def _do(self, at: datetime, command: Command | PlaceOrder) -> None:
        self._clock.at = at
        call = Call(command=command, door=DOOR, retailer=self._parties[RETAILER])
        outcome = await self._application.lanes.submit(call)
        assert isinstance(outcome, Done), outcome
