"""What is another party's is answered as what is not there: the same bytes, and by the same statements.

Times are too noisy for a test. Statements are what the time is made of, so those are compared; and no line of
another's is locked, which would be written down. ``bench --timing`` measures the times.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx2
import pytest
from sqlalchemy import Connection, Engine, event

from countermand.domain.commands import AskCancellation
from countermand.service import load
from countermand.service.calls import Done
from countermand.service.locking import Locked, lock
from tests.support.world import World

pytestmark = pytest.mark.anyio


@dataclass(frozen=True, slots=True)
class Door:
    """One call about one id. ``subject`` says of what kind the id is."""

    party: str
    scheme: str
    method: str
    path: str
    subject: str
    body: Callable[[str], Any] | None = None


def native(party: str, method: str, path: str, subject: str, body: Callable[[str], Any] | None = None) -> Door:
    return Door(party, "Bearer", method, "/v1" + path, subject, body)


def crux(party: str, method: str, path: str, subject: str, body: Callable[[str], Any] | None = None) -> Door:
    return Door(party, "Token", method, path, subject, body)


def _doors() -> Iterator[Door]:
    for party in ("retailer", "supplier"):
        yield native(party, "GET", "/cancellations/{}", "cancellation")
        yield native(party, "POST", "/cancellations/{}/accept", "cancellation", lambda _: {})
        yield native(party, "POST", "/cancellations/{}/decline", "cancellation", lambda _: {"reason": "already_picked"})
        yield native(party, "POST", "/cancellations/{}/withdraw", "cancellation", lambda _: {})
        yield native(party, "POST", "/cancellations/{}/notes", "cancellation", lambda _: {"note": "x"})
        yield native(party, "GET", "/cancellations?line={}", "line")
        yield native(party, "GET", "/cancellations?order={}", "order")
        yield native(party, "GET", "/events?line={}", "line")
        yield native(party, "GET", "/orders/{}/payments", "order")
        yield native(party, "POST", "/quotes", "line", lambda line: {"lines": [{"line": line}]})
        yield native(party, "GET", "/scorecards/{}", "party")
        yield native(party, "POST", "/cancellations", "line", lambda line: {"lines": [{"line": line}]})
        for prefix in ("", "/timp"):
            yield crux(party, "GET", prefix + "/orders/{}/", "order")
            yield crux(party, "DELETE", prefix + "/orders/items/cancel/{}/", "line")
            yield crux(party, "PATCH", prefix + "/orders/cancel/", "order", lambda order: {"order_uuid": order})
            for verb in ("confirm", "reject"):
                yield crux(party, "PATCH", prefix + f"/orders/items/cancel/{{}}/{verb}/", "line")
                yield crux(party, "PATCH", prefix + f"/orders/cancel/{{}}/{verb}/", "order")


DOORS: Final = list(_doors())


@contextmanager
def statements() -> Iterator[list[str]]:
    sent: list[str] = []

    def keep(connection: Any, cursor: Any, statement: str, given: Any, context: Any, many: bool) -> None:
        sent.append(statement)

    event.listen(Engine, "before_cursor_execute", keep)
    yield sent
    event.remove(Engine, "before_cursor_execute", keep)


@contextmanager
def locked_lines() -> Iterator[list[Any]]:
    """The rows of lines that the write road reads under its lock."""
    rows: list[Any] = []

    def keep(connection: Connection, calls: Any, whole: Any) -> Locked:
        found = lock(connection, calls, whole)
        rows.extend(found.rows)
        return found

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(load, "lock", keep)
        yield rows


async def foreign(world: World) -> dict[str, UUID]:
    """Things of another retailer and another supplier, with an ask that waits."""
    order = await world.order(3, 3, retailer=world.other_retailer, fulfillers=(world.other_supplier,) * 2)
    ask = AskCancellation(line=order.lines[0].id, actor=world.actor(world.other_retailer), units=1)
    done = await world.submit(ask)
    assert isinstance(done, Done)
    async with world.client() as http:
        headers = {"Authorization": f"Bearer {world.tokens[world.other_retailer]}"}
        listed = (await http.get("/v1/cancellations", headers=headers)).json()["cancellations"]
    return {
        "order": order.id,
        "line": order.lines[0].id,
        "cancellation": UUID(listed[0]["id"].removeprefix("can_")),
        "party": world.other_supplier,
    }


async def test_what_is_anothers_is_answered_as_what_is_not_there(world: World) -> None:
    theirs = await foreign(world)
    async with world.client() as http:
        for door in DOORS:

            async def ask(subject: UUID, door: Door = door) -> tuple[httpx2.Response, list[str]]:
                name = f"can_{subject.hex}" if door.subject == "cancellation" else str(subject)
                party = world.retailer if door.party == "retailer" else world.supplier
                with statements() as sent, locked_lines() as locked:
                    response = await http.request(
                        door.method,
                        door.path.format(name),
                        headers={"Authorization": f"{door.scheme} {world.tokens[party]}"},
                        **({"json": door.body(name)} if door.body else {}),
                    )
                assert not locked, door
                return response, sent

            absent, for_absent = await ask(world.application.ids.new())
            found, for_foreign = await ask(theirs[door.subject])
            assert (found.status_code, found.content) == (absent.status_code, absent.content), door
            assert for_foreign == for_absent, door
