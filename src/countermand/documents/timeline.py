"""An event as sentences, for timelines: what happened, who or which rule did it, why, and what comes next."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from pydantic import BaseModel
from sqlalchemy import Connection

from countermand.domain.events import EventKind
from countermand.domain.money.amounts import write_minor
from countermand.domain.parties import PartyKind
from countermand.domain.policy import Rule
from countermand.domain.scoring import Incident, Judgement, Why
from countermand.ids import show
from countermand.reads import events as event_reads
from countermand.reads import scores as score_reads
from countermand.reads.events import PastEvent
from countermand.reads.policies import zone_between
from countermand.reads.scope import Scope
from countermand.reads.scores import JudgementView

Facts = Mapping[str, Any]


def sentence(event: PastEvent, zone: str = "") -> str:
    """What happened, who did it, and why; then whose answer is due, if one is, in UTC and in the time of a zone."""
    return f"{what_happened(event)}{_next(event, zone)}"


def what_happened(event: PastEvent) -> str:
    """What happened, who did it, and why."""
    kind, facts = EventKind(event.kind), event.facts
    return f"{_verb(kind, facts, _who(event), _in_whose_place(event))}{_because(facts)}."


class TimelineState(BaseModel):
    """The units of the line after an event. The last four sum to the first."""

    ordered: int
    open: int
    asked: int
    cancelled: int
    shipped: int


class TimelineEntry(BaseModel):
    """What happened to a line, as a sentence."""

    at: datetime
    sentence: str
    event: str
    line: UUID
    by: str
    units: int
    state: TimelineState
    kind: EventKind
    door: str
    sku: str
    cancellation: str | None


class TimelineJudgement(BaseModel):
    """What an operator decided about a cancellation in a score, as a sentence."""

    at: datetime
    sentence: str
    judgement: str
    line: UUID
    cancellation: str
    by: str
    door: str


class TimelineOut(BaseModel):
    """What happened, oldest first, and what operators decided about it in scores."""

    entries: list[TimelineEntry]
    judgements: list[TimelineJudgement]


def timeline_of(connection: Connection, scope: Scope, subject: UUID) -> TimelineOut:
    """All that happened to an order, a line or a cancellation's line, as far as a party sees it.

    A deadline is told in UTC, and in the time of the working hours that hold now between the two.
    """
    events = sorted(event_reads.timeline(connection, scope, subject), key=lambda event: event.at)
    zones = {each: zone_between(connection, *each) for each in {_pair(event) for event in events}}
    judged_of = score_reads.judgements_of(connection, [(each.retailer_id, each.line_id) for each in events])
    return TimelineOut(
        entries=[_entry(each, zones[_pair(each)]) for each in events],
        judgements=[_judgement(each) for each in judged_of if _may_read(scope, each)],
    )


def _pair(event: PastEvent) -> tuple[UUID, UUID]:
    return event.retailer_id, event.fulfiller_id


def _may_read(scope: Scope, judgement: JudgementView) -> bool:
    """A party reads what is about its own score."""
    return scope.kind is PartyKind.PLATFORM or scope.party == judgement.party_id


def _entry(event: PastEvent, zone: str) -> TimelineEntry:
    facts = event.facts
    buckets = {name: facts[name] for name in ("open", "asked", "cancelled", "shipped")}
    return TimelineEntry(
        at=event.at,
        sentence=sentence(event, zone),
        event=show("evt", event.id),
        line=event.line_id,
        by=event.actor_name or "policy",
        units=facts["units"],
        state=TimelineState(ordered=event.ordered, **buckets),
        kind=EventKind(event.kind),
        door=event.door,
        sku=event.sku,
        cancellation=show("can", event.cancellation_id) if event.cancellation_id else None,
    )


def _judgement(row: JudgementView) -> TimelineJudgement:
    return TimelineJudgement(
        at=row.at,
        sentence=judged(row),
        judgement=show("jdg", row.id),
        line=row.line_id,
        cancellation=show("can", row.cancellation_id),
        by=row.judged_by,
        door=row.door,
    )


def state(event: PastEvent) -> str:
    """The four buckets after the event."""
    facts = event.facts
    return f"open {facts['open']}, asked {facts['asked']}, cancelled {facts['cancelled']}, shipped {facts['shipped']}"


def _who(event: PastEvent) -> str:
    if "rule" in event.facts:
        return _policy(event.facts).capitalize()
    return str(event.actor_name or event.actor)


def _policy(facts: Mapping[str, Any]) -> str:
    version = facts.get("policy_version")
    return f"version {version} of the policy" if version else "the default policy"


def _in_whose_place(event: PastEvent) -> str:
    """Not empty if somebody else, such as an operator, asks for the retailer."""
    for_retailer = event.kind == EventKind.CANCELLATION_ASKED and event.facts.get("asker") == "retailer"
    return ", for the retailer," if for_retailer and event.actor_id not in (None, event.retailer_id) else ""


def _verb(kind: EventKind, facts: Facts, who: str, place: str) -> str:
    special = (words for applies, words in _SPECIAL.get(kind, ()) if applies(facts))
    return next(special, _VERBS[kind]).format_map(_Words(facts, who, place))


class _Words(dict[str, str]):
    """What stands for the names in a sentence. A word is asked of the facts only if the sentence has it."""

    def __init__(self, facts: Facts, who: str, place: str) -> None:
        super().__init__(who=who, place=place)
        self._facts = facts

    def __missing__(self, name: str) -> str:
        return _WORDS[name](self._facts)


_VERBS: Final[Mapping[EventKind, str]] = {
    EventKind.LINE_PLACED: "{who} ordered {units}",
    EventKind.LINE_RELEASED: "{who} handed the line to its fulfiller",
    EventKind.LINE_ALLOCATED: "{who} can deliver {units}",
    EventKind.LINE_SHIPPED: "{who} shipped {units}",
    EventKind.LINE_SHIPPED_THOUGH_CANCELLED: "{who} reported that it shipped {units} that were cancelled before",
    EventKind.LINE_TRANSPORT_CHANGED: "{who} corrected the carrier or the number of the parcel",
    EventKind.LINE_REASSIGNED: "{who} gave what is left of the line, {units}, to another fulfiller",
    EventKind.CANCELLATION_ASKED: "{who} asked{place} to cancel {units}",
    EventKind.CANCELLATION_PASSED_ON: "{who} passed the cancellation of {units} on to the supplier",
    EventKind.CANCELLATION_AGREED: "{who} agreed to the cancellation of {units}, which waits for the other lines",
    EventKind.CANCELLATION_PROOF_ASKED: "{who} declined the cancellation of {units} and has to name the parcel",
    EventKind.CANCELLATION_ACCEPTED: "{who} accepted the cancellation of {units}",
    EventKind.CANCELLATION_DECLINED: "{who} declined the cancellation of {units}",
    EventKind.CANCELLATION_WITHDRAWN: "{who} withdrew the cancellation of {units}",
    EventKind.CANCELLATION_LAPSED: "{who} let the cancellation of {units} lapse",
    EventKind.CANCELLATION_ESCALATED: "{who} handed the cancellation of {units} to an operator",
    EventKind.CANCELLATION_LATE_ANSWER: "{who} {answered} the cancellation of {units} too late, which changed nothing",
    EventKind.CANCELLATION_CASE_OPENED: (
        "{who} opened a case: the supplier declined what the retailer had accepted for {units}"
    ),
    EventKind.CANCELLATION_NOTED: "{who} added a note to the cancellation of {units}",
    EventKind.PAYMENT_ADDED: "{who} added payment {payment}: {paid}",
    EventKind.PAYMENT_CAPTURED: "{who} recorded a capture of payment {payment}: {paid}",
    EventKind.REFUND_DUE: "The {money} is due, from payment {from_payment}",
    EventKind.REFUND_SENT: "{who} sent the {money} to the provider",
    EventKind.REFUND_DONE: "{who} reported that the {money} is done",
    EventKind.REFUND_FAILED: "{who} could not complete the {money}, and a person has to look at it",
    EventKind.REFUND_CLOSED: "{who} closed the {money}, and nothing is paid back",
    EventKind.REFUND_CORRECTED: "{who} corrected the {money}: {elsewhere} of it was paid outside",
}

_SPECIAL: Final[Mapping[EventKind, Sequence[tuple[Callable[[Facts], object], str]]]] = {
    EventKind.CANCELLATION_ASKED: (
        (lambda facts: facts.get("asker") == "customer", "The customer asked, through {who}, to cancel {units}"),
    ),
    EventKind.CANCELLATION_PASSED_ON: (
        (
            lambda facts: facts.get("former"),
            "{who} gave the line to another fulfiller, and the cancellation of {units} went with it",
        ),
        (
            lambda facts: facts.get("rest"),
            "{who} passed the cancellation of {number} of {of_number} units on to the supplier",
        ),
    ),
    EventKind.CANCELLATION_ACCEPTED: (
        (lambda facts: facts.get("rule") == Rule.TOGETHER, "{who} accepted the cancellation of {units}"),
        (lambda facts: facts.get("asker") == "nobody", "{who} cancelled {units}, which nobody had asked for"),
        (
            lambda facts: facts.get("unasked"),
            "{who} cancelled {units} that were asked for, but gave another reason",
        ),
        (lambda facts: facts.get("rest"), "{who} accepted the cancellation of {number} of {of_number} units"),
    ),
    EventKind.CANCELLATION_WITHDRAWN: (
        (lambda facts: facts.get("rule") == Rule.TOGETHER, "{who} ended the cancellation of {units}"),
    ),
}
"""What is said instead where something applies; the first that does."""


def _money(facts: Mapping[str, Any]) -> str:
    refund = facts["refund"]
    what = "release" if refund["released"] else "refund"
    return f"{what} of {write_minor(refund['amount_minor'], refund['currency'])} {refund['currency']}"


def _elsewhere(facts: Mapping[str, Any]) -> str:
    refund = facts["refund"]
    return f"{write_minor(refund['elsewhere_minor'], refund['currency'])} {refund['currency']}"


def _paid(facts: Mapping[str, Any]) -> str:
    payment, currency = facts["payment"], facts["payment"]["currency"]
    captured, reserved = (write_minor(payment[f"{name}_minor"], currency) for name in ("captured", "authorised"))
    return f"{captured} {currency} captured, {reserved} reserved"


_WORDS: Final[Mapping[str, Callable[[Facts], str]]] = {
    "units": lambda facts: "1 unit" if facts["units"] == 1 else f"{facts['units']} units",
    "number": lambda facts: str(facts["units"]),
    "of_number": lambda facts: str(facts["units"] + facts["rest"]),
    "answered": lambda facts: "accepted" if facts.get("answer") == "accept" else "declined",
    "payment": lambda facts: str(facts["payment"]["id"]),
    "from_payment": lambda facts: str(facts["refund"]["payment"]),
    "paid": _paid,
    "money": _money,
    "elsewhere": _elsewhere,
}


_RULES: Final = {
    Rule.SILENCE: ", as nobody had answered in time",
    Rule.FREE_WINDOW: ", as it was asked within the free time after ordering",
    Rule.NO_PROOF: ", as nobody had named the parcel in time",
    Rule.TOGETHER: ", as it was asked together with other lines, all or nothing",
    Rule.CONTRADICTION: "",
}


def _because(facts: Mapping[str, Any]) -> str:
    reason = facts.get("reason", "")
    words = "" if reason in ("", "not_stated") else f" ({reason.replace('_', ' ')})"
    if facts.get("rest_reason"):
        words += f", not the rest ({facts['rest_reason'].replace('_', ' ')})"
    if facts.get("tracking"):
        words += f", {facts['tracking']}"
    if "rule" in facts:
        words += _RULES[Rule(facts["rule"])]
    return words + (f": {_clause(facts['note'])}" if facts.get("note") else "")


def _clause(words: str) -> str:
    """A note without its full stop, because the sentence around it has one."""
    return words.removesuffix(".")


def _next(event: PastEvent, zone: str) -> str:
    """Whose answer is due now, by when, and by which policy."""
    facts = event.facts
    awaiting = facts.get("awaiting")
    if awaiting is None:
        return ""
    whose = "retailer" if awaiting == str(event.retailer_id) else "supplier"
    policy = f", says {_policy(facts)}" if "policy_version" in facts else ""
    if "due_at" not in facts:
        return f" The {whose}'s answer is due, without a deadline{policy}."
    due_at = datetime.fromisoformat(facts["due_at"]).astimezone(UTC)
    there = f" ({due_at.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M} {zone})" if zone else ""
    return f" The {whose}'s answer is due by {due_at:%Y-%m-%d %H:%M} UTC{there}{policy}."


_WHY: Final = {
    Why.UNASKED: "nobody had asked for it",
    Why.RETAILERS_WISH: "the retailer wanted it, not the customer",
    Why.FALSE_CLAIM: "it was cancelled in the customer's name, and no ask of the customer is on file",
    Why.CLAIMED_ASK: "only the retailer entered the customer's ask",
    Why.OTHER_REASON: "it was cancelled for another reason than the one asked for",
    Why.SUPPLIERS_DOING: "the supplier cancelled it, though the customer had not asked",
    Why.LAPSED: "the ask lapsed without an answer",
    Why.AUTOMATIC: "the policy cancelled it, as no answer came",
    Why.ASKED_LATE: "it was asked for after the promised day",
    Why.ANSWERED_LATE: "it was cancelled after the promised day, though it had been asked for in time",
}


def counts(incident: Incident, judgement: Judgement | None) -> str:
    """Why something counts in a score; or who took it out, and why."""
    return counted(incident.why, (judgement.by, judgement.at, judgement.reason) if judgement else None)


def counted(why: Why, excluded: tuple[str, datetime, str] | None) -> str:
    """The same, where it is known who took it out, when, and why."""
    if excluded is None:
        return f"counts, as {_WHY[why]}."
    by, at, reason = excluded
    return f"counted, as {_WHY[why]}; it no longer does ({by}, {at:%Y-%m-%d %H:%M} UTC): {_clause(reason)}."


def judged(judgement: JudgementView) -> str:
    """What an operator decided about an item in a score."""
    what = "took a cancellation out of" if judgement.excluded else "put a cancellation back into"
    return f"{judgement.judged_by} {what} the score of {judgement.party_name}: {_clause(judgement.reason)}."
