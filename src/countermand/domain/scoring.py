"""What counts against whom, by bol's published rule on cancellations, and how quickly a party answers.

Source: the rule that bol publishes. docs/decisions/0016 settles what it leaves open, and docs/score.md explains the
score. Everything here follows only from orders and events, so a scorecard can be counted again at any time.
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
"""A week with fewer counted items than this is never a strike."""

STRIKE_WEEKS: Final = 22
"""In how many of the last closed weeks strikes are counted."""


CHANGES_CARDS: Final = frozenset(
    kind
    for kind in EventKind
    if kind.value.startswith("cancellation.") or kind in (EventKind.LINE_PLACED, EventKind.LINE_REASSIGNED)
)
"""Events that can change the card of the week in which their line was ordered."""

RULES: Final = 1
"""The version of these rules. Stored figures of another version are counted again."""


class Role(StrEnum):
    """The role that is scored: a retailer for what it sold, a fulfiller for what it holds of the orders of others."""

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
    """How a party answered an ask."""

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
        """The item as it was at an event of its line: with the fulfiller of that time."""
        later = [party for gone, party in self.departed if gone > seq]
        return replace(self, fulfiller=later[0]) if later else self


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredEvent:
    """An event about a cancellation, with what the score needs. ``actor`` is ``None`` if a rule decided.

    ``recorded_at`` is when it was saved, if that was after it took effect: nobody was notified before.
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
    recorded_at: datetime | None = None
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
    """A party's answer to an ask: its time ran from ``put_at`` to ``ended_at``."""

    party: UUID
    cancellation: UUID
    put_at: datetime
    ended_at: datetime
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """An operator's decision on an incident: it does not count, or it counts after all. The last one is valid."""

    cancellation: UUID
    party: UUID
    excluded: bool
    reason: str
    by: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """The figures of a scorecard, without the incidents and answers that they are counted from.

    ``answers`` counts the asks by their answer. ``seconds_to_answer`` are the median and the 90th percentile (nearest
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
        """Whether the week is a strike: above the norm, with at least three counted items."""
        return self.conforms is False and self.numerator >= ITEMS_MIN

    @property
    def distance(self) -> Fraction | None:
        """How far the share is from the norm, above or below."""
        return None if self.value is None else abs(self.value - NORM)

    @property
    def decline_rate(self) -> Fraction | None:
        """The share of its answers that declined; ``None`` if it answered nothing."""
        answered = self.replies(Reply.ACCEPTED) + self.replies(Reply.DECLINED)
        return Fraction(self.replies(Reply.DECLINED), answered) if answered else None

    def replies(self, reply: Reply) -> int:
        """How many asks this party answered like this."""
        return self.answers.get(reply, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scorecard:
    """The score of a party for one week of orders: bol's indicator CANCELLATIONS, and its answers.

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
        """The figures of the card."""
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
        """How many asks this party answered like this."""
        return sum(answer.reply is reply for answer in self.answers)


def card(
    *,
    party: UUID,
    role: Role,
    week: Week,
    ordered: int,
    histories: Iterable[tuple[Item, Sequence[ScoredEvent]]],
    judgements: Mapping[tuple[UUID, UUID], Judgement],
    zone: tzinfo,
) -> Scorecard:
    """The card of a party for one week, from the events of the items in that week's orders that it sold or holds.

    ``judgements`` has the last judgement for each pair of a cancellation and a party.
    """
    mine: list[Incident] = []
    answers: list[Answer] = []
    for item, events in histories:
        asks = _asks_of(item, events)
        mine += [each for each in _incidents(item, asks, zone) if (each.against, each.role) == (party, role)]
        answers += [answer for ask in asks for answer in ask.answers if answer.party == party]
    judged = [(each, judgements.get((each.cancellation, party))) for each in mine]
    return Scorecard(
        party=party,
        role=role,
        week=week,
        ordered=ordered,
        counted=tuple(each for each, judgement in judged if not (judgement and judgement.excluded)),
        excluded=tuple((each, judgement) for each, judgement in judged if judgement and judgement.excluded),
        answers=tuple(answers),
    )


def incidents(item: Item, events: Sequence[ScoredEvent], zone: tzinfo) -> tuple[Incident, ...]:
    """Everything about one item that counts, against any party."""
    return tuple(_incidents(item, _asks_of(item, events), zone))


@dataclass(kw_only=True)
class _Ask:
    """One cancellation, as its events describe it in their order.

    ``on_file``: the customer's ask does not rest only on what the retailer or the supplier entered. ``granted``: a
    claim that looks false is backed by an earlier ask of the customer that was not granted.
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


def _asks_of(item: Item, events: Sequence[ScoredEvent]) -> list[_Ask]:
    asks: dict[UUID, _Ask] = {}
    ungranted = 0
    for each in sorted(events, key=lambda event: event.seq):
        ask = asks.setdefault(each.cancellation, _Ask(asker=each.asker, asked_at=each.at))
        ask.evidence.append(each.event)
        if each.kind is EventKind.CANCELLATION_ASKED:
            own_entry = each.actor in (item.retailer, item.held_at(each.seq).fulfiller)
            ask.on_file, ask.units_asked = each.asker is Asker.CUSTOMER and not own_entry, each.units
        elif each.kind is EventKind.CANCELLATION_PASSED_ON and ask.on_file and not each.moved:
            # What the retailer did not accept stays on order, whatever the outcome of the rest.
            ungranted += each.rest
            ask.units_asked = each.units
        _record_answer(ask, each)
        if each.kind not in _ENDS:
            continue
        ask.end = each
        if ask.on_file:
            ungranted += _left(ask, each)
        elif _is_claim(ask, each) and ungranted >= each.units:
            ask.granted = True
            ungranted -= each.units
    return list(asks.values())


_ENDS: Final = frozenset(
    {
        EventKind.CANCELLATION_ACCEPTED,
        EventKind.CANCELLATION_DECLINED,
        EventKind.CANCELLATION_WITHDRAWN,
        EventKind.CANCELLATION_LAPSED,
    }
)


def _record_answer(ask: _Ask, each: ScoredEvent) -> None:
    """Record the answer of the party whose answer was due. An operator's answer in its place does not count as its own.

    A note is no answer. A decline that still needs its proof is none yet: the time goes on, and without proof the
    answer is missed (EC-17).
    """
    if each.kind in (EventKind.CANCELLATION_PROOF_ASKED, EventKind.CANCELLATION_NOTED):
        return
    party = ask.awaiting
    if party is not None:
        reply = None
        if each.rule is Rule.SILENCE:
            reply, ask.missed_by = Reply.MISSED, party
        elif each.rule is Rule.NO_PROOF:
            reply = Reply.MISSED
        elif each.actor == party and not each.moved:
            reply = Reply.DECLINED if each.kind is EventKind.CANCELLATION_DECLINED else Reply.ACCEPTED
        if reply and each.kind is not EventKind.CANCELLATION_WITHDRAWN:
            put_at = ask.put_at[party]
            ask.answers.append(
                Answer(party=party, cancellation=each.cancellation, put_at=put_at, ended_at=each.at, reply=reply)
            )
    ask.awaiting = each.awaiting
    if each.awaiting is not None:
        ask.put_at[each.awaiting] = each.recorded_at or each.at


def _left(ask: _Ask, end: ScoredEvent) -> int:
    """Units that the customer asked for, that stayed on order, and that the customer did not withdraw."""
    match end.kind:
        case EventKind.CANCELLATION_ACCEPTED:
            return ask.units_asked - end.units
        case EventKind.CANCELLATION_WITHDRAWN:
            return 0
        case _:
            return ask.units_asked


def _is_claim(ask: _Ask, end: ScoredEvent) -> bool:
    """Whether somebody else than the customer cancelled units in the customer's name."""
    named = end.reason == CancelReason.REQUESTED_BY_CUSTOMER and ask.asker is not Asker.CUSTOMER
    claimed = ask.asker is Asker.CUSTOMER and not ask.on_file
    return end.kind is EventKind.CANCELLATION_ACCEPTED and (named or claimed)


def _incidents(item: Item, asks: Iterable[_Ask], zone: tzinfo) -> list[Incident]:
    found = []
    for ask in asks:
        if ask.end is None:
            continue
        held = item.held_at(ask.end.seq)
        against = [(item.retailer, Role.RETAILER, _against_retailer(held, ask, ask.end, zone))]
        if held.fulfiller != item.retailer:
            against.append((held.fulfiller, Role.FULFILLER, _against_fulfiller(held, ask, ask.end, zone)))
        found += [
            Incident(
                line=item.line,
                cancellation=ask.end.cancellation,
                against=party,
                role=role,
                why=why,
                units=ask.end.units,
                at=ask.end.at,
                evidence=tuple(ask.evidence),
            )
            for party, role, why in against
            if why
        ]
    return found


def _against_retailer(item: Item, ask: _Ask, end: ScoredEvent, zone: tzinfo) -> Why | None:
    """What counts against the retailer: it sold to the customer, so all that the customer did not ask for counts."""
    if ask.asker is Asker.PLATFORM:
        return None
    if end.kind is not EventKind.CANCELLATION_ACCEPTED:
        return Why.LAPSED if end.kind is EventKind.CANCELLATION_LAPSED and ask.missed_by == item.retailer else None
    if ask.granted:
        return _late(item, item.placed_at, end.at, zone)
    if ask.asker is Asker.RETAILER:
        return Why.FALSE_CLAIM if _is_claim(ask, end) else Why.RETAILERS_WISH
    if end.rule is Rule.SILENCE and (ask.asker is Asker.NOBODY or ask.missed_by == item.retailer):
        return Why.AUTOMATIC
    if end.unasked:
        return _unasked(item, ask, end)
    if ask.asker is Asker.CUSTOMER and not ask.on_file:
        return Why.CLAIMED_ASK
    return _late(item, ask.asked_at, end.at, zone)


def _unasked(item: Item, ask: _Ask, end: ScoredEvent) -> Why | None:
    """Cancelled without an ask, or for another reason. What the platform does itself counts against nobody."""
    if end.actor == item.retailer:
        if ask.asker is Asker.CUSTOMER:
            return Why.OTHER_REASON
        return Why.FALSE_CLAIM if _is_claim(ask, end) else Why.UNASKED
    return Why.SUPPLIERS_DOING if end.actor == item.fulfiller else None


def _against_fulfiller(item: Item, ask: _Ask, end: ScoredEvent, zone: tzinfo) -> Why | None:
    """What counts against the fulfiller. For it, the retailer's ask is the same as the customer's."""
    if ask.asker is Asker.PLATFORM:
        return None
    if ask.missed_by == item.fulfiller and end.rule is Rule.SILENCE:
        return Why.LAPSED if end.kind is EventKind.CANCELLATION_LAPSED else Why.AUTOMATIC
    if end.kind is not EventKind.CANCELLATION_ACCEPTED:
        return None
    if end.unasked and not ask.granted:
        if end.actor != item.fulfiller:
            return None
        if ask.asker is not Asker.NOBODY:
            return Why.OTHER_REASON
        return Why.FALSE_CLAIM if _is_claim(ask, end) else Why.UNASKED
    put_at = ask.put_at.get(item.fulfiller)
    return _late(item, put_at, end.at, zone) if put_at else None


def _late(item: Item, asked_at: datetime, accepted_at: datetime, zone: tzinfo) -> Why | None:
    """Why it is late: it was asked, or accepted, after the promised day. The day itself is in time."""
    if item.promised_on is None or accepted_at.astimezone(zone).date() <= item.promised_on:
        return None
    return Why.ASKED_LATE if asked_at.astimezone(zone).date() > item.promised_on else Why.ANSWERED_LATE
