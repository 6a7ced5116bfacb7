"""The owner of an endpoint that was stopped is told: once, also after a crash, and as long as it takes."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select

from countermand.domain.delivery import ATTEMPTS_MAX, FAILING_MAX
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.engines.protocol import Database
from tests.support.mailbox import Mailbox
from tests.support.world import Clock, World, populate, running
from tests.worker.station import ERROR, GONE, OK, Station, change_endpoint, endpoint, station

pytestmark = pytest.mark.anyio


async def mails(database: Database) -> list[Record]:
    """What owners are told, by address."""
    query = select(t.owner_mails).order_by(t.owner_mails.c.created_at, t.owner_mails.c.address)
    return list(await database.read(lambda connection: connection.execute(query).all()))


async def stopped(world: World, **mailboxes: Any) -> tuple[Station, UUID]:
    """A worker, and an endpoint of the retailer that has just been paused by it; its owner was not told yet."""
    to = await endpoint(world, world.retailer, "https://shop.example/hook")
    for name in mailboxes or {"ops": None}:
        await endpoint(world, world.retailer, f"mailto:{name}@shop.example", event_kinds=["line.shipped"])
    await world.order()
    post = station(world)
    post.postman.otherwise[to] = ERROR
    await change_endpoint(world, to, failing_since=world.clock() - FAILING_MAX)
    await post.worker.renew_leases()
    post.worker.notices.look()
    await post.worker.notices.quiet()
    return post, to


async def test_the_mail_is_there_as_soon_as_the_endpoint_is_paused(world: World) -> None:
    post, to = await stopped(world)
    assert post.postman.reported == []
    [row] = await mails(world.application.database)
    assert (row.endpoint_id, row.address, row.state, row.due_at) == (to, "ops@shop.example", "due", world.clock())
    await post.worker.once()
    await post.worker.once()
    [row] = await mails(world.application.database)
    assert (row.state, row.attempts, row.due_at, row.attempted_at) == ("sent", 1, None, world.clock())
    assert len(post.postman.reported) == 1


async def test_each_is_told_once_though_one_cannot_be_reached(world: World) -> None:
    post, _ = await stopped(world, anna=None, bert=None)
    post.postman.owner_hears.extend([ERROR, OK, ERROR])
    await post.worker.once()
    await post.later(4)
    assert [reported[0] for reported in post.postman.reported] == ["anna@shop.example", "bert@shop.example"]
    await post.later(2)
    await post.later(3600)
    assert [reported[0] for reported in post.postman.reported] == [
        f"{name}@shop.example" for name in ("anna", "bert", "anna", "anna")
    ]
    first, _, *again = post.postman.reported
    assert {reported[3] for reported in again} == {first[3]}, "the same message"
    assert [(row.state, row.attempts) for row in await mails(world.application.database)] == [("sent", 3), ("sent", 1)]


async def test_it_is_given_up_after_as_many_attempts_as_a_notice(world: World) -> None:
    post, _ = await stopped(world)
    post.postman.owner_hears.extend([ERROR] * 20)
    for _ in range(20):
        await post.later(86_400)
    [row] = await mails(world.application.database)
    assert (row.state, row.attempts, row.last_result) == ("dead", ATTEMPTS_MAX, ERROR.result)
    assert len(post.postman.reported) == ATTEMPTS_MAX


@pytest.mark.parametrize("state", ["active", "removed"])
async def test_nobody_is_told_of_an_endpoint_that_goes_on_or_is_no_more(world: World, state: str) -> None:
    post, to = await stopped(world)
    await change_endpoint(world, to, state=state, state_reason="", failing_since=None)
    await post.worker.owners.send_due()
    assert post.postman.reported == []
    assert [row.state for row in await mails(world.application.database)] == ["dead"]


async def test_each_stop_is_told(world: World) -> None:
    post, to = await stopped(world)
    await post.worker.once()
    await change_endpoint(world, to, state="active", state_reason="", failing_since=None)
    post.postman.otherwise[to] = GONE
    await post.later(60)
    assert [why for _, _, why, _ in post.postman.reported] == [
        f"Every attempt failed for five days. The last one: {ERROR.result}",
        GONE.result,
    ]
    assert len({reported[3] for reported in post.postman.reported}) == 2


async def test_only_the_owner_of_the_partition_sends_it_and_writes_it_down(world: World) -> None:
    post, _ = await stopped(world)
    other = station(world, postman=post.postman)
    assert await other.worker.owners.send_due() == 0, "it has no partitions"
    # Another worker takes them while the mail is on its way.
    sent = post.postman.tell_owner

    async def taken_meanwhile(*given: Any, **more: Any) -> Any:
        partition = (await mails(world.application.database))[0].partition
        change = t.partitions.update().where(t.partitions.c.number == partition).values(fence=t.partitions.c.fence + 1)
        await world.application.database.write(lambda connection: connection.execute(change))
        assert post.worker.owners.busy(partition)
        return await sent(*given, **more)

    post.postman.tell_owner = taken_meanwhile  # type: ignore[method-assign]
    await post.worker.owners.send_due()
    assert [row.state for row in await mails(world.application.database)] == ["due"]


# A real mail server, and a crash


@pytest.fixture
async def mailbox() -> AsyncIterator[Mailbox]:
    async with Mailbox() as listening:
        yield listening


async def test_a_crash_between_pause_and_mail_loses_no_mail(tmp_path: Path, clock: Clock, mailbox: Mailbox) -> None:
    """The process ends once the endpoint is paused. The next one tells the owner, when its mail server is up again."""
    url = f"sqlite:///{tmp_path}/test.sqlite3"
    async with running(url, clock) as application:
        post, to = await stopped(await populate(application, clock))
        assert post.postman.reported == []
    mailbox.answers["DATA"] = "451 later"
    settings: dict[str, Any] = {"smtp_host": "127.0.0.1", "smtp_port": mailbox.port, "smtp_tls": "none"}
    async with running(url, clock, mail_from="shop@example.com", **settings) as application:
        await application.worker.once()
        assert mailbox.letters == []
        assert [(row.state, row.attempts) for row in await mails(application.database)] == [("due", 1)]
        mailbox.answers.clear()
    async with running(url, clock, mail_from="shop@example.com", **settings) as application:
        clock.advance(seconds=6)
        await application.worker.once()
        clock.advance(days=1)
        await application.worker.once()
        [letter] = mailbox.letters
        assert letter.to == ["ops@shop.example"]
        assert letter.message["Message-ID"].strip().startswith(f"<ept_{to.hex}-")
        assert "Nothing more is sent to https://shop.example/hook." in letter.body("plain")
        assert [row.state for row in await mails(application.database)] == ["sent"]
