"""What a cancellation costs, counted and not timed: functions of ours that run for it, and statements of a read.

A bound is what was counted when it was written. Who gets below it lowers it; who gets above it has added a layer, and
says why where the bound stands.
"""

import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

import httpx2
import pytest
from greenlet import getcurrent  # type: ignore[import-untyped]
from sqlalchemy import Connection, Engine, event

import countermand
from countermand.admin.callers import PLATFORM
from countermand.domain.parties import PartyKind
from countermand.ids import show
from countermand.reads.asks import SavedAsk, asked
from countermand.reads.scope import Scope
from countermand.service.batch import run_batch
from countermand.service.calls import Call, Done
from countermand.service.numbers import numbers_needed
from countermand.service.workspace import LaneState
from tests.store.speaking import Sale, new_sale
from tests.support.cluster import not_on_citus
from tests.support.world import World

pytestmark = pytest.mark.anyio

OURS: Final = str(Path(countermand.__file__).parent)
FUNCTIONS_A_CANCEL: Final = {"sqlite": 82, "postgresql": 87}
FUNCTIONS_A_BATCH: Final = {"sqlite": 30, "postgresql": 55}
FEW, MANY = 8, 40
STATEMENTS_OF_ASKS: Final = 4
TRIES: Final = 3
"""The fewest statements of so many calls are those of the call itself."""


@contextmanager
def counting() -> Iterator[Counter[str]]:
    """Calls of our functions by this transaction: others may run in the same thread meanwhile, as other greenlets.

    Comprehensions are none: from Python 3.12 on they are part of others.
    """
    counted: Counter[str] = Counter()
    mine = getcurrent()

    def note(frame: FrameType, what: str, _: Any) -> None:
        code = frame.f_code
        if (
            what == "call"
            and getcurrent() is mine
            and code.co_filename.startswith(OURS)
            and not code.co_name.startswith("<")
        ):
            counted[f"{Path(code.co_filename).stem}.{code.co_name}"] += 1

    sys.setprofile(note)
    try:
        yield counted
    finally:
        sys.setprofile(None)


async def counted_batch(world: World, size: int, state: LaneState) -> Counter[str]:
    """The calls of our functions for a batch of so many cancellations of lines of as many orders."""
    sales = [await new_sale(world, 2) for _ in range(size)]
    calls = [Call(command=sale.ask(1), door="test", retailer=world.retailer) for sale in sales]

    def run(connection: Connection, now: datetime) -> Counter[str]:
        lacking = state.numbers.lacking(numbers_needed(calls))
        if lacking:
            state.numbers.reserve(connection, lacking)
        with counting() as counted:
            outcomes: Sequence[object] = run_batch(connection, calls, now, world.application.ids.new, state).outcomes
        assert {type(each) for each in outcomes} == {Done}
        return counted

    return await world.application.database.write(partial(run, now=world.clock()))


async def test_a_cancellation_takes_no_more_functions_than_it_did(world: World) -> None:
    not_on_citus(world)
    engine = world.application.database.engine
    state = LaneState(engine)
    await counted_batch(world, FEW, state)
    few, many = await counted_batch(world, FEW, state), await counted_batch(world, MANY, state)
    more = many - few
    each = more.total() / (MANY - FEW)
    shown = ", ".join(f"{name} {count / (MANY - FEW):g}" for name, count in more.most_common())
    assert each <= FUNCTIONS_A_CANCEL[engine.name], shown
    assert few.total() - FEW * each <= FUNCTIONS_A_BATCH[engine.name], few


@contextmanager
def statements() -> Iterator[list[str]]:
    """What is asked of databases meanwhile, by whomever: something may go on in the background."""
    asked: list[str] = []

    def note(_: Any, __: Any, statement: str, *___: Any) -> None:
        if statement != "BEGIN":
            asked.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield asked
    finally:
        event.remove(Engine, "before_cursor_execute", note)


STATEMENTS: Final = {
    # One of each is whose token it is, which a service remembers for a while.
    "/v1/cancellations/{cancellation}": 2,
    "/v1/cancellations": 2,
    "/v1/orders/{order}": 4,
    "/v1/orders": 4,
    "/v1/lines/{line}": 2,
    "/v1/events": 6,
    "/v1/scorecards/{retailer}": 8,
    "/v1/refunds": 2,
    "/orders/{uuid}/": 5,
}


@pytest.mark.parametrize("path", STATEMENTS)
async def test_a_read_asks_no_more_statements_than_it_did(world: World, path: str) -> None:
    """Whatever there is: twice as many orders take no more."""
    not_on_citus(world)
    sale = await cancelled(world)
    named = path.format(
        cancellation=show("can", sale.asked),
        order=show("ord", sale.order),
        line=sale.line,
        uuid=sale.order,
        retailer=show("pty", world.retailer),
    )
    scheme = "Bearer" if path.startswith("/v1") else "Token"
    headers = {"authorization": f"{scheme} {world.tokens[world.retailer]}"}
    async with world.client() as client:
        # The first call looks the token up.
        assert (await client.get(named, headers=headers)).status_code == 200
        for _ in range(2):
            fewest = min([await statements_of(client, named, headers) for _ in range(TRIES)], key=len)
            assert len(fewest) == STATEMENTS[path], fewest
            await cancelled(world)


async def statements_of(client: httpx2.AsyncClient, path: str, headers: Mapping[str, str]) -> list[str]:
    with statements() as asked:
        assert (await client.get(path, headers=headers)).status_code == 200
    return asked


async def cancelled(world: World) -> Sale:
    sale = await new_sale(world, 2)
    await sale.done(sale.ask(1))
    return sale


@pytest.mark.parametrize("kind", [PartyKind.PLATFORM, PartyKind.RETAILER])
async def test_what_asks_came_to_is_read_by_as_many_statements_for_all_as_for_one(
    world: World, kind: PartyKind
) -> None:
    """Also where several parties asked, and some were accepted at once."""
    whose = [Scope(party=PLATFORM if kind is PartyKind.PLATFORM else world.retailer, kind=kind)] * 2
    sales = [await new_sale(world, 2, held=place % 2 == 1) for place in range(MANY)]
    made = [(await sale.done(sale.ask(1))).cancellations for sale in sales]
    states = {row["state"] for sale in sales for row in await sale.cancellations()}
    assert states == {"asked", "accepted"}
    asks = [
        SavedAsk(
            scope=whose[place % 2],
            cancellations=cancellations,
            units={sale.line: 1},
            accepted=cancellations if place % 2 else (),
        )
        for place, (sale, cancellations) in enumerate(zip(sales, made, strict=True))
    ]
    answers = []
    for some in (asks[:2], asks):
        with statements() as sent:
            answers.append(await world.application.database.read(partial(asked, asks=some)))
        assert len(sent) == STATEMENTS_OF_ASKS, sent
    assert [[row.id for row in rows] for rows, _ in answers[1]] == [list(each) for each in made]
