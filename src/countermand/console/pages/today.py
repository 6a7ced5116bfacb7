"""Today: what needs the visitor, with a count that leads to its list; what is due next."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from countermand.admin.callers import Permission
from countermand.console import words
from countermand.console.markup import Times, amount
from countermand.console.pages.cancellations import Row, rows_of
from countermand.console.pages.weeks import last_weeks
from countermand.console.rendering import show_page
from countermand.console.visit import Visit
from countermand.documents import timeline
from countermand.domain.events import EventKind
from countermand.domain.parties import PartyKind
from countermand.domain.policy import DEFAULT_POLICY
from countermand.ids import show
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.reads.events import EventView, newest_events
from countermand.reads.policies import policies_by_id
from countermand.reads.waiting import COUNTED_MAX, Money, Waiting, counted
from countermand.wire.response import Reply

LIST: Final = "/console/cancellations"
NEXT: Final = 8
"""So many answers that are due next are shown."""
HAPPENED: Final = 8
JUST_NOW: Final = timedelta(hours=1)
LOOKS: Final = 100
"""Among so many newest events, of whatever kind, those are looked for that are shown."""
_TOLD: Final = frozenset(each for each in EventKind if each.startswith(("cancellation.", "refund.")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """Something that needs the visitor, or does not: a zero stays, in grey."""

    number: int
    shape: str
    title: str
    text: str
    none: str
    path: str
    verb: str

    @property
    def shown(self) -> str:
        """The number, up to where it is counted."""
        return counted(self.number)


async def look(visit: Visit) -> Reply:
    """The page."""
    mine = None if visit.is_platform else visit.caller.party
    due = CancellationFilter(by_due=True, awaiting=mine, limit=NEXT)
    rows = await rows_of(visit, await visit.read(list_cancellations, visit.scope, due))
    return show_page(
        visit,
        "today.html",
        title="Today",
        needs=needs_of(visit),
        rows=rows,
        silence=await _silence(visit, rows),
        weeks=await last_weeks(visit),
        happened=await _just_now(visit),
        long=Times(visit.now, visit.zone).long(visit.now),
    )


def needs_of(visit: Visit) -> list[Need]:
    """What needs the visitor, and what could. No ask is counted twice."""
    waiting = visit.waiting
    needs = _asks_of_operators(waiting) if visit.is_platform else _asks_of_parties(waiting)
    if visit.caller.kind is not PartyKind.SUPPLIER:
        needs += _money(waiting)
    needs += _endpoints(waiting, Times(visit.now, visit.zone))
    if visit.may(Permission.MANAGE_ENDPOINTS):
        needs.append(_dead(waiting))
    return needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """Something that somebody did just now: when, as what it is drawn, and in a sentence."""

    at: datetime
    shape: str
    sentence: str
    reference: str
    path: str


async def _just_now(visit: Visit) -> list[Happened]:
    """What happened to cancellations and refunds in the last hour, newest first."""
    found = await visit.read(newest_events, visit.scope, _TOLD, limit=HAPPENED, looks=LOOKS)
    return [_happened(each, visit) for each in found if each.at >= visit.now - JUST_NOW]


def _happened(event: EventView, visit: Visit) -> Happened:
    about = event.cancellation_id
    return Happened(
        at=event.at,
        shape=words.event_shape(event.kind),
        sentence=timeline.what_happened(event),
        reference=event.reference,
        path=f"{LIST}/{show('can', about)}" if about else f"/console/orders/{show('ord', event.order_id)}",
    )


async def _silence(visit: Visit, rows: Sequence[Row]) -> dict[UUID, str]:
    """What it means if nobody answers these, by the policy that each was asked under."""
    asked = {row.cancellation.id: row.cancellation for row in rows}
    policies = await visit.read(policies_by_id, {each.policy_id for each in asked.values() if each.policy_id})
    found = {}
    for id_, each in asked.items():
        policy = policies.get(each.policy_id, DEFAULT_POLICY) if each.policy_id else DEFAULT_POLICY
        if each.awaiting is not None and each.due_at is not None and each.decline_reason is None:
            found[id_] = words.SILENCE_WORDS[policy.silence]
    return found


def _asks_of_operators(waiting: Waiting) -> list[Need]:
    return [
        Need(
            number=waiting.late,
            shape="late",
            title="Late answers",
            text="The deadline has passed, and the agreed rule has not run. See that a worker runs.",
            none="Every answer that was due has come, or the agreed rule has decided.",
            path=f"{LIST}?view=late",
            verb="See them",
        ),
        Need(
            number=waiting.escalated,
            shape="escalated",
            title="Escalated to you",
            text="Nobody answered in time, or the party that should have is gone. An operator decides.",
            none="No ask waits for an operator.",
            path=f"{LIST}?view=escalated",
            verb="Decide",
        ),
    ]


def _asks_of_parties(waiting: Waiting) -> list[Need]:
    late = waiting.mine_late
    text = "The earliest deadline stands first."
    if late:
        text += f" {counted(late)} {'is' if late == 1 else 'are'} late: the agreed rule can decide at any moment."
    return [
        Need(
            number=waiting.mine,
            shape="late" if late else "asked",
            title="Asks that wait for your answer",
            text=text,
            none="No ask waits for you.",
            path=f"{LIST}?view=mine",
            verb="Answer",
        ),
        Need(
            number=waiting.late,
            shape="late",
            title="Late answers of others",
            text="The deadline has passed, and the agreed rule has not decided yet.",
            none="Every answer that others owed has come, or the agreed rule has decided.",
            path=f"{LIST}?view=late",
            verb="See them",
        ),
    ]


def _money(waiting: Waiting) -> list[Need]:
    parked, unknown, by_hand = waiting.parked, waiting.in_doubt, waiting.by_hand
    return [
        Need(
            number=parked.number,
            shape="parked",
            title="Parked refunds",
            text=f"{_sums(parked)} cannot be settled by itself.",
            none="Every refund is settled, or is being settled.",
            path="/console/refunds?state=parked",
            verb="See why",
        ),
        Need(
            number=unknown.number,
            shape="unknown",
            title="Money in doubt",
            text=f"{_sums(unknown)}: the provider has not said whether it moved. It is sent again with the"
            " same key, so it cannot be paid twice.",
            none="Providers have answered every call.",
            path="/console/refunds?state=unknown",
            verb="See it",
        ),
        Need(
            number=by_hand.number,
            shape="hand",
            title="Refunds to pay by hand",
            text=f"{_sums(by_hand)}.",
            none="No refund waits for a person.",
            path="/console/refunds?state=by_hand",
            verb="Work list",
        ),
    ]


def _sums(money: Money) -> str:
    """What it comes to in each currency: amounts of different currencies are never added."""
    if money.number > COUNTED_MAX:
        return "More than are added up here"
    return words.listed([amount(minor, currency) for currency, minor in sorted(money.sums.items())])


def _endpoints(waiting: Waiting, times: Times) -> list[Need]:
    text = ""
    if waiting.failing_since:
        since = times.words(waiting.failing_since).replace("Today", "today").replace("Yesterday", "yesterday")
        text = f"The oldest has failed since {since}. Notices wait, and are tried again."
    return [
        Need(
            number=waiting.failing,
            shape="failing",
            title="Failing endpoints",
            text=text,
            none="Every endpoint accepts what it is sent.",
            path="/console/webhooks?state=failing",
            verb="Look",
        ),
        Need(
            number=waiting.stopped,
            shape="paused",
            title="Endpoints that are stopped",
            text="Nothing is sent there until somebody resumes them.",
            none="No endpoint is paused or disabled.",
            path="/console/webhooks?state=stopped",
            verb="Look",
        ),
    ]


def _dead(waiting: Waiting) -> Need:
    return Need(
        number=waiting.dead,
        shape="n-dead",
        title="Dead notices",
        text="They could not be delivered, and are not tried again by themselves.",
        none="Every notice arrived, or is still being tried.",
        path="/console/notices?state=dead",
        verb="Look",
    )
