"""A database of every released version is brought up to date, on both engines, also when that is cut off in the middle.

``releases/`` holds a folder for each version: a database as that version's own command line left it, its key file, and
what the version itself listed of it.
"""

import gzip
import json
import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Connection

from countermand.domain.commands import AskCancellation
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.ids import read
from countermand.service.calls import Call, Done
from countermand.store import tables as t
from countermand.store.engines.opening import open_database
from countermand.store.engines.protocol import Database
from countermand.store.migrations import LATEST, bring_to, bring_up_to_date, current_revision, steps_after
from tests.store.holding import assert_sound, rows
from tests.support import templates
from tests.support.pgnode import Node
from tests.support.world import Clock, running

pytestmark = pytest.mark.anyio

RELEASES: Final = sorted(path for path in (Path(__file__).parent / "releases").iterdir() if path.is_dir())
FIRST: Final = {"0.1.0": "0001"}
"""The revision of each version."""


class Released:
    """A database of a released version, and what that version listed of it."""

    def __init__(self, folder: Path, url: str, engine: str, keys: Path) -> None:
        self.version, self.url, self.keys = folder.name, url, keys
        self.listed: dict[str, Any] = json.loads((folder / f"{engine}.json").read_text())
        shutil.copy(folder / f"{engine}.keys", keys)

    async def opened(self) -> Database:
        return await open_database(self.url, allow_weak_durability=True, read_timeout_s=None)


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=RELEASES, ids=lambda path: path.name)
def released(request: pytest.FixtureRequest, engine: str, tmp_path: Path) -> Released:
    folder: Path = request.param
    script = gzip.decompress((folder / f"{engine}.sql.gz").read_bytes()).decode()
    if engine == "sqlite":
        file = tmp_path / "released.sqlite3"
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(script)
        return Released(folder, f"sqlite:///{file}", engine, tmp_path / "keys")
    node: Node = request.getfixturevalue("postgres")
    url = templates.new_database(node, empty=True)
    with psycopg.connect(url, autocommit=True) as server:
        server.execute(script.encode())
    return Released(folder, url, engine, tmp_path / "keys")


@pytest.fixture
async def database(released: Released) -> AsyncIterator[Database]:
    opened = await released.opened()
    yield opened
    await opened.close()


async def test_it_is_of_that_version(released: Released, database: Database) -> None:
    assert await database.read(current_revision) == FIRST[released.version]


async def test_what_the_version_listed_is_what_this_one_finds(
    released: Released, database: Database, clock: Clock
) -> None:
    await database.write(bring_up_to_date)
    assert await database.read(current_revision) == LATEST
    await assert_sound(database)
    cancellations = {row["id"]: row for row in await rows(database, t.cancellations)}
    assert len(cancellations) == len(released.listed["cancellations"])
    for listed in released.listed["cancellations"]:
        row = cancellations[of(listed["id"], "can")]
        assert {name: row[name] for name in ("state", "units", "accepted_units", "asker")} == {
            name: listed[name] for name in ("state", "units", "accepted_units", "asker")
        }
    refunds = {row["id"]: row for row in await rows(database, t.refunds)}
    assert {(of(each["id"], "rfd"), each["state"]) for each in released.listed["refunds"]} == {
        (row["id"], row["state"]) for row in refunds.values()
    }
    lines = {row["id"]: row for row in await rows(database, t.lines)}
    for listed in [line for order in released.listed["orders"] for line in order["lines"]]:
        row = lines[UUID(listed["id"])]
        for name in ("number", "ordered", "open", "asked", "cancelled", "shipped"):
            assert row[name] == listed[name]
    async with running(released.url, clock, key_file=released.keys) as service:
        await service.check_keys()
        retailer = {row["id"]: row for row in await rows(database, t.parties)}
        line = next(row for row in lines.values() if row["open"])
        actor = Actor(party=line["retailer_id"], kind=PartyKind.RETAILER, name=retailer[line["retailer_id"]]["name"])
        ask = AskCancellation(line=line["id"], actor=actor, asker=Asker.RETAILER, units=1, key="after the upgrade")
        assert isinstance(await service.lanes.submit(Call(command=ask, door="test", retailer=actor.party)), Done)


async def test_an_upgrade_that_is_cut_off_at_any_step_goes_on_there(released: Released, database: Database) -> None:
    steps = steps_after(FIRST[released.version])
    assert steps[-1] == LATEST
    for before, step in zip([FIRST[released.version], *steps], steps, strict=False):
        with pytest.raises(ArithmeticError):
            await database.write(partial(cut_off, step=step))
        assert await database.read(current_revision) == before
        await database.write(partial(bring_to, step=step))
        assert await database.read(current_revision) == step
    await database.write(bring_up_to_date)
    await assert_sound(database)


def cut_off(connection: Connection, step: str) -> None:
    """The step is done, and not committed."""
    bring_to(connection, step)
    raise ArithmeticError


async def test_a_step_that_another_process_has_done_is_left_alone(released: Released, database: Database) -> None:
    first, *later = steps_after(FIRST[released.version])
    await database.write(partial(bring_to, step=later[0]))
    await database.write(partial(bring_to, step=first))
    assert await database.read(current_revision) == later[0]


def of(shown: str, prefix: str) -> UUID:
    found = read(prefix, shown)
    assert found is not None
    return found
