"""Stores the figures of scorecards, so that nobody waits for a count of many weeks of a big party.

Figures that are not stored are counted when somebody asks. So nothing depends on the speed of this worker, and it takes
only a part of the time.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import Connection

from countermand.documents.scorecards import WEEKS_MAX
from countermand.domain.parties import PartyKind
from countermand.domain.scoring import RULES, Role, Week
from countermand.ids import Clock
from countermand.reads import scores
from countermand.reads.scores import JudgedParty
from countermand.reads.views import PartyView
from countermand.store import score_cards
from countermand.store.codecs import partition_of
from countermand.store.engines.protocol import Database
from countermand.store.score_cards import ArmedCard, Key
from countermand.worker.leases import Monotonic, Partitions

AT_ONCE: Final = 20
"""The most cards that are armed at once, and counted in one pass."""
LOOK_S: Final = 0.25
"""How long a pass may take, since no read may take much longer."""
ROUNDS_MAX: Final = 100
"""How often a pass searches again. On a busy system something is always stale."""
PARTIES_AT_ONCE: Final = 20
SHARE: Final = 0.02
"""At most this part of the time is spent on cards: a tenth cost a fifth of the cancellations per second."""
PAUSE_MAX_S: Final = 30.0

_ROLES: Final = {PartyKind.RETAILER: (Role.RETAILER, Role.FULFILLER), PartyKind.SUPPLIER: (Role.FULFILLER,)}


class ScoreCards:
    """Counts the cards of this worker's share of the parties, those of the last weeks first."""

    def __init__(
        self,
        database: Database,
        clock: Clock,
        partitions: Partitions,
        zone: ZoneInfo,
        *,
        monotonic: Monotonic = time.monotonic,
    ) -> None:
        self._database = database
        self._clock = clock
        self._partitions = partitions
        self._zone = zone
        self._monotonic = monotonic
        self._armed: dict[tuple[Key, int], int] = {}
        """The transaction after which each card can be counted."""
        self._week: Week | None = None
        self._planned_for: frozenset[int] = frozenset()
        self._all_planned = False
        self._after: UUID | None = None
        self._left = 0
        """How many could have been counted in the last pass, had it had more time."""

    async def count_all(self) -> None:
        """Count all stale figures, with pauses that leave time to others."""
        for _ in range(ROUNDS_MAX):
            began = self._monotonic()
            if not await self.count():
                return
            took = self._monotonic() - began
            await asyncio.sleep(min(PAUSE_MAX_S, took * (1 / SHARE - 1)))

    async def count(self) -> int:
        """Plan, arm, count and keep some. Returns how many were planned, armed or left: 0 when nothing is to do."""
        owned = sorted(self._partitions.owned)
        if not owned:
            return 0
        planned = await self._plan(owned)
        armed = await self._database.write(partial(score_cards.arm, partitions=owned, limit=AT_ONCE))
        counted = await self._database.read(self.counted, heavy=True)
        if counted:
            await self._database.write(partial(score_cards.keep, counted=counted))
        return planned + armed + self._left

    def counted(self, connection: Connection) -> list[tuple[Key, int, Mapping[str, Any]]]:
        """The figures that can be counted now, all from one snapshot."""
        owned = sorted(self._partitions.owned)
        barrier = score_cards.barrier(connection)
        rows = score_cards.armed(connection, owned, 2 * AT_ONCE)
        known = {(row.key, row.turn): row for row in rows}
        self._armed = {each: self._armed.get(each, barrier.newest) for each in known}
        ready = [row for each, row in known.items() if self._armed[each] <= barrier.oldest]
        counted, began = [], self._monotonic()
        for row in ready:
            counted.append((row.key, row.turn, self._figures(connection, row)))
            if self._monotonic() - began > LOOK_S:
                break
        self._left = len(ready) - len(counted)
        return counted

    def _figures(self, connection: Connection, row: ArmedCard) -> Mapping[str, Any]:
        party = scores.Party(id=row.party_id, role=Role(row.role))
        [card] = scores.cards(connection, party, [Week.read(row.week)], ZoneInfo(row.zone))
        return scores.document_of(card.figures)

    async def _plan(self, owned: Sequence[int]) -> int:
        """Have the cards of some more parties counted; of all again when there is another week, or a larger share."""
        week = Week.of(self._clock(), self._zone)
        if week != self._week or not self._planned_for.issuperset(owned):
            self._week, self._planned_for, self._all_planned, self._after = week, frozenset(owned), False, None
        if self._all_planned:
            return 0
        self._after = await self._database.write(partial(self._plan_some, week, self._after, owned))
        self._all_planned = self._after is None
        return 1

    def _plan_some(self, week: Week, after: UUID | None, owned: Sequence[int], connection: Connection) -> UUID | None:
        """Returns the last party that was looked at, if there may be more."""
        parties = scores.judged_parties(connection, after, PARTIES_AT_ONCE)
        old = week.later(-WEEKS_MAX).starts(self._zone) - timedelta(days=1)
        for party in parties:
            if partition_of(party.id) in owned:
                score_cards.forget(connection, party.id, old, str(self._zone), RULES)
                score_cards.plan(connection, self.rows_of(party, week))
        return parties[-1].id if len(parties) == PARTIES_AT_ONCE else None

    def rows_of(self, party: PartyView | JudgedParty, last: Week) -> list[dict[str, Any]]:
        """The cards of a party that are kept: those of a year, up to this week."""
        weeks = [last.later(-number) for number in range(WEEKS_MAX)]
        return [self._row(party.id, role, week) for role in _ROLES[PartyKind(party.kind)] for week in weeks]

    def _row(self, party: UUID, role: Role, week: Week) -> dict[str, Any]:
        starts: datetime = week.starts(self._zone)
        return {
            "party_id": party,
            "role": role.value,
            "zone": str(self._zone),
            "rules": RULES,
            "week": str(week),
            "starts_at": starts,
            "ends_at": week.ends(self._zone),
            "partition": partition_of(party),
            "state": "stale",
            "turn": 0,
            "figures": {},
        }
