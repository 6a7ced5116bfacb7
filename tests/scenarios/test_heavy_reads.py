"""What takes long to compute is computed beside the event loop: it keeps nobody's cancellation waiting."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, text

from countermand import turns
from countermand.admin.callers import PLATFORM
from countermand.console import spreadsheets
from countermand.domain.commands import CancelOwn
from countermand.domain.reasons import CancelReason
from countermand.domain.scoring import Role, Week
from countermand.ids import show
from countermand.reads import scores
from countermand.reads.parties import find_party
from countermand.service.calls import Done
from countermand.store import score_cards
from tests.console.visiting import person
from tests.support.threads import watch
from tests.support.world import World

pytestmark = pytest.mark.anyio

ZONE: Final = ZoneInfo("Europe/Amsterdam")
Doing = Callable[[World], Awaitable[None]]


def native(query: str) -> Doing:
    async def ask(world: World) -> None:
        moment = (world.clock() - timedelta(minutes=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
        path = f"/v1/scorecards/{world.supplier}?{query.format(moment=moment)}"
        async with world.client() as client:
            headers = {"authorization": f"Bearer {world.tokens[world.supplier]}"}
            assert (await client.get(path, headers=headers)).status_code == 200

    return ask


def page(path: str) -> Doing:
    async def look(world: World) -> None:
        who = await person(world, PLATFORM)
        named = path.format(supplier=show("pty", world.supplier), yesterday=world.clock() - timedelta(days=1))
        assert (await who.look(named)).status_code == 200

    return look


async def count_in_the_worker(world: World) -> None:
    worker, database = world.application.worker, world.application.database

    def plan(connection: Connection) -> None:
        cards, week = worker.score_cards, Week.of(world.clock(), ZONE)
        score_cards.plan(connection, cards.rows_of(find_party(connection, str(world.supplier)), week))

    await database.write(plan)
    await worker.renew_leases()
    for _ in range(3):
        await worker.score_cards.count()


CARDS: Final[dict[str, Doing]] = {
    "of six weeks": native(""),
    "of one week": native("week=2026-W45"),
    "of a year, as of a moment": native("weeks=52&as_of={moment}"),
    "with all that counts": native("evidence=true"),
    "a page": page("/console/scorecards/{supplier}"),
    "a page, as it was": page("/console/scorecards/{supplier}?on={yesterday:%Y-%m-%d}"),
    "a file": page("/console/scorecards/{supplier}/weeks.csv"),
    "in the worker": count_in_the_worker,
}


async def cancelled(world: World) -> None:
    """Something counts against the supplier."""
    line = (await world.order(3)).lines[0].id
    own = CancelOwn(line=line, actor=world.actor(world.supplier), reason=CancelReason.OUT_OF_STOCK)
    assert isinstance(await world.submit(own, retailer=world.retailer), Done)


@pytest.mark.parametrize("doing", CARDS.values(), ids=CARDS)
async def test_cards_are_counted_aside(world: World, doing: Doing, monkeypatch: pytest.MonkeyPatch) -> None:
    await cancelled(world)
    threads = watch(monkeypatch, scores, "card")
    await doing(world)
    assert threads.aside


@pytest.mark.parametrize("path", ["/console/journal.csv", "/console/cancellations.csv?view=all", "/console/audit.csv"])
async def test_files_are_written_aside(world: World, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    await cancelled(world)
    threads = watch(monkeypatch, spreadsheets, "_written")
    await page(path)(world)
    assert threads.aside


async def test_others_are_served_while_a_heavy_read_computes(world: World) -> None:
    """It begins, waits for a light one to be answered, and only then ends."""
    begun, answered = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def compute(connection: Connection) -> int:
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(answered.wait(), loop).result()
        return int(connection.execute(text("SELECT 1")).scalar_one())

    usual = sys.getswitchinterval()
    heavy = asyncio.create_task(world.application.database.read(compute, heavy=True))
    await begun.wait()
    assert sys.getswitchinterval() == pytest.approx(turns.SHORT_S)
    await cancelled(world)
    answered.set()
    assert await heavy == 1
    assert sys.getswitchinterval() == pytest.approx(usual)


async def test_what_a_heavy_read_raises_comes_to_its_caller(world: World) -> None:
    def fail(_: Connection) -> None:
        raise LookupError("no such thing")

    usual = sys.getswitchinterval()
    with pytest.raises(LookupError, match="no such thing"):
        await world.application.database.read(fail, heavy=True)
    assert sys.getswitchinterval() == pytest.approx(usual)


async def test_turns_are_short_until_the_last_needs_it_no_more() -> None:
    usual = sys.getswitchinterval()
    with turns.short():
        assert await turns.compute(sys.getswitchinterval) == pytest.approx(turns.SHORT_S)
        assert sys.getswitchinterval() == pytest.approx(turns.SHORT_S)
    assert sys.getswitchinterval() == pytest.approx(usual)


async def test_a_card_read_in_small_pieces_is_the_same(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        await cancelled(world)
    who = scores.Party(id=world.supplier, role=Role.FULFILLER)
    week = Week.of(world.clock(), ZONE)

    def shown(connection: Connection) -> object:
        [card] = scores.cards(connection, who, [week], ZONE)
        return card, scores.evidence(connection, card.counted)

    whole = await world.application.database.read(shown)
    monkeypatch.setattr(scores, "EVENTS_OF", 1)
    assert await world.application.database.read(shown) == whole
