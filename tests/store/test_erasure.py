"""A customer is erased: what is personal goes, what has to be proved stays; on both engines."""

from typing import Any

import pytest

from countermand.admin.callers import PLATFORM
from countermand.domain.money.commands import Movement
from countermand.store.erasure import erase_customer
from tests.money.test_settling import Desk, desk, worker_of
from tests.store.holding import assert_sound, everything
from tests.store.speaking import Sale
from tests.support.money import place_paid
from tests.support.world import World

pytestmark = pytest.mark.anyio

HOME: dict[str, Any] = {
    "first_name": "Erika",
    "last_name": "Mustermann",
    "street": "Heidestrasse",
    "house_number": "17",
    "postcode": "51147",
    "city": "Koeln",
    "country": "DE",
    "email": "erika@mustermann.example",
}
PERSONAL = ("Erika", "Mustermann", "mustermann.example", "Heidestrasse", "51147")


async def bought(world: World) -> Desk:
    """Paid by Stripe, to be sent to Erika."""
    here = await desk(world)
    payment = {"provider": "stripe", "reference": "pi_1", "captured": "27"}
    order = await place_paid(world, payments=[payment], shipping_address=HOME, billing_address=HOME)
    here.sale = Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))
    return here


async def erased(here: Desk) -> bool | None:
    world = here.world
    done = await world.application.database.write(
        lambda connection: erase_customer(connection, here.sale.order, at=world.clock(), by="operator")
    )
    return done.now if done else None


async def test_ec_66_a_customer_is_erased_while_a_refund_is_pending(world: World) -> None:
    here = await bought(world)
    database = world.application.database
    here.bank.script.append("accepted")
    await here.owed()
    await here.work()
    before = await everything(database)
    assert any(word in str(before["orders"]) for word in PERSONAL)
    assert await erased(here) is True
    after = await everything(database)
    assert not [word for word in PERSONAL if word in str(after)], "in no table"
    assert {row["key"][0] for row in after["order_keys"]} == {"p"}, "of a payment, and of no customer"
    for name in after.keys() - {"orders", "lines", "order_keys"}:
        assert after[name] == before[name], name
    here.bank.held["re_1"].movement = Movement.CONFIRMED
    world.clock.advance(days=1)
    await worker_of(world, here.bank).settle_refunds()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)
    assert await here.reported() == ["due", "sent", "done"]
    await assert_sound(database)


async def test_who_erased_and_when_is_kept_and_once_is_enough(world: World) -> None:
    here = await bought(world)
    at = world.clock().isoformat()
    assert await erased(here) is True
    world.clock.advance(days=1)
    assert await erased(here) is False
    [row] = [row for row in (await everything(world.application.database))["orders"] if row["id"] == here.sale.order]
    assert row["details"]["erased"] == {"at": at, "by": "operator", "note": ""}
    here.sale.order = PLATFORM
    assert await erased(here) is None


async def test_an_order_without_a_customer_can_still_be_shown(world: World) -> None:
    here = await bought(world)
    await erased(here)
    async with world.client() as client:
        for path in (f"/orders/{here.sale.order}/", "/orders/po/PO-M/", f"/timp/orders/{here.sale.order}/"):
            shown = await client.get(path, headers=world.token(world.retailer))
            assert shown.status_code == 200, (path, shown.text)
            assert str(here.sale.line) in shown.text
            assert not [word for word in PERSONAL if word in shown.text]
