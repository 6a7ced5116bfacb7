"""A read that takes longer than one may: each door says so in its own shape, and what to narrow."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from countermand.admin.callers import PLATFORM
from countermand.reads import orders as order_reads
from countermand.store.engines.protocol import TooBroadError
from countermand.store.fair_share import reading_party
from tests.support.world import World
from tests.wire.bol_plaza.calling import ORDERS, Seller, opened_plaza

pytestmark = pytest.mark.anyio


def stop_reads(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on every read of a party takes too long; whose a token is can still be found out."""
    database = world.application.database
    read = database.read

    async def too_broad(question: Any, **how: Any) -> Any:
        if reading_party.get() is not None:
            raise TooBroadError(5)
        return await read(question, **how)

    monkeypatch.setattr(database, "read", too_broad)


@pytest.fixture
async def plaza(tmp_path: Any) -> AsyncIterator[Seller]:
    async with opened_plaza(f"sqlite:///{tmp_path}/test.sqlite3") as opened:
        yield opened


@pytest.mark.parametrize(
    ("path", "helps"),
    [
        ("/v1/cancellations", "Name a state"),
        ("/v1/events", "Name a line"),
        ("/v1/refunds", "Name a line or a state"),
        ("/v1/scorecards/{retailer}", "fewer weeks"),
    ],
)
async def test_native_says_which_filter_helps(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, path: str, helps: str
) -> None:
    stop_reads(sqlite_world, monkeypatch)
    token = {"Authorization": f"Bearer {sqlite_world.tokens[sqlite_world.retailer]}"}
    async with sqlite_world.client() as client:
        answer = await client.get(path.format(retailer=sqlite_world.retailer), headers=token)
    assert (answer.status_code, answer.json()["code"]) == (422, "too_broad")
    assert "more than it may in 5 s" in answer.json()["detail"]
    assert helps in answer.json()["detail"]


@pytest.mark.parametrize("path", ["/orders/", "/timp/orders/"])
async def test_crux_names_its_own_filters(sqlite_world: World, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    stop_reads(sqlite_world, monkeypatch)
    async with sqlite_world.client() as client:
        answer = await client.post(path, headers=sqlite_world.token(sqlite_world.retailer), json={"term": "boot"})
    assert (answer.status_code, answer.json()["code"]) == (422, "too_broad")
    assert answer.json()["detail"].startswith("too_broad: ")
    assert "start_date and end_date" in answer.json()["detail"]


async def test_plaza_answers_with_a_service_error(plaza: Seller, monkeypatch: pytest.MonkeyPatch) -> None:
    stop_reads(plaza.world, monkeypatch)
    answer = await plaza.call("GET", f"{ORDERS}?page=9999999")
    assert answer.error == (400, 41100)
    assert "more than it may in 5 s" in answer.sentence
    assert "page nearer to the first" in answer.sentence


def test_a_command_ends_with_a_sentence(countermand: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def too_broad(*_: Any, **__: Any) -> Any:
        raise TooBroadError(5)

    monkeypatch.setattr(order_reads, "list_orders", too_broad)
    countermand("party", "add", "retailer", "Fine Shoes")
    ended = countermand("orders")
    assert (ended.returncode, ended.stdout) == (3, "")
    assert "more than it may in 5 s" in ended.stderr
    assert "--limit" in ended.stderr


async def test_reads_of_a_call_count_as_its_callers(sqlite_world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """The look for the token itself is the service's own: else a party's searches would keep it from logging in."""
    seen: list[Any] = []
    database = sqlite_world.application.database
    read = database.read

    async def noted(question: Any) -> Any:
        seen.append(reading_party.get())
        return await read(question)

    monkeypatch.setattr(database, "read", noted)
    async with sqlite_world.client() as client:
        for party in (sqlite_world.retailer, sqlite_world.supplier):
            token = {"Authorization": f"Bearer {sqlite_world.tokens[party]}"}
            await client.get("/v1/cancellations", headers=token)
        await client.get("/v1/cancellations", headers={"Authorization": "Bearer nobody"})
    assert seen == [None, sqlite_world.retailer, None, sqlite_world.supplier, None]
    assert PLATFORM not in seen
