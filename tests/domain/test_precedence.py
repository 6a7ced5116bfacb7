"""Refusals: one order of precedence, walked as a table; where several apply, the first is told."""

from collections.abc import Callable
from itertools import pairwise
from random import Random
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.commands import LineCommand
from countermand.domain.policy import Cutoff, Policy
from countermand.domain.refusals import (
    PRECEDENCE,
    UNKNOWN_CANCELLATION,
    UNKNOWN_LINE,
    UNKNOWN_ORDER,
    Refusal,
    RefusalKind,
    first,
)
from tests.domain.story import (
    NOBODYS,
    OTHER_RETAILER,
    OTHER_SUPPLIER,
    PLATFORM,
    RETAILER,
    Story,
    accept,
    allocate,
    ask,
    cancel_own,
    customer_asks,
    decline,
    pass_deadline,
    retailer_cancel,
    ship,
    withdraw,
)

Kind = RefusalKind

IN_ORDER = [
    Kind.UNKNOWN_LINE,
    Kind.UNKNOWN_ORDER,
    Kind.UNKNOWN_CANCELLATION,
    Kind.UNKNOWN_REFUND,
    Kind.UNKNOWN_PAYMENT,
    Kind.STEP_NEEDED,
    Kind.ETAG_MISMATCH,
    Kind.REASSIGNED,
    Kind.STATE_CHANGED,
    Kind.UNITS_INVALID,
    Kind.REASON_REQUIRED,
    Kind.ALREADY_ANSWERED,
    Kind.ALREADY_SHIPPED,
    Kind.ALREADY_ASKED,
    Kind.REJECTED_BY_FULFILLER,
    Kind.ALREADY_CANCELLED,
    Kind.NOT_ACCEPTED_BY_FULFILLER,
    Kind.NOTHING_ASKED,
    Kind.UNITS_ASKED,
    Kind.TOO_MANY_UNITS,
    Kind.ALL_OR_NOTHING,
    Kind.PARTY_INACTIVE,
    Kind.NO_PRICE,
    Kind.REFUND_NOT_OPEN,
    Kind.PAYMENT_EXISTS,
    Kind.PAYMENT_DIFFERS,
    Kind.PAYMENT_TAKEN,
    Kind.ORDER_EXISTS,
    Kind.KEY_REUSED,
]

FIRST = UUID(int=0x1000)
"""The id of the first cancellation of any story."""


def fresh() -> Story:
    return Story()


def closed() -> Story:
    """The supplier takes no cancellation."""
    return Story(policy=Policy(accepts_until=Cutoff.NEVER))


def asked() -> Story:
    story = Story()
    story.heeds(ask(2))
    return story


def answered() -> Story:
    story = asked()
    story.heeds(accept())
    return story


def nothing_open(*, shipped: int = 0, asked: int = 0, rejected: int = 0, cancelled: int = 0) -> Callable[[], Story]:
    """A line without open units, whose supplier takes no cancellation any more either."""

    def build() -> Story:
        story = Story()
        if shipped:
            story.heeds(ship(shipped))
        if cancelled:
            story.heeds(cancel_own(cancelled))
        if asked:
            story.heeds(customer_asks(asked, key="standing"))
        if rejected:
            story.heeds(allocate(0, 0, rejected))
        assert story.line.open == 0
        story.policy = Policy(accepts_until=Cutoff.NEVER)
        return story

    return build


all_four = nothing_open(shipped=1, asked=1, rejected=1, cancelled=2)
asked_for_the_rest = nothing_open(asked=2, rejected=1, cancelled=2)
rejected_whole = nothing_open(rejected=5)
cancelled_for_the_rest = nothing_open(rejected=2, cancelled=3)

WALK: list[tuple[RefusalKind, RefusalKind, Callable[[], Story], LineCommand]] = [
    # told, though this applies as well; on such a line; by such a command
    (Kind.UNKNOWN_LINE, Kind.UNKNOWN_CANCELLATION, fresh, accept(actor=OTHER_SUPPLIER, cancellation=NOBODYS)),
    (Kind.UNKNOWN_LINE, Kind.UNKNOWN_CANCELLATION, fresh, decline(actor=OTHER_SUPPLIER, cancellation=NOBODYS)),
    (Kind.UNKNOWN_LINE, Kind.UNKNOWN_CANCELLATION, fresh, withdraw(actor=OTHER_RETAILER, cancellation=NOBODYS)),
    (Kind.UNKNOWN_LINE, Kind.UNITS_INVALID, fresh, ask(0, actor=OTHER_RETAILER)),
    (Kind.UNKNOWN_LINE, Kind.UNITS_INVALID, asked, accept(0, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.UNITS_INVALID, fresh, cancel_own(0, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.UNITS_INVALID, fresh, ship(0, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.UNITS_INVALID, fresh, allocate(-1, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.REASON_REQUIRED, asked, decline(None, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.ALREADY_ANSWERED, answered, accept(actor=OTHER_SUPPLIER, cancellation=FIRST)),
    (Kind.UNKNOWN_LINE, Kind.ALREADY_ANSWERED, answered, withdraw(actor=OTHER_RETAILER, cancellation=FIRST)),
    (Kind.UNKNOWN_LINE, Kind.ALREADY_SHIPPED, all_four, ask(actor=OTHER_RETAILER)),
    (Kind.UNKNOWN_LINE, Kind.ALREADY_SHIPPED, all_four, retailer_cancel(actor=OTHER_RETAILER)),
    (Kind.UNKNOWN_LINE, Kind.ALREADY_SHIPPED, all_four, ship(actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.ALREADY_SHIPPED, all_four, allocate(1, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.NOT_ACCEPTED_BY_FULFILLER, closed, ask(actor=OTHER_RETAILER)),
    (Kind.UNKNOWN_LINE, Kind.NOTHING_ASKED, fresh, accept(actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.NOTHING_ASKED, fresh, withdraw(actor=OTHER_RETAILER)),
    (Kind.UNKNOWN_LINE, Kind.UNITS_ASKED, asked, ship(4, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_LINE, Kind.TOO_MANY_UNITS, fresh, ship(99, actor=OTHER_SUPPLIER)),
    (Kind.UNKNOWN_CANCELLATION, Kind.UNITS_INVALID, asked, accept(0, cancellation=NOBODYS)),
    (Kind.UNKNOWN_CANCELLATION, Kind.REASON_REQUIRED, asked, decline(None, cancellation=NOBODYS)),
    (Kind.UNKNOWN_CANCELLATION, Kind.NOTHING_ASKED, fresh, accept(cancellation=NOBODYS)),
    (Kind.UNKNOWN_CANCELLATION, Kind.NOTHING_ASKED, fresh, withdraw(cancellation=NOBODYS)),
    (Kind.UNKNOWN_CANCELLATION, Kind.NOTHING_ASKED, fresh, pass_deadline(NOBODYS)),
    (Kind.UNKNOWN_CANCELLATION, Kind.TOO_MANY_UNITS, asked, accept(99, cancellation=NOBODYS)),
    (Kind.UNITS_INVALID, Kind.ALREADY_ANSWERED, answered, accept(0, cancellation=FIRST)),
    (Kind.UNITS_INVALID, Kind.ALREADY_SHIPPED, all_four, ask(0)),
    (Kind.UNITS_INVALID, Kind.ALREADY_SHIPPED, all_four, cancel_own(0)),
    (Kind.UNITS_INVALID, Kind.ALREADY_SHIPPED, all_four, ship(0)),
    (Kind.UNITS_INVALID, Kind.ALREADY_SHIPPED, all_four, allocate(-1)),
    (Kind.UNITS_INVALID, Kind.ALREADY_ASKED, asked_for_the_rest, ask(-1)),
    (Kind.UNITS_INVALID, Kind.NOT_ACCEPTED_BY_FULFILLER, closed, ask(0)),
    (Kind.UNITS_INVALID, Kind.NOTHING_ASKED, fresh, accept(0)),
    (Kind.UNITS_INVALID, Kind.UNITS_ASKED, asked_for_the_rest, ship(0)),
    (Kind.UNITS_INVALID, Kind.TOO_MANY_UNITS, fresh, allocate(-1, 99)),
    (Kind.REASON_REQUIRED, Kind.ALREADY_ANSWERED, answered, decline(None, cancellation=FIRST)),
    (Kind.REASON_REQUIRED, Kind.NOTHING_ASKED, fresh, decline(None)),
    (Kind.ALREADY_ANSWERED, Kind.NOTHING_ASKED, answered, accept(actor=RETAILER, cancellation=FIRST)),
    (Kind.ALREADY_ANSWERED, Kind.NOTHING_ASKED, answered, withdraw(cancellation=FIRST)),
    (Kind.ALREADY_ANSWERED, Kind.TOO_MANY_UNITS, answered, accept(99, cancellation=FIRST)),
    (Kind.ALREADY_SHIPPED, Kind.ALREADY_ASKED, all_four, ask(1)),
    (Kind.ALREADY_SHIPPED, Kind.ALREADY_ASKED, all_four, cancel_own()),
    (Kind.ALREADY_SHIPPED, Kind.REJECTED_BY_FULFILLER, all_four, cancel_own(1)),
    (Kind.ALREADY_SHIPPED, Kind.NOT_ACCEPTED_BY_FULFILLER, all_four, customer_asks(key="new")),
    (Kind.ALREADY_SHIPPED, Kind.TOO_MANY_UNITS, all_four, cancel_own(99)),
    (Kind.ALREADY_ASKED, Kind.REJECTED_BY_FULFILLER, asked_for_the_rest, ask(1)),
    (Kind.ALREADY_ASKED, Kind.ALREADY_CANCELLED, asked_for_the_rest, cancel_own()),
    (Kind.ALREADY_ASKED, Kind.NOT_ACCEPTED_BY_FULFILLER, asked_for_the_rest, ask(1)),
    (Kind.ALREADY_ASKED, Kind.TOO_MANY_UNITS, asked_for_the_rest, ask(99)),
    (Kind.REJECTED_BY_FULFILLER, Kind.ALREADY_CANCELLED, rejected_whole, ask()),
    (Kind.REJECTED_BY_FULFILLER, Kind.NOT_ACCEPTED_BY_FULFILLER, rejected_whole, ask()),
    (Kind.REJECTED_BY_FULFILLER, Kind.TOO_MANY_UNITS, rejected_whole, ship(99)),
    (Kind.ALREADY_CANCELLED, Kind.NOT_ACCEPTED_BY_FULFILLER, cancelled_for_the_rest, ask()),
    (Kind.ALREADY_CANCELLED, Kind.TOO_MANY_UNITS, cancelled_for_the_rest, allocate(99)),
    (Kind.NOT_ACCEPTED_BY_FULFILLER, Kind.TOO_MANY_UNITS, closed, ask(99)),
    (Kind.NOT_ACCEPTED_BY_FULFILLER, Kind.TOO_MANY_UNITS, closed, customer_asks(99)),
    (Kind.NOTHING_ASKED, Kind.TOO_MANY_UNITS, fresh, accept(99)),
    (Kind.NOTHING_ASKED, Kind.TOO_MANY_UNITS, asked, accept(99, actor=RETAILER, cancellation=FIRST)),
]


@pytest.mark.parametrize(("reported", "applies_too", "line", "command"), WALK)
def test_where_two_refusals_apply_the_first_in_the_list_is_told(
    reported: RefusalKind, applies_too: RefusalKind, line: Callable[[], Story], command: LineCommand
) -> None:
    assert line().refuses(command).kind is reported
    assert PRECEDENCE[reported] < PRECEDENCE[applies_too]


def test_the_list_of_refusals_stands_in_its_order() -> None:
    assert list(RefusalKind) == IN_ORDER
    assert sorted(RefusalKind, key=PRECEDENCE.__getitem__) == IN_ORDER


def test_the_table_above_walks_the_list_from_top_to_bottom() -> None:
    assert all(PRECEDENCE[one[0]] <= PRECEDENCE[other[0]] for one, other in pairwise(WALK))


def test_a_fulfiller_that_takes_nothing_still_answers_what_stands() -> None:
    story = asked()
    story.policy = Policy(accepts_until=Cutoff.NEVER)
    story.heeds(accept())


def test_a_stranger_learns_nothing_from_a_refusal() -> None:
    for line in (fresh, closed, asked, answered, all_four, asked_for_the_rest, rejected_whole):
        for command in (ask(actor=OTHER_RETAILER), accept(actor=OTHER_SUPPLIER, cancellation=FIRST)):
            assert line().refuses(command) == UNKNOWN_LINE


def test_an_operator_hears_the_truth() -> None:
    assert fresh().refuses(accept(actor=PLATFORM, cancellation=NOBODYS)) == UNKNOWN_CANCELLATION
    assert all_four().refuses(ship(actor=PLATFORM)).kind is Kind.UNITS_ASKED


refusals = st.builds(
    Refusal,
    kind=st.sampled_from(RefusalKind),
    detail=st.text(max_size=5),
    cancellation=st.none() | st.uuids(),
)


@given(st.lists(refusals, min_size=1))
def test_first_is_one_of_them_and_none_precedes_it(several: list[Refusal]) -> None:
    chosen = first(several)
    assert chosen in several
    assert IN_ORDER.index(chosen.kind) == min(IN_ORDER.index(each.kind) for each in several)


@given(st.lists(refusals, min_size=1), st.randoms(use_true_random=False))
def test_first_tells_the_same_kind_in_whatever_order_they_come(several: list[Refusal], dice: Random) -> None:
    shuffled = list(several)
    dice.shuffle(shuffled)
    assert first(shuffled).kind is first(several).kind


@given(refusals, refusals)
def test_of_two_alike_the_earlier_is_told(one: Refusal, other: Refusal) -> None:
    chosen = first([one, other])
    assert chosen is one or PRECEDENCE[other.kind] < PRECEDENCE[one.kind]


def test_there_is_no_first_of_none() -> None:
    with pytest.raises(ValueError, match="empty"):
        first([])


def test_what_is_unknown_is_told_in_the_same_words_whatever_it_is() -> None:
    words = {refusal.detail.split("such ")[0] for refusal in (UNKNOWN_LINE, UNKNOWN_ORDER, UNKNOWN_CANCELLATION)}
    assert words == {"There is no "}
    assert {refusal.cancellation for refusal in (UNKNOWN_LINE, UNKNOWN_ORDER, UNKNOWN_CANCELLATION)} == {None}
