"""Figures of scorecards that are kept: which hold, which have to be counted, and what makes them stale.

A row is ``stale``, ``armed`` or ``counted``. A change of what a card is counted from makes its row stale in the
same transaction, unless it is already. A worker arms stale rows; once every transaction that may not have seen this
has ended, it counts them, and keeps the figures of those that are still armed by the same turn. So figures that are
``counted`` are what a recount in the same snapshot would find. See docs/decisions/0022.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Connection, and_, bindparam, delete, or_, select, text, tuple_, update

from countermand.store import tables as t
from countermand.store.changes import change_any
from countermand.store.columns import NumberList, one_of
from countermand.store.engines.protocol import Touched, engine_of
from countermand.store.views import views

_CARDS: Final = t.score_cards.c
_KEY: Final = (_CARDS.party_id, _CARDS.role, _CARDS.zone, _CARDS.rules, _CARDS.week)

Key = tuple[UUID, str, str, int, str]
"""Party, role, zone, rules, week."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmedCard:
    """A card that is to be counted."""

    party_id: UUID
    role: str
    zone: str
    rules: int
    week: str
    turn: int

    @property
    def key(self) -> Key:
        """Which card it is."""
        return self.party_id, self.role, self.zone, self.rules, self.week


# What makes them stale


def make_stale(connection: Connection, touched: Touched) -> None:
    """What is kept of these parties' weeks holds no more. In the transaction that changes it, as its last statement.

    On PostgreSQL a transaction has its number by then, and looks at the rows after that: see ``Barrier``.
    """
    engine_of(connection).make_cards_stale(connection, touched)


# What is kept

_OPEN: Final = text("state <> 'counted'")
"""In the words of their index."""


def kept(connection: Connection, party: UUID, role: str, zone: str, rules: int, weeks: Sequence[str]) -> dict[str, Any]:
    """The figures of these weeks that hold, by week."""
    mine = (_CARDS.party_id == party, _CARDS.role == role, _CARDS.zone == zone, _CARDS.rules == rules)
    query = select(_CARDS.week, _CARDS.figures).where(*mine, _CARDS.week.in_(weeks), _CARDS.state == "counted")
    return {row.week: row.figures for row in connection.execute(query)}


def plan(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Have these cards counted from now on, if they are not yet."""
    if rows:
        connection.execute(engine_of(connection).insert_unless_there(t.score_cards), rows)


def forget(connection: Connection, party: UUID, before: datetime, zone: str, rules: int) -> None:
    """Keep no cards of weeks that ended before, nor those by other clocks or rules."""
    other = or_(_CARDS.ends_at < before, _CARDS.zone != zone, _CARDS.rules != rules)
    change_any(connection, delete(t.score_cards).where(_CARDS.party_id == party, other))


def arm(connection: Connection, partitions: Sequence[int], limit: int) -> int:
    """Set out to count the newest that are stale. Returns how many there are."""
    mine = one_of(_CARDS.partition, bindparam("partitions", sorted(partitions), type_=NumberList()))
    query = select(*_KEY).where(mine, _OPEN, text("state = 'stale'")).order_by(_CARDS.starts_at.desc()).limit(limit)
    keys = sorted(tuple(row) for row in connection.execute(query))
    if not keys:
        return 0
    those = (tuple_(*_KEY).in_(keys), _CARDS.state == "stale")
    return change_any(connection, update(t.score_cards).where(*those).values(state="armed", turn=_CARDS.turn + 1))


def armed(connection: Connection, partitions: Sequence[int], limit: int) -> Sequence[ArmedCard]:
    """Those that are armed, the newest first."""
    mine = one_of(_CARDS.partition, bindparam("partitions", sorted(partitions), type_=NumberList()))
    query = select(*_KEY, _CARDS.turn).where(mine, _OPEN, text("state = 'armed'"))
    found = connection.execute(query.order_by(_CARDS.starts_at.desc()).limit(limit))
    return views(ArmedCard, found)


def keep(connection: Connection, counted: Iterable[tuple[Key, int, Mapping[str, Any]]]) -> int:
    """Keep figures, each with its key and turn, of those that are still armed. Returns how many."""
    done = 0
    for key, turn, figures in sorted(counted, key=lambda each: each[0]):
        same = and_(*(column == value for column, value in zip(_KEY, key, strict=True)))
        still = (same, _CARDS.turn == turn, _CARDS.state == "armed")
        change = update(t.score_cards).where(*still).values(state="counted", figures=figures)
        done += change_any(connection, change)
    return done


# Which transactions may not have seen that a row is armed


@dataclass(frozen=True, slots=True)
class Barrier:
    """Transactions from ``newest`` on are yet to begin; all before ``oldest`` have ended.

    One that has its number from now on looks at the rows later than now. So what is armed now can be counted once
    ``oldest`` has reached what ``newest`` is now. SQLite lets one transaction write at a time.
    """

    newest: int
    oldest: int


def barrier(connection: Connection) -> Barrier:
    """Where transactions stand in this snapshot."""
    row = connection.execute(engine_of(connection).barrier).one()
    return Barrier(row.newest, row.oldest)
