"""A repeat, and whoever comes second, hears what stands, by whom and since when: a row for each situation."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID

import pytest

from countermand.domain.commands import CancelOrder
from countermand.domain.decide import decide_order
from countermand.domain.groups import settle
from countermand.domain.line import Line
from countermand.domain.outcome import outcome
from countermand.domain.parties import Asker
from countermand.domain.policy import Policy, Silence, WholeOrder
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.refusals import RefusalKind
from tests.domain.story import (
    ORDER,
    PLATFORM,
    RETAILER,
    Story,
    accept,
    allocate,
    ask,
    buckets,
    cancel_own,
    customer_asks,
    decline,
    escalate,
    held_by_retailer,
    held_by_supplier,
    pass_deadline,
    retailer_cancel,
    ship,
    withdraw,
)

Way = Callable[[Story], object]

AT: Final = "2026-03-02T10:00:00Z"
LATER: Final = "2026-03-04T10:00:00Z"
TEN: Final = f"at {AT}"
PROOF: Final = Policy(proof_within_s=3600)


def silent(story: Story) -> None:
    asked = story.asked(ask(2))
    story.after(hours=48).heeds(pass_deadline(asked))


def in_turn(*commands: object) -> Way:
    """These commands, one after the other."""
    return lambda story: [story.heeds(command) for command in commands]  # type: ignore[arg-type]


def agreed(story: Story) -> None:
    """Asked for together with another line, which has no answer yet."""
    other = held_by_supplier(1, id=UUID(int=0x99))
    fates = decide_order(
        [story.line, other],
        CancelOrder(order=ORDER, actor=RETAILER),
        story.now,
        lambda _: Policy(whole_order=WholeOrder.ALL_OR_NOTHING),
        lambda: UUID(int=next(story.ids)),
    )
    story.line = fates[0].outcome.line  # type: ignore[index,union-attr]
    story.heeds(accept())


def ended_together(story: Story) -> None:
    agreed(story)
    [ask_of_other] = held_and_declined(story.line)
    [decision] = settle([story.line, ask_of_other], story.now)
    story.line = decision.line


def held_and_declined(line: Line) -> list[Line]:
    other = Story(held_by_supplier(1, id=UUID(int=0x99)))
    asked = other.asked(replace(ask(1), line=other.line.id, group=line.asks[0].group))
    other.heeds(replace(decline(cancellation=asked), line=other.line.id))
    return [other.line]


CONFIRMED_AGAIN: Final[dict[str, tuple[Way, Policy, RefusalKind, str]]] = {
    "nothing was ever asked": (
        in_turn(),
        Policy(),
        RefusalKind.NOTHING_ASKED,
        "No cancellation of this order item is waiting for your answer.",
    ),
    "accepted": (
        in_turn(ask(2), accept()),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 2 units was accepted by the supplier {TEN}.",
    ),
    "accepted in part": (
        in_turn(ask(2), accept(1)),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 2 units was accepted for 1 of 2 units by the supplier {TEN}.",
    ),
    "accepted in part, and why": (
        in_turn(ask(2), accept(1, rest_reason=DeclineReason.MADE_TO_ORDER)),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 2 units was accepted for 1 of 2 units by the supplier {TEN}: made_to_order.",
    ),
    "declined": (
        in_turn(ask(1), decline()),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 1 unit was declined by the supplier {TEN}: in_packing.",
    ),
    "declined without a reason": (
        in_turn(ask(1), decline(DeclineReason.NOT_STATED)),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 1 unit was declined by the supplier {TEN}.",
    ),
    "an operator answered": (
        in_turn(ask(1), accept(actor=PLATFORM)),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 1 unit was accepted by the platform {TEN}.",
    ),
    "withdrawn": (
        in_turn(ask(1), withdraw()),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 1 unit was withdrawn by the retailer {TEN}.",
    ),
    "lapsed": (
        silent,
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"This cancellation lapsed by policy at {LATER}, as nobody had answered in time.",
    ),
    "silence accepted": (
        silent,
        Policy(silence=Silence.ACCEPT),
        RefusalKind.ALREADY_ANSWERED,
        f"This cancellation was accepted by policy at {LATER}.",
    ),
    "an operator has to answer": (
        silent,
        Policy(silence=Silence.ESCALATE),
        RefusalKind.NOTHING_ASKED,
        "No cancellation of this order item is waiting for your answer."
        f" The cancellation of 2 units, asked {TEN}, waits for an operator's answer.",
    ),
    "accepted at once": (
        in_turn(ask(2)),
        Policy(free_window_s=7200),
        RefusalKind.ALREADY_ANSWERED,
        f"This cancellation was accepted by policy {TEN}.",
    ),
    "the retailer answers first": (
        in_turn(customer_asks(2)),
        Policy(),
        RefusalKind.NOTHING_ASKED,
        "No cancellation of this order item is waiting for your answer."
        f" The cancellation of 2 units, asked {TEN}, waits for the retailer's answer.",
    ),
    "another ask waits beside the one that was answered": (
        in_turn(ask(2), accept(), customer_asks(1)),
        Policy(),
        RefusalKind.NOTHING_ASKED,
        "No cancellation of this order item is waiting for your answer."
        f" The cancellation of 1 unit, asked {TEN}, waits for the retailer's answer.",
    ),
    "all was rejected at allocation": (
        in_turn(allocate(rejected=5)),
        Policy(),
        RefusalKind.NOTHING_ASKED,
        "No cancellation of this order item is waiting for your answer.",
    ),
    "rejecting all accepted the ask": (
        in_turn(ask(5), allocate(rejected=5)),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 5 units was accepted by the supplier {TEN}.",
    ),
    "shipping declined it": (
        in_turn(ask(1), ship(override=True)),
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 1 unit was declined by the supplier {TEN}: already_shipped.",
    ),
    "it ended with another line": (
        ended_together,
        Policy(),
        RefusalKind.ALREADY_ANSWERED,
        f"The cancellation of 5 units ended by policy {TEN}: another line that was asked together with it was not"
        " cancelled.",
    ),
}


@pytest.mark.parametrize("answer", [accept, decline])
@pytest.mark.parametrize(("way", "policy", "kind", "sentence"), CONFIRMED_AGAIN.values(), ids=CONFIRMED_AGAIN.keys())
def test_an_answer_that_finds_nothing_hears_what_stands_and_since_when(
    way: Way, policy: Policy, kind: RefusalKind, sentence: str, answer: type
) -> None:
    story = Story(policy=policy)
    way(story)
    before = buckets(story.line)
    refusal = story.after(hours=1).refuses(answer())
    assert (refusal.kind, refusal.detail, buckets(story.line)) == (kind, sentence, before)


def test_what_was_agreed_to_waits_for_the_others() -> None:
    story = Story()
    agreed(story)
    refusal = story.refuses(decline(cancellation=story.line.asks[0].id))
    assert refusal.detail == (
        f"This cancellation, asked {TEN}, was agreed to by the supplier and waits for the other lines that were asked"
        " together with it."
    )


def test_what_the_policy_agreed_to_waits_for_the_others() -> None:
    story = Story()
    agreed(story)
    by_policy = replace(story.line.asks[0], by_policy=True, answered_by=None)
    assert "agreed to by policy and waits" in outcome(story.line, by_policy)


def test_a_decline_without_its_proof_waits_for_the_parcel() -> None:
    story = Story(policy=PROOF)
    asked = story.asked(ask(2))
    story.heeds(decline(DeclineReason.ALREADY_SHIPPED))
    assert outcome(story.line, story.cancellation(asked)) == (
        f"The cancellation of 2 units, asked {TEN}, waits for the supplier to name the parcel."
    )


NOTHING_OPEN: Final[dict[str, tuple[Way, Line, str]]] = {
    "the supplier accepted": (
        in_turn(ask(5), accept()),
        held_by_supplier(),
        f"This order item is cancelled already. The cancellation of 5 units was accepted by the supplier {TEN}.",
    ),
    "cancelled unasked": (
        in_turn(cancel_own(actor=RETAILER)),
        held_by_retailer(),
        f"This order item is cancelled already. 5 units were cancelled by the retailer {TEN}; nobody had asked for it.",
    ),
    "a single unit": (
        in_turn(cancel_own(actor=RETAILER)),
        held_by_retailer(1),
        f"This order item is cancelled already. 1 unit was cancelled by the retailer {TEN}; nobody had asked for it.",
    ),
    "rejected": (
        in_turn(allocate(rejected=5)),
        held_by_supplier(),
        "The supplier rejected this order item; nothing is left to cancel."
        f" 5 units were cancelled by the supplier {TEN}; nobody had asked for it.",
    ),
}


@pytest.mark.parametrize(("way", "line", "sentence"), NOTHING_OPEN.values(), ids=NOTHING_OPEN.keys())
def test_an_ask_that_finds_nothing_open_hears_what_became_of_it(way: Way, line: Line, sentence: str) -> None:
    story = Story(line)
    way(story)
    for command in (ask(), retailer_cancel(), retailer_cancel(CancelReason.OUT_OF_STOCK)):
        assert story.after(hours=1).refuses(command).detail == sentence


def unanswered(line: Line) -> Way:
    """The customer's ask for one unit lapsed."""

    def way(story: Story) -> None:
        asked = story.asked(customer_asks(1))
        story.after(hours=48).heeds(pass_deadline(asked))

    return way


WITHDRAWN: Final = f"The customer's cancellation of 1 unit was withdrawn by the platform {TEN}."
TAKEN_BACK: Final = withdraw(Asker.CUSTOMER, actor=PLATFORM)

CLAIMED: Final[dict[str, tuple[Way, tuple[int, int, int, int] | str]]] = {
    "never asked": (in_turn(), (0, 0, 3, 0)),
    "waits": (in_turn(customer_asks(1)), (2, 0, 1, 0)),
    "withdrawn": (in_turn(customer_asks(1), TAKEN_BACK), WITHDRAWN),
    "declined": (in_turn(customer_asks(1), decline(actor=RETAILER)), (0, 0, 3, 0)),
    "lapsed": (unanswered(held_by_retailer(3)), (0, 0, 3, 0)),
    "accepted": (in_turn(customer_asks(1), accept(actor=RETAILER)), (2, 0, 1, 0)),
    "accepted in part": (in_turn(customer_asks(2), accept(1, actor=RETAILER)), (2, 0, 1, 0)),
    "one withdrawn, another waits": (in_turn(customer_asks(2), TAKEN_BACK, customer_asks(1)), (2, 0, 1, 0)),
    "one accepted, another withdrawn": (
        in_turn(customer_asks(1), accept(actor=RETAILER), customer_asks(1), TAKEN_BACK),
        WITHDRAWN,
    ),
    "one withdrawn, another accepted": (
        in_turn(customer_asks(1), TAKEN_BACK, customer_asks(1), accept(actor=RETAILER)),
        (2, 0, 1, 0),
    ),
    "one withdrawn, another declined": (
        in_turn(customer_asks(1), TAKEN_BACK, customer_asks(2), decline(actor=RETAILER)),
        (0, 0, 3, 0),
    ),
    "all units withdrawn": (
        in_turn(customer_asks(), TAKEN_BACK),
        WITHDRAWN.replace("1 unit", "3 units"),
    ),
}


@pytest.mark.parametrize(("way", "expected"), CLAIMED.values(), ids=CLAIMED.keys())
def test_the_retailers_call_as_the_customers_wish_confirms_what_was_asked(
    way: Way, expected: tuple[int, int, int, int] | str
) -> None:
    story = Story(held_by_retailer(3))
    way(story)
    before = buckets(story.line)
    if isinstance(expected, str):
        for _ in range(2):
            refusal = story.refuses(retailer_cancel())
            assert (refusal.kind, refusal.detail) == (RefusalKind.ALREADY_ANSWERED, expected)
        assert buckets(story.line) == before
        return
    decision = story.heeds(retailer_cancel())
    assert buckets(story.line) == expected
    asked = {each.id for each in story.line.cancellations if each.asker is Asker.CUSTOMER}
    assert all(event.unasked == (event.cancellation not in asked) for event in decision.events)


@pytest.mark.parametrize("reason", sorted({*CancelReason} - {CancelReason.REQUESTED_BY_CUSTOMER}))
def test_what_a_customer_withdrew_does_not_stand_in_the_way_of_another_reason(reason: CancelReason) -> None:
    story = Story(held_by_retailer(3))
    in_turn(customer_asks(1), TAKEN_BACK)(story)
    assert [event.unasked for event in story.heeds(retailer_cancel(reason)).events] == [True]
    assert buckets(story.line) == (0, 0, 3, 0)


def test_where_a_supplier_holds_the_goods_a_withdrawn_wish_is_no_ask_of_the_retailers() -> None:
    story = Story(held_by_supplier(3))
    in_turn(customer_asks(1), TAKEN_BACK)(story)
    assert story.refuses(retailer_cancel()).detail == WITHDRAWN


def test_what_ended_with_another_line_is_not_confirmed_either() -> None:
    story = Story(held_by_supplier(3))
    ended_together(story)
    wish = replace(story.line.cancellations[0], asker=Asker.CUSTOMER)
    story.line = replace(story.line, cancellations=(wish,))
    assert story.refuses(retailer_cancel()).detail == (
        f"The customer's cancellation of 3 units ended by policy {TEN}: another line that was asked together with it"
        " was not cancelled."
    )


def test_an_escalated_ask_waits_for_an_operator() -> None:
    story = Story()
    asked = story.asked(ask(1))
    story.heeds(escalate(asked))
    assert story.refuses(accept()).detail.endswith(
        f"The cancellation of 1 unit, asked {TEN}, waits for an operator's answer."
    )
