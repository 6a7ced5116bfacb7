"""Endpoints on both engines: who has which, their secrets, their state, and what their removal leaves."""

import base64
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID

import pytest
from sqlalchemy import Connection, insert, select, update
from structlog.testing import capture_logs

from countermand.admin import endpoints
from countermand.admin.endpoints import (
    Added,
    NoSecretError,
    TooManyEndpointsError,
    TooManySecretsError,
    UnknownEndpointError,
)
from countermand.domain.addresses.address import BadAddressError
from countermand.domain.endpoint import Endpoint, EndpointState, UnknownKindError
from countermand.domain.events import EventKind
from countermand.store import outbox
from countermand.store import tables as t
from tests.support.world import START, World

pytestmark = pytest.mark.anyio

T = TypeVar("T")

URL = "https://hooks.example.com/in?token=canary"


async def write(world: World, work: Callable[[Connection], T]) -> T:
    return await world.application.database.write(work)


async def added(world: World, party: UUID | None = None, **more: Any) -> Added:
    application = world.application
    wanted = {"url": URL, **more}
    return await write(
        world,
        lambda c: endpoints.add(c, world.author(), application.keyring, party=party or world.retailer, **wanted),
    )


async def rotated(world: World, endpoint: UUID, **more: Any) -> Added:
    application = world.application
    return await write(
        world,
        lambda c: endpoints.rotate(c, world.author(), application.keyring, endpoint, **more),
    )


async def found(world: World, endpoint: UUID, party: UUID | None = None) -> Endpoint:
    return await world.application.database.read(lambda c: endpoints.find(c, endpoint, party))


async def valid(world: World, endpoint: UUID, at: datetime | None = None) -> tuple[str, ...]:
    row = await found(world, endpoint)
    return endpoints.secrets_at(world.application.keyring, row, at or world.clock())


async def revision(world: World) -> int:
    query = select(t.revisions.c.number).where(t.revisions.c.name == t.AGREEMENTS)
    return await world.application.database.read(lambda c: c.execute(query).scalar_one())


async def test_an_endpoint_is_added_and_its_secret_shown_once(world: World) -> None:
    made = await added(world, kinds=["cancellation.declined", "cancellation.asked"], label="the shop")
    endpoint = made.endpoint
    assert await found(world, endpoint.id) == endpoint
    assert (endpoint.party, endpoint.url, endpoint.label) == (world.retailer, URL, "the shop")
    assert endpoint.event_kinds == (EventKind.CANCELLATION_ASKED, EventKind.CANCELLATION_DECLINED)
    assert (endpoint.state, endpoint.state_reason, endpoint.failing_since) == (EndpointState.ACTIVE, "", None)
    assert endpoint.created_at == START
    assert made.secret
    assert made.secret.startswith("whsec_")
    assert len(base64.b64decode(made.secret.removeprefix("whsec_"), validate=True)) == 32
    assert made.secret not in repr(made.endpoint)


async def test_its_secret_is_kept_encrypted(world: World) -> None:
    made = await added(world)
    [row] = await world.application.database.read(lambda c: c.execute(select(t.endpoints)).all())
    assert made.secret
    assert made.secret not in str(row)
    assert made.secret.removeprefix("whsec_").encode() not in row.secrets
    kept = json.loads(world.application.keyring.decrypt(row.secrets))
    assert kept == [{"secret": made.secret, "until": None}]
    assert await valid(world, made.endpoint.id) == (made.secret,)


async def test_a_mailbox_has_no_secret(world: World) -> None:
    made = await added(world, url="mailto:orders@alpine.example")
    assert made.secret is None
    assert made.endpoint.secrets is None
    assert await valid(world, made.endpoint.id) == ()
    with pytest.raises(NoSecretError):
        await rotated(world, made.endpoint.id)


@pytest.mark.parametrize(
    ("wrong", "error"),
    [
        ({"url": "http://hooks.example.com/"}, BadAddressError),
        ({"kinds": ["no.such"]}, UnknownKindError),
    ],
)
async def test_what_cannot_be_is_not_stored(world: World, wrong: dict[str, Any], error: type[Exception]) -> None:
    before = await revision(world)
    with pytest.raises(error):
        await added(world, **wrong)
    assert await world.application.database.read(lambda c: endpoints.of_party(c)) == []
    assert await revision(world) == before


async def test_a_party_has_a_bounded_number_of_them(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(endpoints, "ENDPOINTS_MAX", 2)
    first, _ = await added(world), await added(world)
    with pytest.raises(TooManyEndpointsError):
        await added(world)
    await added(world, world.supplier)
    await write(world, lambda c: endpoints.remove(c, world.author(), first.endpoint.id))
    await added(world)


async def test_each_party_has_its_own(world: World) -> None:
    mine = await added(world)
    world.clock.advance(seconds=1)
    theirs = await added(world, world.supplier)
    read = world.application.database.read
    assert await read(lambda c: endpoints.of_party(c, world.retailer)) == [mine.endpoint]
    assert await read(lambda c: endpoints.of_party(c, world.other_retailer)) == []
    assert await read(endpoints.of_party) == [mine.endpoint, theirs.endpoint]
    assert await found(world, mine.endpoint.id, world.retailer) == mine.endpoint
    acts: list[Callable[[Connection], object]] = [
        lambda c: endpoints.find(c, mine.endpoint.id, world.supplier),
        lambda c: endpoints.pause(c, world.author(), mine.endpoint.id, reason="x", party=world.supplier),
        lambda c: endpoints.resume(c, world.author(), mine.endpoint.id, party=world.supplier),
        lambda c: endpoints.remove(c, world.author(), mine.endpoint.id, party=world.supplier),
        lambda c: endpoints.rotate(
            c, world.author(), world.application.keyring, mine.endpoint.id, party=world.supplier
        ),
        lambda c: endpoints.find(c, UUID(int=9)),
    ]
    before = await revision(world)
    for act in acts:
        with pytest.raises(UnknownEndpointError):
            await write(world, act)
    assert await found(world, mine.endpoint.id) == mine.endpoint
    assert await revision(world) == before


async def test_an_endpoint_is_paused_and_resumed(world: World) -> None:
    endpoint = (await added(world)).endpoint.id
    paused = await write(
        world, lambda c: endpoints.pause(c, world.author("Ann"), endpoint, reason="Their office burns.")
    )
    assert (paused.state, paused.state_reason) == (EndpointState.PAUSED, "Their office burns.")
    assert await found(world, endpoint) == paused
    resumed = await write(world, lambda c: endpoints.resume(c, world.author("Ann"), endpoint))
    assert (resumed.state, resumed.state_reason) == (EndpointState.ACTIVE, "")
    assert await found(world, endpoint) == resumed


async def test_one_that_was_disabled_can_be_resumed_and_its_failures_are_forgotten(world: World) -> None:
    endpoint = (await added(world)).endpoint.id
    await write(world, lambda c: outbox.stop(c, endpoint, "disabled", "It answered 410."))
    failing = update(t.endpoints).values(failing_since=START - timedelta(days=3))
    await write(world, lambda c: c.execute(failing))
    assert (await found(world, endpoint)).state is EndpointState.DISABLED
    resumed = await write(world, lambda c: endpoints.resume(c, world.author("Ann"), endpoint))
    assert (resumed.state, resumed.state_reason, resumed.failing_since) == (EndpointState.ACTIVE, "", None)
    assert await found(world, endpoint) == resumed


async def test_what_was_removed_is_gone_and_its_due_notices_are_dead(world: World) -> None:
    endpoint, other = (await added(world)).endpoint.id, (await added(world)).endpoint.id
    rows = [
        _notice(world, endpoint, "due", partition=0),
        _notice(world, endpoint, "due", partition=t.PARTITIONS - 1),
        _notice(world, endpoint, "sent"),
        _notice(world, other, "due"),
    ]
    await write(world, lambda c: c.execute(insert(t.notices), rows))
    assert await write(world, lambda c: endpoints.remove(c, world.author("Ann"), endpoint)) == 2
    notices = await world.application.database.read(lambda c: c.execute(select(t.notices)).all())
    reported = {(row.endpoint_id == endpoint, row.state, row.due_at, row.last_result) for row in notices}
    assert reported == {
        (True, "dead", None, "The endpoint was removed."),
        (True, "sent", None, ""),
        (False, "due", START, ""),
    }
    assert [each.id for each in await world.application.database.read(endpoints.of_party)] == [other]
    acts: list[Callable[[Connection], object]] = [
        lambda c: endpoints.find(c, endpoint),
        lambda c: endpoints.resume(c, world.author(), endpoint),
        lambda c: endpoints.remove(c, world.author(), endpoint),
    ]
    for act in acts:
        with pytest.raises(UnknownEndpointError):
            await write(world, act)
    [kept] = await world.application.database.read(
        lambda c: c.execute(select(t.endpoints).where(t.endpoints.c.id == endpoint)).all()
    )
    assert (kept.state, kept.state_reason) == ("removed", "It was removed.")


def _notice(world: World, endpoint: UUID, state: str, partition: int = 0) -> dict[str, Any]:
    ids = world.application.ids
    return {
        "retailer_id": world.retailer,
        "id": ids.new(),
        "partition": partition,
        "endpoint_id": endpoint,
        "event_id": ids.new(),
        "line_id": ids.new(),
        "seq": 1,
        "kind": "line.placed",
        "state": state,
        "attempts": 0,
        "due_at": START if state == "due" else None,
        "last_result": "",
        "attempted_at": None,
        "created_at": START,
    }


# Secrets


async def test_a_secret_and_the_one_in_its_place_overlap(world: World) -> None:
    made = await added(world)
    endpoint = made.endpoint.id
    second = await rotated(world, endpoint)
    assert second.secret
    assert second.secret != made.secret
    assert await valid(world, endpoint) == (second.secret, made.secret)
    day = timedelta(hours=24)
    assert await valid(world, endpoint, START + day - timedelta(microseconds=1)) == (second.secret, made.secret)
    assert await valid(world, endpoint, START + day) == (second.secret,)


async def test_three_are_valid_at_once_and_no_more(world: World) -> None:
    endpoint = (await added(world)).endpoint.id
    await rotated(world, endpoint, overlap=timedelta(hours=1))
    world.clock.advance(minutes=30)
    await rotated(world, endpoint)
    three = await valid(world, endpoint)
    assert len(three) == 3
    with pytest.raises(TooManySecretsError, match=r"2026-11-02T10:00:00"):
        await rotated(world, endpoint)
    assert await valid(world, endpoint) == three
    world.clock.advance(minutes=30)
    fourth = await rotated(world, endpoint)
    assert await valid(world, endpoint) == (fourth.secret, *three[:2])


async def test_without_an_overlap_all_others_end_at_once(world: World) -> None:
    endpoint = (await added(world)).endpoint.id
    await rotated(world, endpoint)
    await rotated(world, endpoint)
    last = await rotated(world, endpoint, overlap=timedelta())
    assert await valid(world, endpoint) == (last.secret,)


async def test_a_later_rotation_prolongs_no_secret(world: World) -> None:
    endpoint = (await added(world)).endpoint.id
    await rotated(world, endpoint, overlap=timedelta(hours=1))
    newest = await rotated(world, endpoint, overlap=timedelta(hours=10))
    assert len(await valid(world, endpoint, START + timedelta(hours=1))) == 2
    assert await valid(world, endpoint, START + timedelta(hours=10)) == (newest.secret,)


# The trace


async def test_every_change_is_counted_and_logged_and_no_secret_is(world: World) -> None:
    before = await revision(world)
    with capture_logs() as logs:
        made = await added(world)
        endpoint = made.endpoint.id
        await rotated(world, endpoint)
        await write(world, lambda c: endpoints.pause(c, world.author("Ann"), endpoint, reason="Fire."))
        await write(world, lambda c: endpoints.resume(c, world.author("Ann"), endpoint))
        await write(world, lambda c: endpoints.remove(c, world.author("Ann"), endpoint))
    assert [(each["event"], each["by"]) for each in logs] == [
        ("endpoint_added", "test"),
        ("endpoint_rotated", "test"),
        ("endpoint_paused", "Ann"),
        ("endpoint_resumed", "Ann"),
        ("endpoint_removed", "Ann"),
    ]
    assert {each["host"] for each in logs} == {"hooks.example.com"}
    assert {each["party"] for each in logs} == {str(world.retailer)}
    assert "canary" not in str(logs)
    assert "whsec_" not in str(logs)
    assert await revision(world) == before + 5


async def test_what_changes_nothing_is_not_counted(world: World) -> None:
    endpoint = (await added(world)).endpoint.id
    before = await revision(world)
    await write(world, lambda c: endpoints.resume(c, world.author("Ann"), endpoint))
    assert await revision(world) == before
