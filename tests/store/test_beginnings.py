"""``q`` finds by the whole and by how it begins, in any case, and only what the caller may see; on both engines."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Connection, select

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import Parcel, Reassign, Ship, ShipOrder
from countermand.domain.search import end_of, folded, key_of_email, key_of_payment, keys_of_customer, spellings_of
from countermand.reads import beginnings, lookup
from countermand.reads.lookup import Lookup, TooManyFoundError, all_orders_found, orders_found
from countermand.reads.search import KINDS, Hit, find
from countermand.service.calls import Done
from countermand.store import tables as t
from countermand.store.erasure import erase_customer
from tests.support.migrating import run_migration
from tests.support.money import place_paid
from tests.support.world import Clock, World, populate, running

pytestmark = pytest.mark.anyio

ADDRESS: Final = {
    "first_name": "Erika",
    "last_name": "Mustermann",
    "street": "Heidestrasse",
    "house_number": "17",
    "postcode": "51147",
    "city": "Koeln",
    "country": "DE",
    "email": "Erika.M@Mustermann.example",
}


@dataclass(frozen=True)
class Sold:
    """Two orders in a world: ours, which the supplier has sent, and another retailer's."""

    world: World
    order: UUID
    line: UUID
    foreign: UUID


async def placed(world: World, **changes: Any) -> Any:
    line = {"sku": "BOOT-42/x", "title": "Red Winter boots", "units": 3, "unit_price": "10.00"}
    lines = [{**line, "supplier": str(world.supplier), **changes.pop("line", {})}]
    payment = {"provider": "mollie", "reference": "tr_WDqYK6vllg", "captured": "27"}
    given = {"reference": "RX-77/Élan", "payments": [payment], "shipping_address": ADDRESS, "lines": lines}
    return await place_paid(world, **{**given, **changes})


@pytest.fixture(scope="module")
async def sold(shared_url: str) -> AsyncIterator[Sold]:
    clock = Clock()
    async with running(shared_url, clock) as application:
        world = await populate(application, clock)
        order = await placed(world)
        parcel = Parcel(id=application.ids.new(), carrier="Post", tracking_number="3SABc123")
        sent = Ship(line=order.lines[0].id, actor=world.actor(world.supplier), units=1)
        ship = ShipOrder(order=order.id, actor=sent.actor, lines=(sent,), parcel=parcel)
        assert isinstance(await world.submit(ship), Done)
        other = await world.order(fulfillers=(world.other_supplier,), retailer=world.other_retailer)
        yield Sold(world, order.id, order.lines[0].id, other.id)


async def found(world: World, party: UUID, text: str) -> list[UUID]:
    question = partial(orders_found, scope=world.scope(party), wanted=Lookup(anything=text), count=50)
    return [row.order_id for row in await world.application.database.read(question)]


async def hits(world: World, party: UUID, text: str) -> list[Hit]:
    question = partial(find, scope=world.scope(party), text=text, kinds=KINDS, limit=20)
    return await world.application.database.read(question)


FINDS: Final = {
    "reference": {"whole": "RX-77/Élan", "other case": "rx-77/élan", "beginning": "RX-7", "its case": "rX-77/é"},
    "sku": {"whole": "BOOT-42/x", "other case": "boot-42/X", "beginning": "BOOT", "its case": "boo"},
    "tracking_number": {"whole": "3SABc123", "other case": "3sabC123", "beginning": "3SAB", "its case": "3s"},
    "email": {
        "whole": "Erika.M@Mustermann.example",
        "other case": "erika.m@MUSTERMANN.example",
        "beginning": "erika.m@Must",
        "its case": "ERIKA.m",
    },
    "payment_reference": {
        "whole": "tr_WDqYK6vllg",
        "other case": "TR_wdqyk6VLLG",
        "beginning": "tr_WD",
        "its case": "Tr_wdq",
    },
    "title": {"whole": "winter", "other case": "WINTER", "beginning": "wint", "its case": "BOOTS re"},
}
CUSTOMERS: Final = {"email", "payment_reference"}
"""What a supplier is told nothing of."""

CASES: Final = [(by, how, text) for by, texts in FINDS.items() for how, text in texts.items()]


@pytest.mark.parametrize(("by", "how", "text"), CASES, ids=[f"{by}, {how}" for by, how, _ in CASES])
async def test_an_order_is_found_by_the_whole_and_by_its_beginning_in_any_case(
    sold: Sold, by: str, how: str, text: str
) -> None:
    world = sold.world
    for party in (PLATFORM, world.retailer):
        assert await found(world, party, text) == [sold.order], party
        [hit] = [each for each in await hits(world, party, text) if each.kind == "orders"]
        assert hit.id == sold.order
        assert hit.matched == by
    told = [] if by in CUSTOMERS else [sold.order]
    assert await found(world, world.supplier, text) == told
    for stranger in (world.other_retailer, world.other_supplier):
        assert await found(world, stranger, text) == []
        assert await hits(world, stranger, text) == await hits(world, stranger, "nothing-of-this") == []


@pytest.mark.parametrize("text", ["77/Élan", "OO", "3", "mann.example", "vllg", "inter", "rx%", "rx_77"])
async def test_what_does_not_begin_so_is_not_found(sold: Sold, text: str) -> None:
    assert await found(sold.world, PLATFORM, text) == []


async def test_each_kind_is_found_by_its_beginning_after_what_is_it_wholly(sold: Sold) -> None:
    world = sold.world

    async def told(text: str, party: UUID) -> list[tuple[str, str, bool]]:
        return [(each.kind, each.matched, each.exact) for each in await hits(world, party, text)]

    for party in (PLATFORM, world.retailer, world.supplier):
        assert await told("boot-42/X", party) == [("orders", "sku", True), ("lines", "sku", True)]
        assert await told("boot-4", party) == [("orders", "sku", False), ("lines", "sku", False)]
        assert await told("3sabc12", party) == [
            ("orders", "tracking_number", False),
            ("shipments", "tracking_number", False),
        ]
        assert ("lines", "title", False) in await told("wint", party)
    assert await told("RETAILER", world.retailer) == [("parties", "name", True)]
    assert await told("supp", world.retailer) == [("parties", "name", False)]
    assert {each.title for each in await hits(world, PLATFORM, "other")} == {"other_retailer", "other_supplier"}
    assert await told("other_ret", world.retailer) == []


async def test_of_many_that_begin_alike_the_newest_are_found(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(beginnings, "BEGINNING_MAX", 1)
    monkeypatch.setattr(beginnings, "NEWEST_MAX", 2)
    orders = []
    for n in (9, 1, 2, 3):
        orders.append((await placed(world, reference=f"PO-{n}", payments=[])).id)
        world.clock.advance(hours=1)
    last, _, older, newest = orders
    for party in (PLATFORM, world.retailer, world.supplier):
        assert await found(world, party, "po-") == [newest, older, last]
        assert await found(world, party, "po-1") == [orders[1]]


async def test_too_many_that_begin_so_do_not_hide_the_one_that_is_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookup, "FOUND_MAX", 2)
    orders = [(await placed(world, reference=f"PO-1{end}", payments=[])).id for end in ("", "1", "2")]

    async def all_found(text: str) -> list[UUID]:
        question = partial(all_orders_found, scope=world.scope(PLATFORM), wanted=Lookup(anything=text))
        return [order for _, order in await world.application.database.read(question)]

    assert await all_found("po-11") == [orders[1]]
    assert await all_found("PO-1") == [orders[0]]
    with pytest.raises(TooManyFoundError):
        await all_found("PO-")


async def test_who_is_given_a_line_finds_its_order_and_who_held_it_does_not(world: World) -> None:
    order = await placed(world)
    move = Reassign(line=order.lines[0].id, actor=world.actor(world.retailer), fulfiller=world.other_supplier, note="")
    assert isinstance(await world.submit(move), Done)
    for text in ("rx-77", "boot", "winter"):
        assert await found(world, world.other_supplier, text) == [order.id], text
        assert await found(world, world.supplier, text) == [], text


async def test_an_erased_customer_is_found_by_nothing(world: World) -> None:
    order = await placed(world)
    at = world.clock()
    await world.application.database.write(lambda connection: erase_customer(connection, order.id, at=at, by="test"))
    for text in ("Erika.M@Mustermann.example", "erika.", "mustermann", "er"):
        assert await found(world, PLATFORM, text) == [], text
    keys = await world.application.database.read(_keys)
    assert [row.key for row in keys] == [key_of_payment("tr_WDqYK6vllg")]
    assert await found(world, PLATFORM, "tr_wd") == [order.id]


def _keys(connection: Connection) -> list[Any]:
    return list(connection.execute(select(t.order_keys).order_by(*t.order_keys.primary_key.columns)))


async def test_orders_of_before_are_found_by_beginnings_once_they_are_migrated(world: World) -> None:
    order = await placed(world)
    before = await world.application.database.read(_keys)

    def as_it_was(connection: Connection) -> None:
        indexes = ("reference_folded", "retailer_id_reference_folded", "reference_held")
        names = [f"ix_order_parts_{each}" for each in indexes]
        names += ["ix_lines_sku_folded_placed_at_order_id", "ix_lines_retailer_id_sku_folded_placed_at_order_id"]
        names += ["ix_lines_sku_held", "ix_shipments_tracking_folded", "ix_shipments_retailer_id_tracking_folded"]
        for name in (*names, "ix_shipments_tracking_held", "ix_parties_name_folded"):
            connection.exec_driver_sql(f"DROP INDEX {name}")
        columns = {"order_parts": "reference_folded", "lines": "sku_folded", "shipments": "tracking_folded"}
        for table, column in {**columns, "parties": "name_folded"}.items():
            connection.exec_driver_sql(f"ALTER TABLE {table} DROP COLUMN {column}")
        connection.exec_driver_sql("UPDATE order_keys SET key = substr(key, 1, 1) || 'ab12' WHERE key < 'n'")
        connection.exec_driver_sql("DELETE FROM order_keys WHERE key >= 'p'")
        run_migration(connection, "0033")

    await world.application.database.write(as_it_was)
    assert await world.application.database.read(_keys) == before
    for texts in (FINDS["reference"], FINDS["sku"], FINDS["email"], FINDS["payment_reference"]):
        for text in texts.values():
            assert await found(world, PLATFORM, text) == [order.id], text


def test_keys_are_of_bounded_length_and_never_mixed_up() -> None:
    assert key_of_email(" A@B.example ") == "ea@b.example"
    assert key_of_payment("abc") == "pabc"
    assert key_of_payment("ABC") != key_of_payment("abc")
    assert key_of_payment("ABC").startswith("pabc")
    long = "x" * 5000
    assert len(key_of_email(long)) < 300
    assert key_of_email(long) != key_of_email(f"{long}y")
    assert [each for each in keys_of_customer({"shipping_address": {"email": "\ud800\x00"}}) if "\0" in each] == []


def test_spellings_cover_what_either_database_makes_of_a_name() -> None:
    assert spellings_of("PO-1") == ["po-1"]
    for stored in ("Élan", "élan", "ÉLAN"):
        by_letters = stored.translate(str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz"))
        assert {by_letters, stored.lower()} <= set(spellings_of("élan")), stored
    assert folded("PO") < end_of("po") < folded("pp")
