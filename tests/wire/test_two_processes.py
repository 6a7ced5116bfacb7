"""Two services on one PostgreSQL: what one does shows in the other, and by a hint at once.

Here the looks that would find it anyway are switched off, but where a test says so.
"""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import pytest

from countermand.admin import credentials, policies, web_sessions
from countermand.console import live
from countermand.domain.commands import AskCancellation
from countermand.domain.policy import Policy
from countermand.ids import digest
from countermand.reads import arrivals
from countermand.service.calls import Done
from countermand.store.engines.postgresql import channel
from countermand.store.engines.postgresql.channel import PostgresChannel
from countermand.store.hints import Hints
from tests.console.visiting import operator
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.streaming import streaming
from tests.support.waiting import HANGS_S
from tests.support.world import Clock, World, author_at
from tests.wire.test_shared_quotas import two_services
from tests.wire.test_throttle import call

pytestmark = pytest.mark.anyio


@pytest.fixture
async def services(postgres: Node, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[World, World]]:
    monkeypatch.setattr(arrivals, "LOOK_EVERY_S", HANGS_S)
    monkeypatch.setattr(live, "GATHER_S", 0.0)
    async with two_services(templates.new_database(postgres), clock) as both:
        await _can_hear(both[0], both[1])
        yield both


async def _can_hear(one: World, other: World) -> None:
    """Wait until the second is told what the first commits: a hint that comes before somebody listens is lost."""
    number = other.application.arrivals.number
    async with asyncio.timeout(HANGS_S):
        while not await other.application.arrivals.after(number, 0.1):
            await one.order()


def _channel(world: World) -> PostgresChannel:
    channel = world.application.database.channel()
    assert isinstance(channel, PostgresChannel)
    return channel


async def test_who_waits_for_events_is_woken_by_what_the_other_process_commits(services: tuple[World, World]) -> None:
    one, other = services
    waiting = other.application.arrivals
    with waiting.watching(UUID(int=1)):
        number = waiting.number
        await one.order()
        assert await waiting.after(number, HANGS_S)


async def test_an_open_page_of_the_console_is_told_of_what_the_other_process_changes(
    services: tuple[World, World],
) -> None:
    one, other = services
    who = await operator(other)
    async with streaming(other.asgi, live.PATH, who.headers, {"about": ("orders",)}) as stream:
        # The reader begins with the first page, which looks again at once.
        await stream.until(1)
        await one.order()
        assert (await stream.until(2))[-1].document == {"changed": ["orders"]}


async def test_a_notice_wakes_the_worker_that_owns_it_wherever_it_was_written(services: tuple[World, World]) -> None:
    one, other = services
    heard: list[Any] = []
    woken = asyncio.Event()

    def wake(pairs: Any) -> None:
        heard.extend(pairs)
        woken.set()

    hearing, telling = (Hints(_channel(world), wake=wake, committed=lambda: None) for world in (other, one))
    hearing.begin()
    telling.begin()
    pairs = {(7, UUID(int=9)), (8, UUID(int=9))}
    try:
        async with asyncio.timeout(HANGS_S):
            while not woken.is_set():
                telling.tell(pairs)
                await asyncio.sleep(0)
        assert set(heard) == pairs
    finally:
        await hearing.end()
        await telling.end()


@pytest.mark.parametrize("told", ["", "x", "1:x", "1", "1:2:3", "é" * 100, "99999999999:" + "0" * 32])
async def test_a_hint_that_makes_no_sense_is_no_trouble(services: tuple[World, World], told: str) -> None:
    one, other = services
    sent = _channel(one)
    listening = asyncio.create_task(sent.listen(lambda text: None))
    try:
        number = other.application.arrivals.number
        async with asyncio.timeout(HANGS_S):
            while not await other.application.arrivals.after(number, 0.01):
                await sent.send(told)
        await _can_hear(one, other)
    finally:
        listening.cancel()
        await asyncio.gather(listening, return_exceptions=True)


async def test_a_process_whose_connection_for_hints_breaks_listens_again(
    services: tuple[World, World], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = services
    monkeypatch.setattr(channel, "AGAIN_S", 0.0)
    listening = (
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE datname = current_database()"
        " AND (query LIKE 'LISTEN%%' OR query LIKE 'SELECT pg_notify%%') AND pid <> pg_backend_pid()"
    )
    ended = await one.application.database.read(lambda connection: connection.exec_driver_sql(listening).scalar_one())
    assert ended == 2
    await _can_hear(one, other)
    await _can_hear(other, one)


async def test_a_policy_that_one_process_changes_decides_in_the_other(services: tuple[World, World]) -> None:
    one, other = services

    async def ask() -> str:
        order = await other.order()
        line = order.lines[0].id
        done = await other.submit(
            AskCancellation(line=line, actor=other.actor(other.retailer)), retailer=other.retailer
        )
        assert isinstance(done, Done)
        return "accepted" if (await other.buckets(line))[2] else "asked"

    assert await ask() == "asked"
    free, now = Policy(free_window_s=3600), one.clock()
    await one.application.database.write(
        lambda connection: policies.put_in_force(
            connection, now, retailer=one.retailer, fulfiller=one.supplier, policy=free, by="test"
        )
    )
    assert await ask() == "accepted"


async def test_a_token_that_one_process_revokes_ends_in_the_other(services: tuple[World, World]) -> None:
    one, other = services
    secret = other.tokens[other.retailer]
    headers = {"authorization": f"Bearer {secret}"}
    assert (await call(other, "GET", "/v1/events", **headers)).status == 200
    author = author_at(one.application)
    await one.application.database.write(lambda connection: credentials.revoke_token(connection, author, secret))
    assert (await call(other, "GET", "/v1/events", **headers)).status == 401


async def test_a_log_in_at_one_process_is_known_to_the_other_and_ends_in_both(services: tuple[World, World]) -> None:
    one, other = services
    who = await operator(one)
    cookie = who.headers["cookie"]
    shown = [await call(world, "GET", "/console/", cookie=cookie) for world in services]
    assert [each.status for each in shown] == [200, 200]
    author = author_at(one.application)

    def end(connection: Any) -> None:
        session = web_sessions.session_of(connection, digest(cookie.partition("=")[2]), one.clock())
        assert session is not None
        web_sessions.end_session(connection, author, session.id)

    await one.application.database.write(end)
    assert (await call(other, "GET", "/console/", cookie=cookie)).status == 303
