"""Process statuses: what a caller that cannot wait (bol's clients) is told, and when."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from countermand.domain.commands import Command
from countermand.domain.reasons import DeclineReason
from countermand.service.calls import Done, Refused
from countermand.store import tables as t
from tests.store.holding import agree, rows
from tests.store.speaking import WISH, Sale, new_sale, once
from tests.support.world import START, World

pytestmark = pytest.mark.anyio

Word = Callable[[Sale], Command]


async def status(world: World, number: int | None) -> tuple[str, str | None]:
    row = await process(world, number)
    return row["status"], row["error_message"]


async def process(world: World, number: int | None) -> dict[str, Any]:
    [row] = await rows(world.application.database, t.process_statuses, t.process_statuses.c.number == number)
    return row


async def test_what_is_decided_at_once_is_a_success_at_once(world: World) -> None:
    sale = await new_sale(world, fulfillers=(world.retailer,))
    done = await sale.done(sale.retailer_cancel(), process=replace(WISH, claimed_at="2011-01-01T12:00:00"))
    row = await process(world, done.process)
    assert (row["status"], row["error_message"], row["cancellation_id"]) == ("SUCCESS", None, None)
    assert (row["created_at"], row["settled_at"]) == (START, START)
    assert (row["event_type"], row["entity_id"]) == (WISH.event_type, WISH.entity_id)
    assert row["claimed_at"] == "2011-01-01T12:00:00"
    assert row["retailer_id"] == world.retailer


async def test_a_refusal_is_a_failure_with_its_sentence(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ship())
    refused = await sale.refused(sale.retailer_cancel(), process=WISH)
    assert await status(world, refused.process) == ("FAILURE", refused.refusal.detail)


ENDINGS: dict[str, tuple[Word, str, str | None]] = {
    "accepted": (lambda sale: sale.accept(), "SUCCESS", None),
    "accepted in part": (
        lambda sale: sale.accept(1),
        "SUCCESS",
        "The cancellation of 2 units was accepted for 1 of 2 units by the supplier at 2026-11-02T09:01:00Z.",
    ),
    "accepted in part, and why": (
        lambda sale: replace(sale.accept(1), rest_reason=DeclineReason.IN_PACKING),
        "SUCCESS",
        "The cancellation of 2 units was accepted for 1 of 2 units by the supplier at 2026-11-02T09:01:00Z:"
        " in_packing.",
    ),
    "declined": (
        lambda sale: sale.decline(),
        "FAILURE",
        "The cancellation of 2 units was declined by the supplier at 2026-11-02T09:01:00Z: in_packing.",
    ),
    "withdrawn": (
        lambda sale: sale.withdraw(),
        "FAILURE",
        "The cancellation of 2 units was withdrawn by the retailer at 2026-11-02T09:01:00Z.",
    ),
    "shipped over": (
        lambda sale: sale.ship(override=True),
        "FAILURE",
        "The cancellation of 2 units was declined by the supplier at 2026-11-02T09:01:00Z: already_shipped.",
    ),
    "lapsed": (
        lambda sale: sale.pass_deadline(),
        "TIMEOUT",
        "The cancellation of 2 units lapsed by policy at 2026-11-02T09:01:00Z, as nobody had answered in time.",
    ),
}


@pytest.mark.parametrize(("word", "ending", "error"), ENDINGS.values(), ids=ENDINGS.keys())
@pytest.mark.parametrize("one_batch", [True, False], ids=["one batch", "one after the other"])
async def test_a_process_waits_for_the_answer(
    world: World, word: Word, ending: str, error: str | None, one_batch: bool
) -> None:
    await agree(world, world.supplier, 1, answer_within_s=60 if ending == "TIMEOUT" else 3600)
    sale = await new_sale(world)
    ask = sale.ask(2)
    if one_batch and ending != "TIMEOUT":
        world.clock.advance(minutes=1)
        asked, _ = await asyncio.gather(sale.done(ask, process=WISH), sale.done(word(sale)))
    else:
        asked = await sale.done(ask, process=WISH)
        row = await process(world, asked.process)
        assert (row["status"], row["settled_at"], row["cancellation_id"]) == ("PENDING", None, sale.asked)
        world.clock.advance(minutes=1)
        await sale.done(word(sale))
    row = await process(world, asked.process)
    assert (row["status"], row["error_message"], row["settled_at"]) == (ending, error, world.clock())


async def test_all_that_wait_for_one_answer_hear_it_and_only_they(world: World) -> None:
    sale, other = await new_sale(world), await new_sale(world)
    waiting = [await sale.done(sale.ask(2), process=WISH) for _ in range(3)]
    apart = await other.done(other.ask(2), process=WISH)
    await sale.done(sale.accept())
    assert [await status(world, each.process) for each in waiting] == [("SUCCESS", None)] * 3
    assert await status(world, apart.process) == ("PENDING", None)


async def test_a_final_status_never_changes(world: World) -> None:
    sale = await new_sale(world)
    first = await sale.done(sale.ask(2), process=WISH)
    await sale.done(sale.decline())
    before = await process(world, first.process)
    world.clock.advance(hours=1)
    second = await sale.done(sale.ask(2), process=WISH)
    await sale.done(sale.accept())
    assert await process(world, first.process) == before
    assert await status(world, second.process) == ("SUCCESS", None)


async def test_an_ask_that_goes_to_an_operator_is_still_pending(world: World) -> None:
    await agree(world, world.supplier, 1, silence="escalate", answer_within_s=60)
    sale = await new_sale(world)
    asked = await sale.done(sale.ask(2), process=WISH)
    world.clock.advance(minutes=1)
    await sale.done(sale.pass_deadline())
    assert await status(world, asked.process) == ("PENDING", None)


async def test_what_the_retailer_passes_on_is_pending_until_the_supplier_answers(world: World) -> None:
    sale = await new_sale(world)
    await sale.done(sale.customer_asks(2))
    passed = await sale.done(sale.retailer_cancel(), process=WISH)
    again = await sale.done(sale.retailer_cancel(), process=WISH)
    assert {await status(world, each.process) for each in (passed, again)} == {("PENDING", None)}
    await sale.done(sale.accept())
    assert {await status(world, each.process) for each in (passed, again)} == {("SUCCESS", None)}


@pytest.mark.parametrize("word", [lambda sale: sale.ship(1), lambda sale: sale.ship_order(sale.ship(1))])
async def test_a_shipment_beside_an_ask_does_not_wait_for_its_answer(world: World, word: Word) -> None:
    sale = await new_sale(world)
    await sale.done(sale.ask(2))
    shipped = await sale.done(word(sale), process=WISH, retailer=world.retailer)
    assert shipped.cancellations == ()
    assert await status(world, shipped.process) == ("SUCCESS", None)


async def test_an_ask_told_apart_by_key_waits_for_its_own_answer(world: World) -> None:
    sale = await new_sale(world)
    first = await sale.done(sale.ask(2, key="a"))
    second = await sale.done(sale.ask(2, key="b"))
    again = await sale.done(sale.ask(2, key="b"), process=WISH)
    assert again.cancellations == second.cancellations != first.cancellations
    row = await process(world, again.process)
    assert (row["status"], row["cancellation_id"]) == ("PENDING", second.cancellations[0])


async def test_a_repeated_key_names_the_same_process(world: World) -> None:
    sale = await new_sale(world)
    first = await sale.say(sale.ask(), once=once(), process=WISH)
    again = await sale.say(sale.ask(), once=once(), process=WISH)
    refused = await sale.say(sale.ship(), once=once("k2"), process=WISH, retailer=world.retailer)
    refused_again = await sale.say(sale.ship(), once=once("k2"), process=WISH, retailer=world.retailer)
    assert isinstance(first, Done)
    assert isinstance(again, Done)
    assert isinstance(refused, Refused)
    assert again.process == first.process is not None
    assert refused_again == replace(refused, replayed=True)
    assert len(await rows(world.application.database, t.process_statuses)) == 2
