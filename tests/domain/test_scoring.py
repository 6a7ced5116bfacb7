"""bol's rule on cancellations, case by case (docs/score.md), and what holds of every card."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from fractions import Fraction
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from countermand.domain.commands import (
    AcceptCancellation,
    Allocate,
    AskCancellation,
    CancelOwn,
    DeclineCancellation,
    LineCommand,
    PassDeadline,
    RetailerCancel,
    Ship,
    WithdrawCancellation,
)
from countermand.domain.decide import decide
from countermand.domain.line import Decision, Line
from countermand.domain.parties import Asker
from countermand.domain.policy import DEFAULT_POLICY, Policy, Silence
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.scoring import (
    Incident,
    Item,
    Judgement,
    Reply,
    Role,
    Scorecard,
    ScoredEvent,
    Week,
    Why,
    card,
    incidents,
)
from tests.domain.story import LINE, NOW, PLATFORM, RETAILER, SUPPLIER, held_by_supplier

ZONE = ZoneInfo("Europe/Amsterdam")
PROMISED = NOW.date() + timedelta(days=2)
IN_TIME, ON_THE_DAY, AFTER = NOW, NOW + timedelta(days=2), NOW + timedelta(days=3)
CUSTOMERS = CancelReason.REQUESTED_BY_CUSTOMER
NO_STOCK = CancelReason.OUT_OF_STOCK
SILENT_YES, SILENT_NO = Policy(silence=Silence.ACCEPT), Policy(silence=Silence.LAPSE)
OPERATOR_ANSWERS = Policy(silence=Silence.ESCALATE)
DIRECTLY = Policy(customer_asks_retailer_first=False, silence=Silence.ACCEPT)


@dataclass
class Told:
    """A line, what happened to it, and the ids that came of it."""

    line: Line
    events: list[ScoredEvent]
    ids: int = 1000

    def new_id(self) -> UUID:
        self.ids += 1
        return UUID(int=self.ids)

    def say(self, command: LineCommand, at: datetime, policy: Policy) -> None:
        if isinstance(command, PassDeadline):
            command = replace(command, cancellation=self.line.asks[0].id)
        outcome = decide(self.line, command, at, policy, self.new_id)
        assert isinstance(outcome, Decision), outcome
        self.line = outcome.line
        actor = None if isinstance(command, PassDeadline) else command.actor
        for event in outcome.events:
            if event.cancellation is None or event.asker is None:
                continue
            self.events.append(
                ScoredEvent(
                    event=self.new_id(),
                    seq=event.seq,
                    kind=event.kind,
                    at=at,
                    actor=None if event.by_policy or actor is None else actor.party,
                    cancellation=event.cancellation,
                    units=event.units,
                    asker=event.asker,
                    reason=event.reason,
                    unasked=event.unasked,
                    rule=event.rule,
                    awaiting=event.awaiting,
                )
            )


Step = tuple[LineCommand, datetime]


def tell(*steps: Step, policy: Policy = DEFAULT_POLICY, supplier: bool = True) -> Told:
    line = held_by_supplier(5)
    if not supplier:
        line = replace(line, fulfiller=line.retailer)
    reported = Told(line, [])
    for command, at in steps:
        reported.say(command, at, policy)
    return reported


def item_of(line: Line, promised_on: date | None = PROMISED) -> Item:
    return Item(
        line=line.id,
        retailer=line.retailer,
        fulfiller=line.fulfiller,
        placed_at=line.placed_at,
        promised_on=promised_on,
    )


def counted(reported: Told, promised_on: date | None = PROMISED) -> set[tuple[Role, Why]]:
    found = incidents(item_of(reported.line, promised_on), reported.events, ZONE)
    for each in found:
        assert each.against == {Role.RETAILER: RETAILER.party, Role.FULFILLER: SUPPLIER.party}[each.role]
        assert each.evidence
    return {(each.role, each.why) for each in found}


def asked(at: datetime = IN_TIME, units: int | None = 2) -> Step:
    """The customer asks, through the shop."""
    return AskCancellation(line=LINE, actor=PLATFORM, asker=Asker.CUSTOMER, units=units), at


def claimed(at: datetime = IN_TIME, units: int | None = 2) -> Step:
    """The retailer says by its own credential that the customer asks."""
    return AskCancellation(line=LINE, actor=RETAILER, asker=Asker.CUSTOMER, units=units), at


def wished(at: datetime = IN_TIME, units: int | None = 2, reason: CancelReason = CancelReason.NOT_STATED) -> Step:
    """The retailer asks on its own wish."""
    return AskCancellation(line=LINE, actor=RETAILER, units=units, reason=reason), at


def answered(at: datetime = IN_TIME, actor: object = RETAILER) -> Step:
    return AcceptCancellation(line=LINE, actor=actor), at  # type: ignore[arg-type]


def declined(at: datetime = IN_TIME, actor: object = RETAILER) -> Step:
    return DeclineCancellation(line=LINE, actor=actor, reason=DeclineReason.IN_PACKING), at  # type: ignore[arg-type]


def overdue(at: datetime = AFTER) -> Step:
    return PassDeadline(line=LINE, cancellation=UUID(int=0)), at


def plaza(reason: CancelReason, at: datetime = IN_TIME) -> Step:
    return RetailerCancel(line=LINE, actor=RETAILER, reason=reason), at


def own(actor: object, reason: CancelReason = NO_STOCK, units: int | None = 1, at: datetime = IN_TIME) -> Step:
    return CancelOwn(line=LINE, actor=actor, reason=reason, units=units), at  # type: ignore[arg-type]


R, F = Role.RETAILER, Role.FULFILLER

HOLDS_ITSELF: list[tuple[str, list[Step], Policy, set[tuple[Role, Why]]]] = [
    ("a retailer requested cancellation counts (seed)", [plaza(NO_STOCK)], SILENT_NO, {(R, Why.UNASKED)}),
    ("a customer's, confirmed in time, does not (seed)", [asked(), plaza(CUSTOMERS)], SILENT_NO, set()),
    ("on the promised day is in time", [asked(ON_THE_DAY), plaza(CUSTOMERS, ON_THE_DAY)], SILENT_NO, set()),
    ("asked after the promised day", [asked(AFTER), plaza(CUSTOMERS, AFTER)], SILENT_NO, {(R, Why.ASKED_LATE)}),
    ("asked in time, confirmed after", [asked(), plaza(CUSTOMERS, AFTER)], SILENT_NO, {(R, Why.ANSWERED_LATE)}),
    ("'customer asked' and nobody did (EC-65)", [plaza(CUSTOMERS)], SILENT_NO, {(R, Why.FALSE_CLAIM)}),
    ("asked, and another reason given", [asked(units=None), plaza(NO_STOCK)], SILENT_NO, {(R, Why.OTHER_REASON)}),
    ("on the retailer's word alone", [claimed(), plaza(CUSTOMERS)], SILENT_NO, {(R, Why.CLAIMED_ASK)}),
    ("claimed and declined: nothing was cancelled", [claimed(), declined()], SILENT_NO, set()),
    ("declined", [asked(), declined()], SILENT_NO, set()),
    ("lapsed", [asked(), overdue()], SILENT_NO, {(R, Why.LAPSED)}),
    ("silence accepted", [asked(), overdue(ON_THE_DAY)], SILENT_YES, {(R, Why.AUTOMATIC)}),
    ("handed to an operator, who accepts in time", [asked(), overdue(ON_THE_DAY)], OPERATOR_ANSWERS, set()),
    (
        "withdrawn",
        [asked(), (WithdrawCancellation(line=LINE, actor=PLATFORM, asker=Asker.CUSTOMER), NOW)],
        SILENT_NO,
        set(),
    ),
    ("nobody has answered yet", [asked()], SILENT_NO, set()),
    ("shipped all the same", [asked(), (Ship(line=LINE, actor=RETAILER, override=True), NOW)], SILENT_NO, set()),
    ("the free time after ordering", [asked()], Policy(free_window_s=7200), set()),
    ("its own wish answers itself", [wished()], SILENT_NO, {(R, Why.UNASKED)}),
    ("what the platform does itself", [own(PLATFORM)], SILENT_NO, set()),
    ("declined first, then heeded for as many", [asked(), declined(), own(RETAILER, CUSTOMERS, 2)], SILENT_NO, set()),
    (
        "declined first, then more than was asked",
        [asked(), declined(), own(RETAILER, CUSTOMERS, 3)],
        SILENT_NO,
        {(R, Why.FALSE_CLAIM)},
    ),
    (
        "one ask backs one claim",
        [asked(), declined(), own(RETAILER, CUSTOMERS, 2), own(RETAILER, CUSTOMERS, 1)],
        SILENT_NO,
        {(R, Why.FALSE_CLAIM)},
    ),
    (
        "lapsed first, then heeded: the lapse remains",
        [asked(), overdue(ON_THE_DAY), own(RETAILER, CUSTOMERS, 2, ON_THE_DAY)],
        SILENT_NO,
        {(R, Why.LAPSED)},
    ),
    (
        "withdrawn first: nothing stands behind the claim",
        [
            asked(),
            (WithdrawCancellation(line=LINE, actor=PLATFORM, asker=Asker.CUSTOMER), NOW),
            own(RETAILER, CUSTOMERS, 2),
        ],
        SILENT_NO,
        {(R, Why.FALSE_CLAIM)},
    ),
    (
        "accepted for one, the rest heeded later",
        [asked(), (AcceptCancellation(line=LINE, actor=RETAILER, units=1), NOW), own(RETAILER, CUSTOMERS, 1)],
        SILENT_NO,
        set(),
    ),
    (
        "heeded after the promised day",
        [asked(), declined(), own(RETAILER, CUSTOMERS, 2, AFTER)],
        SILENT_NO,
        {(R, Why.ANSWERED_LATE)},
    ),
]

FREE = Policy(free_window_s=30 * 24 * 3600)

SUPPLIER_HOLDS: list[tuple[str, list[Step], Policy, set[tuple[Role, Why]]]] = [
    ("a retailer's wish, accepted", [wished(), answered(actor=SUPPLIER)], SILENT_NO, {(R, Why.RETAILERS_WISH)}),
    ("a retailer's wish, declined", [wished(), declined(actor=SUPPLIER)], SILENT_NO, set()),
    ("free time: a customer's ask on file", [asked()], FREE, set()),
    ("free time: a customer's ask on file, after the promise", [asked(AFTER)], FREE, {(R, Why.ASKED_LATE)}),
    ("free time: on the retailer's word", [claimed()], FREE, {(R, Why.CLAIMED_ASK)}),
    ("free time: the retailer's wish", [wished()], FREE, {(R, Why.RETAILERS_WISH)}),
    ("free time: the retailer's wish, after the promise", [wished(AFTER)], FREE, {(R, Why.RETAILERS_WISH)}),
    (
        "'customer asked' and nobody did, through the supplier",
        [plaza(CUSTOMERS), answered(actor=SUPPLIER)],
        SILENT_NO,
        {(R, Why.FALSE_CLAIM)},
    ),
    (
        "no stock, through the supplier",
        [plaza(NO_STOCK), answered(actor=SUPPLIER)],
        SILENT_NO,
        {(R, Why.RETAILERS_WISH)},
    ),
    ("a customer's, passed on and accepted", [asked(), answered(), answered(actor=SUPPLIER)], SILENT_NO, set()),
    (
        "a claim, passed on and accepted",
        [claimed(), answered(), answered(actor=SUPPLIER)],
        SILENT_NO,
        {(R, Why.CLAIMED_ASK)},
    ),
    ("a supplier's own", [own(SUPPLIER)], SILENT_NO, {(F, Why.UNASKED), (R, Why.SUPPLIERS_DOING)}),
    (
        "rejected at allocation",
        [(Allocate(line=LINE, actor=SUPPLIER, accepted=3, backordered=0, rejected=2), NOW)],
        SILENT_NO,
        {(F, Why.UNASKED), (R, Why.SUPPLIERS_DOING)},
    ),
    (
        "a supplier that says 'customer asked'",
        [own(SUPPLIER, CUSTOMERS)],
        SILENT_NO,
        {(F, Why.FALSE_CLAIM), (R, Why.SUPPLIERS_DOING)},
    ),
    (
        "a supplier that heeds what it declined",
        [asked(), answered(), declined(actor=SUPPLIER), own(SUPPLIER, CUSTOMERS, 2)],
        SILENT_NO,
        set(),
    ),
    (
        "a supplier with another reason for a customer's ask",
        [asked(), answered(), own(SUPPLIER, NO_STOCK, None)],
        SILENT_NO,
        {(F, Why.OTHER_REASON), (R, Why.SUPPLIERS_DOING), (F, Why.UNASKED)},
    ),
    ("silent supplier, lapsed", [wished(), overdue()], SILENT_NO, {(F, Why.LAPSED)}),
    (
        "silent supplier, a retailer's wish accepted",
        [wished(), overdue(ON_THE_DAY)],
        SILENT_YES,
        {(F, Why.AUTOMATIC), (R, Why.RETAILERS_WISH)},
    ),
    ("silent supplier, a customer's ask accepted", [asked(), overdue(ON_THE_DAY)], DIRECTLY, {(F, Why.AUTOMATIC)}),
    (
        "silent retailer, passed on and accepted",
        [asked(), overdue(ON_THE_DAY), answered(ON_THE_DAY, SUPPLIER)],
        SILENT_YES,
        set(),
    ),
    ("silent retailer, lapsed", [asked(), overdue()], SILENT_NO, {(R, Why.LAPSED)}),
    (
        "put to the supplier in time, accepted after the promised day",
        [asked(), answered(), answered(AFTER, SUPPLIER)],
        SILENT_NO,
        {(R, Why.ANSWERED_LATE), (F, Why.ANSWERED_LATE)},
    ),
    (
        "put to the supplier after the promised day",
        [asked(), answered(AFTER), answered(AFTER, SUPPLIER)],
        SILENT_NO,
        {(R, Why.ANSWERED_LATE), (F, Why.ASKED_LATE)},
    ),
    ("what the platform cancels of a supplier's goods", [own(PLATFORM)], SILENT_NO, set()),
    ("an operator in the supplier's place", [wished(), answered(actor=PLATFORM)], SILENT_NO, {(R, Why.RETAILERS_WISH)}),
]


@pytest.mark.parametrize(
    ("steps", "policy", "expected"), [each[1:] for each in HOLDS_ITSELF], ids=[e[0] for e in HOLDS_ITSELF]
)
def test_what_counts_when_the_retailer_holds_the_goods(
    steps: list[Step], policy: Policy, expected: set[tuple[Role, Why]]
) -> None:
    assert counted(tell(*steps, policy=policy, supplier=False)) == expected


@pytest.mark.parametrize(
    ("steps", "policy", "expected"), [each[1:] for each in SUPPLIER_HOLDS], ids=[e[0] for e in SUPPLIER_HOLDS]
)
def test_what_counts_when_a_supplier_holds_them(
    steps: list[Step], policy: Policy, expected: set[tuple[Role, Why]]
) -> None:
    assert counted(tell(*steps, policy=policy)) == expected


def test_without_a_promised_day_nothing_is_late() -> None:
    reported = tell(asked(AFTER), plaza(CUSTOMERS, AFTER + timedelta(days=300)), supplier=False)
    assert counted(reported, promised_on=None) == set()


def test_the_promised_day_ends_by_the_clocks_of_the_zone() -> None:
    midnight = datetime(PROMISED.year, PROMISED.month, PROMISED.day, 23, 0, tzinfo=UTC)  # 00:00 in Amsterdam in winter
    for moment, why in ((midnight - timedelta(seconds=1), set()), (midnight, {(R, Why.ASKED_LATE)})):
        assert counted(tell(asked(moment), plaza(CUSTOMERS, moment), supplier=False)) == why


# Weeks


@pytest.mark.parametrize(
    ("moment", "week"),
    [
        (datetime(2026, 11, 22, 22, 59, tzinfo=UTC), "2026-W47"),
        (datetime(2026, 11, 22, 23, 0, tzinfo=UTC), "2026-W48"),
        (datetime(2026, 6, 28, 21, 59, tzinfo=UTC), "2026-W26"),
        (datetime(2026, 6, 28, 22, 0, tzinfo=UTC), "2026-W27"),
        (datetime(2027, 1, 3, 12, 0, tzinfo=UTC), "2026-W53"),
        (datetime(2024, 12, 30, 12, 0, tzinfo=UTC), "2025-W01"),
    ],
)
def test_a_moment_falls_in_the_iso_week_of_the_zone(moment: datetime, week: str) -> None:
    found = Week.of(moment, ZONE)
    assert str(found) == week
    assert Week.read(week) == found
    assert found.starts(ZONE) <= moment < found.ends(ZONE)
    assert found.closes(ZONE).astimezone(ZONE).strftime("%A %H:%M") == "Wednesday 00:00"


@given(st.integers(1, 80_000), st.integers(0, 23), st.integers(-60, 60))
def test_weeks_follow_each_other_without_a_gap(days: int, hours: int, weeks: int) -> None:
    moment = datetime(1972, 1, 1, tzinfo=UTC) + timedelta(days=days, hours=hours)
    week = Week.of(moment, ZONE)
    assert week.starts(ZONE) <= moment < week.ends(ZONE)
    assert week.ends(ZONE) == week.later(1).starts(ZONE)
    assert week.later(weeks).later(-weeks) == week
    assert Week.read(str(week)) == week


@pytest.mark.parametrize(
    "text", ["", "2026", "2026-47", "2026-W54", "2025-W53", "2026-W00", "W47", "0001-W01", "2026-W٤٧"]
)
def test_a_text_that_is_no_week_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Week.read(text)


# Cards


def an_incident(line: int, cancellation: int = 0) -> Incident:
    return Incident(
        line=UUID(int=line),
        cancellation=UUID(int=cancellation or line),
        against=RETAILER.party,
        role=R,
        why=Why.UNASKED,
        units=1,
        at=NOW,
        evidence=(UUID(int=1),),
    )


def a_card(items: int, ordered: int) -> Scorecard:
    found = tuple(an_incident(number + 1) for number in range(items))
    return Scorecard(party=RETAILER.party, role=R, week=Week(2026, 10), ordered=ordered, counted=found)


@pytest.mark.parametrize(
    ("items", "ordered", "conforms", "strike"),
    [
        (0, 0, None, False),
        (0, 50, True, False),
        (1, 1, False, False),
        (2, 50, False, False),
        (2, 100, True, False),
        (3, 149, False, True),
        (3, 150, True, False),
        (3, 151, True, False),
        (8, 88, False, True),
    ],
)
def test_a_strike_takes_three_items_and_more_than_two_in_a_hundred(
    items: int, ordered: int, conforms: bool | None, strike: bool
) -> None:
    found = a_card(items, ordered)
    assert (found.numerator, found.conforms, found.strike) == (items, conforms, strike)


def test_bols_example_by_bols_definition() -> None:
    """Numerator 8, denominator 88: value is their quotient, distance how far that is from 0.02."""
    found = a_card(8, 88)
    assert (found.value, found.distance) == (Fraction(8, 88), Fraction(8, 88) - Fraction(2, 100))


def test_an_item_counts_once_however_often_it_was_cancelled() -> None:
    reported = tell(own(RETAILER), own(RETAILER), own(RETAILER), supplier=False)
    found = the_card([reported], RETAILER.party, R)
    assert (len(found.counted), found.numerator) == (3, 1)


def the_card(
    reported: Sequence[Told], party: UUID, role: Role, judgements: dict[tuple[UUID, UUID], Judgement] | None = None
) -> Scorecard:
    return card(
        party=party,
        role=role,
        week=Week.of(NOW, ZONE),
        ordered=len(reported),
        histories=[(item_of(each.line), each.events) for each in reported],
        judgements=judgements or {},
        zone=ZONE,
    )


def test_an_excluded_incident_is_shown_and_does_not_count() -> None:
    reported = tell(own(SUPPLIER), own(SUPPLIER))
    [first, second] = the_card([reported], SUPPLIER.party, F).counted
    word = Judgement(
        cancellation=first.cancellation, party=SUPPLIER.party, excluded=True, reason="flood", by="a", at=NOW
    )
    key = (first.cancellation, SUPPLIER.party)
    judged = the_card([reported], SUPPLIER.party, F, {key: word})
    assert (judged.counted, judged.excluded, judged.numerator) == ((second,), ((first, word),), 1)
    assert the_card([reported], RETAILER.party, R, {key: word}).numerator == 1
    assert the_card([reported], SUPPLIER.party, F, {key: replace(word, excluded=False)}).counted == (first, second)


def hours_to_answer(found: Scorecard) -> list[float]:
    return [seconds / 3600 for seconds in found.seconds_to_answer or ()]


def test_the_time_to_answer_runs_from_when_the_ask_reached_the_party() -> None:
    later = NOW + timedelta(hours=10)
    reported = [
        tell(asked(), answered(later), answered(later + timedelta(hours=1), SUPPLIER)),
        tell(wished(), declined(NOW + timedelta(hours=2), SUPPLIER)),
        tell(wished(), answered(NOW + timedelta(hours=9), SUPPLIER)),
        tell(wished(), overdue()),
        tell(wished(), answered(actor=PLATFORM)),
    ]
    supplier = the_card(reported, SUPPLIER.party, F)
    assert hours_to_answer(supplier) == [2, 9]
    assert supplier.decline_rate == Fraction(1, 3)
    assert [supplier.replies(each) for each in Reply] == [2, 1, 1]
    retailer = the_card(reported, RETAILER.party, R)
    assert hours_to_answer(retailer) == [10, 10]
    assert hours_to_answer(a_card(0, 5)) == []
    assert a_card(0, 5).decline_rate is None


def test_a_decline_is_an_answer_once_its_proof_is_there() -> None:
    """Asked for at the first hour; the parcel is named at the third, or never (EC-17)."""
    proof_wanted = Policy(proof_within_s=6 * 3600)

    def shipped(hours: int, tracking: str = "") -> Step:
        command = DeclineCancellation(
            line=LINE, actor=SUPPLIER, reason=DeclineReason.ALREADY_SHIPPED, tracking=tracking
        )
        return command, NOW + timedelta(hours=hours)

    proved = tell(wished(), shipped(1), shipped(3, "3S1"), policy=proof_wanted)
    found = the_card([proved], SUPPLIER.party, F)
    assert (hours_to_answer(found), [found.replies(each) for each in Reply]) == ([3, 3], [0, 1, 0])
    never = tell(wished(), shipped(1), overdue(NOW + timedelta(hours=7)), policy=proof_wanted)
    found = the_card([never], SUPPLIER.party, F)
    assert (hours_to_answer(found), [found.replies(each) for each in Reply]) == ([], [0, 0, 1])
    assert (found.counted, found.decline_rate) == ((), None)
