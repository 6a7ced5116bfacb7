"""What is another party's is answered as what is not there: the same bytes, and by the same statements.

Times are too noisy for a test. Statements are what the time is made of, so those are compared; and no line of
another's is locked, which would be written down. ``bench --timing`` measures the times.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Connection, Engine, event

from countermand.service import load
from countermand.service.load import Locked, lock
from countermand.wire.auth import CredentialUses
from tests.docs.api_pages import operations
from tests.support.foreign import DOORS, Door, asking
from tests.support.plans import heard_by_the_driver
from tests.support.world import World

pytestmark = pytest.mark.anyio


@contextmanager
def statements() -> Iterator[list[str]]:
    sent: list[str] = []

    def keep(connection: Any, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        # How often processes tell each other of their quotas depends on the number of calls, not on what they ask for.
        if "quota_counts" not in statement:
            sent.append(statement)

    event.listen(Engine, "before_cursor_execute", keep)
    with heard_by_the_driver(lambda statement, _: sent.append(statement)):
        yield sent
    event.remove(Engine, "before_cursor_execute", keep)


@contextmanager
def locked_lines() -> Iterator[list[Any]]:
    """The rows of lines that the write road reads under its lock."""
    rows: list[Any] = []

    def keep(connection: Connection, calls: Any, whole: Any, engine: Any) -> Locked:
        found = lock(connection, calls, whole, engine)
        rows.extend(found.rows)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(load, "lock", keep)
        yield rows


async def test_what_is_anothers_is_answered_as_what_is_not_there(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # It is saved beside the calls, whatever they ask for, and would stand among their statements.
    monkeypatch.setattr(CredentialUses, "note", lambda uses, credential: None)
    who = await asking(world)
    async with world.client() as http:

        async def ask(door: Door, thing: UUID | int | str) -> tuple[tuple[int, bytes], list[str]]:
            with statements() as sent, locked_lines() as locked:
                response = await http.send(who.request(http, door, thing))
            assert {row.retailer_id for row in locked} <= {world.retailer}, door.name
            return who.comparable(door, thing, response), sent

        # The first read asks the database about its roles as well, and the first number that is needed takes a block.
        for scheme in ("Bearer", "Plaza"):
            await ask(next(door for door in DOORS if door.scheme == scheme), who.own)
        for door in DOORS:
            absent, for_absent = await ask(door, who.absent(door.subject))
            found, for_foreign = await ask(door, who.theirs[door.subject])
            assert found == absent, door.name
            assert for_foreign == for_absent, door.name


def test_every_operation_about_one_object_is_asked_about_what_is_anothers() -> None:
    """Cells that are missing: an operation with an id in its path, and a kind of party that may call it."""
    ways = [(method, re.compile(re.sub(r"\{\w+\}", "[^/]+", path)), call) for method, path, call in operations()]
    plain = {path for _, path, _ in operations() if "{" not in path}
    asked = set()
    for door in DOORS:
        path = door.path.partition("?")[0].replace("{own}", "x").replace("{}", "x")
        if door.scheme == "Bearer" and path not in plain:
            met = (call for method, way, call in ways if method == door.method and way.fullmatch(path))
            asked |= {(call["operationId"], door.party) for call in met}
    known = {
        (call["operationId"], party) for _, path, call in operations() if "{" in path for party in call["x-parties"]
    }
    assert {(name, party) for name, party in known if party != "platform"} <= asked
