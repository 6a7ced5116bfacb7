"""Whole orders: each line's fate, or one refusal for all of them (EC-10)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.commands import (
    AllocateOrder,
    AnswerOrder,
    AskLines,
    CancelOrder,
    ChangeParcel,
    OrderCommand,
    Parcel,
    ShipOrder,
)
from countermand.domain.decide import LineOutcome, decide_order
from countermand.domain.line import Decision, Line, State
from countermand.domain.parties import Actor, Asker, PartyKind
from countermand.domain.policy import Cutoff, Policy, WholeOrder
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import UNKNOWN_LINE, UNKNOWN_ORDER, UNKNOWN_TRANSPORT, Refusal, RefusalKind
from tests.domain.story import (
    NOW,
    ORDER,
    OTHER_RETAILER,
    OTHER_SUPPLIER,
    PLATFORM,
    RETAILER,
    SUPPLIER,
    allocate,
    ask,
    buckets,
    held_by_retailer,
    held_by_supplier,
    in_buckets,
    rejected_line,
    ship,
)

A, B, C = (UUID(int=number) for number in (0xA, 0xB, 0xC))
ALL = Policy(whole_order=WholeOrder.ALL_OR_NOTHING)
SOME = Policy(whole_order=WholeOrder.WHAT_CAN_BE)
PARCEL = Parcel(id=UUID(int=0xFACE), tracking_number="3S1")


def decided(lines: Sequence[Line], command: OrderCommand, policy: Policy = SOME) -> tuple[LineOutcome, ...] | Refusal:
    ids = count(1)
    return decide_order(lines, command, NOW, lambda _: policy, lambda: UUID(int=next(ids)))


def fates(lines: Sequence[Line], command: OrderCommand, policy: Policy = SOME) -> dict[UUID, RefusalKind | None]:
    """What became of each line: ``None`` where the command was heeded."""
    outcome = decided(lines, command, policy)
    assert not isinstance(outcome, Refusal), outcome
    return {fate.line: fate.outcome.kind if isinstance(fate.outcome, Refusal) else None for fate in outcome}


def refusal(lines: Sequence[Line], command: OrderCommand, policy: Policy = SOME) -> RefusalKind:
    outcome = decided(lines, command, policy)
    assert isinstance(outcome, Refusal), outcome
    return outcome.kind


def after(lines: Sequence[Line], command: OrderCommand, policy: Policy = SOME) -> list[Line]:
    """The lines after the command."""
    outcome = decided(lines, command, policy)
    assert not isinstance(outcome, Refusal), outcome
    changed = {fate.line: fate.outcome.line for fate in outcome if isinstance(fate.outcome, Decision)}
    return [changed.get(line.id, line) for line in lines]


def cancel(actor: Actor = RETAILER, asker: Asker = Asker.RETAILER) -> CancelOrder:
    return CancelOrder(order=ORDER, actor=actor, asker=asker, reason=CancelReason.ORDERED_TWICE, note="twice")


def answer(actor: Actor = SUPPLIER, reason: DeclineReason | None = None) -> AnswerOrder:
    return AnswerOrder(order=ORDER, actor=actor, decline_reason=reason)


def fresh(line: UUID) -> Line:
    return held_by_supplier(id=line)


def foreign(line: UUID) -> Line:
    """A line of the same order that another supplier holds."""
    return replace(fresh(line), fulfiller=OTHER_SUPPLIER.party)


SHIPPED = in_buckets(fresh(B), shipped=5)
CANCELLED = in_buckets(fresh(B), cancelled=5)
ASKED = in_buckets(fresh(B), asked=5)
REJECTED = rejected_line(fresh(B))

# Cancelling


def test_cancelling_an_order_asks_for_all_that_is_open_on_each_line() -> None:
    lines = after([fresh(A), in_buckets(fresh(B), shipped=2), held_by_retailer(id=C)], cancel())
    assert [buckets(line) for line in lines] == [(0, 5, 0, 0), (0, 3, 0, 2), (0, 0, 5, 0)]
    assert [c.reason for line in lines for c in line.asks] == [CancelReason.ORDERED_TWICE] * 2
    assert [c.note for line in lines for c in line.asks] == ["twice"] * 2


@pytest.mark.parametrize(
    ("other", "kind"),
    [(SHIPPED, RefusalKind.ALREADY_SHIPPED), (ASKED, RefusalKind.ALREADY_ASKED)],
)
def test_one_line_that_cannot_be_cancelled_stops_all_or_only_itself_as_the_rule_says(
    other: Line, kind: RefusalKind
) -> None:
    command = cancel(PLATFORM, Asker.CUSTOMER) if other is SHIPPED else replace(cancel(), asker=Asker.CUSTOMER)
    other = replace(other, cancellations=tuple(replace(c, asker=Asker.RETAILER) for c in other.cancellations))
    assert fates([fresh(A), other], command, SOME) == {A: None, B: kind}
    assert refusal([fresh(A), other], command, ALL) is kind


@pytest.mark.parametrize(
    ("gone", "kind"),
    [(CANCELLED, RefusalKind.ALREADY_CANCELLED), (REJECTED, RefusalKind.REJECTED_BY_FULFILLER)],
)
@pytest.mark.parametrize("policy", [ALL, SOME])
def test_a_line_that_is_gone_already_is_no_obstacle(gone: Line, kind: RefusalKind, policy: Policy) -> None:
    assert fates([fresh(A), gone], cancel(), policy) == {A: None, B: kind}


@pytest.mark.parametrize("gone", [CANCELLED, REJECTED])
def test_what_is_told_is_the_obstacle_and_not_a_line_that_is_gone(gone: Line) -> None:
    shipped = replace(SHIPPED, id=C)
    assert refusal([fresh(A), gone, shipped], cancel(), ALL) is RefusalKind.ALREADY_SHIPPED
    closed = replace(ALL, accepts_until=Cutoff.NEVER)
    assert refusal([gone, fresh(A)], cancel(), closed) is RefusalKind.NOT_ACCEPTED_BY_FULFILLER
    closed = replace(SOME, accepts_until=Cutoff.NEVER)
    assert refusal([gone, fresh(A)], cancel(), closed) is RefusalKind.NOT_ACCEPTED_BY_FULFILLER


@pytest.mark.parametrize("policy", [ALL, SOME])
def test_an_order_that_is_cancelled_as_a_whole_says_so(policy: Policy) -> None:
    assert refusal([CANCELLED, replace(CANCELLED, id=A)], cancel(), policy) is RefusalKind.ALREADY_CANCELLED
    assert refusal([CANCELLED, replace(REJECTED, id=A)], cancel(), policy) is RefusalKind.REJECTED_BY_FULFILLER


@pytest.mark.parametrize("policy", [ALL, SOME])
def test_where_no_line_can_be_cancelled_the_first_refusal_is_told(policy: Policy) -> None:
    closed = replace(policy, accepts_until=Cutoff.NEVER)
    assert refusal([fresh(A), SHIPPED], cancel(), closed) is RefusalKind.ALREADY_SHIPPED


@pytest.mark.parametrize("policy", [ALL, SOME])
def test_cancelling_an_order_again_while_it_waits_is_heeded_without_effect(policy: Policy) -> None:
    lines = after([fresh(A), fresh(B)], cancel(), policy)
    outcome = decided(lines, cancel(), policy)
    assert outcome == tuple(LineOutcome(line=line.id, outcome=Decision(line=line)) for line in lines)


def test_one_agreement_of_all_or_nothing_binds_the_whole_order() -> None:
    ids = count(1)

    def policy_of(line: Line) -> Policy:
        return ALL if line.id == A else SOME

    outcome = decide_order([fresh(A), SHIPPED], cancel(), NOW, policy_of, lambda: UUID(int=next(ids)))
    assert isinstance(outcome, Refusal)


@pytest.mark.parametrize("actor", [SUPPLIER, OTHER_RETAILER, OTHER_SUPPLIER])
def test_somebody_elses_order_looks_unknown(actor: Actor) -> None:
    assert decided([fresh(A), fresh(B)], cancel(actor)) == UNKNOWN_ORDER  # EC-07


def test_an_order_without_lines_is_unknown() -> None:
    assert decided([], cancel()) == UNKNOWN_ORDER


# Answering


def test_a_supplier_answers_its_own_lines_and_never_sees_the_others() -> None:
    lines = after([fresh(A), foreign(B)], cancel())
    assert fates(lines, answer()) == {A: None}
    assert [buckets(line) for line in after(lines, answer())] == [(0, 0, 5, 0), (0, 5, 0, 0)]
    assert fates(lines, answer(OTHER_SUPPLIER)) == {B: None}


def test_a_decline_gives_every_line_its_reason() -> None:
    lines = after(after([fresh(A), fresh(B)], cancel()), answer(reason=DeclineReason.MADE_TO_ORDER))
    assert [buckets(line) for line in lines] == [(5, 0, 0, 0)] * 2
    assert {c.decline_reason for line in lines for c in line.cancellations} == {DeclineReason.MADE_TO_ORDER}


@pytest.mark.parametrize("policy", [ALL, SOME])
@pytest.mark.parametrize("reason", [None, DeclineReason.OTHER])
def test_an_answer_reaches_the_lines_that_wait_and_passes_by_the_others(
    policy: Policy, reason: DeclineReason | None
) -> None:
    [asked] = after([fresh(A)], cancel())
    assert fates([asked, fresh(B)], answer(reason=reason), policy) == {A: None, B: RefusalKind.NOTHING_ASKED}


def test_an_answer_to_an_order_that_asked_nothing_is_refused() -> None:
    assert refusal([fresh(A), fresh(B)], answer()) is RefusalKind.NOTHING_ASKED
    assert decided([foreign(A)], answer()) == UNKNOWN_ORDER


def test_a_retailers_answer_passes_a_customers_order_on() -> None:
    lines = after([fresh(A), held_by_retailer(id=B)], cancel(PLATFORM, Asker.CUSTOMER))
    lines = after(lines, answer(RETAILER))
    assert [c.awaiting for c in lines[0].asks] == [SUPPLIER.party]
    assert [c.state for c in lines[1].cancellations] == [State.ACCEPTED]


# Allocating


def allocations(*lines: UUID, actor: Actor = SUPPLIER, accepted: int = 5) -> AllocateOrder:
    each = tuple(replace(allocate(accepted, actor=actor), line=line) for line in lines)
    return AllocateOrder(order=ORDER, actor=actor, lines=each)


@pytest.mark.parametrize("policy", [ALL, SOME])
def test_allocating_gives_each_line_a_fate_of_its_own(policy: Policy) -> None:
    lines = [fresh(A), SHIPPED, foreign(C)]
    assert fates(lines, allocations(A, B, C, UUID(int=0x999)), policy) == {
        A: None,
        B: RefusalKind.ALREADY_SHIPPED,
        C: RefusalKind.UNKNOWN_LINE,
        UUID(int=0x999): RefusalKind.UNKNOWN_LINE,
    }


def test_allocating_lines_that_all_refuse_still_tells_each_fate() -> None:
    assert fates([SHIPPED], allocations(B)) == {B: RefusalKind.ALREADY_SHIPPED}


@pytest.mark.parametrize("policy", [ALL, SOME])
@pytest.mark.parametrize(
    ("numbers", "kind"), [((6, 0, 0), RefusalKind.TOO_MANY_UNITS), ((0, 0, -1), RefusalKind.UNITS_INVALID)]
)
def test_an_allocation_that_cannot_be_stops_those_beside_it(
    policy: Policy, numbers: tuple[int, int, int], kind: RefusalKind
) -> None:
    lines = (replace(allocate(5), line=A), replace(allocate(*numbers), line=B), replace(allocate(5), line=C))
    command = AllocateOrder(order=ORDER, actor=SUPPLIER, lines=lines)
    assert refusal([fresh(A), fresh(B), foreign(C)], command, policy) is kind


def test_allocating_nothing_of_ones_own_is_an_unknown_order() -> None:
    assert decided([foreign(A)], allocations(A)) == UNKNOWN_ORDER
    assert decided([fresh(A)], allocations(B)) == UNKNOWN_ORDER
    assert decided([fresh(A)], allocations()) == UNKNOWN_ORDER


# Shipping


def parcel(*units: tuple[UUID, int | None], actor: Actor = SUPPLIER) -> ShipOrder:
    each = tuple(replace(ship(number, actor=actor), line=line) for line, number in units)
    return ShipOrder(order=ORDER, actor=actor, lines=each, parcel=PARCEL)


def test_a_parcel_ships_from_several_lines_at_once() -> None:
    lines = after([fresh(A), fresh(B), fresh(C)], parcel((A, 2), (B, None)))
    assert [buckets(line) for line in lines] == [(3, 0, 0, 2), (0, 0, 0, 5), (5, 0, 0, 0)]


@pytest.mark.parametrize(
    ("other", "units", "kind"),
    [
        (SHIPPED, None, RefusalKind.ALREADY_SHIPPED),
        (CANCELLED, None, RefusalKind.ALREADY_CANCELLED),
        (ASKED, None, RefusalKind.UNITS_ASKED),
        (fresh(B), 6, RefusalKind.TOO_MANY_UNITS),
        (fresh(B), 0, RefusalKind.UNITS_INVALID),
        (foreign(B), 1, RefusalKind.UNKNOWN_LINE),
    ],
)
@pytest.mark.parametrize("policy", [ALL, SOME])
def test_a_parcel_is_shipped_as_a_whole_or_not_at_all(
    other: Line, units: int | None, kind: RefusalKind, policy: Policy
) -> None:
    assert refusal([fresh(A), other], parcel((A, 1), (B, units)), policy) is kind


def test_a_parcel_with_an_unknown_line_is_refused() -> None:
    assert decided([fresh(A)], parcel((A, 1), (B, 1))) == UNKNOWN_LINE
    assert decided([fresh(A)], parcel((B, 1))) == UNKNOWN_ORDER


def test_one_line_twice_in_a_parcel_ships_both_numbers() -> None:
    outcome = decided([fresh(A)], parcel((A, 2), (A, 3)))
    assert not isinstance(outcome, Refusal)
    last = [fate.outcome for fate in outcome][-1]
    assert isinstance(last, Decision)
    assert (buckets(last.line), [event.seq for event in last.events]) == ((0, 0, 0, 5), [3])


def test_one_line_twice_in_a_parcel_never_ships_more_than_there_is() -> None:
    assert refusal([fresh(A)], parcel((A, 3), (A, 3))) is RefusalKind.TOO_MANY_UNITS


# Correcting a parcel


def correction(*lines: UUID, actor: Actor = SUPPLIER) -> ChangeParcel:
    return ChangeParcel(order=ORDER, actor=actor, parcel=PARCEL.id, lines=lines, carrier="TNT", tracking_number="3S2")


def test_a_parcel_is_corrected_for_all_of_its_lines_or_for_none() -> None:
    assert fates([SHIPPED, in_buckets(fresh(A), shipped=1)], correction(A, B)) == {A: None, B: None}
    assert decided([SHIPPED, foreign(A)], correction(A, B)) == UNKNOWN_LINE
    assert decided([foreign(A)], correction(A)) == decided([], correction(A)) == UNKNOWN_TRANSPORT


# Asking for several lines


def asks(*units: tuple[UUID, int | None], actor: Actor = RETAILER) -> AskLines:
    each = tuple(replace(ask(number, actor=actor), line=line) for line, number in units)
    return AskLines(order=ORDER, actor=actor, lines=each)


@pytest.mark.parametrize("policy", [ALL, SOME])
def test_units_of_several_lines_are_asked_for_together(policy: Policy) -> None:
    lines = after([fresh(A), fresh(B), fresh(C)], asks((A, 2), (B, None)), policy)
    assert [buckets(line) for line in lines] == [(3, 2, 0, 0), (0, 5, 0, 0), (5, 0, 0, 0)]


@pytest.mark.parametrize(
    ("other", "units", "kind"),
    [
        (SHIPPED, None, RefusalKind.ALREADY_SHIPPED),
        (CANCELLED, None, RefusalKind.ALREADY_CANCELLED),
        (REJECTED, None, RefusalKind.REJECTED_BY_FULFILLER),
        (fresh(B), 6, RefusalKind.TOO_MANY_UNITS),
        (fresh(B), 0, RefusalKind.UNITS_INVALID),
        (replace(fresh(B), retailer=OTHER_RETAILER.party), 1, RefusalKind.UNKNOWN_LINE),
    ],
)
@pytest.mark.parametrize("policy", [ALL, SOME])
def test_one_line_that_was_named_and_cannot_be_asked_for_stops_the_others(
    other: Line, units: int | None, kind: RefusalKind, policy: Policy
) -> None:
    assert refusal([fresh(A), other], asks((A, 1), (B, units)), policy) is kind


# Properties

MAKERS = [fresh, foreign, lambda line: held_by_retailer(id=line)]
parts = st.tuples(st.sampled_from(MAKERS), st.integers(0, 2), st.integers(0, 2), st.integers(0, 1))


def made(*some: tuple[Callable[[UUID], Line], int, int, int]) -> list[Line]:
    """An order with such lines."""
    lines = []
    for number, (make, asked, cancelled, shipped) in enumerate(some, start=1):
        line = make(UUID(int=0x100 + number))
        holder = Actor(party=line.fulfiller, kind=PartyKind.SUPPLIER)
        if shipped:
            [line] = after([line], parcel((line.id, shipped), actor=holder))
        lines.append(
            in_buckets(line, asked=asked, cancelled=cancelled) if line.fulfiller != OTHER_SUPPLIER.party else line
        )
    return lines


@given(
    st.lists(parts, max_size=4),
    st.sampled_from([RETAILER, SUPPLIER, PLATFORM, OTHER_RETAILER, OTHER_SUPPLIER]),
    st.sampled_from([ALL, SOME]),
)
def test_no_command_on_an_order_shows_or_touches_somebody_elses_line(
    some: list[tuple[Callable[[UUID], Line], int, int, int]], actor: Actor, policy: Policy
) -> None:
    lines = {line.id: line for line in made(*some)}
    for command in (cancel(actor), answer(actor), answer(actor, DeclineReason.OTHER), allocations(*lines, actor=actor)):
        outcome = decided(list(lines.values()), command, policy)
        for fate in () if isinstance(outcome, Refusal) else outcome:
            line = lines[fate.line]
            assert fate.outcome == UNKNOWN_LINE or actor is PLATFORM or actor.party in (line.retailer, line.fulfiller)
