"""Orders are found by what people have at hand, waiting cancellations by when they are due: each by an index."""

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import Connection, delete, select
from structlog.testing import capture_logs

from countermand.admin.callers import PLATFORM
from countermand.domain.commands import AskCancellation, PassDeadline
from countermand.domain.money.commands import AddPayment
from countermand.domain.money.pricing import Payment
from countermand.domain.orders import PlaceOrder
from countermand.domain.parties import Asker, PartyKind
from countermand.ids import show
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import lookup, refunds
from countermand.reads import lookup as lookups
from countermand.reads import orders as order_reads
from countermand.reads.cancellations import CancellationFilter, DuePlace
from countermand.reads.lookup import Lookup, TooManyFoundError
from countermand.reads.scope import Scope
from countermand.service.calls import Done
from countermand.store import tables as t
from tests.store.holding import agree
from tests.support.cluster import not_on_citus
from tests.support.migrating import run_migration
from tests.support.money import place_paid
from tests.support.plans import plans_of, reads_whole
from tests.support.world import World

pytestmark = pytest.mark.anyio

GROWING: Final = ("orders", "lines", "cancellations", "refunds", "order_keys", "line_numbers", "id_directory")
ANNA: Final[dict[str, Any]] = {
    "first_name": "Anna Maria",
    "last_name": "de Vries-Ødegård",
    "company": "Fine Feet b.v.",
    "street": "Dam",
    "house_number": "1",
    "postcode": "1012",
    "city": "Amsterdam",
    "country": "NL",
    "email": "Anna.deVries@Example.com",
}
PAID: Final = {"provider": "mollie", "reference": "tr_WDqYK6vllg", "captured": "27"}


async def bought(world: World, **changes: Any) -> PlaceOrder:
    given = {"reference": "PO 7/a", "payments": [PAID], "shipping_address": ANNA, "billing_address": None}
    return await place_paid(world, **{**given, **changes})


def scope_of(world: World, party: UUID) -> Scope:
    if party == PLATFORM:
        return Scope(party=party, kind=PartyKind.PLATFORM)
    is_supplier = party in (world.supplier, world.other_supplier)
    return Scope(party=party, kind=PartyKind.SUPPLIER if is_supplier else PartyKind.RETAILER)


async def found(world: World, party: UUID | None = None, **wanted: Any) -> list[UUID]:
    scope = scope_of(world, party or PLATFORM)
    question = partial(order_reads.orders_by_lookup, scope=scope, wanted=Lookup(**wanted), count=50)
    return [view.row.id for view in await world.application.database.read(question)]


async def listed(world: World, party: UUID | None = None, **wanted: Any) -> list[UUID]:
    scope = scope_of(world, party or PLATFORM)
    question = partial(cancellation_reads.list_cancellations, scope=scope, wanted=CancellationFilter(**wanted))
    return [row.id for row in await world.application.database.read(question)]


async def asked(world: World, line: UUID, asker: Asker = Asker.CUSTOMER, **more: Any) -> UUID:
    done = await world.submit(AskCancellation(line=line, actor=world.actor(world.retailer), asker=asker, **more))
    assert isinstance(done, Done), done
    return done.cancellations[0]


# Orders

AT_HAND: Final = {
    "reference": "PO 7/a",
    "payment": "tr_WDqYK6vllg",
    "e-mail": "anna.devries@EXAMPLE.com",
    "blanks around": "  PO 7/a ",
    "last name": "vries",
    "first name": "ANNA",
    "letters of other languages": "ødegård",
    "whole name": "Anna Maria de Vries-Ødegård",
    "the other way round": "Ødegård, de Vries, Anna Maria",
    "some words": "vries anna",
    "company": "fine feet",
}
NOT_AT_HAND: Final = {
    "the end of a reference": "7/a",
    "a letter of a reference": "P",
    "part of a word": "vrie",
    "a word that is another's": "anna jansen",
    "the end of an address": "devries@example.com",
    "more than an address": "anna.devries@example.com.au",
    "nothing": "",
    "a sign": "'",
    "a wildcard": "%",
    "a number of nobody's": "1999999999",
    "a number too long": "99999999999999999999",
    "an id of nobody's": "01a19b7c-a680-7c09-a7de-41c84c268a54",
    "a zero byte's neighbour": "\x01",
}


@pytest.mark.parametrize("text", AT_HAND.values(), ids=list(AT_HAND))
async def test_an_order_is_found_by_what_is_at_hand(sqlite_world: World, text: str) -> None:
    order = await bought(sqlite_world)
    await bought(sqlite_world, reference="PO-8", payments=[{**PAID, "reference": "tr_2"}], shipping_address=None)
    assert await found(sqlite_world, anything=text) == [order.id]


@pytest.mark.parametrize("text", NOT_AT_HAND.values(), ids=list(NOT_AT_HAND))
async def test_what_is_no_orders_finds_none(sqlite_world: World, text: str) -> None:
    await bought(sqlite_world)
    assert await found(sqlite_world, anything=text) == []


async def test_an_order_is_found_by_ids_and_numbers_of_what_hangs_on_it(world: World) -> None:
    order = await bought(world)
    line = order.lines[0].id
    cancellation = await asked(world, line, units=1)
    row = await world.line(line)
    number = (await _order_row(world, order.id)).number
    names = [row.number, number, show("ord", order.id), order.id, show("lin", line), show("can", cancellation)]
    for name in names:
        assert await found(world, anything=str(name)) == [order.id], name
    assert await found(world, number=row.number) == await found(world, number=number) == [order.id]


async def _order_row(world: World, order: UUID) -> Any:
    query = select(t.orders).where(t.orders.c.id == order)
    return await world.application.database.read(lambda connection: connection.execute(query).one())


async def test_who_finds_what(world: World) -> None:
    """A supplier is told neither of customers nor of payments; what is another's is not found."""
    order = await bought(world)
    number = (await world.line(order.lines[0].id)).number
    ours = ["vries", "anna.devries@example.com", PAID["reference"]]
    for text in ("PO 7/a", str(number), str(order.id)):
        seen = [await found(world, party, anything=text) for party in (world.retailer, world.supplier)]
        assert seen == [[order.id], [order.id]], text
    for text in ours:
        assert await found(world, world.retailer, anything=text) == [order.id], text
        assert await found(world, world.supplier, anything=text) == [], text
    for text in (*ours, "PO 7/a", str(number), str(order.id)):
        for stranger in (world.other_retailer, world.other_supplier):
            assert await found(world, stranger, anything=text) == [], text


async def test_all_that_is_given_must_fit(world: World) -> None:
    first, second = await bought(world), await bought(world, payments=[{**PAID, "reference": "tr_2"}])
    email = ANNA["email"]
    assert set(await found(world, email=email)) == {first.id, second.id}
    assert await found(world, email=email, payment="tr_2") == [second.id]
    assert await found(world, email=email, anything="tr_2", reference="PO 7/a") == [second.id]
    assert await found(world, email="other@example.com", payment="tr_2") == []


async def test_a_payment_that_comes_later_is_found(world: World) -> None:
    order = await bought(world, payments=[])
    assert await found(world, payment="tr_9") == []
    payment = Payment(id="1", provider="mollie", reference="tr_9", captured_minor=1000)
    for _ in range(2):
        added = AddPayment(order=order.id, actor=world.actor(world.retailer), payment=payment)
        assert isinstance(await world.submit(added, retailer=world.retailer), Done)
    assert await found(world, payment="tr_9") == [order.id]


async def test_more_orders_than_are_looked_through_are_not_listed_in_part(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lookups, "FOUND_MAX", 1)
    for n in range(2):
        await bought(world, payments=[{**PAID, "reference": f"tr_{n}"}])
    question = partial(lookup.all_orders_found, scope=scope_of(world, PLATFORM), wanted=Lookup(email=ANNA["email"]))
    with pytest.raises(TooManyFoundError, match="More than 1 orders fit this"):
        await world.application.database.read(question)


async def test_orders_of_before_are_found_once_they_are_migrated(sqlite_world: World) -> None:
    world = sqlite_world
    order = await bought(world)
    before = await world.application.database.read(_keys)
    assert len(before) == 13

    def again(connection: Connection) -> None:
        connection.execute(delete(t.order_keys))
        connection.exec_driver_sql("DROP TABLE order_keys")
        for index in ("ix_orders_number", "ix_cancellations_due_of_retailer", "ix_cancellations_due_held"):
            connection.exec_driver_sql(f"DROP INDEX {index}")
        connection.exec_driver_sql("DROP INDEX ix_cancellations_escalated")
        run_migration(connection, "0016")

    await world.application.database.write(again)
    assert await world.application.database.read(_keys) == before
    assert await found(world, anything="vries") == [order.id]


def _keys(connection: Connection) -> list[tuple[Any, ...]]:
    return sorted(tuple(row) for row in connection.execute(select(t.order_keys)))


# Cancellations that wait


async def waiting(world: World) -> dict[str, UUID]:
    """One that is due soon, one later, one at no time, one that escalated, one answered."""
    made = {}
    await agree(world, world.supplier, 1, silence="escalate", answer_within_s=60)
    made["escalated"] = await asked(world, (await world.order()).lines[0].id, Asker.RETAILER)
    world.clock.advance(minutes=2)
    line = (await _cancellation(world, made["escalated"])).line_id
    await world.submit(PassDeadline(line=line, cancellation=made["escalated"]))
    for version, (name, within_s) in enumerate((("later", 7200), ("soon", 3600), ("never", None)), start=2):
        world.clock.advance(seconds=1)
        await agree(world, world.supplier, version, answer_within_s=within_s)
        made[name] = await asked(world, (await world.order()).lines[0].id, Asker.RETAILER)
    return made


async def _cancellation(world: World, cancellation: UUID) -> Any:
    query = select(t.cancellations).where(t.cancellations.c.id == cancellation)
    return await world.application.database.read(lambda connection: connection.execute(query).one())


async def test_what_waits_is_listed_by_when_it_is_due(world: World) -> None:
    made = await waiting(world)
    for party in (None, world.retailer, world.supplier):
        order = [made[name] for name in ("soon", "later", "escalated", "never")]
        assert await listed(world, party, by_due=True) == order
        pages: list[UUID] = []
        behind = None
        while page := await listed(world, party, by_due=True, behind=behind, limit=1):
            pages += page
            behind = DuePlace((await _cancellation(world, page[0])).due_at, page[0])
        assert pages == order
    assert await listed(world, world.other_supplier, by_due=True) == []


async def test_what_escalated_is_in_a_list(world: World) -> None:
    made = await waiting(world)
    for party in (None, world.retailer, world.supplier):
        assert await listed(world, party, escalated=True) == [made["escalated"]]
        assert await listed(world, party, escalated=True, by_due=True) == [made["escalated"]]
    assert await listed(world, world.other_retailer, escalated=True) == []


async def test_what_is_late_is_listed(world: World) -> None:
    """Also where no worker has put it to the rules yet."""
    made = await waiting(world)
    assert await listed(world, late=world.clock()) == [made["escalated"]]
    world.clock.advance(hours=1, seconds=1)
    for party in (None, world.retailer, world.supplier):
        assert await listed(world, party, late=world.clock()) == [made["soon"], made["escalated"]]
        assert await listed(world, party, late=world.clock(), by_due=True) == [made["soon"], made["escalated"]]
    assert await listed(world, due_before=world.clock() + timedelta(hours=1)) == [made["soon"], made["later"]]
    assert await listed(world, late=world.clock(), awaiting=world.supplier) == [made["soon"]]
    assert await listed(world, late=world.clock(), escalated=True) == [made["escalated"]]


async def test_what_escalates_is_logged(world: World) -> None:
    await agree(world, world.supplier, 1, silence="escalate", answer_within_s=60)
    line = (await world.order()).lines[0].id
    cancellation = await asked(world, line, Asker.RETAILER)
    world.clock.advance(minutes=2)
    with capture_logs() as logged:
        for _ in range(2):
            await world.submit(PassDeadline(line=line, cancellation=cancellation))
    [reported] = [each for each in logged if each["event"] == "cancellation_escalated"]
    assert (reported["log_level"], reported["cancellation"], reported["retailer"], reported["line"]) == (
        "warning",
        show("can", cancellation),
        world.retailer,
        line,
    )


# By an index

Ask = Callable[[Connection, Scope], object]


def finds(**wanted: Any) -> Ask:
    return lambda connection, scope: order_reads.orders_by_lookup(connection, scope, Lookup(**wanted), 20)


def lists(**wanted: Any) -> Ask:
    return lambda connection, scope: cancellation_reads.list_cancellations(
        connection, scope, CancellationFilter(**wanted)
    )


def lists_refunds(connection: Connection, scope: Scope) -> object:
    orders = lookup.all_orders_found(connection, scope, Lookup(anything="vries"))
    wanted = refunds.RefundFilter(orders=orders)
    return refunds.list_refunds(connection, scope, wanted) if scope.kind is not PartyKind.SUPPLIER else None


SOMEBODY: Final = UUID(int=7)
QUESTIONS: Final[dict[str, Ask]] = {
    **{f"anything: {name}": finds(anything=text) for name, text in {**AT_HAND, **NOT_AT_HAND}.items()},
    "a refund": finds(anything=f"rfd_{SOMEBODY.hex}"),
    "number": finds(number=1000017),
    "e-mail": finds(email="a@b.example"),
    "payment": finds(payment="tr_1"),
    "reference": finds(reference="PO-1"),
    "all": finds(number=1, email="a@b.example", payment="tr_1", reference="PO-1", anything="x y"),
    "escalated": lists(escalated=True),
    "escalated by due": lists(escalated=True, by_due=True),
    "by due": lists(by_due=True),
    "by due, of one": lists(by_due=True, awaiting=SOMEBODY),
    "by due, undated": lists(by_due=True, behind=DuePlace(None, SOMEBODY)),
    "of orders": lists(orders=((SOMEBODY, SOMEBODY),)),
    "of orders by due": lists(orders=((SOMEBODY, SOMEBODY),), by_due=True),
    "refunds": lists_refunds,
}
TIMED: Final[dict[str, Callable[[datetime], Ask]]] = {
    "late": lambda now: lists(late=now),
    "late by due": lambda now: lists(late=now, by_due=True),
    "late of one": lambda now: lists(late=now, awaiting=SOMEBODY),
    "due before": lambda now: lists(due_before=now),
    "next page by due": lambda now: lists(by_due=True, behind=DuePlace(now, SOMEBODY)),
}


async def test_no_search_goes_through_a_table(world: World) -> None:
    not_on_citus(world)
    await bought(world)
    questions = {**QUESTIONS, **{name: make(world.clock()) for name, make in TIMED.items()}}
    callers = (PLATFORM, world.retailer, world.supplier)
    faults = []
    for name, ask in questions.items():
        for party in callers:
            scope = scope_of(world, party)
            steps = await world.application.database.read(
                partial(plans_of, question=partial(_asked, ask, scope), tables=GROWING)
            )
            faults += [
                (name, scope.kind.value, step)
                for table in GROWING
                for step in reads_whole(steps, table)
                if " USING " not in step
            ]
    assert faults == []


def _asked(ask: Ask, scope: Scope, connection: Connection) -> object:
    return ask(connection, scope)
