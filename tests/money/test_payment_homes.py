"""A payment belongs to one retailer, by whichever way another one names it; on both engines."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import delete, update

from countermand.documents.orders import OrderIn, place
from countermand.domain.money.commands import AddPayment
from countermand.domain.money.pricing import Payment
from countermand.domain.orders import PlaceOrder
from countermand.domain.refusals import RefusalKind
from countermand.ids import show
from countermand.payments.provider import Movement, ProviderPayment, ProviderResult
from countermand.service.calls import Call, Done, Outcome, Refused
from countermand.store import migrations
from countermand.store import tables as t
from tests.money.test_settling import desk
from tests.store.speaking import Sale
from tests.support.migrating import run_migration
from tests.support.money import order_json, place_paid, rows_of
from tests.support.world import Clock, World, running

pytestmark = pytest.mark.anyio

CARD = {"provider": "stripe", "reference": "pi_1", "captured": "27"}


def order_of(world: World, retailer: UUID, **payment: Any) -> PlaceOrder:
    document = order_json(world, retailer=str(retailer), payments=[{**CARD, **payment}] if payment else [])
    return place(
        OrderIn.model_validate(document),
        actor=world.actor(retailer),
        party=UUID,
        ids=world.application.ids,
        now=world.clock(),
    )


async def handed_in(world: World, retailer: UUID, **payment: Any) -> Outcome:
    """By ``order add``, as the command line and the shop hand orders in."""
    return await world.submit(order_of(world, retailer, **payment), retailer=retailer)


async def added_later(world: World, retailer: UUID, **payment: Any) -> Outcome:
    """By ``payment add`` and the native API."""
    order = order_of(world, retailer)
    assert isinstance(await world.submit(order, retailer=retailer), Done)
    given = {**CARD, **payment}
    new = Payment(id="card", provider=given["provider"], reference=given["reference"], captured_minor=2700)
    return await world.submit(AddPayment(order=order.id, actor=world.actor(retailer), payment=new), retailer=retailer)


WAYS = {"order": handed_in, "added": added_later}


@pytest.mark.parametrize("second", WAYS)
@pytest.mark.parametrize("first", WAYS)
async def test_a_payment_of_one_retailer_is_refused_to_another(world: World, first: str, second: str) -> None:
    assert isinstance(await WAYS[first](world, world.retailer, reference="pi_1"), Done)
    outcome = await WAYS[second](world, world.other_retailer, reference="pi_1")
    assert isinstance(outcome, Refused)
    assert outcome.refusal.kind is RefusalKind.PAYMENT_TAKEN
    assert outcome.refusal.detail == "The payment pi_1 of stripe belongs to another retailer."
    assert isinstance(await WAYS[second](world, world.retailer, reference="pi_1"), Done), (
        "its own, as often as it likes"
    )
    [row] = await rows_of(world, "payment_directory")
    assert (row.provider, row.reference, row.retailer_id) == ("stripe", "pi_1", world.retailer)


@pytest.mark.parametrize(
    "payment",
    [{"provider": "manual", "reference": "cash"}, {"provider": "stripe", "reference": ""}],
    ids=["people pay by names as they like", "no name"],
)
async def test_what_names_no_money_of_another_is_free(world: World, payment: dict[str, str]) -> None:
    for retailer in (world.retailer, world.other_retailer):
        assert isinstance(await handed_in(world, retailer, **payment), Done)
    assert await rows_of(world, "payment_directory") == []


async def test_the_same_name_at_another_provider_is_another_payment(world: World) -> None:
    assert isinstance(await handed_in(world, world.retailer, reference="x_1"), Done)
    assert isinstance(await handed_in(world, world.other_retailer, provider="mollie", reference="x_1"), Done)


async def test_a_refused_order_or_payment_claims_nothing(world: World) -> None:
    order = order_of(world, world.retailer)
    assert isinstance(await world.submit(order, retailer=world.retailer), Done)
    much = Payment(id="card", provider="stripe", reference="pi_9", captured_minor=2701)
    outcome = await world.submit(
        AddPayment(order=order.id, actor=world.actor(world.retailer), payment=much), retailer=world.retailer
    )
    assert isinstance(outcome, Refused)
    assert await rows_of(world, "payment_directory") == []
    assert isinstance(await handed_in(world, world.other_retailer, reference="pi_9"), Done)


async def test_in_one_batch_the_first_one_has_it(world: World) -> None:
    orders = [order_of(world, who, reference="pi_1") for who in (world.retailer, world.other_retailer)]
    outcomes = await asyncio.gather(*(world.submit(order, retailer=order.retailer) for order in orders))
    assert [type(each) for each in outcomes] == [Done, Refused]


async def test_of_two_retailers_at_once_one_has_it_and_the_other_hears_why(world: World, clock: Clock) -> None:
    """Two processes beside each other, where the engine lets them."""
    url = world.application.settings.database
    if world.application.database.engine.name == "sqlite":
        await race(world, world)
        return
    async with running(str(url), clock) as beside:
        other = World(
            application=beside,
            clock=clock,
            retailer=world.other_retailer,
            other_retailer=world.retailer,
            supplier=world.supplier,
            other_supplier=world.other_supplier,
        )
        await race(world, other)


async def race(world: World, other: World) -> None:
    outcomes: list[Outcome] = []
    for n in range(10):
        name = f"pi_race{n}"
        outcomes += await asyncio.gather(
            *(handed_in(world, world.retailer, reference=name) for _ in range(2)),
            *(handed_in(other, world.other_retailer, reference=name) for _ in range(2)),
        )
    reported = Counter(each.refusal.kind if isinstance(each, Refused) else type(each) for each in outcomes)
    assert reported == {Done: 20, RefusalKind.PAYMENT_TAKEN: 20}
    homes = {row.reference: row.retailer_id for row in await rows_of(world, "payment_directory")}
    for row in await rows_of(world, "order_money"):
        assert {homes[each["reference"]] for each in row.terms["payments"]} == {row.retailer_id}


# Before the first refund, the provider is asked


@pytest.mark.parametrize(
    ("seen", "sentence"),
    [
        (ProviderPayment(retailer="OTHER"), "belongs to another retailer"),
        (ProviderPayment(retailer="pty_OTHER"), "belongs to another retailer"),
        (ProviderPayment(retailer="somebody"), "belongs to another retailer"),
        (ProviderPayment(names=("ch_other",)), "belongs to another retailer"),
        (ProviderPayment(currency="USD"), "The payment is in USD and the refund in EUR"),
    ],
    ids=["metadata", "metadata with a prefix", "metadata of nobody here", "another name of it", "currency"],
)
@pytest.mark.parametrize("kind", ["refund", "release"])
async def test_what_the_provider_knows_to_be_anothers_is_not_sent(
    world: World, seen: ProviderPayment, sentence: str, kind: str
) -> None:
    assert isinstance(await handed_in(world, world.other_retailer, reference="ch_other"), Done)
    here = await desk(world, **({"captured": "0", "authorised": "27"} if kind == "release" else {}))
    here.bank.authorised["pi_1"] = 900
    retailer = seen.retailer.replace("OTHER", world.other_retailer.hex)
    here.bank.seen["pi_1"] = ProviderPayment(currency=seen.currency, retailer=retailer, names=seen.names)
    await here.owed()
    await here.work()
    assert (await here.states(), here.bank.calls, here.bank.released) == (["parked"], [], {})
    [row] = await rows_of(world, "refunds")
    assert sentence in row.last_result


async def test_what_the_provider_knows_to_be_ours_is_sent(world: World) -> None:
    here = await desk(world)
    here.bank.seen["pi_1"] = ProviderPayment(currency="EUR", retailer=show("pty", world.retailer), names=("ch_1",))
    world.clock.advance(hours=1)
    # Another retailer names the charge of this intent, and later than we named the intent.
    assert isinstance(await handed_in(world, world.other_retailer, reference="ch_1"), Done)
    await here.owed()
    await here.work()
    assert (await here.states(), here.bank.moved()) == (["confirmed"], 900)


async def test_a_provider_that_cannot_be_asked_is_asked_again(world: World) -> None:
    here = await desk(world)
    look = here.bank.find_payment

    async def silent(payment: str) -> ProviderResult:
        return ProviderResult(movement=Movement.UNKNOWN, result="no answer")

    here.bank.find_payment = silent  # type: ignore[method-assign]
    await here.owed()
    await here.work()
    assert (await here.states(), here.bank.calls) == (["due"], [])
    here.bank.find_payment = look  # type: ignore[method-assign]
    await here.work(seconds=6)
    assert await here.states() == ["confirmed"]


# What was there before the directory


async def test_payments_of_orders_that_are_there_already_are_known(world: World) -> None:
    for retailer, reference in ((world.other_retailer, "pi_1"), (world.retailer, "pi_2"), (world.retailer, "pi_2")):
        assert isinstance(await handed_in(world, retailer, reference=reference), Done)
    await place_paid(world, payments=[{"provider": "manual", "reference": "cash", "captured": "27"}])
    world.clock.advance(hours=1)
    late = await place_paid(world, payments=[])

    def as_it_was(connection: Any) -> None:
        row = connection.execute(t.order_money.select().where(t.order_money.c.id == late.id)).one()
        stolen = {"id": "1", "provider": "stripe", "reference": "pi_1", "method": "card"}
        payments = [{**stolen, "captured_minor": 2700, "authorised_minor": 0}]
        terms = {**row.terms, "payments": payments}
        connection.execute(update(t.order_money).where(t.order_money.c.id == late.id).values(terms=terms))
        t.payment_directory.drop(connection)
        run_migration(connection, "0004")

    await world.application.database.write(as_it_was)
    rows = [(row.provider, row.reference, row.retailer_id) for row in await rows_of(world, "payment_directory")]
    assert rows == [("stripe", "pi_1", world.other_retailer), ("stripe", "pi_2", world.retailer)]
    assert await world.application.database.read(migrations.lacking) == []


async def test_a_payment_that_two_retailers_named_before_moves_for_the_first_only(world: World) -> None:
    here = await desk(world)

    def named_by_another(connection: Any) -> None:
        connection.execute(delete(t.payment_directory))
        row = {"provider": "stripe", "reference": "pi_1", "retailer_id": world.other_retailer, "since": world.clock()}
        connection.execute(t.payment_directory.insert().values(row))

    await world.application.database.write(named_by_another)
    await here.owed()
    await here.work()
    assert (await here.states(), here.bank.calls) == (["parked"], [])


async def test_a_repeated_call_hears_the_same(world: World) -> None:
    """The same payment again is no news, and never another's."""
    order = order_of(world, world.retailer)
    assert isinstance(await world.submit(order, retailer=world.retailer), Done)
    new = Payment(id="card", provider="stripe", reference="pi_1", captured_minor=2700)
    command = AddPayment(order=order.id, actor=world.actor(world.retailer), payment=new)
    for _ in range(2):
        call = Call(command=command, door="test", retailer=world.retailer)
        assert isinstance(await world.application.lanes.submit(call), Done)
    assert len(await rows_of(world, "payment_directory")) == 1


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "one after the other"])
async def test_orders_that_share_a_payment_give_back_no_more_than_was_captured(world: World, at_once: bool) -> None:
    """Each of two orders says that the whole payment is its own. What is left of it is sent; a person sees the rest."""
    here = await desk(world)
    order = await place_paid(world, payments=[CARD])
    other = Sale(world=world, order=order.id, lines=tuple(line.id for line in order.lines))
    await here.owed(2)
    if not at_once:
        await here.work()
    for _ in range(3):
        await other.done(other.cancel_own(1))
    await here.work()
    await here.work(minutes=1)
    rows = await rows_of(world, "refunds")
    assert {row.state for row in rows} == {"confirmed", "parked"}
    assert sum(row.amount_minor for row in rows if row.state == "confirmed") == here.bank.moved("pi_1") == 2700
