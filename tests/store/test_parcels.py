"""A parcel that is reported twice is one parcel, through whichever door, with or without a key, and at once."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID, uuid4

import pytest

from countermand.domain.commands import ChangeParcel, Parcel, Ship, ShipOrder
from countermand.domain.idempotency import IdempotencyKey
from countermand.domain.refusals import RefusalKind
from countermand.service.calls import Done, Refused
from countermand.store import tables as t
from tests.store.holding import rows
from tests.store.speaking import WISH, Sale, new_sale
from tests.support.world import World

pytestmark = pytest.mark.anyio

Report = Callable[[Sale], ShipOrder]


def report(number: str = "1Z 1", units: int | None = 1, *, reference: str = "", override: bool = False) -> Report:
    """A report of units of the first line."""

    def made(sale: Sale) -> ShipOrder:
        ship = Ship(line=sale.line, actor=sale.supplier, units=units, override=override)
        parcel = Parcel(id=uuid4(), tracking_number=number, carrier="UPS", reference=reference)
        return ShipOrder(order=sale.order, actor=sale.supplier, lines=(ship,), parcel=parcel)

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
    sale = await new_sale(world, 3)
    if one_batch:
        outcomes = [*await asyncio.gather(sale.done(first(sale)), sale.done(second(sale)))]
    else:
        outcomes = [await sale.done(first(sale)), await sale.done(second(sale))]
    assert (await sale.buckets())[3] == shipped
    parcels = {outcome.parcel for outcome in outcomes}
    stored = await rows(world.application.database, t.shipments, t.shipments.c.order_id == sale.order)
    assert parcels == {row["id"] for row in stored}
    assert len(await sale.events()) == 1 + len(parcels)


async def test_a_repeat_at_once_and_with_a_key_of_its_own_is_the_same_report(world: World) -> None:
    sale = await new_sale(world, 3)
    keys = [None, *(IdempotencyKey(caller="c", key=f"k{place}", fingerprint="f") for place in range(9))]
    outcomes = await asyncio.gather(*(sale.done(report()(sale), once=key, process=WISH) for key in keys))
    again = await sale.done(report()(sale), once=keys[1])
    assert len({each.parcel for each in (*outcomes, again)}) == 1
    assert await sale.buckets() == (2, 0, 0, 1)


async def test_a_parcel_corrected_meanwhile_is_known_by_both_numbers(world: World) -> None:
    sale = await new_sale(world, 3)
    first = await sale.done(report("1Z 1")(sale))
    assert first.parcel is not None
    for _ in range(2):
        await sale.done(_correction(sale, first.parcel, "1Z 2"))
    for number in ("1Z 1", "1Z 2"):
        assert (await sale.done(report(number)(sale))).parcel == first.parcel
    kinds = [row["kind"] for row in await sale.events()]
    assert kinds == ["line.placed", "line.shipped", "line.transport_changed"]


async def test_a_parcel_of_before_that_kept_no_number_of_its_own_is_known_by_the_one_it_has(world: World) -> None:
    sale = await new_sale(world, 3)
    first = await sale.done(report("1Z 1")(sale))

    def forget(connection: object) -> None:
        details = t.shipments.update().values(details={"reference": ""})
        connection.execute(details)  # type: ignore[attr-defined]

    await world.application.database.write(forget)
    assert (await sale.done(report("1Z 1")(sale))).parcel == first.parcel


async def test_a_strangers_report_of_the_same_parcel_is_refused(world: World) -> None:
    sale = await new_sale(world, 3)
    await sale.done(report()(sale))
    command = report()(sale)
    stranger = world.actor(world.other_supplier)
    lines = tuple(replace(each, actor=stranger) for each in command.lines)
    outcome = await sale.say(replace(command, actor=stranger, lines=lines))
    assert isinstance(outcome, Refused)
    assert outcome.refusal.kind is RefusalKind.UNKNOWN_ORDER


async def test_a_report_with_an_unknown_line_repeats_nothing(world: World) -> None:
    sale = await new_sale(world, 3)
    command = report()(sale)
    await sale.done(command)
    unknown = replace(command.lines[0], line=uuid4())
    outcome = await sale.say(replace(command, lines=(*command.lines, unknown)))
    assert isinstance(outcome, Refused)


async def test_what_is_left_ships_by_a_second_report_of_all_that_is_left(world: World) -> None:
    """An ask stood in the way of the first, and was withdrawn."""
    sale = await new_sale(world, 3)
    await sale.done(sale.ask(1))
    await sale.done(report("", None)(sale))
    again = await sale.done(report("", None)(sale))
    assert (await sale.buckets(), isinstance(again, Done)) == ((0, 1, 0, 2), True)
    await sale.done(sale.withdraw())
    await sale.done(report("", None)(sale))
    assert await sale.buckets() == (0, 0, 0, 3)


def _correction(sale: Sale, parcel: UUID, number: str) -> ChangeParcel:
    return ChangeParcel(
        order=sale.order, actor=sale.supplier, parcel=parcel, lines=(sale.line,), carrier="UPS", tracking_number=number
    )


@pytest.mark.parametrize("one_batch", [True, False], ids=["one batch", "one after the other"])
async def test_a_correction_of_the_carrier_and_one_of_the_number_both_stay(world: World, one_batch: bool) -> None:
    sale = await new_sale(world, 3)
    await sale.done(report()(sale))
    [parcel] = await rows(world.application.database, t.shipments, t.shipments.c.order_id == sale.order)
    sale.parcel = parcel["id"]
    corrections = [sale.change_parcel("DHL", None), sale.change_parcel(None, "JD01")]
    if one_batch:
        await asyncio.gather(*map(sale.done, corrections))
    else:
        for each in corrections:
            await sale.done(each)
    [found] = await rows(world.application.database, t.shipments, t.shipments.c.order_id == sale.order)
    assert (found["carrier"], found["tracking_number"]) == ("DHL", "JD01")
