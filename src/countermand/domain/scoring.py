"""What counts against whom, by bol's published rule on cancellations, and how quickly a party answers.

Source: the rule that bol publishes. What it leaves open is settled in docs/decisions; docs/score.md tells all of it
in plain sentences. Everything here follows from orders and events alone, so that a card can be counted anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from fractions import Fraction
from math import ceil
from statistics import median
from typing import Final, Self
from uuid import UUID

from countermand.domain.events import EventKind
from countermand.domain.parties import Asker
from countermand.domain.policy import Rule
from countermand.domain.reasons import CancelReason

NORM: Final = Fraction(2, 100)
"""The largest share of a week's ordered items that may count. Above it, the week is not in order."""

ITEMS_MIN: Final = 3
"""Fewer counted items than this never make a strike, whatever their share."""

STRIKE_WEEKS: Final = 22
"""How many closed weeks back strikes are counted."""


CHANGES_CARDS: Final = frozenset(
    kind
    for kind in EventKind
    if kind.value.startswith("cancellation.") or kind in (EventKind.LINE_PLACED, EventKind.LINE_REASSIGNED)
)
"""Events that can change the card of the week in which their line was ordered."""

RULES: Final = 1
"""One more with every change of what counts: kept figures that were counted by other rules are counted anew."""


class Role(StrEnum):
    """In which part a party is judged: for what it sold, or for what it holds of others' orders."""

    RETAILER = "retailer"
    FULFILLER = "fulfiller"


class Why(StrEnum):
    """Why an item counts."""

    UNASKED = "unasked"
    RETAILERS_WISH = "retailers_wish"
    FALSE_CLAIM = "false_claim"
    CLAIMED_ASK = "claimed_ask"
    OTHER_REASON = "other_reason"
    SUPPLIERS_DOING = "suppliers_doing"
    LAPSED = "lapsed"
    AUTOMATIC = "automatic"
    ASKED_LATE = "asked_late"
    ANSWERED_LATE = "answered_late"


class Reply(StrEnum):
    """What a party made of an ask that was put to it."""

    ACCEPTED = "accepted"
    DECLINED = "declined"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, order=True)
class Week:
    """A week of ISO 8601, such as ``2026-W47``: Monday to Sunday by the clocks of a zone.

    Raises:
        ValueError: the year has no such week.
    """

    year: int
    number: int

    def __post_init__(self) -> None:
        date.fromisocalendar(self.year, self.number, 1)

    def __str__(self) -> str:
        return f"{self.year}-W{self.number:02}"

    @classmethod
    def read(cls, text: str) -> Self:
        """The week that is written like ``2026-W47``. Raises ``ValueError`` when it is none."""
        year, _, number = text.upper().partition("-W")
        if not (len(year) == 4 and len(number) == 2 and (year + number).isascii() and (year + number).isdigit()):
            raise ValueError("a week is written like 2026-W47")
        if not 1970 <= int(year) <= 9000:
            raise ValueError(f"{year} is not between 1970 and 9000")
        return cls(int(year), int(number))

    @classmethod
    def of(cls, moment: datetime, zone: tzinfo) -> Self:
        """The week that a moment falls in, where ``zone`` is."""
        year, number, _ = moment.astimezone(zone).isocalendar()
        return cls(year, number)

    def later(self, weeks: int) -> "Week":
        """So many weeks later, or earlier if negative."""
        year, number, _ = (self._monday + timedelta(weeks=weeks)).isocalendar()
        return Week(year, number)

    def starts(self, zone: tzinfo) -> datetime:
        """The first moment of its Monday."""
        return datetime.combine(self._monday, time(), zone)

    def ends(self, zone: tzinfo) -> datetime:
        """The first moment that is not in it any more."""
        return self.later(1).starts(zone)

    def closes(self, zone: tzinfo) -> datetime:
        """When bol publishes it: the Wednesday after."""
        return datetime.combine(self._monday + timedelta(days=9), time(), zone)

    @property
    def _monday(self) -> date:
        return date.fromisocalendar(self.year, self.number, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """A line as the score sees it. ``promised_on`` is the latest day of delivery that the customer was promised.

    ``departed`` are those who held the goods before ``fulfiller``, each with the ``seq`` of the event by which the line
    was given to the next one.
    """

    line: UUID
    retailer: UUID
    fulfiller: UUID
    placed_at: datetime
    promised_on: date | None = None
    departed: tuple[tuple[int, UUID], ...] = ()

    def held_at(self, seq: int) -> "Item":
        """The item as it was at an event of its line: with whoever held the goods then."""
        later = [party for gone, party in self.departed if gone > seq]
        return replace(self, fulfiller=later[0]) if later else self


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredEvent:
    """An event about a cancellation, as far as the score looks at it. ``actor`` is ``None`` where a rule spoke.

    ``told_at`` is when it was written down, where that was later than it took effect: nobody heard of it before.
    """

    event: UUID
    seq: int
    kind: EventKind
    at: datetime
    actor: UUID | None
    cancellation: UUID
    units: int
    asker: Asker
    reason: str = ""
    unasked: bool = False
    rule: Rule | None = None
    awaiting: UUID | None = None
    told_at: datetime | None = None
    rest: int = 0
    moved: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """Something that makes an item count against a party, with the events that show it."""

    line: UUID
    cancellation: UUID
    against: UUID
    role: Role
    why: Why
    units: int
    at: datetime
    evidence: tuple[UUID, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An ask that was put to a party at ``put_at``, and what it had made of it by ``ended_at``."""

    party: UUID
    cancellation: UUID
    put_at: datetime
    ended_at: datetime
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An operator's word on an incident: it does not count, or it counts after all. The last one holds."""

    cancellation: UUID
    party: UUID
    excluded: bool
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a scorecard, without what they are counted from: they can be kept.

    ``answers`` says how many asks ended how. ``seconds_to_answer`` are the median and the 90th percentile (nearest
    rank) of the time to answer; ``None`` when nothing was answered.
    """

    week: Week
    ordered: int
    numerator: int
    answers: Mapping[Reply, int]
    seconds_to_answer: tuple[float, float] | None

    @property
    def value(self) -> Fraction | None:
        """The share of the ordered items that counts; ``None`` when nothing was ordered."""
        return Fraction(self.numerator, self.ordered) if self.ordered else None

    @property
    def conforms(self) -> bool | None:
        """Whether the share is within the norm; ``None`` when nothing was ordered."""
        return None if self.value is None else self.value <= NORM

    @property
    def strike(self) -> bool:
        """Whether the week is a bad one: above the norm, and with at least three items."""
        return self.conforms is False and self.numerator >= ITEMS_MIN

    @property
    def distance(self) -> Fraction | None:
        """How far the share is from the norm, on whichever side of it."""
        return None if self.value is None else abs(self.value - NORM)

    @property
    def decline_rate(self) -> Fraction | None:
        """The share of its answers that were a no; ``None`` when it answered nothing."""
        answered = self.replies(Reply.ACCEPTED) + self.replies(Reply.DECLINED)
        return Fraction(self.replies(Reply.DECLINED), answered) if answered else None

    def replies(self, reply: Reply) -> int:
        """How many asks ended so for this party."""
        return self.answers.get(reply, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """How a party does in one week of orders: bol's indicator CANCELLATIONS, and its answers.

    ``ordered`` is the denominator. ``counted`` holds every incident that counts, ``excluded`` those that an operator
    took out. An item counts once, however many incidents it has.
    """

    party: UUID
    role: Role
    week: Week
    ordered: int
    counted: tuple[Incident, ...] = ()
    excluded: tuple[tuple[Incident, Judgement], ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def figures(self) -> Figures:
        """What it comes to."""
        taken = sorted((a.ended_at - a.put_at).total_seconds() for a in self.answers if a.reply is not Reply.MISSED)
        return Figures(
            week=self.week,
            ordered=self.ordered,
            numerator=self.numerator,
            answers={reply: self.replies(reply) for reply in Reply},
            seconds_to_answer=(median(taken), taken[ceil(0.9 * len(taken)) - 1]) if taken else None,
        )

    @property
    def numerator(self) -> int:
        """How many items count."""
        return len({incident.line for incident in self.counted})

    @property
    def value(self) -> Fraction | None:
        """As ``Figures.value``."""
        return self.figures.value

    @property
    def conforms(self) -> bool | None:
        """As ``Figures.conforms``."""
        return self.figures.conforms

    @property
    def strike(self) -> bool:
        """As ``Figures.strike``."""
        return self.figures.strike

    @property
    def distance(self) -> Fraction | None:
        """As ``Figures.distance``."""
        return self.figures.distance

    @property
    def seconds_to_answer(self) -> tuple[float, float] | None:
        """As ``Figures.seconds_to_answer``."""
        return self.figures.seconds_to_answer

    @property
    def decline_rate(self) -> Fraction | None:
        """As ``Figures.decline_rate``."""
        return self.figures.decline_rate

    def replies(self, reply: Reply) -> int:
        """How many asks ended so for this party."""
        return sum(answer.reply is reply for answer in self.answers)


def card(
    *,
    party: UUID,
    role: Role,
    week: Week,
    ordered: int,
    stories: Iterable[tuple[Item, Sequence[ScoredEvent]]],
    judgements: Mapping[tuple[UUID, UUID], Judgement],
    zone: tzinfo,
) -> Scorecard:
    """The card of a party for one week, from the stories of the items it sold, or holds, of that week's orders.

    ``judgements`` holds the last word on each pair of a cancellation and a party.
    """
    mine: list[Incident] = []
    answers: list[Answer] = []
    for item, happenings in stories:
        wishes = _wishes(item, happenings)
        mine += [each for each in _incidents(item, wishes, zone) if (each.against, each.role) == (party, role)]
        answers += [answer for wish in wishes for answer in wish.answers if answer.party == party]
    words = [(each, judgements.get((each.cancellation, party))) for each in mine]
    return Scorecard(
        party=party,
        role=role,
        week=week,
        ordered=ordered,
        counted=tuple(each for each, word in words if not (word and word.excluded)),
        excluded=tuple((each, word) for each, word in words if word and word.excluded),
        answers=tuple(answers),
    )


def incidents(item: Item, happenings: Sequence[ScoredEvent], zone: tzinfo) -> tuple[Incident, ...]:
    """Everything about one item that counts, against whomever."""
    return tuple(_incidents(item, _wishes(item, happenings), zone))


@dataclass(kw_only=True)
class _Wish:
    """One cancellation, as its events tell it in their order.

    ``on_file`` says that the customer's wish does not rest on the word of the retailer or the supplier alone.
    ``granted`` says that a false-looking claim is backed by an earlier ask of the customer that nobody heeded.
    """

    asker: Asker
    asked_at: datetime
    on_file: bool = False
    awaiting: UUID | None = None
    put_at: dict[UUID, datetime] = field(default_factory=dict)
    missed_by: UUID | None = None
    granted: bool = False
    end: ScoredEvent | None = None
    units_asked: int = 0
    evidence: list[UUID] = field(default_factory=list)
    answers: list[Answer] = field(default_factory=list)


def _wishes(item: Item, happenings: Sequence[ScoredEvent]) -> list[_Wish]:
    wishes: dict[UUID, _Wish] = {}
    unheeded = 0
    for each in sorted(happenings, key=lambda happening: happening.seq):
        wish = wishes.setdefault(each.cancellation, _Wish(asker=each.asker, asked_at=each.at))
        wish.evidence.append(each.event)
        if each.kind is EventKind.CANCELLATION_ASKED:
            own_word = each.actor in (item.retailer, item.held_at(each.seq).fulfiller)
            wish.on_file, wish.units_asked = each.asker is Asker.CUSTOMER and not own_word, each.units
        elif each.kind is EventKind.CANCELLATION_PASSED_ON and wish.on_file and not each.moved:
            # What the retailer did not accept stays on order, whatever becomes of the rest.
            unheeded += each.rest
            wish.units_asked = each.units
        _note_answer(wish, each)
        if each.kind not in _ENDS:
            continue
        wish.end = each
        if wish.on_file:
            unheeded += _left(wish, each)
        elif _claims(wish, each) and unheeded >= each.units:
            wish.granted = True
            unheeded -= each.units
    return list(wishes.values())


_ENDS: Final = frozenset(
    {
        EventKind.CANCELLATION_ACCEPTED,
        EventKind.CANCELLATION_DECLINED,
        EventKind.CANCELLATION_WITHDRAWN,
        EventKind.CANCELLATION_LAPSED,
    }
)


def _note_answer(wish: _Wish, each: ScoredEvent) -> None:
    """What the party whose answer was due made of it. An operator who stood in for it does not speak for its speed.

    A note is no answer. A decline that still wants its proof is none yet: the time runs on, and without proof it is
    missed (EC-17).
    """
    if each.kind in (EventKind.CANCELLATION_PROOF_ASKED, EventKind.CANCELLATION_NOTED):
        return
    party = wish.awaiting
    if party is not None:
        reply = None
        if each.rule is Rule.SILENCE:
            reply, wish.missed_by = Reply.MISSED, party
        elif each.rule is Rule.NO_PROOF:
            reply = Reply.MISSED
        elif each.actor == party and not each.moved:
            reply = Reply.DECLINED if each.kind is EventKind.CANCELLATION_DECLINED else Reply.ACCEPTED
        if reply and each.kind is not EventKind.CANCELLATION_WITHDRAWN:
            put_at = wish.put_at[party]
            wish.answers.append(
                Answer(party=party, cancellation=each.cancellation, put_at=put_at, ended_at=each.at, reply=reply)
            )
    wish.awaiting = each.awaiting
    if each.awaiting is not None:
        wish.put_at[each.awaiting] = each.told_at or each.at


def _left(wish: _Wish, end: ScoredEvent) -> int:
    """Units that the customer wanted cancelled, that stayed on order, and that the customer never took back."""
    match end.kind:
        case EventKind.CANCELLATION_ACCEPTED:
            return wish.units_asked - end.units
        case EventKind.CANCELLATION_WITHDRAWN:
            return 0
        case _:
            return wish.units_asked


def _claims(wish: _Wish, end: ScoredEvent) -> bool:
    """Whether units were cancelled as the customer's wish by somebody else than the customer."""
    named = end.reason == CancelReason.REQUESTED_BY_CUSTOMER and wish.asker is not Asker.CUSTOMER
    claimed = wish.asker is Asker.CUSTOMER and not wish.on_file
    return end.kind is EventKind.CANCELLATION_ACCEPTED and (named or claimed)


def _incidents(item: Item, wishes: Iterable[_Wish], zone: tzinfo) -> list[Incident]:
    found = []
    for wish in wishes:
        if wish.end is None:
            continue
        held = item.held_at(wish.end.seq)
        against = [(item.retailer, Role.RETAILER, _against_retailer(held, wish, wish.end, zone))]
        if held.fulfiller != item.retailer:
            against.append((held.fulfiller, Role.FULFILLER, _against_fulfiller(held, wish, wish.end, zone)))
        found += [
            Incident(
                line=item.line,
                cancellation=wish.end.cancellation,
                against=party,
                role=role,
                why=why,
                units=wish.end.units,
                at=wish.end.at,
                evidence=tuple(wish.evidence),
            )
            for party, role, why in against
            if why
        ]
    return found


def _against_retailer(item: Item, wish: _Wish, end: ScoredEvent, zone: tzinfo) -> Why | None:
    """The customer bought from the retailer, so whatever the customer did not wish is counted here, whoever did it."""
    if end.kind is not EventKind.CANCELLATION_ACCEPTED:
        return Why.LAPSED if end.kind is EventKind.CANCELLATION_LAPSED and wish.missed_by == item.retailer else None
    if wish.granted:
        return _late(item, item.placed_at, end.at, zone)
    if wish.asker is Asker.RETAILER:
        return Why.FALSE_CLAIM if _claims(wish, end) else Why.RETAILERS_WISH
    if end.rule is Rule.SILENCE and (wish.asker is Asker.NOBODY or wish.missed_by == item.retailer):
        return Why.AUTOMATIC
    if end.unasked:
        return _own_doing(item, wish, end)
    if wish.asker is Asker.CUSTOMER and not wish.on_file:
        return Why.CLAIMED_ASK
    return _late(item, wish.asked_at, end.at, zone)


def _own_doing(item: Item, wish: _Wish, end: ScoredEvent) -> Why | None:
    """Cancelled though nobody had asked, or for another reason. What the platform does itself counts against nobody."""
    if end.actor == item.retailer:
        if wish.asker is Asker.CUSTOMER:
            return Why.OTHER_REASON
        return Why.FALSE_CLAIM if _claims(wish, end) else Why.UNASKED
    return Why.SUPPLIERS_DOING if end.actor == item.fulfiller else None


def _against_fulfiller(item: Item, wish: _Wish, end: ScoredEvent, zone: tzinfo) -> Why | None:
    """To whoever holds the goods, the retailer's ask is as good as the customer's."""
    if wish.missed_by == item.fulfiller and end.rule is Rule.SILENCE:
        return Why.LAPSED if end.kind is EventKind.CANCELLATION_LAPSED else Why.AUTOMATIC
    if end.kind is not EventKind.CANCELLATION_ACCEPTED:
        return None
    if end.unasked and not wish.granted:
        if end.actor != item.fulfiller:
            return None
        if wish.asker is not Asker.NOBODY:
            return Why.OTHER_REASON
        return Why.FALSE_CLAIM if _claims(wish, end) else Why.UNASKED
    put_at = wish.put_at.get(item.fulfiller)
    return _late(item, put_at, end.at, zone) if put_at else None


def _late(item: Item, asked_at: datetime, accepted_at: datetime, zone: tzinfo) -> Why | None:
    """Whether it was asked, or accepted, after the promised day. The day itself is still in time."""
    if item.promised_on is None or accepted_at.astimezone(zone).date() <= item.promised_on:
        return None
    return Why.ASKED_LATE if asked_at.astimezone(zone).date() > item.promised_on else Why.ANSWERED_LATE
