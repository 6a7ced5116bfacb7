"""Today: what needs the visitor, with a count that leads to its list; what is due next."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from countermand.admin import endpoints
from countermand.admin.callers import Permission
from countermand.console import words
from countermand.console.markup import Times
from countermand.console.pages.cancellations import Row, rows_of
from countermand.console.pages.weeks import last_weeks
from countermand.console.rendering import show_page
from countermand.console.visit import Visit
from countermand.domain.delivery import NoticeState
from countermand.domain.endpoint import EndpointState
from countermand.domain.money.refunds import RefundState
from countermand.domain.parties import PartyKind
from countermand.domain.policy import DEFAULT_POLICY
from countermand.reads.cancellations import CancellationFilter, list_cancellations
from countermand.reads.notices import NoticeFilter, list_notices
from countermand.reads.policies import policies_by_id
from countermand.reads.refunds import RefundFilter, RefundView, list_refunds
from countermand.wire.response import Reply

MOST: Final = 200
"""More are not counted: ``200+`` says enough."""

NEXT: Final = 8


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
        return f"{MOST}+" if self.number > MOST else str(self.number)


async def look(visit: Visit) -> Reply:
    """The page."""
    needs = [*await _cancellations(visit)]
    if visit.caller.kind is not PartyKind.SUPPLIER:
        needs += await _money(visit)
    needs += await _endpoints(visit)
    if visit.may(Permission.MANAGE_ENDPOINTS):
        needs.append(await _dead(visit))
    mine = None if visit.is_platform else visit.caller.party
    due = CancellationFilter(by_due=True, awaiting=mine, limit=NEXT)
    rows = await rows_of(visit, await visit.read(list_cancellations, visit.scope, due))
    return show_page(
        visit,
        "today.html",
        title="Today",
        needs=needs,
        rows=rows,
        silence=await _silence(visit, rows),
        weeks=await last_weeks(visit),
        long=Times(visit.now, visit.zone).long(visit.now),
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


async def _cancellations(visit: Visit) -> list[Need]:
    late = await _count(visit, CancellationFilter(late=visit.now, limit=MOST + 1))
    overdue = Need(
        number=late,
        shape="late",
        title="Late answers",
        text="The deadline has passed without an answer, or nobody but an operator is left to give it.",
        none="Every answer that was due has come, or the agreed rule has decided.",
        path="/console/cancellations?view=late",
        verb="See them",
    )
    if visit.is_platform:
        escalated = await _count(visit, CancellationFilter(escalated=True, limit=MOST + 1))
        mine = Need(
            number=escalated,
            shape="escalated",
            title="Escalated to you",
            text="Nobody answered in time, and the policy says that an operator decides.",
            none="No ask waits for an operator.",
            path="/console/cancellations?view=escalated",
            verb="Decide",
        )
        return [overdue, mine]
    wanted = CancellationFilter(awaiting=visit.caller.party, by_due=True, limit=MOST + 1)
    answer = Need(
        number=await _count(visit, wanted),
        shape="asked",
        title="Asks that wait for your answer",
        text="The earliest deadline stands first.",
        none="No ask waits for you.",
        path="/console/cancellations?view=mine",
        verb="Answer",
    )
    return [answer, overdue]


async def _count(visit: Visit, wanted: CancellationFilter) -> int:
    return len(await visit.read(list_cancellations, visit.scope, wanted))


async def _money(visit: Visit) -> list[Need]:
    found = {
        state: await _refunds(visit, state) for state in (RefundState.PARKED, RefundState.UNKNOWN, RefundState.BY_HAND)
    }

    def sums(state: RefundState) -> str:
        return words.money_words(found[state]) if len(found[state]) <= MOST else "More than are added up here"

    parked, unknown, by_hand = (found[each] for each in (RefundState.PARKED, RefundState.UNKNOWN, RefundState.BY_HAND))
    return [
        Need(
            number=len(parked),
            shape="parked",
            title="Parked refunds",
            text=f"{sums(RefundState.PARKED)} cannot be settled by itself.",
            none="Every refund is settled, or is being settled.",
            path="/console/refunds?state=parked",
            verb="See why",
        ),
        Need(
            number=len(unknown),
            shape="unknown",
            title="Money in doubt",
            text=f"{sums(RefundState.UNKNOWN)}: the provider has not said whether it moved. It is sent again with the"
            " same key, so it cannot be paid twice.",
            none="Providers have answered every call.",
            path="/console/refunds?state=unknown",
            verb="See it",
        ),
        Need(
            number=len(by_hand),
            shape="hand",
            title="Refunds to pay by hand",
            text=f"{sums(RefundState.BY_HAND)}.",
            none="No refund waits for a person.",
            path="/console/refunds?state=by_hand",
            verb="Work list",
        ),
    ]


async def _refunds(visit: Visit, state: RefundState) -> list[RefundView]:
    return await visit.read(list_refunds, visit.scope, RefundFilter(state=state.value, limit=MOST + 1))


async def _endpoints(visit: Visit) -> list[Need]:
    found = await visit.read(endpoints.of_party, None if visit.is_platform else visit.caller.party)
    failing = [each for each in found if each.failing_since and each.state is EndpointState.ACTIVE]
    stopped = [each for each in found if each.state in (EndpointState.PAUSED, EndpointState.DISABLED)]
    oldest = min((each.failing_since for each in failing if each.failing_since), default=None)
    text = ""
    if oldest:
        since = Times(visit.now, visit.zone).words(oldest).replace("Today", "today").replace("Yesterday", "yesterday")
        text = f"The oldest has failed since {since}. Notices wait, and are tried again."
    return [
        Need(
            number=len(failing),
            shape="failing",
            title="Failing endpoints",
            text=text,
            none="Every endpoint takes what it is sent.",
            path="/console/webhooks?state=failing",
            verb="Look",
        ),
        Need(
            number=len(stopped),
            shape="paused",
            title="Endpoints that are stopped",
            text="Nothing is sent there until somebody resumes them.",
            none="No endpoint is paused or disabled.",
            path="/console/webhooks?state=stopped",
            verb="Look",
        ),
    ]


async def _dead(visit: Visit) -> Need:
    mine = None if visit.is_platform else visit.caller.party
    wanted = NoticeFilter(states=frozenset({NoticeState.DEAD.value}), owner=mine)
    found = await visit.read(list_notices, wanted, MOST + 1, visit.now)
    return Need(
        number=len(found),
        shape="n-dead",
        title="Dead notices",
        text="They could not be delivered, and are not tried again by themselves.",
        none="Every notice arrived, or is still being tried.",
        path="/console/notices?state=dead",
        verb="Look",
    )
