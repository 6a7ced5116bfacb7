"""How often the service asks PostgreSQL, counted on the wire: a round trip costs more than what most of them do."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from countermand.service import lanes
from countermand.service.calls import Call, Done
from tests.store.proxied import proxied
from tests.store.speaking import WISH, Sale, new_sale, once
from tests.support.pgnode import Node
from tests.support.pgproxy import PgProxy
from tests.support.world import Clock, World

pytestmark = pytest.mark.anyio

BEGIN = "BEGIN ISOLATION LEVEL READ COMMITTED;"


@pytest.fixture
async def behind(postgres: Node, clock: Clock) -> AsyncIterator[tuple[World, PgProxy]]:
    async with proxied(postgres, clock) as both:
        yield both


async def _asked(proxy: PgProxy, doing: Awaitable[Any]) -> list[str]:
    """What was asked of the server meanwhile, each question by how it begins; without hints to other processes.

    Those go by a connection of their own, not with every batch.
    """
    before = len(proxy.asked)
    await doing
    return [_short(sql) for sql in proxy.asked[before:] if "pg_notify" not in sql]


def _short(sql: str) -> str:
    words = sql.split()
    if words[0] == "EXECUTE":
        return " ".join(["EXECUTE", *(["COMMIT"] if words[-1] == "COMMIT;" else [])])
    if "FOR UPDATE" in sql:
        return "LOCK"
    return sql if sql.endswith(";") else words[0]


def _ask(sale: Sale) -> Call:
    return Call(command=sale.ask(1), door="test", retailer=sale.world.retailer)


async def _all_done(world: World, calls: list[Call]) -> None:
    outcomes = await asyncio.gather(*map(world.application.lanes.submit, calls))
    assert {type(outcome) for outcome in outcomes} == {Done}


@pytest.mark.parametrize("size", [1, 8, 64])
async def test_a_batch_of_asks_takes_three(
    behind: tuple[World, PgProxy], size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It begins, locks its lines, and saves and commits all that came of them."""
    monkeypatch.setattr(lanes, "BATCH_MAX", 64)
    world, proxy = behind
    sales = [await new_sale(world, 2) for _ in range(size + 1)]
    await _all_done(world, [_ask(sales.pop())])
    assert await _asked(proxy, _all_done(world, [_ask(sale) for sale in sales])) == [BEGIN, "LOCK", "EXECUTE COMMIT"]


def _by_number(sale: Sale) -> Call:
    return Call(command=sale.ask(1), door="test", retailer=sale.world.retailer, process=WISH)


def _with_a_key(sale: Sale) -> Call:
    key = once(sale.world.application.ids.new().hex)
    return Call(command=sale.ask(1), door="test", retailer=sale.world.retailer, once=key)


def _answer(sale: Sale) -> Call:
    return Call(command=sale.accept(), door="test")


@pytest.mark.parametrize(
    ("call", "questions"),
    [
        (_by_number, [BEGIN, "LOCK", "EXECUTE COMMIT"]),
        (_with_a_key, [BEGIN, "LOCK", "SELECT", "EXECUTE COMMIT"]),
        (_answer, [BEGIN, "SELECT", "LOCK", "SELECT", "EXECUTE", "UPDATE", "COMMIT;"]),
    ],
)
async def test_other_calls_take_a_few_more(
    behind: tuple[World, PgProxy], call: Callable[[Sale], Call], questions: list[str]
) -> None:
    world, proxy = behind
    sales = [await new_sale(world, 3) for _ in range(3)]
    if call is _answer:
        for sale in sales:
            await sale.done(sale.ask(1))
    # The first ones prepare their statements, and learn what the lane keeps.
    for sale in sales[:2]:
        await _all_done(world, [call(sale)])
    assert await _asked(proxy, _all_done(world, [call(sales[2])])) == questions


async def test_a_read_takes_two_more_than_it_has_questions(behind: tuple[World, PgProxy]) -> None:
    """The one that begins shows whether the connection still works."""
    world, proxy = behind
    sale = await new_sale(world, 2)
    await sale.buckets()
    assert await _asked(proxy, sale.buckets()) == ["BEGIN ISOLATION LEVEL REPEATABLE READ;", "SELECT", "ROLLBACK;"]
