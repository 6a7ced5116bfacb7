"""One history on both engines ends in the same rows and the same events (T32)."""

import os
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from functools import partial
from itertools import count
from random import Random
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection

from countermand.admin.callers import PLATFORM
from countermand.admin.policies import put_in_force
from countermand.app import Service
from countermand.domain.commands import (
    AcceptCancellation,
    Allocate,
    AllocateOrder,
    AnswerOrder,
    AskCancellation,
    CancelOrder,
    CancelOwn,
    Command,
    DeclineCancellation,
    EscalateCancellation,
    NoteCancellation,
    Parcel,
    PassDeadline,
    RetailerCancel,
    Ship,
    ShipOrder,
    WithdrawCancellation,
)
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Policy, WholeOrder
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.ids import Ids
from countermand.reads.policies import ANY_FULFILLER
from countermand.service.batch import run_batch
from countermand.service.calls import Call, Done, Outcome, ProcessRequest
from countermand.service.numbers import numbers_needed
from countermand.service.workspace import LaneState, More, MoreNeededError
from countermand.store import tables as t
from tests.store.holding import Rows, assert_sound, rows
from tests.support.world import Clock, running

pytestmark = pytest.mark.anyio

EXAMPLES = 5_000 if os.environ.get("COUNTERMAND_LONG") == "1" else 60
RETAILERS = (UUID(int=0xA1), UUID(int=0xA2))
ACTORS = (
    Actor(party=RETAILERS[0], kind=PartyKind.RETAILER, name="retailer"),
    Actor(party=RETAILERS[1], kind=PartyKind.RETAILER, name="other retailer"),
    Actor(party=UUID(int=0xB1), kind=PartyKind.SUPPLIER, name="supplier"),
    Actor(party=UUID(int=0xB2), kind=PartyKind.SUPPLIER, name="other supplier"),
    Actor(party=PLATFORM, kind=PartyKind.PLATFORM, name="operator"),
)
COMPARED = {
    "order_id": ("lines", "cancellations", "shipments", "events"),
    "line_id": ("shipment_lines", "line_numbers"),
    "id": ("orders", "id_directory"),
}
"""Tables by the column that says which history a row belongs to; two more by a text."""


@dataclass(frozen=True)
class Word:
    """What is said, before it is known to which ids it will come: each number is taken modulo what there is."""

    what: int
    who: int
    line: int
    units: int | None
    about: int
    flag: bool
    key: int
    process: bool
    retailer_named: bool


small = st.integers(0, 7)
units = st.none() | st.integers(0, 4)
words = st.builds(Word, small, small, small, units, small, st.booleans(), small, st.booleans(), st.booleans())
batches = st.lists(st.lists(words, min_size=1, max_size=5) | st.integers(1, 72), min_size=1, max_size=12)
orders = st.lists(
    st.tuples(st.integers(0, 1), st.booleans(), st.lists(st.tuples(st.integers(0, 2), st.integers(1, 5)), min_size=1)),
    min_size=1,
    max_size=3,
)


@dataclass
class Side:
    """One engine, with ids, numbers and a clock that do the same on the other."""

    application: Service
    seed: int
    orders: list[PlaceOrder] = field(default_factory=list)
    cancellations: list[UUID] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)
    state: LaneState = field(init=False)
    ids: Ids = field(init=False)

    def __post_init__(self) -> None:
        self.state = LaneState(self.application.database.engine)
        self.ids = Ids(self.clock, Random(self.seed))

    async def batch(self, calls: list[Call]) -> Sequence[Outcome]:
        lacking = self.state.numbers.lacking(numbers_needed(calls))
        if lacking:
            await self.application.database.write(lambda connection: self.state.numbers.reserve(connection, lacking))
        more = More()
        while True:
            try:
                return await self.application.database.write(
                    partial(self._run, calls=calls, more=more),
                )
            except MoreNeededError as error:
                event("lines that were asked together")
                more = error.more

    def _run(self, connection: Connection, calls: list[Call], more: More) -> Sequence[Outcome]:
        return run_batch(connection, calls, self.clock, self.ids.new, self.state, more).outcomes

    async def place(self, wanted: list[tuple[int, bool, list[tuple[int, int]]]]) -> None:
        new = self.ids.new
        for seller, held, lines in wanted:
            retailer = RETAILERS[seller]
            holders = (retailer, ACTORS[2].party, ACTORS[3].party)
            self.orders.append(
                PlaceOrder(
                    id=new(),
                    actor=ACTORS[seller],
                    retailer=retailer,
                    reference="PO",
                    placed_at=self.clock(),
                    held=held,
                    details={"note": "ü"},
                    lines=tuple(
                        NewLine(id=new(), fulfiller=holders[holder], sku="S", units=count, details={"cost": 0.1})
                        for holder, count in lines
                    ),
                )
            )
        await self.batch([Call(command=order, door="test", retailer=order.retailer) for order in self.orders])

    async def say(self, answer: list[Word]) -> Sequence[Outcome]:
        outcomes = await self.batch([self._call(word, place) for place, word in enumerate(answer)])
        for outcome in outcomes:
            if isinstance(outcome, Done):
                fresh = [each for each in outcome.cancellations if each not in self.cancellations]
                self.cancellations.extend(fresh)
        return outcomes

    def _call(self, word: Word, place: int) -> Call:
        order = self.orders[word.about % len(self.orders)]
        wish = ProcessRequest(event_type="E", entity_id=str(self.seed)) if word.process else None
        fingerprint = f"{word.what}-{word.key}"
        once = (
            IdempotencyKey(caller="c", key=f"{self.seed}-{word.key}", fingerprint=fingerprint) if word.key > 5 else None
        )
        return Call(
            command=self._command(word, order),
            door=f"door {place}",
            retailer=order.retailer if word.retailer_named else None,
            once=once,
            process=wish,
        )

    def _command(self, word: Word, order: PlaceOrder) -> Command:
        actor = ACTORS[word.who % len(ACTORS)]
        line = order.lines[word.line % len(order.lines)].id
        named = self.cancellations[word.key % len(self.cancellations)] if self.cancellations and word.flag else None
        asker = Asker.CUSTOMER if word.flag else Asker.RETAILER
        reason = list(CancelReason)[word.key]
        ship = Ship(line=line, actor=actor, units=word.units, override=word.flag)
        allocate = Allocate(
            line=line,
            actor=actor,
            accepted=word.key % 3,
            backordered=word.who % 2,
            rejected=word.units or 0,
            backorder_on=date(2026, 12, 24) if word.flag else None,
        )
        commands: list[Command] = [
            AskCancellation(
                line=line,
                actor=actor,
                asker=asker,
                units=word.units,
                reason=reason,
                note="n\nö",
                key=f"{word.key % 2}" if word.flag else "",
            ),
            AcceptCancellation(line=line, actor=actor, cancellation=named, units=word.units, note="n\nö"),
            NoteCancellation(line=line, actor=actor, cancellation=named or order.id, note=f"{word.key % 2}"),
            DeclineCancellation(
                line=line,
                actor=actor,
                reason=list(DeclineReason)[word.key % 6],
                cancellation=named,
                tracking="3S1" if word.process else "",
            ),
            WithdrawCancellation(line=line, actor=actor, asker=asker, cancellation=named),
            PassDeadline(line=line, cancellation=named or order.id),
            EscalateCancellation(line=line, actor=actor, cancellation=named or order.id),
            CancelOwn(line=line, actor=actor, reason=reason, units=word.units),
            RetailerCancel(line=line, actor=actor, reason=reason),
            ship,
            allocate,
            CancelOrder(order=order.id, actor=actor, asker=asker, reason=reason),
            AnswerOrder(order=order.id, actor=actor, decline_reason=DeclineReason.OTHER if word.flag else None),
            AllocateOrder(order=order.id, actor=actor, lines=(allocate,)),
            ShipOrder(
                order=order.id, actor=actor, lines=(ship, replace(ship, units=1)), parcel=Parcel(id=self.ids.new())
            ),
        ]
        return commands[(word.what * 3 + word.key // 2) % len(commands)]

    async def ending(self) -> dict[str, Rows]:
        """What is stored of the orders of this history."""
        mine = [each.id for each in self.orders] + [line.id for each in self.orders for line in each.lines]
        database = self.application.database
        held = {}
        for column, names in COMPARED.items():
            for table in map(t.metadata.tables.get, names):
                assert table is not None
                held[table.name] = await rows(database, table, table.c[column].in_(mine))
        # Each engine counts the places of the feed in its own way: store/feed.py.
        held["events"] = [{**each, "position": None} for each in held["events"]]
        keys = t.idempotency_records.c.key.startswith(f"{self.seed}-")
        held["idempotency_records"] = await rows(database, t.idempotency_records, keys)
        asked_here = t.process_statuses.c.entity_id == str(self.seed)
        held["process_statuses"] = await rows(database, t.process_statuses, asked_here)
        held["connections"] = await rows(database, t.connections)
        return held


@dataclass(frozen=True)
class Sides:
    sqlite: Service
    postgresql: Service
    seeds: Any = field(default_factory=count)


def agree_all_or_nothing(connection: Connection, now: datetime) -> None:
    """One of the retailers wants orders cancelled as a whole, and proof of what is said to have shipped."""
    policy = Policy(whole_order=WholeOrder.ALL_OR_NOTHING, proof_within_s=24 * 3600, customer_asks_retailer_first=False)
    put_in_force(connection, now, retailer=RETAILERS[0], fulfiller=ANY_FULFILLER, policy=policy, by="test")


@pytest.fixture
async def both(sqlite_url: str, postgres_url: str, clock: Clock) -> AsyncIterator[Sides]:
    async with running(sqlite_url, clock) as sqlite, running(postgres_url, clock) as postgresql:
        for application in (sqlite, postgresql):
            await application.database.write(partial(agree_all_or_nothing, now=clock()))
        yield Sides(sqlite=sqlite, postgresql=postgresql)
        for application in (sqlite, postgresql):
            await assert_sound(application.database)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(placed=orders, history=batches)
async def test_one_history_ends_alike_on_both_engines(both: Sides, placed: Any, history: list[Any]) -> None:
    seed = next(both.seeds)
    left, right = Side(both.sqlite, seed), Side(both.postgresql, seed)
    await left.place(placed)
    await right.place(placed)
    for step in history:
        if isinstance(step, int):
            left.clock.advance(hours=step)
            right.clock.advance(hours=step)
            continue
        heard = await left.say(step)
        assert heard == await right.say(step)
        for outcome in heard:
            event(type(outcome).__name__ + (" with cancellations" if getattr(outcome, "cancellations", ()) else ""))
    assert await left.ending() == await right.ending()
