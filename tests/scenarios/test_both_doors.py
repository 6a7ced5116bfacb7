"""The same story, told in CRUX and in both of bol's APIs, is the same story: the same events in the same order.

A story knows who asks and who holds the goods, and each dialect has its own people for that: in CRUX the retailer asks
and a supplier holds; in bol's the customer asks and the retailer holds, or, behind its back, a supplier again.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx2
import pytest

from tests.wire.bol_plaza.calling import Seller
from tests.wire.bol_retailer.calling import RetailerSeller, new_client

pytestmark = pytest.mark.anyio

HEEDED, REFUSED, EITHER = "heeded", "refused", "either"
"""Whether a step is heeded; ``EITHER`` where the dialects differ in what they call a repeat."""

Reported = tuple[str, int, tuple[int, int, int, int], bool]
"""An event: its kind, its units, the line's buckets after it, and whether it counts against somebody."""

ASKED, ACCEPTED, DECLINED, SHIPPED, TOO_LATE = (
    "cancellation.asked",
    "cancellation.accepted",
    "cancellation.declined",
    "line.shipped",
    "line.shipped_though_cancelled",
)


@dataclass(frozen=True, kw_only=True)
class Story:
    """What is done about a line of two units, and what is told of it then."""

    steps: tuple[tuple[str, str], ...]
    reported: tuple[Reported, ...]


STORIES = {
    "asked and accepted": Story(
        steps=(("asks", HEEDED), ("accepts", HEEDED)),
        reported=((ASKED, 2, (0, 2, 0, 0), False), (ACCEPTED, 2, (0, 0, 2, 0), False)),
    ),
    "asked and declined": Story(
        steps=(("asks", HEEDED), ("declines", HEEDED)),
        reported=((ASKED, 2, (0, 2, 0, 0), False), (DECLINED, 2, (2, 0, 0, 0), False)),
    ),
    "declined, asked again, accepted": Story(
        steps=(("asks", HEEDED), ("declines", HEEDED), ("asks", HEEDED), ("accepts", HEEDED)),
        reported=(
            (ASKED, 2, (0, 2, 0, 0), False),
            (DECLINED, 2, (2, 0, 0, 0), False),
            (ASKED, 2, (0, 2, 0, 0), False),
            (ACCEPTED, 2, (0, 0, 2, 0), False),
        ),
    ),
    "asked twice is asked once": Story(
        steps=(("asks", HEEDED), ("asks", HEEDED), ("accepts", HEEDED)),
        reported=((ASKED, 2, (0, 2, 0, 0), False), (ACCEPTED, 2, (0, 0, 2, 0), False)),
    ),
    "accepted twice is accepted once": Story(
        steps=(("asks", HEEDED), ("accepts", HEEDED), ("accepts", REFUSED)),
        reported=((ASKED, 2, (0, 2, 0, 0), False), (ACCEPTED, 2, (0, 0, 2, 0), False)),
    ),
    "what is cancelled cannot be asked for": Story(
        steps=(("asks", HEEDED), ("accepts", HEEDED), ("asks", REFUSED)),
        reported=((ASKED, 2, (0, 2, 0, 0), False), (ACCEPTED, 2, (0, 0, 2, 0), False)),
    ),
    "out of stock": Story(
        steps=(("lacks", HEEDED),),
        reported=((ACCEPTED, 2, (0, 0, 2, 0), True),),
    ),
    "out of stock, said twice": Story(
        steps=(("lacks", HEEDED), ("lacks", EITHER), ("asks", REFUSED)),
        reported=((ACCEPTED, 2, (0, 0, 2, 0), True),),
    ),
    "shipped, and asked too late": Story(
        steps=(("ships", HEEDED), ("asks", REFUSED)),
        reported=((SHIPPED, 2, (0, 0, 0, 2), False),),
    ),
    "shipped, and out of stock too late": Story(
        steps=(("ships", HEEDED), ("lacks", EITHER), ("ships", EITHER)),
        reported=((SHIPPED, 2, (0, 0, 0, 2), False),),
    ),
    "cancelled, and shipped too late": Story(  # EC-37
        steps=(("asks", HEEDED), ("accepts", HEEDED), ("ships", REFUSED)),
        reported=(
            (ASKED, 2, (0, 2, 0, 0), False),
            (ACCEPTED, 2, (0, 0, 2, 0), False),
            (TOO_LATE, 2, (0, 0, 2, 0), False),
        ),
    ),
    "one of two": Story(
        steps=(("asks for one", HEEDED), ("accepts", HEEDED)),
        reported=((ASKED, 1, (1, 1, 0, 0), False), (ACCEPTED, 1, (1, 0, 1, 0), False)),
    ),
    "one of two, the other shipped": Story(
        steps=(("asks for one", HEEDED), ("accepts", HEEDED), ("ships", HEEDED), ("asks", REFUSED)),
        reported=(
            (ASKED, 1, (1, 1, 0, 0), False),
            (ACCEPTED, 1, (1, 0, 1, 0), False),
            (SHIPPED, 1, (0, 0, 1, 1), False),
        ),
    ),
    "one of two, the other out of stock": Story(
        steps=(("asks for one", HEEDED), ("accepts", HEEDED), ("lacks", HEEDED)),
        reported=(
            (ASKED, 1, (1, 1, 0, 0), False),
            (ACCEPTED, 1, (1, 0, 1, 0), False),
            (ACCEPTED, 1, (0, 0, 2, 0), True),
        ),
    ),
    "one of two declined, then both accepted": Story(
        steps=(("asks for one", HEEDED), ("declines", HEEDED), ("asks", HEEDED), ("accepts", HEEDED)),
        reported=(
            (ASKED, 1, (1, 1, 0, 0), False),
            (DECLINED, 1, (2, 0, 0, 0), False),
            (ASKED, 2, (0, 2, 0, 0), False),
            (ACCEPTED, 2, (0, 0, 2, 0), False),
        ),
    ),
}


class Teller(ABC):
    """Tells a story in a dialect. ``unspoken`` is what the dialect has no words for."""

    unspoken: frozenset[str] = frozenset()
    asker = "retailer"

    def __init__(self, retailer: Seller, order: UUID, line: UUID, number: int) -> None:
        self.retailer = retailer
        self.world = retailer.world
        self.order = order
        self.line = line
        self.number = number

    @staticmethod
    @abstractmethod
    def holder(retailer: Seller) -> UUID:
        """Who holds the goods in this telling."""

    async def step(self, what: str) -> bool:
        """Whether the step was heeded."""
        return bool(await getattr(self, what.replace(" ", "_"))())

    async def asks_for_one(self) -> bool:
        """No dialect but our own can ask for some units."""
        return await self._native_ask({"line": str(self.line), "units": 1})

    async def _native_ask(self, line: dict[str, object]) -> bool:
        body = {"lines": [line], "asker": self.asker}
        headers = {"Authorization": f"Bearer {self.world.tokens[self.retailer.party]}"}
        return (await self.retailer.http.post("/v1/cancellations", json=body, headers=headers)).status_code == 202

    async def _crux(self, method: str, path: str, who: UUID, body: object = None) -> httpx2.Response:
        response = await self.retailer.http.request(method, path, json=body, headers=self.world.token(who))
        assert response.status_code < 500
        return response

    async def _supplier(self, verb: str) -> bool:
        path = f"/timp/orders/items/cancel/{self.line}/{verb}/"
        return (await self._crux("PATCH", path, self.world.supplier)).is_success


class Crux(Teller):
    """The retailer asks, a supplier holds."""

    @staticmethod
    def holder(retailer: Seller) -> UUID:
        return retailer.world.supplier

    async def asks(self) -> bool:
        return (await self._crux("DELETE", f"/orders/items/cancel/{self.line}/", self.retailer.party)).is_success

    async def accepts(self) -> bool:
        return await self._supplier("confirm")

    async def declines(self) -> bool:
        return await self._supplier("reject")

    async def lacks(self) -> bool:
        units, _, _, _ = await self.world.buckets(self.line)
        words = {"quantity_accepted": 0, "quantity_backordered": 0, "quantity_rejected": units}
        body = {"line_items": [{"line_item_uuid": str(self.line), "allocation": words}]}
        path = f"/timp/orders/allocation/{self.order}/"
        return (await self._crux("PUT", path, self.world.supplier, body)).is_success

    async def ships(self) -> bool:
        units, _, _, _ = await self.world.buckets(self.line)
        item = {"line_item_uuid": str(self.line), "quantity_shipped": units or 2}
        body = {"tracking_number": "3S1", "supplier_provided_carrier": "Post", "line_items": [item]}
        path = f"/timp/orders/tracking/{self.order}/"
        return (await self._crux("POST", path, self.world.supplier, body)).is_success


class Plaza(Teller):
    """The customer asks through the shop, the retailer holds."""

    unspoken = frozenset({"declines"})
    asker = "customer"

    @staticmethod
    def holder(retailer: Seller) -> UUID:
        return retailer.party

    async def asks(self) -> bool:
        return await self._native_ask({"line": str(self.line)})

    async def accepts(self) -> bool:
        return await self._ends(await self.retailer.cancel(self.number, "REQUESTED_BY_CUSTOMER"))

    async def lacks(self) -> bool:
        return await self._ends(await self.retailer.cancel(self.number, "OUT_OF_STOCK"))

    async def ships(self) -> bool:
        return await self._ends(await self.retailer.ship(self.number))

    async def _ends(self, process: int) -> bool:
        return (await self.retailer.outcome(process))[0] != "FAILURE"


class Retailer(Plaza):
    """The same, in the words of bol's later API."""

    async def accepts(self) -> bool:
        return await self._cancels("REQUESTED_BY_CUSTOMER")

    async def lacks(self) -> bool:
        return await self._cancels("OUT_OF_STOCK")

    async def ships(self) -> bool:
        body = {"orderItems": [{"orderItemId": str(self.number)}]}
        return await self._ends(await self._queued("POST", "/retailer/shipments", body))

    async def _cancels(self, reason: str) -> bool:
        body = {"orderItems": [{"orderItemId": str(self.number), "reasonCode": reason}]}
        return await self._ends(await self._queued("PUT", "/retailer/orders/cancellation", body))

    async def _queued(self, method: str, path: str, body: object) -> int:
        client = await new_client(self.world, self.retailer.party)
        shop = RetailerSeller(seller=self.retailer, client=client)
        answer = await shop.call(method, path, body)
        assert answer.status == 202
        return int(answer.body["processStatusId"])


class PlazaBeforeASupplier(Plaza):
    """The retailer speaks Plaza, but a supplier holds the goods and answers in CRUX."""

    unspoken = frozenset({"lacks", "ships"})
    asker = "retailer"

    def __init__(self, retailer: Seller, order: UUID, line: UUID, number: int) -> None:
        super().__init__(retailer, order, line, number)
        self.processes: list[int] = []

    @staticmethod
    def holder(retailer: Seller) -> UUID:
        return retailer.world.supplier

    async def asks(self) -> bool:
        self.processes.append(await self.retailer.cancel(self.number))
        return await self._ends(self.processes[-1])

    async def accepts(self) -> bool:
        return await self._supplier("confirm")

    async def declines(self) -> bool:
        return await self._supplier("reject")


class RetailerBeforeASupplier(PlazaBeforeASupplier, Retailer):
    """The retailer speaks bol's later API, but a supplier holds the goods and answers in CRUX."""

    async def asks(self) -> bool:
        body = {"orderItems": [{"orderItemId": str(self.number), "reasonCode": "OTHER"}]}
        self.processes.append(await self._queued("PUT", "/retailer/orders/cancellation", body))
        return await self._ends(self.processes[-1])


def speakable() -> list[tuple[type[Teller], str]]:
    tellers: tuple[type[Teller], ...] = (Crux, Plaza, Retailer, PlazaBeforeASupplier, RetailerBeforeASupplier)
    return [
        (teller, name)
        for name, story in STORIES.items()
        for teller in tellers
        if not teller.unspoken & {step for step, _ in story.steps}
    ]


def test_every_story_is_told_through_both_doors_where_both_have_words() -> None:
    reported = speakable()
    assert len(reported) >= 55
    for name in STORIES:
        tellers = {teller for teller, each in reported if each == name}
        assert Crux in tellers
        assert len(tellers) >= 2, name


@pytest.mark.parametrize(("teller", "name"), speakable(), ids=lambda value: getattr(value, "__name__", value))
async def test_a_story_is_the_same_in_every_dialect(retailer: Seller, teller: type[Teller], name: str) -> None:
    story = STORIES[name]
    placed = await retailer.order(2, by=teller.holder(retailer))
    line = placed.lines[0].id
    telling = teller(retailer, placed.id, line, await retailer.number(line))
    for step, expected in story.steps:
        heeded = await telling.step(step)
        assert expected in (EITHER, HEEDED if heeded else REFUSED), step
    events = await retailer.world.events(line)
    # That CRUX's supplier said how much there is, is CRUX's own; what it rejected is told by itself.
    reported = [_told(event) for event in events[1:] if event.kind != "line.allocated"]
    assert reported == list(story.reported)
    assert await retailer.world.buckets(line) == story.reported[-1][2]
    if isinstance(telling, PlazaBeforeASupplier):
        for process in telling.processes:
            assert (await retailer.outcome(process))[0] in ("SUCCESS", "FAILURE"), "what was asked has its answer"


def _told(event: Any) -> Reported:
    facts = event.facts
    buckets = (facts["open"], facts["asked"], facts["cancelled"], facts["shipped"])
    return event.kind, facts["units"], buckets, bool(facts.get("unasked"))
