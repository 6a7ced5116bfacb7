"""What waits for funds, or for an equal refund, says so, goes on by itself and is never parked (EC-62)."""

from datetime import timedelta
from typing import Any

import pytest

from countermand.documents.refunds import refund_document
from countermand.domain.money.commands import WaitingFor
from countermand.domain.money.provider_results import ATTEMPTS_MAX
from countermand.payments.provider import Movement, ProviderResult, RefundRequest
from countermand.reads.refunds import refund_by_id
from countermand.reads.scope import Scope
from tests.money.test_settling import Desk, desk
from tests.store.holding import assert_sound
from tests.support.money import rows_of
from tests.support.world import World

pytestmark = pytest.mark.anyio

FUNDS = ProviderResult(movement=Movement.LATER, result="Waiting for funds.", spent=True, waiting_for=WaitingFor.FUNDS)
EQUAL = ProviderResult(
    movement=Movement.LATER,
    result="No second refund of the same amount within an hour.",
    spent=True,
    retry_after_s=3600,
    waiting_for=WaitingFor.EQUAL_REFUND,
)
FAILED = ProviderResult(
    movement=Movement.REFUSED, result="It failed.", provider_id="re_x", waiting_for=WaitingFor.FUNDS
)
PENDING = ProviderResult(movement=Movement.ACCEPTED, result="Queued.", provider_id="re_x", waiting_for=WaitingFor.FUNDS)


async def answering(world: World, reported: ProviderResult) -> tuple[Desk, Any]:
    here = await desk(world)
    real = here.bank.refund, here.bank.find

    async def says(request: RefundRequest) -> ProviderResult:
        here.bank.calls.append(request)
        return reported

    here.bank.refund = here.bank.find = says  # type: ignore[method-assign]
    await here.owed()

    def mend() -> None:
        here.bank.refund, here.bank.find = real  # type: ignore[method-assign]

    return here, mend


@pytest.mark.parametrize("reported", [FUNDS, EQUAL, FAILED], ids=["funds", "an equal refund", "failed for funds"])
async def test_it_waits_longer_than_any_other_and_then_moves_once(world: World, reported: ProviderResult) -> None:
    here, mend = await answering(world, reported)
    for _ in range(ATTEMPTS_MAX + 10):
        await here.work(hours=5)
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.waiting_for) == ("due", reported.waiting_for)
    assert len(here.bank.calls) == ATTEMPTS_MAX + 10 == len({request.key for request in here.bank.calls})
    assert await here.reported() == ["due", "sent"], "nobody is called"
    mend()
    await here.work(hours=5)
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.waiting_for, here.bank.moved()) == ("confirmed", None, 900)
    await assert_sound(world.application.database)


async def test_what_the_provider_has_and_cannot_pay_yet_is_not_given_up(world: World) -> None:
    here, _ = await answering(world, PENDING)
    for _ in range(60):
        await here.work(hours=12)
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.waiting_for) == ("accepted", "funds")
    assert world.clock() - row.created_at > timedelta(days=28)


async def test_what_was_confirmed_and_then_failed_for_funds_needs_a_person(world: World) -> None:
    here = await desk(world)
    await here.owed()
    await here.work()

    async def failed(request: RefundRequest) -> ProviderResult:
        return FAILED

    here.bank.find = failed  # type: ignore[method-assign]
    await here.worker.refunds.apply_news((await rows_of(world, "refunds"))[0])
    [row] = await rows_of(world, "refunds")
    assert (row.state, row.waiting_for) == ("parked", None)


async def test_the_document_says_what_it_waits_for(world: World) -> None:
    here, _ = await answering(world, FUNDS)
    await here.work()
    [row] = await rows_of(world, "refunds")
    actor = here.sale.retailer
    scope = Scope(party=actor.party, kind=actor.kind)
    found = await world.application.database.read(lambda connection: refund_by_id(connection, scope, row.id))
    assert found is not None
    document = refund_document(found)
    assert (document.state, document.waiting_for) == ("due", "funds")
