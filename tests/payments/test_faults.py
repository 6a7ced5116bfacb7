"""Every adapter against every fault: what it says, and what the provider's ledger says."""

from dataclasses import replace
from decimal import Decimal

import pytest

from countermand.payments.provider import Movement, Provider
from tests.payments.conftest import PREFIX, Make, refund_request
from tests.support.payments.ledger import Refund
from tests.support.payments.script import Fault
from tests.support.payments.server import Fake
from tests.support.world import Clock

pytestmark = pytest.mark.anyio

CONFIRMED, ACCEPTED, REFUSED = Movement.CONFIRMED, Movement.ACCEPTED, Movement.REFUSED
LATER, UNKNOWN, ABSENT = Movement.LATER, Movement.UNKNOWN, Movement.ABSENT

TABLE = [
    # fault, first answer, how many refunds then, second answer to the same request, how many refunds in the end
    (Fault.NONE, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.SLOW, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.TIMEOUT_BEFORE, UNKNOWN, 0, CONFIRMED, 1),
    (Fault.TIMEOUT_AFTER, UNKNOWN, 1, CONFIRMED, 1),
    (Fault.ERROR_BEFORE, UNKNOWN, 0, UNKNOWN, 0),  # the 500 is kept under the key
    (Fault.ERROR_AFTER, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.GARBAGE_AFTER, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.CUT_AFTER, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.TWIN, UNKNOWN, 0, CONFIRMED, 1),
    (Fault.RATE_LIMITED, LATER, 0, CONFIRMED, 1),
    (Fault.EXPIRED, LATER, 0, CONFIRMED, 1),
    (Fault.FORBIDDEN, LATER, 0, CONFIRMED, 1),
    (Fault.BAD_API, LATER, 0, CONFIRMED, 1),
    (Fault.NO_FUNDS, LATER, 0, LATER, 0),  # so is this: it needs a new key
    (Fault.PENDING, ACCEPTED, 1, ACCEPTED, 1),
    (Fault.FAILS_LATER, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.ALREADY, REFUSED, 0, REFUSED, 0),
    (Fault.STRANGE_STATE, UNKNOWN, 1, UNKNOWN, 1),
    (Fault.OTHER_AMOUNT, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.OTHER_CURRENCY, CONFIRMED, 1, CONFIRMED, 1),
    (Fault.OTHER_PAYMENT, CONFIRMED, 1, CONFIRMED, 1),
]


def ours(fake: Fake) -> list[Refund]:
    return fake.ledger.moved("rfd_1")


@pytest.mark.parametrize(("fault", "first", "moved", "second", "in_the_end"), TABLE, ids=[row[0] for row in TABLE])
async def test_each_fault_is_told_as_it_is_and_moves_money_once(
    fake: Fake,
    provider: Provider,
    payment: str,
    fault: Fault,
    first: Movement,
    moved: int,
    second: Movement,
    in_the_end: int,
) -> None:
    fake.script.first.append(fault)
    reported = await provider.refund(refund_request(payment))
    assert (reported.movement, len(ours(fake))) == (first, moved), reported
    assert reported.result.endswith(".")
    reported = await provider.refund(refund_request(payment))
    assert (reported.movement, len(ours(fake))) == (second, in_the_end), reported


def test_the_table_names_every_fault() -> None:
    by_connection = {Fault.RESET_BEFORE, Fault.RESET_AFTER}
    assert {row[0] for row in TABLE} | by_connection == set(Fault)


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
async def test_a_reset_on_a_fresh_connection_leaves_it_unknown(make: Make, fake: Fake, fault: Fault) -> None:
    payment = fake.ledger.pay("tr_1", "100.00").id
    mollie = make("mollie", fake.url)
    fake.script.first.append(fault)
    assert (await mollie.refund(refund_request(payment))).movement is UNKNOWN
    assert (await mollie.refund(refund_request(payment))).movement is CONFIRMED
    assert len(ours(fake)) == 1


@pytest.mark.parametrize("fault", [Fault.RESET_BEFORE, Fault.RESET_AFTER])
async def test_a_reset_on_a_kept_connection_is_tried_again_at_once_with_the_same_key(
    make: Make, fake: Fake, fault: Fault
) -> None:
    payment = fake.ledger.pay("pi_1", "100.00").id
    fake.script.first.append(fault)
    assert (await make("stripe", fake.url).refund(refund_request(payment))).movement is CONFIRMED
    assert len(ours(fake)) == 1
    assert [each.headers["idempotency-key"] for each in fake.moves()] == ["cm-refund-rfd_1-1"] * 2


@pytest.mark.parametrize(
    ("fault", "amount_minor", "currency"),
    [(Fault.OTHER_AMOUNT, 2600, "EUR"), (Fault.OTHER_CURRENCY, 2500, "SEK"), (Fault.OTHER_PAYMENT, 0, "EUR")],
)
async def test_what_does_not_fit_the_wish_is_told_so_that_it_can_be_parked(
    fake: Fake, provider: Provider, payment: str, fault: Fault, amount_minor: int, currency: str
) -> None:
    fake.script.first.append(fault)
    reported = await provider.refund(refund_request(payment))
    assert (reported.amount_minor, reported.currency) == (amount_minor, currency)


async def test_what_fits_is_told_with_its_amount(provider: Provider, payment: str) -> None:
    reported = await provider.refund(refund_request(payment))
    assert (reported.provider_id, reported.amount_minor, reported.currency) == ("re_000001", 2500, "EUR")


async def test_a_limit_on_calls_says_how_long_to_wait(fake: Fake, provider: Provider, payment: str) -> None:
    fake.script.first.append(Fault.RATE_LIMITED)
    reported = await provider.refund(refund_request(payment))
    assert reported.retry_after_s == 7


async def test_a_wrong_key_is_told_by_the_name_of_its_setting(make: Make, name: str, fake: Fake, payment: str) -> None:
    reported = await make(name, fake.url, api_key="sk_old").refund(refund_request(payment))
    assert reported.movement is LATER
    assert f"{name}_api_key" in reported.result
    assert ours(fake) == []


async def test_low_funds_are_told_as_waiting_and_a_new_key_gets_through(
    fake: Fake, provider: Provider, payment: str
) -> None:
    fake.ledger.funds = False
    reported = await provider.refund(refund_request(payment))
    assert (reported.movement, reported.spent) == (LATER, True)
    assert reported.result.startswith("Waiting for funds")
    fake.ledger.funds = True
    assert (await provider.refund(refund_request(payment))).movement is LATER
    assert (await provider.refund(refund_request(payment, n=2))).movement is CONFIRMED
    assert len(ours(fake)) == 1


async def test_after_the_key_is_forgotten_the_provider_is_asked_and_nothing_is_sent_twice(
    fake: Fake, provider: Provider, payment: str, clock: Clock
) -> None:
    fake.script.first.append(Fault.TIMEOUT_AFTER)
    assert (await provider.refund(refund_request(payment))).movement is UNKNOWN
    clock.advance(hours=25)
    assert fake.ledger.kept(refund_request(payment).key) is None
    reported = await provider.find(refund_request(payment))
    assert (reported.movement, reported.amount_minor) == (CONFIRMED, 2500)
    assert len(fake.moves()) == 1


async def test_an_error_without_the_charge_is_absent_once_asked_and_goes_through_after_its_key(
    fake: Fake, provider: Provider, payment: str, clock: Clock
) -> None:
    fake.script.first.append(Fault.ERROR_BEFORE)
    assert (await provider.refund(refund_request(payment))).movement is UNKNOWN
    clock.advance(hours=25)
    assert (await provider.find(refund_request(payment))).movement is ABSENT
    assert (await provider.refund(refund_request(payment))).movement is CONFIRMED
    assert len(ours(fake)) == 1


async def test_a_key_lives_shorter_than_the_provider_keeps_it(provider: Provider, name: str) -> None:
    assert provider.key_lifetime.total_seconds() == {"stripe": 23 * 3600, "mollie": 50 * 60}[name]


async def test_a_refund_that_failed_days_later_is_found_failed_and_can_be_wished_again(
    fake: Fake, provider: Provider, payment: str, clock: Clock
) -> None:
    fake.script.first.append(Fault.FAILS_LATER)
    assert (await provider.refund(refund_request(payment))).movement is CONFIRMED
    clock.advance(days=3)
    fake.ledger.days_pass()
    assert (await provider.find(refund_request(payment))).movement is REFUSED
    again = refund_request(payment, n=2)
    assert (await provider.find(again)).movement is ABSENT
    assert (await provider.refund(again)).movement is CONFIRMED
    assert (await provider.find(refund_request(payment))).movement is CONFIRMED
    assert len(ours(fake)) == 1


async def test_an_answer_that_is_given_again_is_not_taken_for_what_is_true_now(make: Make, fake: Fake) -> None:
    """Stripe says of an answer that it is the one from before. The refund may have failed since."""
    payment = fake.ledger.pay("pi_1", "100.00").id
    stripe = make("stripe", fake.url)
    fake.script.first.append(Fault.TIMEOUT_AFTER)
    assert (await stripe.refund(refund_request(payment))).movement is UNKNOWN
    fake.ledger.turn("re_000001", "failed")
    assert (await stripe.refund(refund_request(payment))).movement is REFUSED


async def test_an_error_for_a_second_try_is_not_answered_with_the_first_one_s_failure(
    fake: Fake, provider: Provider, payment: str, clock: Clock
) -> None:
    await provider.refund(refund_request(payment))
    fake.ledger.turn("re_000001", "failed")
    clock.advance(hours=2)
    fake.script.first.append(Fault.ERROR_BEFORE)
    assert (await provider.refund(refund_request(payment, n=2))).movement is UNKNOWN


async def test_two_refunds_with_one_reference_are_told_together(fake: Fake, provider: Provider, payment: str) -> None:
    metadata = {"countermand_reference": "rfd_1", "countermand_key": "cm-refund-rfd_1-1"}
    for _ in range(2):
        fake.ledger.refund(payment, Decimal(25), metadata)
    reported = await provider.find(refund_request(payment))
    assert (reported.movement, reported.amount_minor) == (CONFIRMED, 5000)
    assert "2 refunds" in reported.result


async def test_a_refund_by_hand_is_listed_without_a_reference(fake: Fake, provider: Provider, payment: str) -> None:
    fake.ledger.refund(payment, Decimal("10.50"), {})
    await provider.refund(refund_request(payment))
    listed = await provider.list_refunds(payment)
    assert listed is not None
    assert [(each.reference, each.amount_minor, each.movement) for each in listed] == [
        ("rfd_1", 2500, CONFIRMED),
        ("", 1050, CONFIRMED),
    ]


@pytest.mark.parametrize("count", [99, 260, 510])
async def test_a_long_list_is_read_to_its_end(fake: Fake, name: str, make: Make, count: int) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}long", "10000").id
    for n in range(count):
        fake.ledger.refund(payment, Decimal(1) + Decimal(n) / 100, {"countermand_reference": f"rfd_{n}"})
    provider = make(name, fake.url)
    listed = await provider.list_refunds(payment)
    assert listed is not None
    assert {each.reference for each in listed} == {f"rfd_{n}" for n in range(count)}
    assert len(listed) == count
    assert (await provider.find(refund_request(payment, 100, reference="rfd_0"))).movement is CONFIRMED


async def test_a_list_without_end_says_that_nobody_can_tell(fake: Fake, name: str, make: Make) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}long", "100000").id
    for n in range(2600):
        fake.ledger.refund(payment, Decimal(1), {"countermand_reference": f"rfd_{n}"})
    provider = make(name, fake.url)
    assert await provider.list_refunds(payment) is None
    assert (await provider.find(refund_request(payment, 100, reference="rfd_0"))).movement is UNKNOWN


async def test_another_currency_than_the_payment_s_moves_nothing(fake: Fake, provider: Provider, payment: str) -> None:
    reported = await provider.refund(refund_request(payment, currency="INR"))
    assert reported.movement is REFUSED
    assert ours(fake) == []


async def test_more_than_is_left_moves_nothing(fake: Fake, provider: Provider, payment: str) -> None:
    assert (await provider.refund(refund_request(payment, 10001))).movement is REFUSED
    assert ours(fake) == []


async def test_a_payment_that_is_not_captured_is_not_refunded(fake: Fake, name: str, provider: Provider) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured="0").id
    assert (await provider.refund(refund_request(payment))).movement is REFUSED
    assert not fake.ledger.payments[payment].released


@pytest.mark.parametrize(
    "payment", ["", "PAY-1", "pi_1/cancel", "tr_1?x=", "pi_é", "tr_", "pi_" + "x" * 300, "pi_1\r\nX: y"]
)
async def test_what_is_no_name_of_a_payment_is_never_sent(fake: Fake, provider: Provider, payment: str) -> None:
    for call in (provider.refund, provider.release):
        assert (await call(refund_request(payment))).movement is REFUSED
    assert (await provider.find(refund_request(payment))).movement is UNKNOWN
    assert await provider.list_refunds(payment) is None
    assert not fake.requests


async def test_a_payment_that_the_account_does_not_know_is_no_refusal(
    fake: Fake, name: str, provider: Provider
) -> None:
    """It may be another account than before, so nobody can tell, and waiting does not help."""
    for call in (provider.refund, provider.release, provider.find):
        reported = await call(refund_request(f"{PREFIX[name]}9"))
        assert reported.movement is UNKNOWN
        assert reported.needs_person or call == provider.find


async def test_nobody_at_home_means_that_nothing_was_sent(make: Make, name: str, payment: str) -> None:
    provider = make(name, "http://127.0.0.1:1")
    for call in (provider.refund, provider.release):
        assert (await call(refund_request(payment))).movement is LATER
    assert (await provider.find(refund_request(payment))).movement is UNKNOWN


async def test_an_inner_address_that_is_not_allowed_is_not_called(
    make: Make, name: str, fake: Fake, payment: str
) -> None:
    reported = await make(name, fake.url, inner=()).refund(refund_request(payment))
    assert reported.movement is LATER
    assert "not public" in reported.result
    assert not fake.requests


async def test_mollie_s_rule_of_equal_amounts_is_waited_for(make: Make, fake: Fake, clock: Clock) -> None:
    payment = fake.ledger.pay("tr_1", "100.00").id
    mollie = make("mollie", fake.url)
    assert (await mollie.refund(refund_request(payment))).movement is CONFIRMED
    other = refund_request(payment, reference="rfd_2")
    reported = await mollie.refund(other)
    assert (reported.movement, reported.retry_after_s) == (LATER, 3600)
    clock.advance(seconds=3601)
    assert (await mollie.refund(other)).movement is CONFIRMED


async def test_a_key_that_was_used_for_something_else_moves_nothing(
    fake: Fake, provider: Provider, payment: str
) -> None:
    await provider.refund(refund_request(payment))
    other = replace(refund_request(payment, 1000, reference="rfd_2"), key=refund_request(payment).key)
    assert (await provider.refund(other)).movement is REFUSED
    assert fake.ledger.moved("rfd_2") == []


async def test_ec_09_a_disputed_payment_is_not_refunded_and_is_when_the_dispute_is_over(
    fake: Fake, provider: Provider, payment: str
) -> None:
    """Stripe says so by name; at Mollie, what was charged back is not there to refund."""
    fake.ledger.payments[payment].disputed = True
    reported = await provider.refund(refund_request(payment))
    assert (reported.movement, reported.spent) == (REFUSED, True)
    assert not ours(fake)
    fake.ledger.payments[payment].disputed = False
    assert (await provider.refund(refund_request(payment, n=2))).movement is CONFIRMED


# Releases


async def test_a_whole_authorisation_is_released_once(fake: Fake, name: str, provider: Provider) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured="0").id
    for _ in range(2):
        reported = await provider.release(refund_request(payment, 10000))
        assert (reported.movement, reported.amount_minor) == (CONFIRMED, 10000)
    assert fake.ledger.payments[payment].released
    assert len(fake.moves()) == 1


async def test_a_part_of_an_authorisation_waits_for_the_capture_of_the_rest(
    fake: Fake, name: str, provider: Provider
) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured="0").id
    reported = await provider.release(refund_request(payment, 4000))
    assert (reported.movement, reported.retry_after_s) == (LATER, 24 * 3600)
    assert not fake.ledger.payments[payment].released
    fake.ledger.payments[payment].captured = Decimal(60)
    assert (await provider.release(refund_request(payment, 4000))).movement is CONFIRMED
    assert not fake.moves()


async def test_parts_of_an_authorisation_add_up(fake: Fake, name: str, provider: Provider) -> None:
    """Three parts of 100.00; the last one brings them all, and each is let go of once."""
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured="0").id
    parts = [
        replace(refund_request(payment, amount, reference=f"rfd_{before}"), before_minor=before)
        for amount, before in ((4000, 0), (3500, 4000), (2500, 7500))
    ]
    assert [(await provider.release(each)).movement for each in parts] == [LATER, LATER, CONFIRMED]
    assert [(await provider.release(each)).movement for each in parts] == [CONFIRMED] * 3
    assert len(fake.moves()) == 1


async def test_of_what_a_capture_let_go_only_as_much_is_released(fake: Fake, name: str, provider: Provider) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured="60").id
    first, second = (
        refund_request(payment, 4000),
        replace(refund_request(payment, 3000, reference="rfd_2"), before_minor=4000),
    )
    assert (await provider.release(first)).movement is CONFIRMED
    reported = await provider.release(second)
    assert (reported.movement, reported.captured_minor) == (REFUSED, 3000), "that much was captured"


@pytest.mark.parametrize(
    ("captured", "amount", "before", "instead"),
    [(100, 100, 0, 100), (100, 30, 0, 30), (75, 30, 0, 5), (75, 30, 20, 25), (100, 30, 70, 30), (90, 30, 30, 30)],
)
async def test_what_was_captured_meanwhile_is_not_released_and_the_answer_says_how_much(
    fake: Fake, name: str, provider: Provider, captured: int, amount: int, before: int, instead: int
) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured=str(captured)).id
    reported = await provider.release(replace(refund_request(payment, amount * 100), before_minor=before * 100))
    assert (reported.movement, reported.captured_minor) == (REFUSED, instead * 100)
    assert await provider.captured(payment) == captured * 100
    assert not fake.moves()


async def test_a_release_in_another_currency_is_refused(fake: Fake, name: str, provider: Provider) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured="0").id
    assert (await provider.release(refund_request(payment, 10000, "SEK"))).movement is REFUSED
    assert not fake.ledger.payments[payment].released


async def test_a_release_that_the_bank_has_not_agreed_to_is_asked_for_again(make: Make, fake: Fake) -> None:
    payment = fake.ledger.pay("tr_2", "100.00", captured="0").id
    mollie = make("mollie", fake.url)
    fake.ledger.bank_agrees = False
    reported = await mollie.release(refund_request(payment, 10000))
    assert (reported.movement, reported.retry_after_s) == (UNKNOWN, 60)
    fake.ledger.payments[payment].released = True
    assert (await mollie.release(refund_request(payment, 10000))).movement is CONFIRMED


RELEASE_FAULTS = [
    (Fault.TIMEOUT_BEFORE, UNKNOWN),
    (Fault.TIMEOUT_AFTER, UNKNOWN),
    (Fault.ERROR_AFTER, UNKNOWN),
    (Fault.TWIN, UNKNOWN),
    (Fault.RATE_LIMITED, LATER),
    (Fault.EXPIRED, LATER),
]


@pytest.mark.parametrize(("fault", "first"), RELEASE_FAULTS, ids=[row[0] for row in RELEASE_FAULTS])
async def test_a_release_gets_through_whatever_happened_at_first(
    fake: Fake, name: str, provider: Provider, fault: Fault, first: Movement
) -> None:
    payment = fake.ledger.pay(f"{PREFIX[name]}2", "100.00", captured="0").id
    fake.script.first.append(fault)
    assert (await provider.release(refund_request(payment, 10000))).movement is first
    assert (await provider.release(refund_request(payment, 10000))).movement is CONFIRMED
    assert fake.ledger.payments[payment].released
