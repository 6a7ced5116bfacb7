"""What /readyz finds: each thing that can be wrong, in a sentence that tells strangers nothing."""

import asyncio
from collections import namedtuple
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from countermand import health as health_module
from countermand.admin.credentials import issue_plaza_key
from countermand.health import Check, Health
from countermand.keyring import Keyring
from countermand.reads.parties import find_party
from countermand.store.engines.protocol import UnavailableError
from tests.support.world import World

pytestmark = pytest.mark.anyio

Usage = namedtuple("Usage", "total used free")


def health_of(world: World, lags: Callable[[], Mapping[str, float]] | None = dict) -> Health:
    application = world.application
    return Health(application.database, application.keyring, application.settings, lags)


async def wrong(world: World, **more: Any) -> dict[str, str]:
    """What is not well, each with its sentence."""
    return {each.name: each.detail for each in await health_of(world, **more).checks() if not each.ok}


async def test_all_is_well(world: World) -> None:
    assert await wrong(world) == {}
    assert [each.name for each in await health_of(world).checks()] == ["database", "schema", "keys", "worker", "disk"]


async def test_a_database_that_is_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    async def away(_: object) -> None:
        raise UnavailableError

    monkeypatch.setattr(world.application.database, "read", away)
    assert set(await wrong(world)) == {"database"}


async def test_a_database_that_hangs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(world.application.database, "read", lambda _: asyncio.Event().wait())
    monkeypatch.setattr(health_module, "WITHIN_S", 0.01)
    assert set(await wrong(world)) == {"database"}


@pytest.mark.parametrize(
    ("revision", "serves_from", "fine"),
    [("0001", "0027", False), ("9999", "0001", True), ("9999", "9998", False)],
)
async def test_an_older_schema_and_a_newer_one_that_serves_others(
    world: World, revision: str, serves_from: str, fine: bool
) -> None:
    def change(connection: Any) -> None:
        connection.execute(text("UPDATE alembic_version SET version_num = :it"), {"it": revision})
        connection.execute(text("UPDATE schema_window SET serves_from = :it"), {"it": serves_from})

    await world.application.database.write(change)
    assert set(await wrong(world)) == (set() if fine else {"schema"})


async def test_another_key_file(sqlite_world: World, tmp_path: Path) -> None:
    application = sqlite_world.application

    def issue(connection: Any) -> None:
        party = find_party(connection, str(sqlite_world.retailer))
        issue_plaza_key(connection, application.ids, application.keyring, sqlite_world.clock(), party=party)

    await application.database.write(issue)
    assert await wrong(sqlite_world) == {}
    other = Health(application.database, Keyring(tmp_path / "other"), application.settings)
    [keys] = [each for each in await other.checks() if not each.ok]
    assert keys.name == "keys"
    assert str(tmp_path) not in keys.detail


@pytest.mark.parametrize(
    ("loop", "lag_s", "fine"),
    [
        ("deadlines", 119.0, True),
        ("deadlines", 121.0, False),
        ("leases", 121.0, False),
        ("retention", 4000.0, True),
    ],
)
async def test_a_worker_that_gets_nothing_done(sqlite_world: World, loop: str, lag_s: float, fine: bool) -> None:
    assert set(await wrong(sqlite_world, lags=lambda: {loop: lag_s})) == (set() if fine else {"worker"})


async def test_a_worker_that_runs_elsewhere(sqlite_world: World) -> None:
    assert (
        Check(name="worker", ok=True, detail="It runs in another process.")
        in await health_of(sqlite_world, None).checks()
    )


@pytest.mark.parametrize(("free", "fine"), [(256 * 1024 * 1024, True), (256 * 1024 * 1024 - 1, False)])
async def test_a_disk_that_is_nearly_full(
    sqlite_world: World, monkeypatch: pytest.MonkeyPatch, free: int, fine: bool
) -> None:
    monkeypatch.setattr(health_module.shutil, "disk_usage", lambda _: Usage(10**12, 0, free))  # type: ignore[attr-defined]
    assert set(await wrong(sqlite_world)) == (set() if fine else {"disk"})


async def test_strangers_who_ask_together_cost_one_look(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, database = 0, world.application.database
    read = database.read

    async def counted(question: Any) -> Any:
        nonlocal asked
        asked += 1
        return await read(question)

    monkeypatch.setattr(database, "read", counted)
    monkeypatch.setattr(health_module, "FRESH_S", 3600.0)
    health = health_of(world)
    answers = await asyncio.gather(*(health.checks() for _ in range(50)))
    assert len(set(answers)) == 1
    assert asked == 3
