"""PUT …/cancellation: what it means, and how its process ends (docs/plaza.md)."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from datetime import UTC
from functools import partial
from uuid import UUID

import pytest

from countermand.domain.commands import AcceptCancellation, AskCancellation, PassDeadline, WithdrawCancellation
from countermand.domain.dates import write_moment
from countermand.domain.parties import Asker, PartyKind
from countermand.domain.policy import Cutoff, Policy, Silence
from countermand.domain.reasons import DeclineReason
from countermand.domain.scoring import Role, Week
from countermand.reads import cancellations as cancellation_reads
from countermand.reads import scores
from countermand.reads.cancellations import CancellationFilter, CancellationView
from countermand.reads.scope import Scope
from countermand.service.calls import Call, Refused
from countermand.store import tables as t
from countermand.store.policies import terms_of_policy
from countermand.wire.bol.vocabulary import AMSTERDAM, REASONS, ReasonCode
from tests.store.speaking import OPERATOR
from tests.wire.bol_plaza.calling import (
    ROOT,
    V2_1,
    Process,
    Seller,
    cancel_path,
    cancellation,
    new_seller,
    opened_plaza,
    process_of,
)

pytestmark = pytest.mark.anyio

BY_CUSTOMER = "REQUESTED_BY_CUSTOMER"
ACCEPTED, ASKED, PASSED_ON = "cancellation.accepted", "cancellation.asked", "cancellation.passed_on"
UNKNOWN = "There is no such order item that you can act on."
DECLINED = "The cancellation of 1 unit was declined by the supplier at NOW"
CANCELLED = (
    "This order item is cancelled already. 1 unit was cancelled by the retailer at NOW; nobody had asked for it."
)


async def test_the_answer_is_pending_and_has_every_element(seller: Seller) -> None:
    _, number = await seller.line()
    answer = await seller.call("PUT", cancel_path(number), cancellation())
    names = [str(each.tag).rpartition("}")[2] for each in answer.all()]
    assert names == [
        "id", "sellerId", "entityId", "eventType", "description", "status", "createTimestamp", "Links",
    ]  # fmt: skip
    assert answer.text("entityId") == str(number)
    assert answer.text("eventType") == "CANCEL_ORDER"
    assert answer.text("description") == f"Cancel order item with id {number}."
    assert answer.text("createTimestamp") == _in_dutch_time(seller, "milliseconds")
    polled = await seller.call("GET", f"{ROOT}/process-status/v2/{answer.text('id')}")
    assert polled.content.replace(b"SUCCESS", b"PENDING") == answer.content
    assert 0 < int(answer.text("id")) < 2**31


async def test_numbers_that_a_client_keeps_in_an_int_stay_below_2_to_the_31(seller: Seller) -> None:
    _, number = await seller.line()
    orders = await seller.orders()
    process = await seller.call("PUT", cancel_path(number), cancellation())
    for text in (
        orders.text("Order", "OrderId"), orders.text("Order", "OrderItems", "OrderItem", "OrderItemId"),
        process.text("id"), process.text("sellerId"),
    ):  # fmt: skip
        assert 0 < int(text) < 2**31


# The retailer holds the goods


async def test_a_customers_ask_is_confirmed_and_does_not_count(seller: Seller) -> None:
    line, number = await seller.line(2)
    await seller.ask(line)
    process = await seller.cancel(number, BY_CUSTOMER)
    assert await seller.outcome(process) == ("SUCCESS", None)
    assert await seller.reported(line) == [(ASKED, 2, False), (ACCEPTED, 2, False)]
    assert await seller.world.buckets(line) == (0, 0, 2, 0)


async def test_the_customers_wish_without_a_customers_ask_counts(seller: Seller) -> None:
    line, number = await seller.line(2)
    assert await seller.outcome(await seller.cancel(number, BY_CUSTOMER)) == ("SUCCESS", None)
    assert await seller.reported(line) == [(ACCEPTED, 2, True)]


@pytest.mark.parametrize("reason", [each for each in REASONS if each != BY_CUSTOMER])
@pytest.mark.parametrize("asked", [False, True])
async def test_any_other_reason_counts_also_when_the_customer_asked(
    sqlite_seller: Seller, reason: str, asked: bool
) -> None:
    line, number = await sqlite_seller.line(2)
    if asked:
        await sqlite_seller.ask(line)
    assert await sqlite_seller.outcome(await sqlite_seller.cancel(number, reason)) == ("SUCCESS", None)
    reported = await sqlite_seller.reported(line)
    assert reported == [(ASKED, 2, False)] * asked + [(ACCEPTED, 2, True)]
    last = (await sqlite_seller.world.events(line))[-1]
    assert last.facts["reason"] == REASONS[ReasonCode(reason)].value
    assert await sqlite_seller.world.buckets(line) == (0, 0, 2, 0)


async def test_a_customer_that_asked_for_some_units_gets_those(seller: Seller) -> None:
    line, number = await seller.line(3)
    await seller.ask(line, 1)
    assert await seller.outcome(await seller.cancel(number, BY_CUSTOMER)) == ("SUCCESS", None)
    assert await seller.world.buckets(line) == (2, 0, 1, 0)
    # A client that lost the answer repeats the call, and must not cancel what nobody wanted cancelled.
    assert await seller.outcome(await seller.cancel(number, BY_CUSTOMER)) == ("SUCCESS", None)
    assert await seller.world.buckets(line) == (2, 0, 1, 0)
    assert await seller.outcome(await seller.cancel(number, "OUT_OF_STOCK")) == ("SUCCESS", None)
    assert await seller.reported(line) == [(ASKED, 1, False), (ACCEPTED, 1, False), (ACCEPTED, 2, True)]


async def test_one_item_of_an_order_is_cancelled_and_the_other_is_not(seller: Seller) -> None:
    first, second = (await seller.order(1, 1)).lines
    await seller.cancel(await seller.number(first.id))
    assert await seller.world.buckets(first.id) == (0, 0, 1, 0)
    assert await seller.world.buckets(second.id) == (1, 0, 0, 0)


async def test_a_retailer_cancels_what_it_keeps_back_from_its_supplier(seller: Seller) -> None:
    held = await seller.world.order(2, fulfillers=(seller.world.supplier,), retailer=seller.party, held=True)
    line = held.lines[0].id
    process = await seller.cancel(await seller.number(line), "OUT_OF_STOCK")
    assert await seller.outcome(process) == ("SUCCESS", None)
    assert await seller.reported(line) == [(ACCEPTED, 2, True)]


# A supplier holds the goods


async def test_a_supplier_is_asked_and_its_yes_is_success(seller: Seller) -> None:
    supplier = seller.world.supplier
    line, number = await seller.line(2, by=supplier)
    process = await seller.cancel(number, "OUT_OF_STOCK")
    assert await seller.outcome(process) == ("PENDING", None)
    assert await seller.world.buckets(line) == (0, 2, 0, 0)
    await seller.accept(line, by=supplier)
    assert await seller.outcome(process) == ("SUCCESS", None)
    assert await seller.reported(line) == [(ASKED, 2, False), (ACCEPTED, 2, False)]


@pytest.mark.parametrize("reason", list(DeclineReason))
async def test_a_suppliers_no_is_a_failure_that_says_why(sqlite_seller: Seller, reason: DeclineReason) -> None:
    supplier = sqlite_seller.world.supplier
    line, number = await sqlite_seller.line(by=supplier)
    process = await sqlite_seller.cancel(number)
    await sqlite_seller.decline(line, by=supplier, reason=reason)
    why = "" if reason is DeclineReason.NOT_STATED else f": {reason.value}"
    assert await _ending(sqlite_seller, process) == ("FAILURE", f"{DECLINED}{why}.")
    assert await sqlite_seller.world.buckets(line) == (1, 0, 0, 0)


async def test_a_suppliers_silence_is_a_timeout(seller: Seller) -> None:
    supplier = seller.world.supplier
    line, number = await seller.line(by=supplier)
    process = await seller.cancel(number)
    (ask,) = await _cancellations(seller)
    seller.world.clock.advance(hours=48)
    await seller.do(PassDeadline(line=line, cancellation=ask.id))
    assert await _ending(seller, process) == (
        "TIMEOUT",
        "The cancellation of 1 unit lapsed by policy at NOW, as nobody had answered in time.",
    )
    assert await seller.world.buckets(line) == (1, 0, 0, 0)


async def test_silence_may_mean_yes(seller: Seller) -> None:
    supplier = seller.world.supplier
    await _agree(seller, Policy(version=1, answer_within_s=60, silence=Silence.ACCEPT))
    line, number = await seller.line(by=supplier)
    process = await seller.cancel(number)
    (ask,) = await _cancellations(seller)
    seller.world.clock.advance(minutes=1)
    await seller.do(PassDeadline(line=line, cancellation=ask.id))
    assert await seller.outcome(process) == ("SUCCESS", None)


async def test_an_ask_that_is_free_is_a_success_at_once(seller: Seller) -> None:
    await _agree(seller, Policy(version=1, free_window_s=3600))
    _, number = await seller.line(by=seller.world.supplier)
    assert await seller.outcome(await seller.cancel(number)) == ("SUCCESS", None)


async def test_a_supplier_that_accepts_no_cancellations_is_a_failure(seller: Seller) -> None:
    await _agree(seller, Policy(version=1, accepts_until=Cutoff.NEVER))
    _, number = await seller.line(by=seller.world.supplier)
    assert await seller.outcome(await seller.cancel(number)) == (
        "FAILURE",
        "The supplier accepts no cancellations.",
    )


async def test_an_ask_that_is_withdrawn_is_a_failure(seller: Seller) -> None:
    line, number = await seller.line(by=seller.world.supplier)
    process = await seller.cancel(number)
    await seller.withdraw(line, asker=Asker.RETAILER)
    assert await _ending(seller, process) == (
        "FAILURE",
        "The cancellation of 1 unit was withdrawn by the retailer at NOW.",
    )


async def test_a_customers_ask_is_passed_on_and_waits_for_the_supplier(seller: Seller) -> None:
    supplier = seller.world.supplier
    line, number = await seller.line(2, by=supplier)
    await seller.ask(line, 1)
    process = await seller.cancel(number, BY_CUSTOMER)
    assert await seller.outcome(process) == ("PENDING", None)
    assert await seller.reported(line) == [(ASKED, 1, False), (PASSED_ON, 1, False)]
    await seller.accept(line, by=supplier)
    assert await seller.outcome(process) == ("SUCCESS", None)
    assert await seller.world.buckets(line) == (1, 0, 1, 0)


async def test_the_process_follows_the_retailers_own_ask_not_the_one_it_passed_on(seller: Seller) -> None:
    supplier = seller.world.supplier
    line, number = await seller.line(3, by=supplier)
    customers = await seller.ask(line, 1)
    process = await seller.cancel(number, "OUT_OF_STOCK")
    await seller.do(AcceptCancellation(line=line, actor=seller.world.actor(supplier), cancellation=customers))
    assert await seller.outcome(process) == ("PENDING", None)
    await seller.decline(line, by=supplier)
    assert (await seller.outcome(process))[0] == "FAILURE"
    assert await seller.world.buckets(line) == (2, 0, 1, 0)


async def test_the_same_call_while_the_supplier_thinks_is_the_same_ask(seller: Seller) -> None:
    supplier = seller.world.supplier
    line, number = await seller.line(2, by=supplier)
    processes = [await seller.cancel(number, "OUT_OF_STOCK") for _ in range(3)]
    assert len(set(processes)) == 3
    assert len(await _cancellations(seller)) == 1
    assert [await seller.outcome(each) for each in processes] == [("PENDING", None)] * 3
    await seller.decline(line, by=supplier)
    words = ("FAILURE", f"{DECLINED.replace('1 unit', '2 units')}: in_packing.")
    assert [await _ending(seller, each) for each in processes] == [words] * 3


# What ends in a failure, always behind the same answer


async def test_unknown_and_foreign_items_look_the_same(seller: Seller) -> None:
    stranger = await new_seller(seller.world, seller.http)
    line, foreign = await stranger.line()
    answers = []
    for number in (foreign, 2_000_000_000):
        queued = await seller.call("PUT", cancel_path(number), cancellation())
        polled = await seller.call("GET", f"{ROOT}/process-status/v2/{queued.text('id')}")
        assert polled.text("status") == "FAILURE"
        assert polled.text("errorMessage") == UNKNOWN
        ids = re.compile(rf"\b({number}|{queued.text('id')})\b".encode())
        answers.append([ids.sub(b"#", each.content) for each in (queued, polled)])
    assert answers[0] == answers[1]
    assert await stranger.world.buckets(line) == (1, 0, 0, 0)
    assert await stranger.reported(line) == []


async def test_what_is_shipped_or_cancelled_already_fails_in_its_words(seller: Seller) -> None:
    _, number = await seller.line()
    assert await seller.outcome(await seller.ship(number)) == ("SUCCESS", None)
    assert await seller.outcome(await seller.cancel(number)) == (
        "FAILURE",
        "1 unit of this order item shipped already; ask for a return instead.",
    )
    _, number = await seller.line()
    first = await seller.cancel(number)
    second = await seller.cancel(number)
    assert await _ending(seller, second) == ("FAILURE", CANCELLED)
    assert await seller.outcome(first) == ("SUCCESS", None)


async def test_a_final_status_never_changes(seller: Seller) -> None:
    supplier = seller.world.supplier
    line, number = await seller.line(by=supplier)
    declined = await seller.cancel(number)
    await seller.decline(line, by=supplier)
    before = await seller.kept(declined)
    seller.world.clock.advance(minutes=1)
    accepted = await seller.cancel(number)
    await seller.accept(line, by=supplier)
    refused = await seller.cancel(number)
    seller.world.clock.advance(days=30)
    assert (await seller.outcome(declined))[0] == "FAILURE"
    assert await seller.outcome(accepted) == ("SUCCESS", None)
    status, sentence = await seller.outcome(refused)
    assert (status, str(sentence)[:84]) == (
        "FAILURE",
        "This order item is cancelled already. The cancellation of 1 unit was accepted by the",
    )
    assert await seller.kept(declined) == before


async def test_a_supplier_that_answers_twice_settles_once(seller: Seller) -> None:
    supplier = seller.world.supplier
    line, number = await seller.line(by=supplier)
    process = await seller.cancel(number)
    (ask,) = await _cancellations(seller)
    yes = AcceptCancellation(line=line, actor=seller.world.actor(supplier), cancellation=ask.id)
    await seller.do(yes)
    settled = (await seller.kept(process)).settled_at
    seller.world.clock.advance(hours=1)
    await seller.do(yes)
    assert (await seller.kept(process)).settled_at == settled


# The time that is claimed


@pytest.mark.parametrize(
    ("claim", "kept"),
    [
        ("2026-11-02T10:00:00", "2026-11-02T09:00:00+00:00"),
        ("2011-01-01T12:00:00", "2011-01-01T11:00:00+00:00"),
        ("2026-11-22T04:15:27.509507", "2026-11-22T03:15:27.509507+00:00"),
        ("2017-02-09T12:39:48.1234567+01:00", "2017-02-09T11:39:48.123456+00:00"),
        ("2199-12-31T00:00:00Z", "2199-12-31T00:00:00+00:00"),
    ],
)
async def test_the_claimed_time_is_kept_and_decides_nothing(seller: Seller, claim: str, kept: str) -> None:
    line, number = await seller.line()
    process = await seller.cancel(number, date_time=claim)
    row = await seller.kept(process)
    assert row.claimed_at == kept
    assert row.created_at == row.settled_at == seller.world.clock()
    assert (await seller.world.events(line))[-1].at == seller.world.clock()
    (cancelled,) = await _cancellations(seller)
    assert cancelled.answered_at == seller.world.clock()


async def test_a_cancellation_dated_before_the_shipment_comes_too_late_all_the_same(seller: Seller) -> None:
    _, number = await seller.line()
    await seller.ship(number)
    seller.world.clock.advance(hours=1)
    late = await seller.cancel(number, date_time="2026-01-01T00:00:00Z")
    assert (await seller.outcome(late))[0] == "FAILURE"


# The process status


async def test_a_process_of_another_retailer_is_unknown(seller: Seller) -> None:
    _, number = await seller.line()
    process = await seller.cancel(number)
    stranger = await new_seller(seller.world, seller.http)
    answers = [
        await stranger.call("GET", f"{ROOT}/process-status/v2/{each}")
        for each in (process, 1, 2**31, 10**30, "x", "%00")
    ]
    assert {answer.error for answer in answers} == {(404, 41301)}
    assert len({answer.content for answer in answers}) == 1
    assert answers[0].sentence == "Request contains an invalid process order id"


async def test_a_process_is_found_by_its_number_with_zeros_and_in_v2_1(seller: Seller) -> None:
    _, number = await seller.line()
    process = await seller.cancel(f"000{number}")
    answer = await seller.call("GET", f"{ROOT}/process-status/v2/000{process}", headers=V2_1)
    assert process_of(answer) == Process(
        id=process, event_type="CANCEL_ORDER", entity_id=str(number), status="SUCCESS", error=None
    )


async def test_a_process_is_found_where_a_public_client_looks_for_it(seller: Seller) -> None:
    """mcs/bol-plaza-v2 polls ``orders/v2/process`` (docs/plaza.md)."""
    _, number = await seller.line()
    process = await seller.cancel(number)
    answers = [
        await seller.call("GET", f"{ROOT}/{path}/{process}") for path in ("orders/v2/process", "process-status/v2")
    ]
    assert answers[0].content == answers[1].content
    assert process_of(answers[0]).id == process
    stranger = await new_seller(seller.world, seller.http)
    assert (await stranger.call("GET", f"{ROOT}/orders/v2/process/{process}")).error == (404, 41301)
    assert (await stranger.call("PUT", f"{ROOT}/orders/v2/process/{process}")).status == 405


@pytest.mark.parametrize("number", ["2147483647", "2147483648", "9999999999", "999999999999999999", "0", "00"])
async def test_a_number_that_is_too_large_is_nobodys(seller: Seller, number: str) -> None:
    process = await seller.process(await seller.cancel(number))
    assert (process.status, process.error, process.entity_id) == ("FAILURE", UNKNOWN, str(int(number)))


@pytest.mark.parametrize(
    "number", ["x", "-1", "+1", "1.0", "1e3", "%D9%A3", "%E2%82%81", "%20", "1%00", "9" * 19, "9" * 5000]
)
async def test_what_is_no_number_is_refused(sqlite_seller: Seller, number: str) -> None:
    answer = await sqlite_seller.call("PUT", cancel_path(number), cancellation())
    assert (answer.error, answer.sentence) == ((400, 41100), "OrderItemId is not a number")
    assert await sqlite_seller.count(t.process_statuses) == 0


async def test_many_calls_at_once_cancel_once(seller: Seller) -> None:
    line, number = await seller.line(3)
    processes = await asyncio.gather(*(seller.cancel(number) for _ in range(20)))
    outcomes = [await _ending(seller, each) for each in processes]
    assert sorted(outcomes) == [("FAILURE", CANCELLED.replace("1 unit was", "3 units were"))] * 19 + [("SUCCESS", None)]
    assert await seller.reported(line) == [(ACCEPTED, 3, True)]


async def test_a_database_that_fails_is_told_in_xml(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    async with opened_plaza(f"sqlite:///{tmp_path}/x.sqlite3", credential_cache_s=60) as seller:
        _, number = await seller.line()
        assert (await seller.orders()).status == 200

        async def fails(*_: object) -> None:
            raise OSError("the disk is gone")

        for name in ("read", "write"):
            monkeypatch.setattr(seller.world.application.database, name, fails)
        answer = await seller.call("PUT", cancel_path(number), cancellation())
        assert answer.error == (503, 41000)
        assert answer.headers["retry-after"] == "1"
        answer = await seller.call("GET", f"{ROOT}/orders/v2")
        assert answer.error == (500, 41000)
        assert "disk" not in answer.sentence


def _in_dutch_time(seller: Seller, timespec: str) -> str:
    return seller.world.clock().astimezone(AMSTERDAM).isoformat(timespec=timespec)


async def _cancellations(seller: Seller) -> list[CancellationView]:
    wanted = partial(
        cancellation_reads.list_cancellations,
        scope=Scope(party=seller.party, kind=PartyKind.RETAILER),
        wanted=CancellationFilter(),
    )
    return list(await seller.world.application.database.read(wanted))


async def _agree(seller: Seller, policy: Policy) -> None:
    values = {
        "retailer_id": seller.party,
        "fulfiller_id": seller.world.supplier,
        "version": policy.version,
        "terms": terms_of_policy(policy),
        "since": seller.world.clock(),
        "set_by": "test",
    }
    await seller.world.application.database.write(
        lambda connection: connection.execute(t.policies.insert().values(**values))
    )


# A confirmation confirms what was asked: each situation before the call, and the truth about it after

WITHDRAWN = "The customer's cancellation of 1 unit was withdrawn by the platform at NOW."
IN_PART = "The cancellation of 2 units was accepted for 1 of 2 units by the retailer at NOW."

Before = Callable[[Seller, UUID], Awaitable[object]]


async def _nothing(seller: Seller, line: UUID) -> None:
    """Nobody asked for anything."""


async def _asked(seller: Seller, line: UUID) -> None:
    wish = AskCancellation(line=line, actor=OPERATOR, asker=Asker.CUSTOMER, units=1)
    await seller.do(wish)


async def _asked_and_withdrawn(seller: Seller, line: UUID) -> None:
    await _asked(seller, line)
    await seller.do(WithdrawCancellation(line=line, actor=OPERATOR, asker=Asker.CUSTOMER))


async def _asked_and_declined(seller: Seller, line: UUID) -> None:
    await _asked(seller, line)
    await seller.decline(line)


async def _asked_and_lapsed(seller: Seller, line: UUID) -> None:
    await _asked(seller, line)
    seller.world.clock.advance(hours=48)


async def _asked_and_accepted(seller: Seller, line: UUID) -> None:
    await _asked(seller, line)
    await seller.accept(line)


async def _asked_and_accepted_in_part(seller: Seller, line: UUID) -> None:
    await seller.do(AskCancellation(line=line, actor=OPERATOR, asker=Asker.CUSTOMER, units=2))
    await seller.accept(line, units=1)


CONFIRMED: dict[str, tuple[Before, tuple[str, str | None], tuple[int, int, int, int], list[str]]] = {
    "the ask waits": (_asked, ("SUCCESS", None), (2, 0, 1, 0), []),
    "withdrawn": (_asked_and_withdrawn, ("FAILURE", WITHDRAWN), (3, 0, 0, 0), []),
    "declined": (_asked_and_declined, ("SUCCESS", None), (0, 0, 3, 0), ["false_claim"]),
    "lapsed": (_asked_and_lapsed, ("SUCCESS", None), (0, 0, 3, 0), ["lapsed", "false_claim"]),
    "never asked": (_nothing, ("SUCCESS", None), (0, 0, 3, 0), ["false_claim"]),
    "accepted": (_asked_and_accepted, ("SUCCESS", None), (2, 0, 1, 0), []),
    "accepted in part": (_asked_and_accepted_in_part, ("SUCCESS", IN_PART), (2, 0, 1, 0), []),
}


@pytest.mark.parametrize(("before", "ending", "buckets", "score"), CONFIRMED.values(), ids=CONFIRMED.keys())
async def test_a_confirmation_confirms_what_was_asked(
    seller: Seller,
    before: Before,
    ending: tuple[str, str | None],
    buckets: tuple[int, int, int, int],
    score: list[str],
) -> None:
    line, number = await seller.line(3)
    await before(seller, line)
    process = await seller.cancel(number, BY_CUSTOMER)
    assert await _ending(seller, process) == ending
    assert await seller.world.buckets(line) == buckets
    assert await _counts(seller) == score


async def test_a_wish_withdrawn_after_it_was_passed_on_ends_the_process_in_those_words(seller: Seller) -> None:
    line, number = await seller.line(3, by=seller.world.supplier)
    await _asked(seller, line)
    process = await seller.cancel(number, BY_CUSTOMER)
    assert await _ending(seller, process) == ("PENDING", None)
    await seller.do(WithdrawCancellation(line=line, actor=OPERATOR, asker=Asker.CUSTOMER))
    after = await seller.cancel(number, BY_CUSTOMER)
    for each, sentence in ((process, WITHDRAWN.replace("The customer's", "The")), (after, WITHDRAWN)):
        assert await _ending(seller, each) == ("FAILURE", sentence)
    assert (await seller.world.buckets(line), await _counts(seller)) == ((3, 0, 0, 0), [])


async def test_withdrawing_against_confirming_the_first_commit_wins_and_both_hear_it(seller: Seller) -> None:
    for _ in range(10):
        line, number = await seller.line(3)
        await _asked(seller, line)
        withdraw = Call(command=WithdrawCancellation(line=line, actor=OPERATOR, asker=Asker.CUSTOMER), door="test")
        process, withdrawn = await asyncio.gather(
            seller.cancel(number, BY_CUSTOMER), seller.world.application.lanes.submit(withdraw)
        )
        confirmed = isinstance(withdrawn, Refused)
        assert await _ending(seller, process) == (("SUCCESS", None) if confirmed else ("FAILURE", WITHDRAWN))
        assert await seller.world.buckets(line) == ((2, 0, 1, 0) if confirmed else (3, 0, 0, 0))
    assert await _counts(seller) == []


async def _ending(seller: Seller, process: int) -> tuple[str, str | None]:
    """How a process ended, with ``NOW`` for the time by the seller's clock."""
    status, sentence = await seller.outcome(process)
    return status, sentence and sentence.replace(write_moment(seller.world.clock()), "NOW")


async def _counts(seller: Seller) -> list[str]:
    """Why items count in the seller's score, as their events have it."""
    party = scores.Party(id=seller.party, role=Role.RETAILER)
    week = Week.of(seller.world.clock(), UTC)
    [card] = await seller.world.application.database.read(partial(scores.cards, party=party, weeks=[week], zone=UTC))
    return [each.why.value for each in card.counted]
