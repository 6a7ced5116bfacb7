"""Shipping and allocating, next to asks that wait."""

from dataclasses import replace
from datetime import date

import pytest

from countermand.domain.commands import Allocate
from countermand.domain.events import EventKind
from countermand.domain.line import Line, State
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    RETAILER,
    SUPPLIER,
    Story,
    accept,
    allocate,
    ask,
    buckets,
    change_transport,
    customer_asks,
    held_by_retailer,
    held_by_supplier,
    in_buckets,
    rejected_line,
    reported,
    ship,
)

SHIPPED, DECLINED, ALLOCATED, ACCEPTED = (
    EventKind.LINE_SHIPPED,
    EventKind.CANCELLATION_DECLINED,
    EventKind.LINE_ALLOCATED,
    EventKind.CANCELLATION_ACCEPTED,
)

# Shipping


@pytest.mark.parametrize(
    ("asked", "units", "override", "after", "events"),
    [
        (0, None, False, (0, 0, 0, 5), [(SHIPPED, 5)]),
        (0, 2, False, (3, 0, 0, 2), [(SHIPPED, 2)]),
        (2, None, False, (0, 2, 0, 3), [(SHIPPED, 3)]),
        (2, 3, False, (0, 2, 0, 3), [(SHIPPED, 3)]),
        (2, None, True, (0, 0, 0, 5), [(DECLINED, 2), (SHIPPED, 5)]),
        (2, 3, True, (0, 2, 0, 3), [(SHIPPED, 3)]),
        (2, 4, True, (1, 0, 0, 4), [(DECLINED, 2), (SHIPPED, 4)]),
        (5, None, True, (0, 0, 0, 5), [(DECLINED, 5), (SHIPPED, 5)]),
        (5, 1, True, (4, 0, 0, 1), [(DECLINED, 5), (SHIPPED, 1)]),
    ],
)
def test_asked_units_ship_only_with_an_override_that_declines_the_ask(
    asked: int,
    units: int | None,
    override: bool,
    after: tuple[int, int, int, int],
    events: list[tuple[EventKind, int]],
) -> None:
    story = Story()
    if asked:
        story.heeds(ask(asked))
    decision = story.heeds(ship(units, override=override))
    assert buckets(story.line) == after
    assert reported(decision) == events


@pytest.mark.parametrize(
    ("line", "units", "override", "kind"),
    [
        (held_by_supplier(), 0, False, RefusalKind.UNITS_INVALID),
        (held_by_supplier(), -1, True, RefusalKind.UNITS_INVALID),
        (held_by_supplier(), 6, False, RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), asked=2), 6, True, RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), asked=2), 6, False, RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), asked=2), 4, False, RefusalKind.UNITS_ASKED),
        (in_buckets(held_by_supplier(), asked=5), 1, False, RefusalKind.UNITS_ASKED),
        (in_buckets(held_by_supplier(), asked=5), None, False, RefusalKind.UNITS_ASKED),
        (in_buckets(held_by_supplier(), shipped=5), None, False, RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), shipped=5), None, True, RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), cancelled=5), None, True, RefusalKind.ALREADY_CANCELLED),
        (rejected_line(held_by_supplier()), 1, True, RefusalKind.REJECTED_BY_FULFILLER),
    ],
)
def test_what_cannot_ship_is_refused(line: Line, units: int | None, override: bool, kind: RefusalKind) -> None:
    assert Story(line).refuses(ship(units, override=override)).kind is kind


def test_units_that_wait_for_an_answer_are_refused_with_the_ask_that_stands() -> None:
    story = Story()
    asked = story.asked(ask(5))
    assert story.refuses(ship()).cancellation == asked


def test_more_than_there_is_to_ship_is_told_with_all_that_an_override_could_ship() -> None:
    story = Story()
    story.heeds(ask(2))
    assert story.refuses(ship(6, override=True)).detail == "6 units named, but there are only 5 units left to ship."


def test_an_override_declines_the_last_asked_first_and_no_more_than_it_takes() -> None:
    story = Story()
    first, second, third = (story.asked(ask(1, key=key)) for key in "abc")
    story.heeds(ship(4, override=True))
    assert [story.cancellation(c).state for c in (first, second, third)] == [
        State.ASKED,
        State.DECLINED,
        State.DECLINED,
    ]
    found = story.cancellation(third)
    assert (found.decline_reason, found.answered_by) == (DeclineReason.ALREADY_SHIPPED, SUPPLIER.party)


def test_a_cancel_that_was_accepted_first_stops_the_shipment() -> None:
    story = Story()
    story.heeds(ask(2))
    story.heeds(accept())
    assert story.refuses(ship(4)).kind is RefusalKind.TOO_MANY_UNITS  # EC-37, EC-38
    story.heeds(ship())
    assert buckets(story.line) == (0, 0, 2, 3)


def test_a_shipment_that_was_first_stops_the_acceptance() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(ship(override=True))
    refusal = story.refuses(accept(cancellation=asked))  # EC-38
    assert (refusal.kind, refusal.cancellation) == (RefusalKind.ALREADY_ANSWERED, asked)
    assert buckets(story.line) == (0, 0, 0, 5)


def test_a_retailer_ships_what_it_holds() -> None:
    story = Story(held_by_retailer())
    story.heeds(ship(actor=RETAILER))
    assert buckets(story.line) == (0, 0, 0, 5)


def test_a_parcel_that_travels_otherwise_is_noted_and_moves_no_unit() -> None:
    story = Story()
    story.heeds(ship(2))
    [event] = story.heeds(change_transport()).events
    assert (event.kind, event.units, event.note) == (EventKind.LINE_TRANSPORT_CHANGED, 2, "TNT 3S2")
    assert buckets(story.line) == (3, 0, 0, 2)


# Allocating


@pytest.mark.parametrize(
    ("command", "after", "events"),
    [
        (allocate(5), (5, 0, 0, 0), [(ALLOCATED, 5)]),
        (allocate(), (5, 0, 0, 0), [(ALLOCATED, 0)]),
        (allocate(5, 1), (5, 0, 0, 0), [(ALLOCATED, 5)]),
        (allocate(3, 2), (5, 0, 0, 0), [(ALLOCATED, 3)]),
        (allocate(3, 0, 2), (3, 0, 2, 0), [(ALLOCATED, 3), (ACCEPTED, 2)]),
        (allocate(0, 0, 5), (0, 0, 5, 0), [(ALLOCATED, 0), (ACCEPTED, 5)]),
    ],
)
def test_rejected_units_are_cancelled_on_the_fulfillers_account(
    command: Allocate, after: tuple[int, int, int, int], events: list[tuple[EventKind, int]]
) -> None:
    story = Story()
    command = replace(command, backorder_on=date(2026, 4, 1))
    decision = story.heeds(command)
    assert (buckets(story.line), reported(decision)) == (after, events)
    line = story.line
    assert (line.allocated, line.accepted, line.backordered, line.rejected, line.backorder_on) == (
        True,
        command.accepted,
        command.backordered,
        command.rejected,
        date(2026, 4, 1),
    )
    for rejection in decision.cancellations:
        assert (rejection.reason, rejection.unasked) == (CancelReason.REJECTED_AT_ALLOCATION, True)
        assert rejection.answered_by == SUPPLIER.party
    story.repeats(command)


def test_quantities_are_in_all_and_not_in_addition() -> None:
    story = Story()
    story.heeds(allocate(4, 0, 1))
    story.heeds(allocate(2, 0, 3))
    assert (buckets(story.line), story.line.rejected) == ((2, 0, 3, 0), 3)
    story.heeds(allocate(1, 1, 3))
    assert buckets(story.line) == (2, 0, 3, 0)


@pytest.mark.parametrize(
    ("line", "command", "kind"),
    [
        (held_by_supplier(), allocate(-1), RefusalKind.UNITS_INVALID),
        (held_by_supplier(), allocate(0, -1), RefusalKind.UNITS_INVALID),
        (held_by_supplier(), allocate(0, 0, -1), RefusalKind.UNITS_INVALID),
        (held_by_supplier(), allocate(6), RefusalKind.TOO_MANY_UNITS),
        (held_by_supplier(), allocate(0, 6), RefusalKind.TOO_MANY_UNITS),
        (held_by_supplier(), allocate(0, 0, 6), RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), asked=2), allocate(0, 0, 4), RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), cancelled=1), allocate(0, 0, 5), RefusalKind.TOO_MANY_UNITS),
        (in_buckets(held_by_supplier(), shipped=5), allocate(5), RefusalKind.ALREADY_SHIPPED),
        (in_buckets(held_by_supplier(), cancelled=5), allocate(5), RefusalKind.ALREADY_CANCELLED),
    ],
)
def test_an_allocation_that_cannot_be_is_refused(line: Line, command: Allocate, kind: RefusalKind) -> None:
    assert Story(line).refuses(command).kind is kind


def test_a_rejection_cannot_be_taken_back() -> None:
    story = Story()
    story.heeds(allocate(2, 0, 3))
    assert story.refuses(allocate(3, 0, 2)).kind is RefusalKind.TOO_MANY_UNITS


def test_rejecting_all_that_is_left_accepts_the_asks_that_wait() -> None:
    story = Story()
    theirs = story.asked(customer_asks(1))
    ours = story.asked(ask(2))
    assert reported(story.heeds(allocate(0, 0, 5))) == [(ALLOCATED, 0), (ACCEPTED, 1), (ACCEPTED, 2), (ACCEPTED, 2)]
    assert buckets(story.line) == (0, 0, 5, 0)
    assert [story.cancellation(c).unasked for c in (theirs, ours)] == [False, False]
    assert story.line.cancellations[-1].unasked is True
    story.repeats(allocate(0, 0, 5))


def test_rejecting_all_where_all_was_asked_makes_no_cancellation_of_its_own() -> None:
    story = Story()
    asked = story.asked(ask(5))
    decision = story.heeds(allocate(0, 0, 5))
    assert [c.id for c in decision.cancellations] == [asked]


def test_rejecting_a_part_takes_open_units_only() -> None:
    story = Story()
    asked = story.asked(ask(2))
    story.heeds(allocate(2, 0, 3))
    assert buckets(story.line) == (0, 2, 3, 0)
    assert story.cancellation(asked).state is State.ASKED
