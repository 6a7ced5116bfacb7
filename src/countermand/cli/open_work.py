"""What waits in the demo once its stories are told, so that each first page of the console has something to do."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Final
from uuid import UUID

from countermand.admin import endpoints, policies
from countermand.admin.audit import Author
from countermand.admin.callers import PLATFORM
from countermand.app import Service, opened
from countermand.cli.orders import DOOR, operator
from countermand.documents.orders import OrderIn, place
from countermand.domain.commands import AcceptCancellation, AskCancellation, Command
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Policy
from countermand.domain.reasons import CancelReason
from countermand.service.calls import Call, Done
from countermand.settings import Settings

RETAILER: Final = "Fine Shoes"
SUPPLIER: Final = "Alpine Supply"


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """An order of one line that is asked to be cancelled: by whom, and whether the supplier has said yes."""

    goods: tuple[str, str, str]
    """Its SKU, its title and its price."""
    units: int
    asker: Asker = Asker.RETAILER
    accepted: bool = False
    provider: str = "manual"
    note: str = ""


BOOT: Final = ("boot-42", "Hiking boot", "89.95")
WAX: Final = ("wax-100", "Wax, 100 ml", "7.25")
LACE: Final = ("lace-red", "Red laces", "4.50")
NOTE: Final = "The customer has ordered blue ones in their place."

ITEMS: Final[tuple[tuple[timedelta, tuple[Item, ...]], ...]] = (
    (timedelta(minutes=75), (Item(goods=BOOT, units=2), Item(goods=BOOT, units=1, asker=Asker.CUSTOMER))),
    (timedelta(hours=8), (Item(goods=WAX, units=3), Item(goods=WAX, units=2, asker=Asker.CUSTOMER))),
    (
        timedelta(hours=48),
        (
            Item(goods=LACE, units=4, note=NOTE),
            Item(goods=BOOT, units=1, accepted=True, provider="stripe"),
            Item(goods=LACE, units=2, accepted=True),
        ),
    ),
)
"""What is asked while the two have agreed on so long to answer: an ask keeps the policy that it was asked under.

No provider is set up, so one of the refunds stays parked.
"""


async def leave_work(settings: Settings, parties: Mapping[str, str]) -> None:
    """Leave asks that wait, refunds that wait for a person, and endpoints that nobody answers at."""
    async with opened(settings) as application:
        await OpenWork(application, {name: UUID(party) for name, party in parties.items()}).make()


class OpenWork:
    """Makes it."""

    def __init__(self, application: Service, parties: Mapping[str, UUID]) -> None:
        self._application, self._parties = application, parties
        self._number = 2000

    async def make(self) -> None:
        """All of it."""
        for path, name in (("shoes", RETAILER), ("alpine", SUPPLIER)):
            await self._add_endpoint(f"http://127.0.0.1:9/{path}", self._parties[name])
        for length, items in ITEMS:
            await self._agree_on(length)
            for item in items:
                await self._leave(item)

    async def _add_endpoint(self, url: str, party: UUID) -> None:
        application = self._application
        add = partial(
            endpoints.add,
            author=Author(name="demo", door="demo", at=application.clock(), ids=application.ids),
            keyring=application.keyring,
            party=party,
            url=url,
            rules=application.settings.address_rules,
        )
        await application.database.write(add)

    async def _agree_on(self, length: timedelta) -> None:
        put = partial(
            policies.put_in_force,
            now=self._application.clock(),
            retailer=self._parties[RETAILER],
            fulfiller=self._parties[SUPPLIER],
            policy=Policy(answer_within_s=int(length.total_seconds())),
            by="demo",
        )
        await self._application.database.write(put)

    async def _leave(self, item: Item) -> None:
        self._number += 1
        order = self._order(item, f"PO-{self._number}")
        line = order.lines[0].id
        await self._do(order)
        await self._do(self._ask(item, line))
        if item.accepted:
            await self._do(AcceptCancellation(line=line, actor=self._actor(SUPPLIER, PartyKind.SUPPLIER)))

    def _order(self, item: Item, reference: str) -> PlaceOrder:
        sku, title, price = item.goods
        captured = f"{item.units * float(price):.2f}"
        order = OrderIn.model_validate(
            {
                "retailer": RETAILER,
                "reference": reference,
                "payments": [{"provider": item.provider, "reference": f"pay-{reference}", "captured": captured}],
                "lines": [{"sku": sku, "title": title, "unit_price": price, "units": item.units, "supplier": SUPPLIER}],
            }
        )
        application = self._application
        now = application.clock()
        return place(order, actor=operator(), party=self._parties.__getitem__, ids=application.ids, now=now)

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

    async def _do(self, command: Command | PlaceOrder) -> None:
        call = Call(command=command, door=DOOR, retailer=self._parties[RETAILER])
        outcome = await self._application.lanes.submit(call)
        assert isinstance(outcome, Done), outcome
