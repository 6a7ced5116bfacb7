"""Scorecards: after any history, on both engines, a card equals what an independent recount finds (P8, T32)."""

import os
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection, select

from countermand.admin.policies import put_in_force
from countermand.app import Service
from countermand.domain.commands import (
    AcceptCancellation,
    Allocate,
    AskCancellation,
    CancelOrder,
    CancelOwn,
    Command,
    DeclineCancellation,
    PassDeadline,
    RetailerCancel,
    Ship,
    WithdrawCancellation,
)
from countermand.domain.orders import NewLine, PlaceOrder
from countermand.domain.parties import Asker
from countermand.domain.policy import Policy, Silence
from countermand.domain.reasons import CancelReason, DeclineReason
from countermand.domain.scoring import Role, Scorecard, Week, Why
from countermand.reads import scores
from countermand.reads.cancellations import CancellationRow
from countermand.reads.policies import ANY_FULFILLER
from countermand.service.calls import Call
from countermand.store import tables as t
from countermand.store.views import view
from tests.store.holding import Rows, assert_sound, rows
from tests.store.test_differential import ACTORS, RETAILERS, Side, Word
from tests.support.world import START, Clock, running

pytestmark = pytest.mark.anyio

HISTORIES = 5_000 if os.environ.get("COUNTERMAND_LONG") == "1" else 80
ZONE = ZoneInfo("Europe/Amsterdam")
WEEKS_APART = 12
"""Each history has weeks of its own, so that all can share a database."""
PARTIES = (
    scores.Party(id=RETAILERS[0], role=Role.RETAILER),
    scores.Party(id=RETAILERS[1], role=Role.RETAILER),
    scores.Party(id=ACTORS[2].party, role=Role.FULFILLER),
    scores.Party(id=ACTORS[3].party, role=Role.FULFILLER),
)
COUNTED: Counter[Why] = Counter()

Placed = list[tuple[int, bool, int, list[tuple[int, int, int | None]]]]


def orders_of(random: Random) -> Placed:
    """Orders of either retailer: held or not, placed so many hours from now, with lines that are promised or not."""
    return [
        (
            random.randrange(2),
            random.random() < 0.2,
            random.randrange(400),
            [
                (random.randrange(3), random.randint(1, 5), random.choice([None, -2, 0, 1, 2, 3, 6]))
                for _ in range(random.randint(1, 4))
            ],
        )
        for _ in range(random.randint(1, 3))
    ]


def history_of(random: Random) -> list[list[Word] | int]:
    """What is said by whom, in batches, and the hours between."""
    return [
        random.randint(1, 60)
        if random.random() < 0.4
        else [
            Word(
                what=random.randrange(16),
                who=0,
                line=random.randrange(4),
                units=random.choice([None, None, 1, 2]),
                about=random.randrange(3),
                flag=random.random() < 0.5,
                key=random.choice([0, 1, 1, 2]),
                process=False,
                retailer_named=random.random() < 0.5,
            )
            for _ in range(random.randint(1, 6))
        ]
        for _ in range(random.randint(4, 16))
    ]


@dataclass
class Judged(Side):
    """A side whose orders come with promised days, spread over some weeks, and whose cards are noted as it goes."""

    noted: list[tuple[datetime, list[Scorecard]]] = field(default_factory=list)

    @property
    def first_week(self) -> Week:
        return Week.of(START + timedelta(weeks=WEEKS_APART * self.seed), ZONE)

    async def place_promised(self, wanted: Placed) -> None:
        new = self.ids.new
        for seller, held, hours, lines in wanted:
            retailer, at = RETAILERS[seller], self.clock() + timedelta(hours=hours)
            holders = (retailer, ACTORS[2].party, ACTORS[3].party)
            self.orders.append(
                PlaceOrder(
                    id=new(),
                    actor=ACTORS[seller],
                    retailer=retailer,
                    reference="PO",
                    placed_at=at,
                    held=held,
                    details={},
                    lines=tuple(
                        NewLine(
                            id=new(),
                            fulfiller=holders[holder],
                            sku="S",
                            units=units,
                            promised_on=None if days is None else (at + timedelta(days=days)).date(),
                            details={},
                        )
                        for holder, units, days in lines
                    ),
                )
            )
        await self.batch([Call(command=order, door="test", retailer=order.retailer) for order in self.orders])

    def _command(self, word: Word, order: PlaceOrder) -> Command:
        """What somebody may say who has a say; whether it is heeded is another matter."""
        new = order.lines[word.line % len(order.lines)]
        line, units, reason = new.id, word.units, list(CancelReason)[word.key]
        retailer, platform = order.actor, ACTORS[4]
        holder = next(each for each in ACTORS if each.party == new.fulfiller)
        decline = DeclineReason.OTHER
        answer: list[Command] = [
            AskCancellation(line=line, actor=platform, asker=Asker.CUSTOMER, units=units),
            AskCancellation(line=line, actor=platform, asker=Asker.CUSTOMER, units=1, key=str(word.key)),
            AskCancellation(line=line, actor=retailer, asker=Asker.CUSTOMER, units=units),
            AskCancellation(line=line, actor=retailer, units=units, reason=reason),
            CancelOrder(order=order.id, actor=platform, asker=Asker.CUSTOMER),
            AcceptCancellation(line=line, actor=retailer),
            AcceptCancellation(line=line, actor=holder, units=units),
            AcceptCancellation(line=line, actor=platform if word.flag else holder),
            DeclineCancellation(line=line, actor=retailer if word.flag else holder, reason=decline),
            DeclineCancellation(line=line, actor=holder, reason=decline),
            WithdrawCancellation(line=line, actor=platform, asker=Asker.CUSTOMER if word.flag else Asker.RETAILER),
            RetailerCancel(line=line, actor=retailer, reason=reason),
            CancelOwn(line=line, actor=holder, reason=reason, units=units),
            CancelOwn(line=line, actor=platform if word.flag else retailer, reason=reason, units=1),
            Allocate(line=line, actor=holder, accepted=0, backordered=0, rejected=units or new.units),
            Ship(line=line, actor=holder, units=1, override=word.flag),
        ]
        return answer[word.what]

    async def fire_deadlines(self) -> None:
        """As the worker does, for the lines of this history."""
        mine = [line.id for order in self.orders for line in order.lines]
        asked = t.cancellations.c.state == "asked"
        found = await rows(self.application.database, t.cancellations, t.cancellations.c.line_id.in_(mine), asked)
        due = [row for row in found if row["due_at"] and row["due_at"] <= self.clock()]
        await self.batch(
            [
                Call(command=PassDeadline(line=row["line_id"], cancellation=row["id"]), door="policy")
                for row in sorted(due, key=lambda row: row["id"])
            ]
        )

    async def cards(self, as_of: datetime | None = None) -> list[Scorecard]:
        weeks = [self.first_week.later(number) for number in range(4)]

        def question(connection: Connection) -> list[Scorecard]:
            read = partial(scores.cards, connection, weeks=weeks, zone=ZONE, as_of=as_of)
            return [card for party in PARTIES for card in read(party=party)]

        return await self.application.database.read(question)

    async def judge_some(self, cards: list[Scorecard], picks: list[int]) -> None:
        """An operator has a word on some of what counts."""
        everything = [incident for each in cards for incident in each.counted]
        for pick in picks if everything else ():
            incident = everything[pick % len(everything)]

            def judge(connection: Connection, pick: int = pick, incident: Any = incident) -> int:
                row = connection.execute(
                    select(t.cancellations).where(t.cancellations.c.id == incident.cancellation)
                ).one()
                return scores.judge(
                    connection,
                    self.clock(),
                    view(CancellationRow, row),
                    incident.against,
                    excluded=pick % 3 != 0,
                    reason="an appeal",
                    by="operator",
                    door="test",
                )

            await self.application.database.write(judge)

    async def raw(self) -> dict[str, Rows]:
        """What is stored of this history, row by row."""
        database = self.application.database
        mine = [line.id for order in self.orders for line in order.lines]
        held = {"lines": await rows(database, t.lines, t.lines.c.id.in_(mine))}
        for table in (t.cancellations, t.events, t.judgements):
            held[table.name] = await rows(database, table, table.c.line_id.in_(mine))
        return held


# The recount: from rows, in other words than domain/scoring.py has.
# It reads docs/score.md, cancellation by cancellation.


def recount(held: dict[str, Rows], party: scores.Party, week: Week) -> dict[str, Any]:
    sold = party.role is Role.RETAILER
    mine = {
        line["id"]: line
        for line in held["lines"]
        if week == _week(line["placed_at"])
        and (
            line["retailer_id"] == party.id
            if sold
            else line["fulfiller_id"] == party.id and line["retailer_id"] != party.id and line["with_fulfiller"]
        )
    }
    reported: dict[UUID, Rows] = defaultdict(list)
    for event in sorted(held["events"], key=lambda event: (event["line_id"].int, event["seq"])):
        if event["kind"].startswith("cancellation.") and event["kind"] not in NOTES:
            reported[event["cancellation_id"]].append(event)
    last: dict[UUID, bool] = {}
    for row in sorted(held["judgements"], key=lambda row: row["version"]):
        if row["party_id"] == party.id:
            last[row["cancellation_id"]] = row["excluded"]
    found = {}
    for cancellation in held["cancellations"]:
        line = mine.get(cancellation["line_id"])
        if line and (why := _why(held, line, cancellation, reported, sold=sold)):
            found[cancellation["id"]] = why
    return {
        "ordered": len(mine),
        "counted": {each: why for each, why in found.items() if not last.get(each)},
        "excluded": {each for each in found if last.get(each)},
    }


NOTES = ("cancellation.late_answer", "cancellation.case_opened", "cancellation.noted")
"""Events that change no cancellation: what was said when it had ended already."""


def _week(moment: datetime) -> Week:
    local = moment.astimezone(ZONE)
    return Week(int(local.strftime("%G")), int(local.strftime("%V")))


def _why(held: dict[str, Rows], line: dict[str, Any], row: dict[str, Any], reported: Any, *, sold: bool) -> str | None:
    events = reported[row["id"]]
    me = line["retailer_id"] if sold else line["fulfiller_id"]
    last = events[-1]
    before = events[-2] if len(events) > 1 else {"facts": {}}
    mine_was_due = before["facts"].get("awaiting") == str(me)
    if row["state"] == "lapsed":
        return "lapsed" if mine_was_due else None
    if row["state"] != "accepted":
        return None
    silent = last["facts"].get("rule") == "silence"
    backed = row["id"] in _backed(held, line)
    late = line["promised_on"] is not None and row["answered_at"].astimezone(ZONE).date() > line["promised_on"]
    if sold:
        return _why_sold(line, row, silent and mine_was_due, backed, late)
    if silent and mine_was_due:
        return "automatic"
    if row["unasked"] and not backed:
        if row["answered_by"] != me:
            return None
        if row["asker"] != "nobody":
            return "other_reason"
        return "false_claim" if row["reason"] == "requested_by_customer" else "unasked"
    put = [event["at"] for event in events if event["facts"].get("awaiting") == str(me)]
    if not late or not put:
        return None
    return "asked_late" if put[-1].astimezone(ZONE).date() > line["promised_on"] else "answered_late"


def _why_sold(line: dict[str, Any], row: dict[str, Any], silent: bool, backed: bool, late: bool) -> str | None:
    retailer, by = line["retailer_id"], row["answered_by"]
    says_customer = row["reason"] == "requested_by_customer"
    if backed:
        return "answered_late" if late else None
    match row["asker"]:
        case "retailer":
            return "false_claim" if says_customer else "retailers_wish"
        case "nobody" if by == retailer:
            return "false_claim" if says_customer else "unasked"
        case "nobody":
            return "suppliers_doing" if by == line["fulfiller_id"] else None
    if silent:
        return "automatic"
    if row["unasked"] and by in (retailer, line["fulfiller_id"]):
        return "other_reason" if by == retailer else "suppliers_doing"
    if row["unasked"]:
        return None
    if row["asked_by"] in (retailer, line["fulfiller_id"]):
        return "claimed_ask"
    if not late:
        return None
    return "asked_late" if row["asked_at"].astimezone(ZONE).date() > line["promised_on"] else "answered_late"


def _backed(held: dict[str, Rows], line: dict[str, Any]) -> set[UUID]:
    """Claims of the customer's wish that an earlier ask on file, unheeded then, stands behind."""
    ends = {}
    for event in held["events"]:
        over = event["kind"].startswith("cancellation.") and event["facts"]["state"] != "asked"
        if over and event["line_id"] == line["id"]:
            ends[event["cancellation_id"]] = event["seq"]
    answered = [row for row in held["cancellations"] if row["id"] in ends]
    own = (line["retailer_id"], line["fulfiller_id"])
    backed, spare = set(), 0
    for row in sorted(answered, key=lambda row: ends[row["id"]]):
        if row["asker"] == "customer" and row["asked_by"] not in own:
            spare += 0 if row["state"] == "withdrawn" else row["units"] - row["accepted_units"]
        elif row["state"] != "accepted":
            continue
        elif "customer" in (row["asker"], row["reason"].rpartition("_")[2]) and row["accepted_units"] <= spare:
            spare -= row["accepted_units"]
            backed.add(row["id"])
    return backed


def agree(connection: Connection) -> None:
    """Silence means something else between each two of them."""
    for retailer, fulfiller, terms in (
        (RETAILERS[0], ANY_FULFILLER, Policy(silence=Silence.ACCEPT)),
        (RETAILERS[0], ACTORS[3].party, Policy(silence=Silence.LAPSE, free_window_s=7200)),
        (RETAILERS[1], ANY_FULFILLER, Policy(silence=Silence.LAPSE, answer_within_s=20 * 3600)),
        (RETAILERS[1], ACTORS[2].party, Policy(silence=Silence.ACCEPT, customer_asks_retailer_first=False)),
        (RETAILERS[1], ACTORS[3].party, Policy(silence=Silence.ESCALATE)),
    ):
        put_in_force(connection, START, retailer=retailer, fulfiller=fulfiller, policy=terms, by="test")


@dataclass(frozen=True)
class Sides:
    sqlite: Service
    postgresql: Service


@pytest.fixture
async def both(sqlite_url: str, postgres_url: str, clock: Clock) -> AsyncIterator[Sides]:
    async with running(sqlite_url, clock) as sqlite, running(postgres_url, clock) as postgresql:
        for application in (sqlite, postgresql):
            await application.database.write(agree)
        yield Sides(sqlite=sqlite, postgresql=postgresql)
        for application in (sqlite, postgresql):
            await assert_sound(application.database)


async def test_a_card_equals_its_recount_after_any_history(both: Sides) -> None:
    for seed in range(HISTORIES):
        try:
            await a_history(both, seed)
        except AssertionError as error:
            error.add_note(f"history {seed}")
            raise
    print(f"card equals recount after {HISTORIES} histories, of {sum(COUNTED.values())} counted: {dict(COUNTED)}")
    assert set(COUNTED) == set(Why), "every reason to count was met"


async def a_history(both: Sides, seed: int) -> None:
    sides = [Judged(application, seed) for application in (both.sqlite, both.postgresql)]
    for side in sides:
        random = Random(seed)
        side.clock.advance(weeks=WEEKS_APART * seed)
        await side.place_promised(orders_of(random))
        for step in history_of(random):
            if isinstance(step, int):
                if side is sides[0]:
                    side.noted.append((side.clock(), await side.cards()))
                side.clock.advance(hours=step)
                await side.fire_deadlines()
            else:
                await side.say(step)
        side.noted.append((side.clock(), await side.cards()))
        side.clock.advance(hours=1)
        await side.judge_some(side.noted[-1][1], [random.randrange(30) for _ in range(random.randrange(4))])
    left, right = [await side.cards() for side in sides]
    assert left == right, "both engines tell the same"
    held = await sides[0].raw()
    for card in left:
        party = next(each for each in PARTIES if each.id == card.party)
        assert {
            "ordered": card.ordered,
            "counted": {each.cancellation: each.why.value for each in card.counted},
            "excluded": {each.cancellation for each, _ in card.excluded},
        } == recount(held, party, card.week)
        assert card.numerator <= card.ordered
        COUNTED.update(each.why for each in (*card.counted, *(incident for incident, _ in card.excluded)))
    for at, noted in sides[0].noted:
        assert await sides[0].cards(as_of=at) == noted, "old figures stay readable"
