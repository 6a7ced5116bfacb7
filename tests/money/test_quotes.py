"""Orders carry money through the store, and a quote reads it back."""

from functools import partial
from typing import Any
from uuid import UUID

import pytest
from pydantic import ValidationError

from countermand.admin.callers import PLATFORM
from countermand.documents.orders import OrderIn
from countermand.documents.refunds import quote_document
from countermand.domain.commands import AskCancellation
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.refusals import Refusal, RefusalKind
from countermand.reads import refunds
from countermand.reads.scope import Scope
from countermand.service.calls import Done
from countermand.store.money import money_of_terms
from tests.support.money import PAID, order_json, place_paid, rows_of
from tests.support.world import World

pytestmark = pytest.mark.anyio


async def quoted(world: World, line: UUID, units: int | None = None, *, by: UUID | None = None) -> Any:
    party = by or world.retailer
    scope = Scope(party=party, kind=PartyKind.SUPPLIER if party == world.supplier else PartyKind.RETAILER)
    found = await world.application.database.read(
        lambda connection: refunds.quote_units(connection, scope, {line: units})
    )
    return found if isinstance(found, Refusal) else quote_document(found)


async def test_a_quote_shows_what_would_go_back_before_anybody_asks(world: World) -> None:
    order = await place_paid(world)
    shown = await quoted(world, order.lines[0].id, 2)
    assert shown["refund"] == "18.00"
    assert shown["currency"] == "EUR"
    assert [(each["reference"], each["refund"]) for each in shown["payments"]] == [("PAY-1", "18.00")]
    assert await rows_of(world, "refunds") == []


async def test_a_quote_without_units_is_for_all_that_can_be_cancelled(world: World) -> None:
    order = await place_paid(world)
    assert (await quoted(world, order.lines[0].id))["refund"] == "27.00"


async def test_money_is_stored_and_read_to_the_minor_unit(world: World) -> None:
    order = await place_paid(
        world,
        currency="KWD",
        tax="added",
        lines=[
            {
                "sku": "a",
                "units": 3,
                "unit_price": "1.999",
                "discount": "0.001",
                "tax_percent": "8.875",
                "tax": "0.532",
                "fee": "0.10",
            }
        ],
        discounts=[{"amount": "0.100", "starts_from": "3", "below": "claw_back"}],
        shipping=[{"amount": "1.5", "tax_percent": "10", "refund": "by_share"}],
        payments=[
            {"id": "gift", "method": "gift_card", "captured": "0.5"},
            {"provider": "stripe", "reference": "pi_1", "captured": "1", "authorised": "6.5"},
        ],
        commission_returned=True,
    )
    [row] = await rows_of(world, "order_money")
    assert order.money is not None
    assert money_of_terms(row.terms) == order.money


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"payments": [{**PAID, "captured": "27.01"}]}, "The payments come to 27.01 EUR, the order to 27.00."),
        ({"payments": [{**PAID, "captured": "27.001"}]}, "more decimals than EUR"),
        ({"payments": [{**PAID, "captured": "NaN"}]}, "decimal number"),
        ({"payments": [{**PAID, "captured": "-1"}]}, "greater than or equal"),
        ({"payments": [{**PAID, "provider": "No Such"}]}, "match pattern"),
        ({"discounts": [{"amount": "31"}]}, "discounts cannot be more"),
        ({"lines": [{"sku": "a", "units": 1}]}, "needs a unit_price"),
        ({"currency": "XXQ"}, "XXQ is no currency of ISO 4217 that is in use"),
        ({"currency": "XAU"}, "XAU is no currency"),
        ({"currency": "JPY", "discounts": [{"amount": "3.5"}]}, "more decimals than JPY"),
        ({"payments": [], "lines": [{"sku": "a", "units": 1, "unit_price": "0.001"}]}, "more decimals"),
    ],
)
async def test_money_that_does_not_hold_together_is_refused_at_the_door(
    sqlite_world: World, changes: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(ValidationError, match=sentence):
        OrderIn.model_validate(
            order_json(sqlite_world, **{"lines": [{"sku": "a", "units": 3, "unit_price": "10.00"}], **changes})
        )


async def test_an_order_without_payments_is_quoted_as_unpaid(world: World) -> None:
    order = await place_paid(world, payments=[], discounts=[])
    shown = await quoted(world, order.lines[0].id, 1)
    assert (shown["refund"], shown["goods"], shown["unpaid"], shown["payments"]) == ("0.00", "10.00", "10.00", [])


async def test_what_was_cancelled_counts_in_the_next_quote(world: World) -> None:
    order = await place_paid(
        world, lines=[{"sku": "a", "units": 3, "unit_price": "4"}], discounts=[], payments=[{"captured": "10.00"}]
    )
    line = order.lines[0].id
    assert (await quoted(world, line, 1))["refund"] == "2.00"
    await world.submit(AskCancellation(line=line, actor=world.actor(world.retailer), units=1, asker=Asker.RETAILER))
    assert (await quoted(world, line))["refund"] == "8.00"


@pytest.mark.parametrize(("units", "kind"), [(4, RefusalKind.TOO_MANY_UNITS), (0, RefusalKind.UNITS_INVALID)])
async def test_a_quote_for_what_is_not_there_is_refused(world: World, units: int, kind: RefusalKind) -> None:
    order = await place_paid(world)
    assert (await quoted(world, order.lines[0].id, units)).kind is kind


async def test_an_order_without_prices_has_no_quote(world: World) -> None:
    order = await world.order(2)
    assert (await quoted(world, order.lines[0].id, 1)).kind is RefusalKind.NO_PRICE


async def test_nobody_else_learns_what_the_customer_paid(world: World) -> None:
    order = await place_paid(world)
    for stranger in (world.supplier, world.other_retailer):
        assert (await quoted(world, order.lines[0].id, 1, by=stranger)).kind is RefusalKind.UNKNOWN_LINE
    assert (await quoted(world, world.retailer, 1)).kind is RefusalKind.UNKNOWN_LINE


async def test_asks_of_several_parties_are_quoted_together_as_each_would_be(world: World) -> None:
    """Each as before it: what was accepted at once is not counted, and a supplier is told nothing."""
    mine = [await place_paid(world, held=held) for held in (False, True)]
    theirs = await place_paid(world, retailer=str(world.other_retailer))
    platform = Scope(party=PLATFORM, kind=PartyKind.PLATFORM)
    retailer, other = (Scope(party=party, kind=PartyKind.RETAILER) for party in (world.retailer, world.other_retailer))
    supplier = Scope(party=world.supplier, kind=PartyKind.SUPPLIER)
    asks = [
        (retailer, mine[0], 1),
        (retailer, mine[1], 2),
        (other, theirs, 1),
        (platform, theirs, 2),
        (supplier, mine[0], 1),
        (other, mine[0], 1),
    ]
    wanted = []
    for scope, order, units in asks:
        line = order.lines[0].id
        accepted = await accepted_at_once(world, line, units) if order is mine[1] else ()
        wanted.append(refunds.QuotedUnits(scope=scope, units={line: units}, accepted=accepted))
    assert wanted[1].accepted
    found = await world.application.database.read(lambda connection: refunds.quotes_asked(connection, wanted, {}))
    each = [quote_document(one)["refund"] if one else None for one in found]
    assert each == ["9.00", "18.00", "9.00", "18.00", None, None]
    alone = [
        await world.application.database.read(partial(refunds.quotes_asked, asks=[one], known={})) for one in wanted
    ]
    assert [one for [one] in alone] == found
    # Whose order it is may be known before, and is no secret to whom it is known.
    homes = {each.lines[0].id: (world.retailer, each.id) for each in mine} | {
        theirs.lines[0].id: (world.other_retailer, theirs.id)
    }
    assert await world.application.database.read(partial(refunds.quotes_asked, asks=wanted, known=homes)) == found


async def accepted_at_once(world: World, line: UUID, units: int) -> tuple[UUID, ...]:
    """Nobody holds the goods of a held order, so nobody is asked."""
    command = AskCancellation(line=line, actor=world.actor(world.retailer), units=units)
    outcome = await world.submit(command, retailer=world.retailer)
    assert isinstance(outcome, Done)
    return outcome.cancellations
