"""Scorecards, counted from orders and events, and what operators judged about them.

A card itself is counted whenever it is asked for. Its figures are kept by a worker, as long as nothing changes that
they are counted from (``store/score_cards.py``). Events and judgements are only ever added: a card as of a past moment
is counted from those that were there by then.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import groupby
from typing import Any, Final
from uuid import UUID

from sqlalchemy import (
    ColumnElement,
    Connection,
    Select,
    and_,
    bindparam,
    case,
    exists,
    func,
    insert,
    or_,
    select,
    text,
    true,
    tuple_,
)

from countermand.domain.events import EventKind
from countermand.domain.parties import Asker
from countermand.domain.policy import Rule
from countermand.domain.scoring import (
    RULES,
    Figures,
    Incident,
    Item,
    Judgement,
    Reply,
    Role,
    Scorecard,
    ScoredEvent,
    Week,
    card,
    incidents,
)
from countermand.ids import made_at
from countermand.reads.cancellations import CancellationRow
from countermand.reads.events import PastEvent
from countermand.reads.filters import given
from countermand.store import score_cards
from countermand.store import tables as t
from countermand.store.columns import IdList, PairList, Record, one_of, pair_of
from countermand.store.views import view

KINDS: Final = tuple(kind.value for kind in EventKind if kind.value.startswith("cancellation."))
"""The events that the score looks at. ``line.placed`` is in the denominator."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Party:
    """Who is judged, and in which part."""

    id: UUID
    role: Role


def cards(
    connection: Connection, party: Party, weeks: Sequence[Week], zone: tzinfo, *, as_of: datetime | None = None
) -> list[Scorecard]:
    """A card for each of these weeks, as it is now or was at ``as_of``. The weeks stand in order, without a gap."""
    first, end = weeks[0].starts(zone), weeks[-1].ends(zone)
    ordered = _ordered(connection, party, weeks, zone, as_of)
    stories: dict[Week, list[tuple[Item, Sequence[ScoredEvent]]]] = {}
    for item, happenings in _stories(connection, party, first, end, as_of):
        stories.setdefault(Week.of(item.placed_at, zone), []).append((item, happenings))
    items = [item for each in stories.values() for item, _ in each]
    judgements = _last_words(connection, party.id, items, as_of)
    return [
        card(
            party=party.id,
            role=party.role,
            week=week,
            ordered=ordered[week],
            histories=stories.get(week, ()),
            judgements=judgements,
            zone=zone,
        )
        for week in weeks
    ]


def figures(connection: Connection, party: Party, weeks: Sequence[Week], zone: tzinfo) -> list[Figures]:
    """The figures of these weeks as they are now: kept ones that hold, and the others counted."""
    names = [str(week) for week in weeks]
    kept = score_cards.kept(connection, party.id, party.role.value, str(zone), RULES, names)
    found = {week: figures_of(week, kept[str(week)]) for week in weeks if str(week) in kept}
    for run in _runs([week for week in weeks if week not in found]):
        found |= {card.week: card.figures for card in cards(connection, party, run, zone)}
    return [found[week] for week in weeks]


def _runs(weeks: Sequence[Week]) -> list[list[Week]]:
    """Weeks that follow one another, together: they are counted at once."""
    runs: list[list[Week]] = []
    for week in weeks:
        if runs and runs[-1][-1].later(1) == week:
            runs[-1].append(week)
        else:
            runs.append([week])
    return runs


def document_of(figures: Figures) -> dict[str, Any]:
    """Figures as they are kept."""
    return {
        "ordered": figures.ordered,
        "numerator": figures.numerator,
        "answers": {reply.value: count for reply, count in figures.answers.items()},
        "seconds_to_answer": figures.seconds_to_answer,
    }


def figures_of(week: Week, document: Mapping[str, Any]) -> Figures:
    """The figures that were kept."""
    taken = document["seconds_to_answer"]
    return Figures(
        week=week,
        ordered=document["ordered"],
        numerator=document["numerator"],
        answers={Reply(reply): count for reply, count in document["answers"].items()},
        seconds_to_answer=(taken[0], taken[1]) if taken else None,
    )


def incidents_of(connection: Connection, cancellation: CancellationRow, zone: tzinfo) -> tuple[Incident, ...]:
    """What counts about one cancellation, against whomever."""
    line = _LINES.where(t.lines.c.retailer_id == cancellation.retailer_id, t.lines.c.id == cancellation.line_id)
    histories = _histories(connection, connection.execute(line).all())
    found = [each for item, events in histories for each in incidents(item, events, zone)]
    return tuple(each for each in found if each.cancellation == cancellation.id)


def judge(
    connection: Connection,
    now: datetime,
    cancellation: CancellationRow,
    party: UUID,
    *,
    excluded: bool,
    reason: str,
    by: str,
    door: str,
) -> int:
    """Write down an operator's word on a cancellation in a party's score. Returns its version; earlier ones stay.

    Raises:
        IntegrityError: somebody else wrote the same version at this moment. It can be tried again.
    """
    key = (
        t.judgements.c.retailer_id == cancellation.retailer_id,
        t.judgements.c.cancellation_id == cancellation.id,
        t.judgements.c.party_id == party,
    )
    last = connection.execute(select(func.max(t.judgements.c.version)).where(*key)).scalar()
    version = (last or 0) + 1
    connection.execute(
        insert(t.judgements).values(
            id=made_at(now),
            retailer_id=cancellation.retailer_id,
            cancellation_id=cancellation.id,
            party_id=party,
            version=version,
            line_id=cancellation.line_id,
            excluded=excluded,
            reason=reason,
            judged_by=by,
            door=door,
            at=now,
        )
    )
    line = (t.lines.c.retailer_id == cancellation.retailer_id, t.lines.c.id == cancellation.line_id)
    placed_at = connection.execute(select(t.lines.c.placed_at).where(*line)).scalar_one()
    score_cards.make_stale(connection, [(party, placed_at)])
    return version


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedParty:
    """A party that has cards."""

    id: UUID
    kind: str


def judged_parties(connection: Connection, after: UUID | None, limit: int) -> list[JudgedParty]:
    """Parties that have cards, by their ids, after one of them."""
    query = select(t.parties.c.id, t.parties.c.kind).where(t.parties.c.kind != "platform")
    if after is not None:
        query = query.where(t.parties.c.id > after)
    rows = connection.execute(query.order_by(t.parties.c.id).limit(limit))
    return [view(JudgedParty, row) for row in rows]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementView:
    """What an operator decided about an item, and whose score it is about."""

    id: UUID
    retailer_id: UUID
    cancellation_id: UUID
    party_id: UUID
    version: int
    line_id: UUID
    excluded: bool
    reason: str
    judged_by: str
    door: str
    at: datetime
    party_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceEvent(PastEvent):
    """An event of an item that counts, with its order."""

    reference: str


def judgements_of(connection: Connection, lines: Iterable[tuple[UUID, UUID]]) -> list[JudgementView]:
    """Every judgement about these lines, each given with its retailer, in the order in which they were made."""
    pairs = set(lines)
    query = (
        select(t.judgements, t.parties.c.name.label("party_name"))
        .join(t.parties, t.parties.c.id == t.judgements.c.party_id)
        .where(
            t.judgements.c.retailer_id.in_(sorted({retailer for retailer, _ in pairs})),
            one_of(t.judgements.c.line_id, bindparam("lines", sorted({line for _, line in pairs}), type_=IdList())),
        )
    )
    order = (t.judgements.c.at, t.judgements.c.cancellation_id, t.judgements.c.party_id, t.judgements.c.version)
    return [view(JudgementView, row) for row in connection.execute(query.order_by(*order))]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgementFilter:
    """Which judgements to list."""

    party: UUID | None = None
    cancellation: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    after: UUID | None = None
    limit: int = 50


def list_judgements(connection: Connection, wanted: JudgementFilter) -> list[JudgementView]:
    """Judgements, newest first."""
    judgements = t.judgements.c
    query = (
        select(t.judgements, t.parties.c.name.label("party_name"))
        .join(t.parties, t.parties.c.id == judgements.party_id)
        .where(
            *given(
                (judgements.party_id.__eq__, wanted.party),
                (judgements.cancellation_id.__eq__, wanted.cancellation),
                (judgements.at.__ge__, wanted.since),
                (judgements.at.__lt__, wanted.until),
                (judgements.id.__lt__, wanted.after),
            )
        )
    )
    rows = connection.execute(query.order_by(judgements.id.desc()).limit(wanted.limit))
    return [view(JudgementView, row) for row in rows]


def last_judgement(connection: Connection, cancellation: UUID, party: UUID) -> JudgementView:
    """The word that counts about a cancellation in a party's score; there is one."""
    judgements = t.judgements.c
    query = (
        select(t.judgements, t.parties.c.name.label("party_name"))
        .join(t.parties, t.parties.c.id == judgements.party_id)
        .where(judgements.cancellation_id == cancellation, judgements.party_id == party)
        .order_by(judgements.version.desc())
    )
    return view(JudgementView, connection.execute(query.limit(1)).one())


def evidence(connection: Connection, found: Iterable[Incident]) -> dict[UUID, EvidenceEvent]:
    """The events of incidents, by their ids, with the names and the article that sentences need."""
    shown = list(found)
    lines = sorted({each.line for each in shown})
    wanted = {event for each in shown for event in each.evidence}
    events: dict[UUID, EvidenceEvent] = {}
    for start in range(0, len(lines), EVENTS_OF):
        rows = connection.execute(_events_of(connection, lines[start : start + EVENTS_OF]))
        events |= {row.id: view(EvidenceEvent, row) for row in rows if row.id in wanted}
    return events


def _events_of(connection: Connection, lines: Sequence[UUID]) -> Select[*tuple[Any, ...]]:
    return (
        select(
            t.events,
            t.parties.c.name.label("actor_name"),
            t.looked_up(t.lines.c.sku, t.events.c.line_id),
            t.looked_up(t.lines.c.ordered, t.events.c.line_id),
            t.looked_up(t.orders.c.reference, t.events.c.order_id),
        )
        .outerjoin(t.parties, t.parties.c.id == t.events.c.actor_id)
        .where(
            t.events.c.retailer_id.in_(_retailers(connection, lines)),
            one_of(t.events.c.line_id, bindparam("lines", lines, type_=IdList())),
        )
        .order_by(t.events.c.line_id, t.events.c.seq)
    )


def _retailers(connection: Connection, lines: Sequence[UUID]) -> list[UUID]:
    where = one_of(t.id_directory.c.id, bindparam("lines", lines, type_=IdList()))
    return list(connection.execute(select(t.id_directory.c.retailer_id).where(where).distinct()).scalars())


def _ordered(
    connection: Connection, party: Party, weeks: Sequence[Week], zone: tzinfo, as_of: datetime | None
) -> dict[Week, int]:
    """How many items were ordered in each week."""
    placed_at = t.lines.c.placed_at
    sums = [
        func.sum(case((and_(placed_at >= week.starts(zone), placed_at < week.ends(zone)), 1), else_=0))
        for week in weeks
    ]
    query = select(*(each.label(f"week_{place}") for place, each in enumerate(sums))).select_from(t.lines)
    query = query.where(*_items(party, weeks[0].starts(zone), weeks[-1].ends(zone), as_of))
    if as_of is not None:
        query = query.where(
            exists().where(
                t.events.c.retailer_id == t.lines.c.retailer_id,
                t.events.c.line_id == t.lines.c.id,
                t.events.c.seq == 1,
                as_of >= _RECORDED_AT,
            )
        )
    return {week: count or 0 for week, count in zip(weeks, connection.execute(query).one(), strict=True)}


def _items(party: Party, first: datetime, end: datetime, as_of: datetime | None) -> list[ColumnElement[bool]]:
    """The lines that the party sold, or holds or held for others without held orders, ordered in this time."""
    placed = [t.lines.c.placed_at >= first, t.lines.c.placed_at < end]
    if party.role is Role.RETAILER:
        orders = select(t.orders.c.id).where(
            t.orders.c.retailer_id == party.id, t.orders.c.placed_at >= first, t.orders.c.placed_at < end
        )
        return [t.lines.c.retailer_id == party.id, t.lines.c.order_id.in_(orders), *placed]
    # Its parts of orders lead to its lines, also to those that it gave away.
    parts, moves = t.order_parts.c, t.reassignments.c
    sellers = select(t.connections.c.retailer_id).where(t.connections.c.supplier_id == party.id)
    left = select(moves.line_id).where(moves.retailer_id.in_(sellers), moves.former_id == party.id)
    held = select(parts.retailer_id, parts.order_id).where(
        text("order_parts.fulfiller_id <> order_parts.retailer_id"),
        parts.fulfiller_id == party.id,
        parts.placed_at >= first,
        parts.placed_at < end,
    )
    return [
        tuple_(t.lines.c.retailer_id, t.lines.c.order_id).in_(held),
        t.lines.c.retailer_id != party.id,
        or_(t.lines.c.fulfiller_id == party.id, t.lines.c.id.in_(left)),
        t.lines.c.with_fulfiller == true(),
        *placed,
        *([] if as_of is None else [_held_by_then(party.id, as_of)]),
    ]


def _held_by_then(party: UUID, as_of: datetime) -> ColumnElement[bool]:
    """Whether the party was the first to hold the goods, or was given them by this time."""
    moves, earlier = t.reassignments.c, t.reassignments.alias("earlier_moves").c
    of_line = (moves.retailer_id == t.lines.c.retailer_id, moves.line_id == t.lines.c.id)
    before = (earlier.retailer_id == moves.retailer_id, earlier.line_id == moves.line_id, earlier.seq < moves.seq)
    gave = exists().where(*of_line, moves.former_id == party, ~exists().where(*before))
    given = exists().where(*of_line, moves.fulfiller_id == party, moves.at <= as_of)
    return or_(and_(t.lines.c.fulfiller_id == party, ~exists().where(*of_line)), gave, given)


_RECORDED_AT: Final = func.coalesce(t.events.c.recorded_at, t.events.c.at)
"""A card as of a past moment is counted from what had been written down by then, so that it is as it was."""

_LINES: Final[Select[*tuple[Any, ...]]] = select(
    t.lines.c.retailer_id, t.lines.c.id, t.lines.c.fulfiller_id, t.lines.c.placed_at, t.lines.c.promised_on
)

EVENTS_OF: Final = 500
"""The events of so many lines are read at once: nothing else of this process runs while a driver makes rows."""


def _stories(
    connection: Connection, party: Party, first: datetime, end: datetime, as_of: datetime | None
) -> Iterator[tuple[Item, list[ScoredEvent]]]:
    # Few lines have a cancellation, and they lead to their events.
    of_line = (t.cancellations.c.retailer_id == t.lines.c.retailer_id, t.cancellations.c.line_id == t.lines.c.id)
    query = _LINES.where(*_items(party, first, end, as_of), exists().where(*of_line))
    yield from _histories(connection, connection.execute(query).all(), as_of)


def _histories(
    connection: Connection, lines: Sequence[Record], as_of: datetime | None = None
) -> Iterator[tuple[Item, list[ScoredEvent]]]:
    """These lines with what happened to them, as far as the score looks at it, by their ids."""
    by_id = sorted(lines, key=lambda row: row.id)
    for start in range(0, len(by_id), EVENTS_OF):
        some = {row.id: row for row in by_id[start : start + EVENTS_OF]}
        pairs = sorted((row.retailer_id, row.id) for row in some.values())
        named = pair_of(t.events.c.retailer_id, t.events.c.line_id, bindparam("lines", pairs, type_=PairList()))
        query = select(t.events).where(named, t.events.c.kind.in_(KINDS))
        if as_of is not None:
            query = query.where(as_of >= _RECORDED_AT)
        events = connection.execute(query.order_by(t.events.c.line_id, t.events.c.seq)).all()
        gone = _departed(connection, {(row.retailer_id, row.line_id) for row in events})
        for line, story in groupby(events, key=lambda row: row.line_id):
            yield _item(some[line], gone.get(line, ())), [_happening(row) for row in story]


def _item(row: Record, departed: tuple[tuple[int, UUID], ...]) -> Item:
    return Item(
        line=row.id,
        retailer=row.retailer_id,
        fulfiller=row.fulfiller_id,
        placed_at=row.placed_at,
        promised_on=row.promised_on,
        departed=departed,
    )


def _departed(connection: Connection, lines: set[tuple[UUID, UUID]]) -> dict[UUID, tuple[tuple[int, UUID], ...]]:
    """Who held the goods of these lines before, each with the event by which they were given to the next one."""
    if not lines:
        return {}
    moves = t.reassignments.c
    pairs = bindparam("lines", sorted(lines), type_=PairList())
    query = select(t.reassignments).where(pair_of(moves.retailer_id, moves.line_id, pairs))
    gone: dict[UUID, tuple[tuple[int, UUID], ...]] = {}
    for row in connection.execute(query.order_by(moves.line_id, moves.seq)):
        gone[row.line_id] = (*gone.get(row.line_id, ()), (row.seq, row.former_id))
    return gone


def _happening(row: Record) -> ScoredEvent:
    facts = row.facts
    return ScoredEvent(
        event=row.id,
        seq=row.seq,
        kind=EventKind(row.kind),
        at=row.at,
        recorded_at=row.recorded_at or row.at,
        actor=row.actor_id,
        cancellation=row.cancellation_id,
        units=facts["units"],
        asker=Asker(facts["asker"]),
        reason=facts.get("reason", ""),
        unasked=facts.get("unasked", False),
        rule=Rule(facts["rule"]) if "rule" in facts else None,
        awaiting=UUID(facts["awaiting"]) if "awaiting" in facts else None,
        rest=facts.get("rest", 0),
        moved="former" in facts,
    )


def _last_words(
    connection: Connection, party: UUID, items: Sequence[Item], as_of: datetime | None
) -> Mapping[tuple[UUID, UUID], Judgement]:
    if not items:
        return {}
    query = select(t.judgements).where(
        t.judgements.c.retailer_id.in_(sorted({item.retailer for item in items})),
        one_of(t.judgements.c.line_id, bindparam("lines", sorted(item.line for item in items), type_=IdList())),
        t.judgements.c.party_id == party,
    )
    if as_of is not None:
        query = query.where(t.judgements.c.at <= as_of)
    return {
        (row.cancellation_id, row.party_id): Judgement(
            cancellation=row.cancellation_id,
            party=row.party_id,
            excluded=row.excluded,
            reason=row.reason,
            by=row.judged_by,
            at=row.at,
        )
        for row in connection.execute(query.order_by(t.judgements.c.version))
    }
