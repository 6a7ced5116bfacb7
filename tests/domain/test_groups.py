"""Lines that are asked for all or not at all: nobody's yes cancels anything before all have said it (EC-18, EC-19)."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from itertools import count
from uuid import UUID

import pytest

from countermand.domain.commands import CancelOrder, LineCommand
from countermand.domain.deadlines import pass_deadlines
from countermand.domain.decide import decide, decide_order
from countermand.domain.events import Event, EventKind
from countermand.domain.groups import settle
from countermand.domain.line import Decision, Line, State
from countermand.domain.parties import Actor, Asker
from countermand.domain.policy import Policy, Rule, Silence, WholeOrder
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import Refusal, RefusalKind
from tests.domain.story import (
    NOW,
    ORDER,
    OTHER_SUPPLIER,
    PLATFORM,
    RETAILER,
    SUPPLIER,
    accept,
    allocate,
    ask,
    buckets,
    cancel_own,
    decline,
    escalate,
    held_by_retailer,
    held_by_supplier,
    in_buckets,
    retailer_cancel,
    ship,
    withdraw,
)

A, B, C = (UUID(int=number) for number in (0xA, 0xB, 0xC))
ALL = Policy(whole_order=WholeOrder.ALL_OR_NOTHING, customer_asks_retailer_first=False)
Kind = EventKind


class Order:
    """An order whose lines hear of each other as on the road: silence, the command, and what follows from both."""

    def __init__(self, *lines: Line, policy: Policy = ALL) -> None:
        self.lines = {line.id: line for line in lines}
        self.policy, self.now, self.ids = policy, NOW, count(0x2000)
        self.reported: dict[UUID, list[Event]] = {line.id: [] for line in lines}

    def cancel(self, actor: Actor = RETAILER, asker: Asker = Asker.RETAILER) -> Refusal | None:
        command = CancelOrder(order=ORDER, actor=actor, asker=asker, reason=CancelReason.ORDERED_TWICE)
        outcome = decide_order(list(self.lines.values()), command, self.now, lambda _: self.policy, self._new_id)
        if isinstance(outcome, Refusal):
            return outcome
        self._note([fate.outcome for fate in outcome])
        return None

    def tell(self, line: UUID, command: LineCommand) -> Decision | Refusal:
        outcome = decide(
            self.lines[line],
            replace(command, line=line),
            self.now,
            self.policy,
            self._new_id,
        )
        self._note([outcome])
        return outcome

    def pass_deadlines(self) -> None:
        self._note([pass_deadlines(line, self.now, lambda _: self.policy) for line in self.lines.values()])

    def states(self) -> list[State]:
        return [c.state for line in self.lines.values() for c in line.cancellations]

    def buckets(self) -> list[tuple[int, int, int, int]]:
        return [buckets(line) for line in self.lines.values()]

    def kinds(self, line: UUID) -> list[EventKind]:
        return [event.kind for event in self.reported[line]]

    def _note(self, outcomes: Sequence[Decision | Refusal | None]) -> None:
        for outcome in outcomes:
            if isinstance(outcome, Decision):
                self._took_place(outcome)
        for decision in settle(list(self.lines.values()), self.now):
            self._took_place(decision)

    def _took_place(self, decision: Decision) -> None:
        self.lines[decision.line.id] = decision.line
        self.reported[decision.line.id] += decision.events

    def _new_id(self) -> UUID:
        return UUID(int=next(self.ids))


def mine(line: UUID = A) -> Line:
    return held_by_supplier(3, id=line)


def theirs(line: UUID = B) -> Line:
    return replace(held_by_supplier(2, id=line), fulfiller=OTHER_SUPPLIER.party)


def own(line: UUID = C) -> Line:
    return held_by_retailer(1, id=line)


def asked(*lines: Line, policy: Policy = ALL) -> Order:
    order = Order(*(lines or (mine(), theirs())), policy=policy)
    assert order.cancel() is None
    return order


def test_nobodys_yes_cancels_anything_before_all_have_said_it() -> None:
    order = asked()
    order.tell(A, accept())
    assert order.buckets() == [(0, 3, 0, 0), (0, 2, 0, 0)]
    assert order.kinds(A) == [Kind.CANCELLATION_ASKED, Kind.CANCELLATION_AGREED]
    [waiting] = order.lines[A].asks
    assert (waiting.agreed, waiting.awaiting) == (True, None)
    assert not waiting.is_overdue(order.now + timedelta(days=10)), "it has its answer"
    order.tell(B, accept(actor=OTHER_SUPPLIER))
    assert order.buckets() == [(0, 0, 3, 0), (0, 0, 2, 0)]
    assert [c.answered_by for line in order.lines.values() for c in line.cancellations] == [
        SUPPLIER.party,
        OTHER_SUPPLIER.party,
    ]


def test_all_or_nothing_and_one_declines() -> None:
    """EC-18: nothing is cancelled; the first supplier's units go back to open, and it is told."""
    order = asked()
    order.tell(A, accept())
    order.tell(B, decline(actor=OTHER_SUPPLIER))
    assert order.buckets() == [(3, 0, 0, 0), (2, 0, 0, 0)]
    assert order.states() == [State.WITHDRAWN, State.DECLINED]
    last = order.reported[A][-1]
    assert (last.kind, last.rule, last.units) == (Kind.CANCELLATION_WITHDRAWN, Rule.TOGETHER, 3)
    assert last.note == "Another line that was asked together with this one was not cancelled."


def test_by_quantity_and_one_declines() -> None:
    """EC-19: the first supplier's units are cancelled, the rest stays."""
    order = asked(policy=replace(ALL, whole_order=WholeOrder.WHAT_CAN_BE))
    order.tell(A, accept())
    order.tell(B, decline(actor=OTHER_SUPPLIER))
    assert order.buckets() == [(0, 0, 3, 0), (2, 0, 0, 0)]


def test_who_answers_first_does_not_matter() -> None:
    order = asked()
    order.tell(B, decline(actor=OTHER_SUPPLIER))
    assert order.states() == [State.WITHDRAWN, State.DECLINED]
    refusal = order.tell(A, accept(cancellation=order.lines[A].cancellations[0].id))
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.ALREADY_ANSWERED
    assert refusal.remarks == (), "it did not come too late for a deadline"


def test_a_lapse_ends_the_others() -> None:
    order = asked()
    order.tell(A, accept())
    order.now = order.lines[B].asks[0].due_at  # type: ignore[assignment]
    order.pass_deadlines()
    assert order.states() == [State.WITHDRAWN, State.LAPSED]


def test_silence_that_accepts_agrees_for_who_is_silent() -> None:
    order = asked(policy=replace(ALL, silence=Silence.ACCEPT))
    order.tell(A, accept())
    order.now = order.lines[B].asks[0].due_at  # type: ignore[assignment]
    order.pass_deadlines()
    assert order.states() == [State.ACCEPTED, State.ACCEPTED]
    assert [c.by_policy for line in order.lines.values() for c in line.cancellations] == [False, True]


def test_an_ask_that_is_taken_back_ends_the_others() -> None:
    order = asked()
    order.tell(A, accept())
    order.tell(A, withdraw())
    assert order.states() == [State.WITHDRAWN, State.WITHDRAWN]
    assert [c.by_policy for line in order.lines.values() for c in line.cancellations] == [False, True]


def test_a_shipment_ends_the_others() -> None:
    order = asked()
    order.tell(A, accept())
    refusal = order.tell(A, ship())
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.UNITS_ASKED
    order.tell(B, ship(actor=OTHER_SUPPLIER, override=True))
    assert order.buckets() == [(3, 0, 0, 0), (0, 0, 0, 2)]


def test_what_the_retailer_holds_itself_waits_as_well() -> None:
    order = asked(mine(), own())
    assert order.buckets() == [(0, 3, 0, 0), (0, 1, 0, 0)]
    assert order.kinds(C) == [Kind.CANCELLATION_ASKED, Kind.CANCELLATION_AGREED]
    order.tell(A, accept())
    assert order.buckets() == [(0, 0, 3, 0), (0, 0, 1, 0)]
    assert [c.unasked for line in order.lines.values() for c in line.cancellations] == [False, True]


def test_what_is_cancelled_at_once_everywhere_waits_for_nobody() -> None:
    order = asked(own(A), own(B))
    assert order.buckets() == [(0, 0, 1, 0), (0, 0, 1, 0)]
    assert {c.group for line in order.lines.values() for c in line.cancellations} == {None}


def test_one_line_alone_is_bound_to_nothing() -> None:
    order = asked(mine())
    assert order.lines[A].asks[0].group is None
    order.tell(A, accept(1))
    assert order.buckets() == [(2, 0, 1, 0)]


def test_the_free_window_agrees_for_the_supplier() -> None:
    free = replace(ALL, free_window_s=24 * 3600)
    ids = count(1)
    outcome = decide_order(
        [mine(), theirs()],
        CancelOrder(order=ORDER, actor=RETAILER),
        NOW,
        lambda line: free if line.id == A else ALL,
        lambda: UUID(int=next(ids)),
    )
    assert not isinstance(outcome, Refusal)
    [first, second] = [fate.outcome.line for fate in outcome if isinstance(fate.outcome, Decision)]
    assert [(c.agreed, c.by_policy) for line in (first, second) for c in line.asks] == [(True, True), (False, False)]


@pytest.mark.parametrize("named", [True, False])
def test_a_yes_that_waits_can_be_repeated_and_not_be_changed(named: bool) -> None:
    order = asked()
    cancellation = order.lines[A].asks[0].id if named else None
    order.tell(A, accept(cancellation=cancellation))
    before = order.lines[A]
    assert order.tell(A, accept(cancellation=cancellation)) == Decision(line=before)
    refusal = order.tell(A, decline(cancellation=cancellation))
    assert isinstance(refusal, Refusal)
    assert refusal.kind is (RefusalKind.ALREADY_ANSWERED if named else RefusalKind.NOTHING_ASKED)
    assert order.lines[A] == before


def test_a_part_of_what_is_asked_as_a_whole_cannot_be_accepted() -> None:
    order = asked()
    refusal = order.tell(A, accept(2))
    assert isinstance(refusal, Refusal)
    assert refusal.kind is RefusalKind.ALL_OR_NOTHING
    assert "All 3 units" in refusal.detail
    order.tell(A, accept(3))
    assert order.lines[A].asks[0].agreed


def test_goods_that_do_not_exist_are_no_matter_of_agreement() -> None:
    order = asked()
    order.tell(A, allocate(rejected=3))
    assert order.buckets() == [(0, 0, 3, 0), (0, 2, 0, 0)]
    order.tell(B, accept(actor=OTHER_SUPPLIER))
    assert order.buckets() == [(0, 0, 3, 0), (0, 0, 2, 0)]
    again = asked()
    again.tell(A, allocate(rejected=3))
    again.tell(B, decline(actor=OTHER_SUPPLIER))
    assert again.buckets() == [(0, 0, 3, 0), (2, 0, 0, 0)]


def test_who_agreed_may_still_cancel_on_its_own_account() -> None:
    order = asked(mine(), own())
    order.tell(C, cancel_own(actor=RETAILER))
    assert order.buckets() == [(0, 3, 0, 0), (0, 0, 1, 0)]
    assert order.lines[C].cancellations[0].unasked


def test_a_customers_order_goes_by_the_retailer_to_every_supplier() -> None:
    order = Order(mine(), theirs(), own(), policy=replace(ALL, customer_asks_retailer_first=True))
    assert order.cancel(PLATFORM, Asker.CUSTOMER) is None
    for line in (A, B, C):
        order.tell(line, accept(actor=RETAILER))
    assert order.kinds(C)[-1] is Kind.CANCELLATION_AGREED
    order.tell(A, accept())
    before = order.lines[A]
    for confirmed_again in (accept(actor=RETAILER), retailer_cancel()):
        assert order.tell(A, confirmed_again) == Decision(line=before)
    before = order.lines[C]
    assert order.tell(C, retailer_cancel()) == Decision(line=before)
    order.tell(B, accept(actor=OTHER_SUPPLIER))
    assert order.states() == [State.ACCEPTED] * 3
    assert {c.unasked for line in order.lines.values() for c in line.cancellations} == {False}


def test_an_operator_answers_for_those_who_have_not() -> None:
    order = asked()
    order.tell(A, accept())
    order.tell(B, escalate(order.lines[B].asks[0].id))
    order.tell(B, decline(actor=PLATFORM))
    assert order.states() == [State.WITHDRAWN, State.DECLINED]


def test_an_ask_beside_the_group_is_not_of_it() -> None:
    order = Order(in_buckets(mine(), asked=1), theirs(), policy=ALL)
    assert order.cancel() is None
    order.tell(B, decline(actor=OTHER_SUPPLIER))
    states = [c.state for c in order.lines[A].cancellations]
    assert State.WITHDRAWN in states
    assert order.lines[A].asks


def test_asking_again_while_the_order_waits_asks_nobody_twice() -> None:
    order = asked(mine(), theirs(), own())
    before = order.lines.copy()
    assert order.cancel() is None
    assert order.lines == before
    assert order.tell(A, ask()) == Decision(line=before[A])


def test_the_reason_of_a_decline_is_told_to_nobody_elses_line() -> None:
    order = asked()
    order.tell(B, decline(DeclineReason.MADE_TO_ORDER, actor=OTHER_SUPPLIER, note="for Mr. X"))
    [ended] = order.lines[A].cancellations
    assert (ended.decline_reason, ended.answered_by) == (None, None)
    assert "Mr. X" not in ended.answer_note + order.reported[A][-1].note
