"""Ten weeks of history for the demo's console, of parties that no story is about: answers, refunds, scores, trouble."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final
from uuid import UUID

from sqlalchemy import Connection

from countermand.admin import endpoints, parties, policies
from countermand.admin.audit import Author
from countermand.admin.finding import EVERYTHING
from countermand.app import Service, opened
from countermand.cli.orders import DOOR, operator
from countermand.documents.orders import OrderIn, place
from countermand.domain.commands import (
    AcceptCancellation,
    AskCancellation,
    CancelOwn,
    Command,
    DeclineCancellation,
    PassDeadline,
    Ship,
    WithdrawCancellation,
)
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.ids import system_clock
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.service.calls import Call, Done, Outcome
from countermand.settings import Settings

WEEKS: Final = 10
ORDERS_A_WEEK: Final = 14
STRIKE: Final = 7
"""In this week a supplier has run out of what it sold."""

RETAILER: Final = "Hōryū Kitchen"
SUPPLIERS: Final = ("Nordic Goods", "Œuvre Papeterie")
GOODS: Final = (
    ("kettle-17", "Kettle, enamel, 1.7 l", "48.00"),
    ("blanket-gr", "Wool blanket, grey, 140 × 200 cm", "89.95"),
    ("pen-5", "Fountain pen Nº 5, fine", "123.45"),
    ("lamp-br", "Table lamp, brass", "64.50"),
)


class PastClock:
    """A clock that is set to when something is to have happened."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        """The time that it is set to."""
        return self.at


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A line of the sample: whose it is, and a number that says what becomes of it."""

    number: int
    id: UUID
    supplier: UUID
    units: int


class Sample:
    """Makes the history, week by week."""

    def __init__(self, application: Service, clock: PastClock) -> None:
        self._application, self._clock = application, clock
        self._parties: dict[str, UUID] = {}
        self._number = 0

    async def make(self, now: datetime) -> None:
        """All of it, up to this time."""
        self._clock.at = now - timedelta(weeks=WEEKS)
        await self._application.database.write(self._add_parties)
        for week in range(WEEKS):
            await self._week(now - timedelta(weeks=WEEKS - week), week)
        await self._lately(now)

    def _add_parties(self, connection: Connection) -> None:
        application, now = self._application, self._clock()
        for name in (RETAILER, *SUPPLIERS):
            kind = PartyKind.RETAILER if name == RETAILER else PartyKind.SUPPLIER
            self._parties[name] = parties.enter(connection, application.ids, now, kind=kind, name=name)
        policies.put_in_force(
            connection,
            now,
            retailer=self._parties[RETAILER],
            fulfiller=self._parties[SUPPLIERS[1]],
            policy=Policy(answer_within_s=24 * 3600, silence=Silence.ESCALATE),
            by="demo",
        )
        endpoints.add(
            connection,
            Author(name="demo", door="demo", at=now, ids=application.ids),
            application.keyring,
            party=self._parties[SUPPLIERS[0]],
            # Nobody listens there.
            url="http://127.0.0.1:9/hooks",
            rules=application.settings.address_rules,
        )

    async def _week(self, start: datetime, week: int) -> None:
        lines = await self._orders(start, ORDERS_A_WEEK)
        await self._do(start + timedelta(hours=5), [self._ask(each) for each in lines if each.number % 7 < 5])
        asked = await self._asks(lines)
        await self._do(start + timedelta(hours=6), self._first_answers(lines, asked))
        await self._do(start + timedelta(hours=8 + week % 3), self._answers(lines, asked))
        await self._do(start + timedelta(days=3), self._deadlines(lines, asked))
        if week == STRIKE:
            await self._do(start + timedelta(hours=30), self._sold_out(lines))

    async def _lately(self, now: datetime) -> None:
        """What waits now: with a day left, with some minutes, for an operator; and a refund that nobody can send."""
        for hours, count in ((23.0, 3), (23.6, 2), (47.2, 2), (30.0, 2)):
            at = now - timedelta(hours=hours)
            lines = await self._orders(at - timedelta(hours=1), count)
            await self._do(at, [self._ask(each, Asker.RETAILER) for each in lines])
        at = now - timedelta(days=2)
        [line] = await self._orders(at, 1, provider="stripe")
        await self._do(at, [self._ask(line, Asker.RETAILER)])
        await self._do(at + timedelta(hours=1), [AcceptCancellation(line=line.id, actor=self._holder(line))])
        self._clock.at = now

    async def _orders(self, at: datetime, count: int, provider: str = "manual") -> list[Line]:
        self._clock.at = at
        placed = [self._order(at, provider) for _ in range(count)]
        await self._do(at, [command for command, _ in placed])
        return [line for _, line in placed]

    def _order(self, at: datetime, provider: str) -> tuple[PlaceOrder, Line]:
        self._number += 1
        sku, title, price = GOODS[self._number % len(GOODS)]
        supplier, units = SUPPLIERS[self._number % 5 == 0], 1 + self._number % 3
        captured = f"{units * float(price):.2f}"
        order = OrderIn.model_validate(
            {
                "retailer": RETAILER,
                "reference": f"HK-{55000 + self._number}",
                "payments": [{"provider": provider, "reference": f"pay-{self._number}", "captured": captured}],
                "lines": [{"sku": sku, "title": title, "unit_price": price, "units": units, "supplier": supplier}],
            }
        )
        command = place(order, actor=operator(), party=self._parties.__getitem__, ids=self._application.ids, now=at)
        line = Line(number=self._number, id=command.lines[0].id, supplier=self._parties[supplier], units=units)
        return command, line

    # Who does what

    def _seller(self) -> Actor:
        return Actor(party=self._parties[RETAILER], kind=PartyKind.RETAILER, name=RETAILER)

    def _holder(self, line: Line) -> Actor:
        name = next(name for name in SUPPLIERS if self._parties[name] == line.supplier)
        return Actor(party=line.supplier, kind=PartyKind.SUPPLIER, name=name)

    def _ask(self, line: Line, asker: Asker | None = None) -> Command:
        by_customer = line.number % 2 == 0
        return AskCancellation(
            line=line.id,
            actor=self._seller(),
            asker=asker or (Asker.CUSTOMER if by_customer else Asker.RETAILER),
            units=max(1, line.units - 1),
            reason=CancelReason.REQUESTED_BY_CUSTOMER if by_customer else CancelReason.ORDERED_TWICE,
            note="Please stop it, I ordered the wrong one." if line.number % 6 == 0 else "",
        )

    async def _asks(self, lines: Sequence[Line]) -> dict[UUID, UUID]:
        """The cancellations that wait, by their lines."""
        found: dict[UUID, UUID] = {}
        for line in lines:
            wanted = CancellationFilter(line=line.id, state="asked")
            rows = await self._application.database.read(partial(list_cancellations, scope=EVERYTHING, wanted=wanted))
            found |= {row.line_id: row.id for row in rows}
        return found

    def _first_answers(self, lines: Sequence[Line], asked: dict[UUID, UUID]) -> list[Command]:
        """The retailer passes on what customers asked."""
        return [
            AcceptCancellation(line=each.id, actor=self._seller())
            for each in lines
            if each.id in asked and each.number % 2 == 0
        ]

    def _answers(self, lines: Sequence[Line], asked: dict[UUID, UUID]) -> list[Command]:
        found: list[Command] = []
        for line in lines:
            holder = self._holder(line)
            match line.number % 7 if line.id in asked else 6:
                case 0 | 1:
                    found.append(AcceptCancellation(line=line.id, actor=holder))
                case 2:
                    reason = DeclineReason.ALREADY_SHIPPED
                    found.append(DeclineCancellation(line=line.id, actor=holder, reason=reason, tracking="3SABC"))
                case 3:
                    found.append(WithdrawCancellation(line=line.id, actor=self._seller()))
                case 4:
                    pass
                case _:
                    found.append(Ship(line=line.id, actor=holder, tracking=f"3S{line.number:06}"))
        return found

    def _deadlines(self, lines: Sequence[Line], asked: dict[UUID, UUID]) -> list[Command]:
        """Nobody answered these."""
        left = [each for each in lines if each.number % 7 == 4 and each.id in asked]
        return [PassDeadline(line=each.id, cancellation=asked[each.id]) for each in left]

    def _sold_out(self, lines: Sequence[Line]) -> list[Command]:
        mine = [each for each in lines if each.supplier == self._parties[SUPPLIERS[0]] and each.number % 7 in (2, 3)]
        return [CancelOwn(line=each.id, actor=self._holder(each), reason=CancelReason.OUT_OF_STOCK) for each in mine]

    async def _do(self, at: datetime, commands: Sequence[Command | PlaceOrder]) -> list[Outcome]:
        """All of them at this time, in one transaction if they fit. One that the rules refuse is left out."""
        self._clock.at = at
        retailer = self._parties[RETAILER]
        calls = [Call(command=command, door=DOOR, retailer=retailer) for command in commands]
        outcomes = await asyncio.gather(*(self._application.lanes.submit(call) for call in calls))
        assert not calls or any(isinstance(each, Done) for each in outcomes), outcomes
        return outcomes


async def add_sample(settings: Settings) -> None:
    """Add the history to the database of the demo, up to now."""
    now = system_clock()
    clock = PastClock(now)
    async with opened(settings, clock) as application:
        await Sample(application, clock).make(now)
