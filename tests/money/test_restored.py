"""A database that comes from a backup pays nothing a second time that was paid since the backup, on both engines."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from countermand.admin import backups
from countermand.domain.money.commands import CorrectRefund, Movement, RetryRefund
from countermand.store import tables as t
from countermand.store.columns import Record
from countermand.store.restored import FEED_SKIPS
from tests.money.test_settling import Desk, desk, worker_of
from tests.store.holding import assert_sound, rows
from tests.store.speaking import OPERATOR
from tests.support import templates
from tests.support.money import rows_of
from tests.support.pgnode import Node
from tests.support.world import World, running, settings_for
from tests.worker.station import endpoint

pytestmark = pytest.mark.anyio


def silent(part: str, done: int, of: int = 0) -> None:
    """Nobody is told how far it is."""


class Backups:
    """Takes backups of a world, and makes worlds of them."""

    def __init__(self, stack: AsyncExitStack, folder: Path, postgres: Node | None) -> None:
        self._stack, self._folder, self._postgres = stack, folder, postgres

    def beside(self, folder: Path) -> "Backups":
        """The same, in another folder."""
        return Backups(self._stack, folder, self._postgres)

    async def take(self, here: Desk) -> Path:
        path = self._folder / "backup.zip"
        application = here.world.application
        settings = settings_for("sqlite:///unused", key_file=self._folder / "keys")
        await backups.back_up(
            application.database, settings, path, here.world.clock, with_keys=True, writes=True, progress=silent
        )
        return path

    async def restore(self, here: Desk, path: Path, *, hold_notices: bool = False) -> Desk:
        """The same shop on a database of the backup, with the bank as it is by now."""
        postgres = self._postgres
        url = templates.new_database(postgres, empty=True) if postgres else f"sqlite:///{self._folder}/restored.sqlite3"
        clock = here.world.clock
        settings = settings_for(url, key_file=self._folder / "keys")
        await backups.restore(
            settings, path, here.world.author(), hold_notices=hold_notices, writes=True, progress=silent
        )
        application = await self._stack.enter_async_context(running(url, clock))
        world = replace(here.world, application=application)
        await assert_sound(application.database)
        return Desk(world, replace(here.sale, world=world), here.bank, worker_of(world, here.bank))


@pytest.fixture
async def backing(world: World, tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Backups]:
    on_server = world.application.database.engine.name != "sqlite"
    async with AsyncExitStack() as stack:
        yield Backups(stack, tmp_path, request.getfixturevalue("postgres") if on_server else None)


async def refund_of(here: Desk) -> Record:
    row: Record
    [row] = await rows_of(here.world, "refunds")
    return row


async def _owed_again(here: Desk, backing: Backups) -> Desk:
    """A refund was decided and paid since the backup. When its units are cancelled again, a person is asked."""
    path = await backing.take(here)
    await here.owed()
    await here.work()
    again = await backing.restore(here, path)
    await again.owed()
    await again.work()
    assert await again.states() == ["parked"]
    return again


async def _tried_again(here: Desk) -> None:
    for row in await rows_of(here.world, "refunds"):
        if row.state == "parked" and row.movement != "confirmed":
            await here.sale.done(
                RetryRefund(line=row.line_id, refund=row.id, actor=OPERATOR, step=row.step, note="that was another")
            )


LATER = pytest.mark.parametrize("hours", [1, 30, 40 * 24], ids=["at once", "key forgotten", "weeks later"])


@LATER
async def test_a_refund_that_was_sent_since_the_backup_is_not_paid_again(
    world: World, backing: Backups, hours: int
) -> None:
    here = await desk(world)
    await here.owed()
    path = await backing.take(here)
    await here.work()
    assert here.bank.moved() == 900
    world.clock.advance(hours=hours)
    again = await backing.restore(here, path)
    for _ in range(3):
        await again.work(hours=5)
    assert (await again.states(), here.bank.moved()) == (["confirmed"], 900)
    assert (await refund_of(again)).provider_reference == "re_1"
    await assert_sound(again.world.application.database)


@LATER
async def test_a_refund_whose_second_key_was_paid_since_the_backup_is_not_paid_again(
    world: World, backing: Backups, hours: int
) -> None:
    here = await desk(world)
    await here.owed()
    path = await backing.take(here)
    here.bank.script.append("spent")
    await here.work()
    await here.work(hours=1)
    assert [request.key[-2:] for request in here.bank.calls] == ["-1", "-2"]
    assert here.bank.moved() == 900
    world.clock.advance(hours=hours)
    again = await backing.restore(here, path)
    for _ in range(3):
        await again.work(hours=5)
        row = await refund_of(again)
        if row.state == "parked":
            # After two weeks a person is asked in any case. Whoever has it tried again pays nothing twice either.
            await again.sale.done(RetryRefund(line=row.line_id, refund=row.id, actor=OPERATOR, step=row.step, note=""))
    assert (await again.states(), here.bank.moved()) == (["confirmed"], 900)


@LATER
async def test_a_refund_that_was_decided_since_the_backup_waits_for_a_person(
    world: World, backing: Backups, hours: int
) -> None:
    here = await desk(world)
    path = await backing.take(here)
    await here.owed()
    await here.work()
    world.clock.advance(hours=hours)
    again = await backing.restore(here, path)
    assert await again.states() == []
    await again.owed()
    await again.work()
    row = await refund_of(again)
    assert (row.state, here.bank.moved()) == ("parked", 900)
    assert "9.00 EUR of the payment went back (re_1), which this database does not know of" in row.last_result
    await again.sale.done(
        CorrectRefund(
            line=row.line_id, refund=row.id, actor=OPERATOR, step=row.step, elsewhere_minor=900, note="it was this one"
        )
    )
    await again.work(hours=5)
    assert (await again.states(), here.bank.moved()) == (["confirmed"], 900)
    await assert_sound(again.world.application.database)


async def test_a_person_who_says_that_it_was_for_something_else_has_it_paid(world: World, backing: Backups) -> None:
    here = await desk(world)
    again = await _owed_again(here, backing)
    await _tried_again(again)
    await again.work(hours=1)
    assert (await again.states(), here.bank.moved()) == (["confirmed"], 1800)


@pytest.mark.parametrize("fault", ["later", "before", "error", "equal"])
async def test_a_person_who_said_so_is_not_asked_again_after_another_fault(
    world: World, backing: Backups, fault: str
) -> None:
    here = await desk(world)
    again = await _owed_again(here, backing)
    await _tried_again(again)
    if fault == "equal":
        here.bank.equal_refunds_apart = timedelta(hours=3)
    else:
        here.bank.script.append(fault)
    await again.work(hours=1)
    assert (await refund_of(again)).state in ("due", "unknown")
    await again.work(hours=3)
    assert (await again.states(), here.bank.moved()) == (["confirmed"], 1800)


async def test_who_said_it_of_one_refund_did_not_say_it_of_one_that_would_share_its_call(
    world: World, backing: Backups
) -> None:
    here = await desk(world)
    here.bank.equal_refunds_apart = timedelta(hours=1)
    again = await _owed_again(here, backing)
    await again.owed()
    here.bank.mute = True
    await again.work(hours=2)
    assert await again.states() == ["due", "parked"]
    # The second is tried again in a while; the first at once, and the two would be equal.
    here.bank.mute = False
    await _tried_again(again)
    await again.work()
    assert (await again.states(), here.bank.moved()) == (["confirmed", "due"], 1800)
    await again.work(hours=2)
    assert (await again.states(), here.bank.moved()) == (["confirmed", "parked"], 1800)
    await _tried_again(again)
    await again.work(hours=2)
    assert (await again.states(), here.bank.moved()) == (["confirmed", "confirmed"], 2700)


async def test_a_shared_call_is_not_repeated_when_one_of_its_refunds_was_paid_by_another_since(
    world: World, backing: Backups
) -> None:
    here = await desk(world)
    here.bank.equal_refunds_apart = timedelta(hours=1)
    await here.owed()
    await here.owed()
    here.bank.script.append("before")
    await here.work()
    assert [each.amount_minor for each in here.bank.calls] == [1800]
    path = await backing.take(here)
    # It is turned down, so each is tried alone: one is turned down again, and the other is paid.
    here.bank.script += ["refused", "refused"]
    await here.work(hours=1)
    await here.work(hours=2)
    await here.work(hours=2)
    assert (await here.states(), here.bank.moved()) == (["confirmed", "parked"], 900)
    again = await backing.restore(here, path)
    await again.work(hours=2)
    for _ in range(3):
        await _tried_again(again)
        await again.work(hours=2)
    assert here.bank.moved() == 1800
    await assert_sound(again.world.application.database)


async def test_what_the_first_of_two_backups_lacked_is_asked_about_after_the_second(
    world: World, backing: Backups, tmp_path: Path
) -> None:
    here = await desk(world)
    path = await backing.take(here)
    await here.owed()
    await here.work(days=1)
    again = await backing.restore(here, path)
    world.clock.advance(days=2)
    (tmp_path / "second").mkdir()
    second = backing.beside(tmp_path / "second")
    third = await second.restore(again, await second.take(again))
    await third.owed()
    await third.work()
    assert (await third.states(), here.bank.moved()) == (["parked"], 900)


async def test_a_call_in_a_state_that_is_unknown_here_counts_as_made(world: World, backing: Backups) -> None:
    here = await desk(world)
    path = await backing.take(here)
    await here.owed()
    await here.work()
    here.bank.held["re_1"].movement = Movement.UNKNOWN
    again = await backing.restore(here, path)
    await again.owed()
    await again.work()
    assert (await again.states(), len(here.bank.calls)) == (["parked"], 1)


async def test_what_was_done_before_the_backup_holds_nothing_up(world: World, backing: Backups) -> None:
    here = await desk(world)
    await here.owed()
    await here.work()
    path = await backing.take(here)
    world.clock.advance(days=2)
    again = await backing.restore(here, path)
    await again.owed()
    await again.work()
    await again.owed()
    await again.work()
    assert (await again.states(), here.bank.moved()) == (["confirmed"] * 3, 2700)


async def test_while_the_provider_does_not_say_nothing_is_sent(world: World, backing: Backups) -> None:
    here = await desk(world)
    path = await backing.take(here)
    again = await backing.restore(here, path)
    await again.owed()
    here.bank.mute = True
    await again.work()
    assert (here.bank.calls, await again.states()) == ([], ["due"])


async def test_leases_positions_and_numbers_of_before_are_not_used_again(world: World, backing: Backups) -> None:
    here = await desk(world)
    await here.worker.renew_leases()
    before = {name: await rows(world.application.database, t.metadata.tables[name]) for name in ("feed", "partitions")}
    path = await backing.take(here)
    again = await backing.restore(here, path)
    database = again.world.application.database
    [feed], partitions = await rows(database, t.feed), await rows(database, t.partitions)
    assert feed["position"] >= before["feed"][0]["position"] + FEED_SKIPS
    assert {each["owner"] for each in partitions} == {None}
    assert [each["fence"] for each in partitions] == [each["fence"] + 1 for each in before["partitions"]]
    [restore] = await rows(database, t.restores)
    assert restore["restored_at"] == world.clock()
    later = await again.world.order(1)
    [first] = [row["number"] for row in await rows(database, t.orders) if row["id"] == later.id]
    assert first > max(row["number"] for row in await rows(world.application.database, t.orders)) + 100_000


@pytest.mark.parametrize("hold", [False, True], ids=["sent again", "held"])
async def test_notices_that_waited_keep_their_ids_and_can_be_held(world: World, backing: Backups, hold: bool) -> None:
    here = await desk(world)
    await endpoint(world, world.retailer)
    await here.owed()
    path = await backing.take(here)
    again = await backing.restore(here, path, hold_notices=hold)
    before, after = [await rows(each.world.application.database, t.notices) for each in (here, again)]
    assert before
    assert [each["id"] for each in after] == [each["id"] for each in before]
    assert {each["state"] for each in after} == {"dead" if hold else "due"}
