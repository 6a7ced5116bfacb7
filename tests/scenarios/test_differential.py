"""One generated history through three doors ends in the same events, refunds and scores.

Every telling has a retailer, a supplier and an order of its own in one world, and all go step by step together, so that
even the times are the same. What the retailer does is said in our own API, in Plaza v2 and in Retailer v10; where a
supplier holds the goods, a fourth telling says it in CRUX. What the customer and the supplier do has one door each.
"""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

import httpx2
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, select

from countermand.admin import credentials, parties
from countermand.admin.callers import PLATFORM
from countermand.domain.parties import PartyKind
from countermand.domain.scoring import Role, Scorecard, Week
from countermand.reads import scores
from countermand.reads.parties import find_party
from countermand.store import tables as t
from countermand.wire.bol.vocabulary import REASONS, ReasonCode
from tests.store.holding import assert_sound
from tests.support.effort import examples
from tests.support.world import World
from tests.wire.bol_plaza.calling import Seller, new_seller, opened_plaza, queued, transport, transport_path
from tests.wire.bol_retailer.calling import UNLIMITED, RetailerSeller, new_client
from tests.wire.bol_retailer.calling import queued as queued_later

pytestmark = pytest.mark.anyio

ZONE: Final = ZoneInfo("Europe/Amsterdam")
CUSTOMERS: Final = ReasonCode.REQUESTED_BY_CUSTOMER
CARRIER: Final = "TNT"
REACHED: Counter[str] = Counter()
"""How often each event, each end of a process and each reason to count came about."""

Ending = tuple[str, str | None]
"""How a process stands, and what went wrong with it."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """An order line: its units, what one costs, who holds it, and in how many days it was promised."""

    units: int
    cents: int
    supplied: bool
    promised_in: int | None


@dataclass(frozen=True, kw_only=True)
class Step:
    """Something that is done about a line. Which line, parcel or number is taken modulo what there is."""

    what: str
    line: int = 0
    units: int | None = None
    reason: ReasonCode = ReasonCode.OTHER
    about: int = 0


RETAILERS: Final = ("confirms", "cancels", "ships", "corrects")
OTHERS: Final = ("asks", "withdraws", "accepts", "declines", "supplies", "waits")

_lines = st.builds(
    Line,
    units=st.integers(1, 4),
    cents=st.sampled_from([0, 1, 333, 1000]),
    supplied=st.booleans(),
    promised_in=st.none() | st.integers(0, 4),
)
_orders = st.lists(_lines, min_size=1, max_size=3)
_steps = st.builds(
    Step,
    what=st.sampled_from(("asks", "asks", *OTHERS, *RETAILERS, *RETAILERS)),
    line=st.integers(0, 2),
    units=st.none() | st.integers(1, 4),
    reason=st.sampled_from(ReasonCode),
    about=st.integers(0, 40),
)
_histories = st.lists(_steps, min_size=4, max_size=14)

WIDE: Final = (
    Step(what="asks", line=0, units=1),
    Step(what="confirms", line=0),
    Step(what="cancels", line=0, reason=ReasonCode.OUT_OF_STOCK),
    Step(what="asks", line=1),
    Step(what="withdraws", line=1),
    Step(what="asks", line=1),
    Step(what="confirms", line=1),
    Step(what="accepts", line=1),
    Step(what="asks", line=2),
    Step(what="ships", line=2, units=1, about=3),
    Step(what="corrects", about=4),
    Step(what="supplies", line=3, units=1, about=5),
    Step(what="cancels", line=3),
    Step(what="declines", line=3),
    Step(what="cancels", line=3),
    Step(what="waits", about=40),
    Step(what="waits", about=40),
)
"""Chance may take long to come to all of this. A retailer's ask is left to its deadline at last."""

_WIDE_ORDER: Final = [
    Line(units=3, cents=333, supplied=False, promised_in=1),
    Line(units=2, cents=1000, supplied=True, promised_in=None),
    Line(units=2, cents=1, supplied=False, promised_in=3),
    Line(units=2, cents=100, supplied=True, promised_in=0),
]


# The tellings


@dataclass(kw_only=True)
class Telling(ABC):
    """A history as it is told at one door. ``shop`` is the platform, which enters what customers want."""

    seller: Seller
    supplier: UUID
    shop: Mapping[str, str]
    order: UUID = field(init=False)
    lines: list[UUID] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    names: "Names" = field(init=False)

    @property
    def world(self) -> World:
        return self.seller.world

    @property
    def http(self) -> httpx2.AsyncClient:
        return self.seller.http

    async def place(self, wanted: Sequence[Line]) -> None:
        """The order, paid in full."""
        today = self.world.clock().date()
        document = {
            "retailer": str(self.seller.party),
            "reference": "PO-1",
            "lines": [
                {
                    "sku": f"SKU-{place}",
                    "units": line.units,
                    "unit_price": f"{line.cents / 100:.2f}",
                    **({"supplier": str(self.supplier)} if line.supplied else {}),
                    **(
                        {}
                        if line.promised_in is None
                        else {"promised_on": f"{today + timedelta(days=line.promised_in)}"}
                    ),
                }
                for place, line in enumerate(wanted)
            ],
            "shipping": [{"amount": "3.95"}],
            "payments": [
                {
                    "provider": "manual",
                    "reference": "PAY-1",
                    "captured": f"{sum(line.units * line.cents for line in wanted) / 100 + 3.95:.2f}",
                }
            ],
        }
        placed = await self.http.post("/v1/orders", json=document, headers=self.shop)
        assert placed.status_code == 201, placed.text
        self.order = UUID(placed.json()["id"])
        self.lines = [UUID(line["id"]) for line in placed.json()["lines"]]
        self.numbers = [await self.seller.number(line) for line in self.lines]
        lines = {f"line {place}": line for place, line in enumerate(self.lines)}
        known = {"retailer": self.seller.party, "supplier": self.supplier, "platform": PLATFORM, "order": self.order}
        self.names = Names(**known, **lines)

    async def _native(self, method: str, path: str, body: Any, headers: Mapping[str, str]) -> int:
        answered = await self.http.request(method, path, json=body, headers={"If-Match": "*", **headers})
        assert answered.status_code < 500, answered.text
        return answered.status_code

    async def _waiting(self, line: UUID, **having: Any) -> list[str]:
        """The cancellations of a line that wait for an answer, oldest first."""
        path = f"/v1/cancellations?line={line}&state=asked"
        rows = (await self.http.get(path, headers=self.shop)).json()["cancellations"]
        return [row["id"] for row in reversed(rows) if having.items() <= row.items()]

    # What the customer and the supplier do

    async def asks(self, step: Step) -> int:
        line: dict[str, Any] = {"line": str(self._line(step))}
        if step.units is not None:
            line["units"] = step.units
        body = {"lines": [line], "asker": "customer"}
        return await self._native("POST", "/v1/cancellations", body, self.shop)

    async def withdraws(self, step: Step) -> int:
        waiting = await self._waiting(self._line(step), asker="customer")
        if not waiting:
            return 0
        return await self._native("POST", f"/v1/cancellations/{waiting[-1]}/withdraw", {}, self.shop)

    async def accepts(self, step: Step) -> int:
        return await self._supplied("PATCH", f"items/cancel/{self._line(step)}/confirm/")

    async def declines(self, step: Step) -> int:
        return await self._supplied("PATCH", f"items/cancel/{self._line(step)}/reject/")

    async def supplies(self, step: Step) -> int:
        item = {"line_item_uuid": str(self._line(step)), "quantity_shipped": step.units or 1}
        body = {"tracking_number": f"3S{step.about}", "supplier_provided_carrier": CARRIER, "line_items": [item]}
        return await self._supplied("POST", f"tracking/{self.order}/", body)

    async def _supplied(self, method: str, path: str, body: Any = None) -> int:
        headers = self.world.token(self.supplier)
        answered = await self.http.request(method, f"/timp/orders/{path}", json=body, headers=headers)
        assert answered.status_code < 500, answered.text
        return answered.status_code

    # What the retailer does

    @abstractmethod
    async def confirms(self, step: Step) -> None:
        """What the customer asked of the line is cancelled."""

    @abstractmethod
    async def cancels(self, step: Step) -> None:
        """The line is cancelled, for a reason of the retailer's."""

    @abstractmethod
    async def ships(self, step: Step) -> None:
        """What is left of a line was sent, or so many units of it."""

    @abstractmethod
    async def corrects(self, step: Step, parcel: Any) -> None:
        """A parcel has another number."""

    async def endings(self) -> list[Ending]:
        """How each process of this telling stands."""
        return []

    def _line(self, step: Step) -> UUID:
        return self.lines[step.line % len(self.lines)]

    def _number(self, step: Step) -> int:
        return self.numbers[step.line % len(self.numbers)]


class Native(Telling):
    """In our own API."""

    @property
    def mine(self) -> Mapping[str, str]:
        return {"Authorization": f"Bearer {self.world.tokens[self.seller.party]}"}

    async def confirms(self, step: Step) -> None:
        for waiting in await self._waiting(self._line(step), awaiting=str(self.seller.party), asker="customer"):
            assert await self._native("POST", f"/v1/cancellations/{waiting}/accept", {}, self.mine) == 200

    async def cancels(self, step: Step) -> None:
        reason = REASONS[step.reason].value
        body = {"lines": [{"line": str(self._line(step))}], "asker": "retailer", "reason": reason}
        await self._native("POST", "/v1/cancellations", body, self.mine)

    async def ships(self, step: Step) -> None:
        line: dict[str, Any] = {"line": str(self._line(step))}
        if step.units is not None:
            line["units"] = step.units
        parcel = {"carrier": CARRIER, "tracking_number": f"3S{step.about}", "override": True}
        await self._native("POST", "/v1/shipments", {"order": str(self.order), "lines": [line], **parcel}, self.mine)

    async def corrects(self, step: Step, parcel: Any) -> None:
        body = {"carrier": CARRIER, "tracking_number": f"3S{step.about}"}
        await self._native("PATCH", f"/v1/shipments/{parcel.id}", body, self.mine)


class Crux(Native):
    """In CRUX, which has no reasons, where it has words for it at all: a retailer cancels what a supplier holds."""

    async def cancels(self, step: Step) -> None:
        path = f"/orders/items/cancel/{self._line(step)}/"
        answered = await self.http.delete(path, headers=self.world.token(self.seller.party))
        assert answered.status_code < 500


class Queued(Telling):
    """In one of bol's APIs, whose calls start processes."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        self.processes: list[Any] = []

    async def confirms(self, step: Step) -> None:
        await self._cancel(step, CUSTOMERS)

    async def cancels(self, step: Step) -> None:
        await self._cancel(step, step.reason)

    @abstractmethod
    async def _cancel(self, step: Step, reason: ReasonCode) -> None:
        """One call with two meanings."""

    @abstractmethod
    async def _ending(self, process: Any) -> Ending:
        """How a process stands."""

    async def endings(self) -> list[Ending]:
        return [await self._ending(each) for each in self.processes]


class Plaza(Queued):
    """In Plaza v2."""

    async def _cancel(self, step: Step, reason: ReasonCode) -> None:
        self.processes.append(await self.seller.cancel(self._number(step), reason))

    async def ships(self, step: Step) -> None:
        number = f"<TrackAndTrace>3S{step.about}</TrackAndTrace>"
        sent = f"<Transport><TransporterCode>{CARRIER}</TransporterCode>{number}</Transport>"
        self.processes.append(await self.seller.ship(self._number(step), sent))

    async def corrects(self, step: Step, parcel: Any) -> None:
        body = transport(CARRIER, f"3S{step.about}")
        self.processes.append(queued(await self.seller.call("PUT", transport_path(parcel.number), body)))

    async def _ending(self, process: Any) -> Ending:
        return await self.seller.outcome(process)


class Retailer(Queued):
    """In Retailer v10."""

    def __init__(self, *, caller: RetailerSeller, **given: Any) -> None:
        super().__init__(**given)
        self._caller = caller

    async def _cancel(self, step: Step, reason: ReasonCode) -> None:
        self.processes.append(await self._caller.cancel(self._number(step), reason))

    async def ships(self, step: Step) -> None:
        sent = {"transporterCode": CARRIER, "trackAndTrace": f"3S{step.about}"}
        self.processes.append(await self._caller.ship(self._number(step), quantity=step.units, transport=sent))

    async def corrects(self, step: Step, parcel: Any) -> None:
        body = {"transporterCode": CARRIER, "trackAndTrace": f"3S{step.about}"}
        path = f"/retailer/transports/{parcel.number}"
        self.processes.append(queued_later(await self._caller.call("PUT", path, body)))

    async def _ending(self, process: Any) -> Ending:
        return await self._caller.outcome(process)


# What is compared


class Names:
    """Ids in the order in which a telling comes to them, so that equal stories have equal names."""

    def __init__(self, **known: UUID) -> None:
        self._known = {known_id: name for name, known_id in known.items()}

    def of(self, value: Any) -> Any:
        """The value, with names instead of ids."""
        match value:
            case UUID():
                return self._known.setdefault(value, f"id {len(self._known)}")
            case str():
                try:
                    return self.of(UUID(value.rpartition("_")[2]))
                except ValueError:
                    return value
            case Mapping():
                return {name: self.of(each) for name, each in value.items()}
            case list() | tuple():
                return [self.of(each) for each in value]
            case _:
                return value

    def of_all(self, rows: Iterable[Mapping[str, Any]]) -> list[Any]:
        """The rows with names, in an order that no id decides."""
        return sorted((self.of(row) for row in rows), key=repr)


LEFT_OUT: Final[Mapping[str, frozenset[str]]] = {
    "events": frozenset({"retailer_id", "door", "actor", "position"}),
    "cancellations": frozenset({"retailer_id", "partition", "door"}),
    "refunds": frozenset({"id", "retailer_id", "partition", "joined_lead"}),
    "shipments": frozenset({"id", "retailer_id", "number", "details"}),
}
"""What is of the telling and not of the story: its ids and numbers, by which door a thing came and in whose name."""


async def told(telling: Telling, *, reasons: bool) -> dict[str, list[Any]]:
    """What is stored of the order, with names for its ids. CRUX has no ``reasons``."""

    def read(connection: Connection) -> dict[str, list[dict[str, Any]]]:
        found = {}
        for name, left_out in LEFT_OUT.items():
            table = t.metadata.tables[name]
            rows = connection.execute(select(table).where(table.c.order_id == telling.order))
            found[name] = [
                {column: value for column, value in row._mapping.items() if column not in left_out} for row in rows
            ]
        return found

    stored = await telling.world.application.database.read(read)
    stored["events"].sort(key=lambda event: (telling.lines.index(event["line_id"]), event["seq"]))
    if not reasons:
        for row in (*stored["events"], *stored["cancellations"]):
            for name in ("reason", "asked_for"):
                row.pop(name, None)
                row.get("facts", {}).pop(name, None)
    events = [telling.names.of(event) for event in stored.pop("events")]
    return {"events": events, **{name: telling.names.of_all(rows) for name, rows in stored.items()}}


async def scored(telling: Telling, placed: Week) -> list[Any]:
    """The scorecards of both for the week of the order, with names for ids."""
    both = ((telling.seller.party, Role.RETAILER), (telling.supplier, Role.FULFILLER))

    def read(connection: Connection) -> list[Scorecard]:
        return [
            card
            for party, role in both
            for card in scores.cards(connection, scores.Party(id=party, role=role), [placed], ZONE)
        ]

    cards = await telling.world.application.database.read(read)
    REACHED.update(each.why for card in cards for each in card.counted)
    return [
        (
            card.role,
            card.ordered,
            telling.names.of_all(_named(card.counted)),
            telling.names.of_all(_named(card.answers)),
        )
        for card in cards
    ]


def _named(values: Iterable[Any]) -> list[dict[str, Any]]:
    return [{each.name: getattr(value, each.name) for each in fields(value)} for value in values]


# The histories


class Stage:
    """Where histories are told, with the platform's token."""

    def __init__(self, world: World, http: httpx2.AsyncClient, token: str) -> None:
        self.world = world
        self._http = http
        self._token = token

    async def tellings(self, *kinds: type[Telling]) -> list[Telling]:
        """A telling of each kind, with parties of its own."""
        return [await self._telling(kind) for kind in kinds]

    async def _telling(self, kind: type[Telling]) -> Telling:
        world, application = self.world, self.world.application
        seller = await new_seller(world, self._http)
        supplier = await application.database.write(
            lambda connection: parties.enter(
                connection, application.ids, world.clock(), kind=PartyKind.SUPPLIER, name=f"{application.ids.new()}"
            )
        )
        for party in (seller.party, supplier):
            world.tokens[party] = await _token(world, party)
        shop = {"Authorization": f"Bearer {self._token}"}
        given: dict[str, Any] = {"seller": seller, "supplier": supplier, "shop": shop}
        if kind is Retailer:
            given["caller"] = RetailerSeller(seller=seller, client=await new_client(world, seller.party))
        return kind(**given)

    async def wait(self, hours: int) -> None:
        """Time passes, and with it deadlines."""
        self.world.clock.advance(hours=hours)
        while await self.world.application.worker.fire_deadlines():
            pass
        await self.world.application.worker.settle_refunds()


@pytest.fixture(scope="module")
async def stage(shared_url: str, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator["Stage"]:
    """A world in which each history has parties of its own."""
    keys = tmp_path_factory.mktemp("histories") / "keys"
    async with opened_plaza(shared_url, key_file=keys, retailer_limits=UNLIMITED) as seller:
        yield Stage(seller.world, seller.http, await _token(seller.world, PLATFORM))
        await assert_sound(seller.world.application.database)


async def _token(world: World, party: UUID) -> str:
    application = world.application
    return await application.database.write(
        lambda connection: credentials.issue_token(
            connection, application.ids, world.clock(), party=find_party(connection, str(party))
        )
    )


@settings(
    max_examples=examples(12, 400),
    deadline=None,
    database=None,
    # The world is shared on purpose: each history has parties of its own in it.
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
@example(wanted=_WIDE_ORDER, history=[*WIDE], all_supplied=False, in_parts=False)
@example(wanted=_WIDE_ORDER, history=[*WIDE], all_supplied=False, in_parts=True)
@example(wanted=_WIDE_ORDER, history=[*WIDE], all_supplied=True, in_parts=False)
@given(wanted=_orders, history=_histories, all_supplied=st.booleans(), in_parts=st.booleans())
async def test_a_history_is_the_same_at_every_door(
    stage: Stage, wanted: list[Line], history: list[Step], all_supplied: bool, in_parts: bool
) -> None:
    if all_supplied:
        wanted = [replace(line, supplied=True) for line in wanted]
    # Plaza ships an item as a whole.
    tellings = await stage.tellings(Native, Retailer, *([] if in_parts else [Plaza]), *([Crux] if all_supplied else []))
    placed = Week.of(stage.world.clock(), ZONE)
    for telling in tellings:
        await telling.place(wanted)
    for step in history:
        # What happens in one moment has no order but that of its ids, which are drawn.
        stage.world.clock.advance(seconds=1)
        if step.what == "waits":
            await stage.wait(step.about)
        elif await _is_one_thing(tellings[0], step, wanted):
            await _do(tellings, step if in_parts or step.what in OTHERS else replace(step, units=None))
        await _compare(tellings, all_supplied, step)
    await stage.wait(100)
    await _compare(tellings, all_supplied, "the end")
    cards = [await scored(telling, placed) for telling in tellings]
    assert cards == [cards[0]] * len(cards), "the scores"


async def _is_one_thing(telling: Telling, step: Step, wanted: Sequence[Line]) -> bool:
    """Whether the step means one thing in every dialect.

    bol's call of two meanings confirms where a customer's ask waits, and is told what became of an earlier one: our own
    API has a call for each. A retailer that cancels its own goods for another reason while customers wait answers them
    by that, which only bol's APIs can say.
    """
    line = telling.lines[step.line % len(telling.lines)]
    asks = await telling._waiting(line, asker="customer")
    match step.what:
        case "confirms":
            return bool(await telling._waiting(line, asker="customer", awaiting=str(telling.seller.party)))
        case "cancels" if step.reason is CUSTOMERS:
            events = await telling.world.events(line)
            return not any(event.facts.get("asker") == "customer" for event in events)
        case "cancels":
            return wanted[step.line % len(wanted)].supplied or not asks
        case _:
            return True


async def _do(tellings: Sequence[Telling], step: Step) -> None:
    answers = []
    for telling in tellings:
        if step.what in OTHERS:
            answers.append(await getattr(telling, step.what)(step))
        elif step.what == "corrects":
            parcels = await _parcels(telling)
            if parcels:
                await telling.corrects(step, parcels[step.line % len(parcels)])
        else:
            await getattr(telling, step.what)(step)
    assert answers == answers[:1] * len(answers), "what the others are told"


async def _parcels(telling: Telling) -> list[Any]:
    query = select(t.shipments).where(t.shipments.c.order_id == telling.order).order_by(t.shipments.c.id)
    return await telling.world.application.database.read(lambda connection: [*connection.execute(query)])


async def _compare(tellings: Sequence[Telling], all_supplied: bool, after: object) -> None:
    stories = [await told(telling, reasons=not all_supplied) for telling in tellings]
    for telling, story in zip(tellings, stories, strict=True):
        for part, rows in story.items():
            assert not list(_differences(rows, stories[0][part])), (type(telling).__name__, part, after)
    REACHED.update(event["kind"] for event in stories[0]["events"])
    REACHED["refunds"] += len(stories[0]["refunds"])
    endings = [await telling.endings() for telling in tellings if isinstance(telling, Queued)]
    assert endings == endings[:1] * len(endings), after
    REACHED.update(status for status, _ in endings[0])


def _differences(one: Any, other: Any, *where: object) -> Iterator[object]:
    """Where two tellings part, down to the single value."""
    if isinstance(one, dict) and isinstance(other, dict) and one.keys() == other.keys():
        for name in one:
            yield from _differences(one[name], other[name], *where, name)
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for place, (left, right) in enumerate(zip(one, other, strict=True)):
            yield from _differences(left, right, *where, place)
    elif one != other:
        yield where, one, other


def test_the_histories_went_everywhere() -> None:
    assert REACHED.keys() >= {
        "cancellation.asked", "cancellation.passed_on", "cancellation.accepted", "cancellation.declined",
        "cancellation.withdrawn", "line.shipped", "refunds", "PENDING", "SUCCESS", "FAILURE", "unasked",
    }, REACHED  # fmt: skip
