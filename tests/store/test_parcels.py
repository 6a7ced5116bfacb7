"""A parcel that is reported twice is one parcel, through whichever door, with or without a key, and at once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

import pytest

from countermand.domain.commands import ChangeParcel, ChangeTransport, Parcel, Ship, ShipOrder
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.refusals import RefusalKind
from countermand.service.calls import Done, Refused
from countermand.store import tables as t
from tests.store.holding import rows
from tests.store.speaking import WISH, Talk, talk
from tests.support.world import World

pytestmark = pytest.mark.anyio

Report = Callable[[Talk], ShipOrder]


def report(number: str = "1Z 1", units: int | None = 1, *, reference: str = "", override: bool = False) -> Report:
    """A report of units of the first line."""

    def made(said: Talk) -> ShipOrder:
        ship = Ship(line=said.line, actor=said.supplier, units=units, override=override)
        parcel = Parcel(id=uuid4(), tracking_number=number, carrier="UPS", reference=reference)
        return ShipOrder(order=said.order, actor=said.supplier, lines=(ship,), parcel=parcel)

    return made


REPORTS: Final[dict[str, tuple[Report, Report, int]]] = {
    "the same": (report(), report(), 1),
    "the number typed otherwise": (report("1Z 1"), report(" 1z1 "), 1),
    "no number": (report(""), report(""), 1),
    "all that is left": (report(units=None), report(units=None), 3),
    "all that is left, then how many that were": (report(units=None), report(units=3), 3),
    "all that is left, after a part of the same number": (report(), report(units=None), 3),
    "another number": (report("1Z 1"), report("1Z 2"), 2),
    "another reference": (report(""), report("", reference="second"), 2),
    "the same reference": (report("", reference="first"), report("", reference="first"), 1),
    "more units of the same number": (report(units=1), report(units=2), 3),
}


@pytest.mark.parametrize(("first", "second", "shipped"), REPORTS.values(), ids=REPORTS.keys())
@pytest.mark.parametrize("one_batch", [True, False], ids=["one batch", "one after the other"])
async def test_the_same_order_number_reference_and_lines_are_the_same_report(
    world: World, first: Report, second: Report, shipped: int, one_batch: bool
) -> None:
    said = await talk(world, 3)
    if one_batch:
        outcomes = [*await asyncio.gather(said.done(first(said)), said.done(second(said)))]
    else:
        outcomes = [await said.done(first(said)), await said.done(second(said))]
    assert (await said.buckets())[3] == shipped
    parcels = {outcome.parcel for outcome in outcomes}
    stored = await rows(world.application.database, t.shipments, t.shipments.c.order_id == said.order)
    assert parcels == {row["id"] for row in stored}
    assert len(await said.events()) == 1 + len(parcels)


async def test_a_repeat_at_once_and_with_a_key_of_its_own_is_the_same_report(world: World) -> None:
    said = await talk(world, 3)
    keys = [None, *(IdempotencyKey(caller="c", key=f"k{place}", fingerprint="f") for place in range(9))]
    outcomes = await asyncio.gather(*(said.done(report()(said), once=key, process=WISH) for key in keys))
    again = await said.done(report()(said), once=keys[1])
    assert len({each.parcel for each in (*outcomes, again)}) == 1
    assert await said.buckets() == (2, 0, 0, 1)


async def test_a_parcel_corrected_meanwhile_is_known_by_both_numbers(world: World) -> None:
    said = await talk(world, 3)
    first = await said.done(report("1Z 1")(said))
    assert first.parcel is not None
    for _ in range(2):
        await said.done(_correction(said, first.parcel, "1Z 2"))
    for number in ("1Z 1", "1Z 2"):
        assert (await said.done(report(number)(said))).parcel == first.parcel
    kinds = [row["kind"] for row in await said.events()]
    assert kinds == ["line.placed", "line.shipped", "line.transport_changed"]


async def test_a_parcel_of_before_that_kept_no_number_of_its_own_is_known_by_the_one_it_has(world: World) -> None:
    said = await talk(world, 3)
    first = await said.done(report("1Z 1")(said))

    def forget(connection: object) -> None:
        details = t.shipments.update().values(details={"reference": ""})
        connection.execute(details)  # type: ignore[attr-defined]

    await world.application.database.write(forget)
    assert (await said.done(report("1Z 1")(said))).parcel == first.parcel


async def test_a_strangers_report_of_the_same_parcel_is_refused(world: World) -> None:
    said = await talk(world, 3)
    await said.done(report()(said))
    command = report()(said)
    stranger = world.actor(world.other_supplier)
    lines = tuple(replace(each, actor=stranger) for each in command.lines)
    outcome = await said.say(replace(command, actor=stranger, lines=lines))
    assert isinstance(outcome, Refused)
    assert outcome.refusal.kind is RefusalKind.UNKNOWN_ORDER


async def test_a_report_with_an_unknown_line_repeats_nothing(world: World) -> None:
    said = await talk(world, 3)
    command = report()(said)
    await said.done(command)
    unknown = replace(command.lines[0], line=uuid4())
    outcome = await said.say(replace(command, lines=(*command.lines, unknown)))
    assert isinstance(outcome, Refused)


async def test_what_is_left_ships_by_a_second_report_of_all_that_is_left(world: World) -> None:
    """An ask stood in the way of the first, and was withdrawn."""
    said = await talk(world, 3)
    await said.done(said.ask(1))
    await said.done(report("", None)(said))
    again = await said.done(report("", None)(said))
    assert (await said.buckets(), isinstance(again, Done)) == ((0, 1, 0, 2), True)
    await said.done(said.withdraw())
    await said.done(report("", None)(said))
    assert await said.buckets() == (0, 0, 0, 3)


def _correction(said: Talk, parcel: UUID, number: str) -> ChangeParcel:
    change = ChangeTransport(line=said.line, actor=said.supplier, carrier="UPS", tracking_number=number)
    return ChangeParcel(
        order=said.order, actor=said.supplier, parcel=parcel, lines=(change,), carrier="UPS", tracking_number=number
    )
