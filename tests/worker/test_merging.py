"""The same work asked for many times."""

import asyncio
from typing import Final

import pytest

from countermand.worker.merging import Merging
from tests.support.waiting import HANGS_S

pytestmark = pytest.mark.anyio

MANY: Final = 50


async def test_all_who_ask_meanwhile_share_one_more_turn() -> None:
    merging, turns, leave = Merging(), 0, asyncio.Event()

    async def work() -> bool:
        nonlocal turns
        turns += 1
        await leave.wait()
        return turns > 1

    first = asyncio.create_task(merging.do("a", work))
    await asyncio.sleep(0)
    others = [asyncio.create_task(merging.do("a", work)) for _ in range(MANY)]
    other = asyncio.create_task(merging.do("b", work))
    await asyncio.sleep(0)
    leave.set()
    async with asyncio.timeout(HANGS_S):
        assert await asyncio.gather(first, *others, other) == [True] * (MANY + 2)
    assert turns == 3
    assert not merging._running
    assert not merging._next


async def test_who_goes_away_takes_nothing_from_others() -> None:
    merging, leave = Merging(), asyncio.Event()

    async def work() -> bool:
        await leave.wait()
        return True

    asked = [asyncio.create_task(merging.do("a", work)) for _ in range(3)]
    await asyncio.sleep(0)
    asked[0].cancel()
    asked[1].cancel()
    leave.set()
    async with asyncio.timeout(HANGS_S):
        assert await asked[2]


async def test_an_error_is_told_to_who_asked_and_spoils_no_later_turn() -> None:
    merging = Merging()

    async def fail() -> bool:
        raise RuntimeError("away")

    async def work() -> bool:
        return True

    async with asyncio.timeout(HANGS_S):
        with pytest.raises(RuntimeError):
            await merging.do("a", fail)
        assert await merging.do("a", work)
