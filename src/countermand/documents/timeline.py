"""An event as sentences, for timelines: what happened, who or which rule did it, why, and what comes next."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from countermand.domain.events import EventKind
from countermand.domain.money.amounts import write_minor
from countermand.domain.policy import Rule
from countermand.domain.scoring import Incident, Judgement, Why
from countermand.reads.events import PastEvent
from countermand.reads.scores import JudgementView


def sentence(event: PastEvent, zone: str = "") -> str:
    """What happened, who did it, and why; then whose answer is due, if one is, in UTC and in the time of a zone."""
    kind, facts = EventKind(event.kind), event.facts
    return f"{_verb(kind, facts, _who(event), _in_whose_place(event))}{_because(facts)}.{_next(event, zone)}"


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


def _verb(kind: EventKind, facts: Mapping[str, Any], who: str, place: str) -> str:
    units = "1 unit" if facts["units"] == 1 else f"{facts['units']} units"
    match kind:
        case EventKind.LINE_PLACED:
            return f"{who} ordered {units}"
        case EventKind.LINE_ALLOCATED:
            return f"{who} can deliver {units}"
        case EventKind.LINE_SHIPPED:
            return f"{who} shipped {units}"
        case EventKind.LINE_SHIPPED_THOUGH_CANCELLED:
            return f"{who} reported that it shipped {units} that were cancelled before"
        case EventKind.LINE_TRANSPORT_CHANGED:
            return f"{who} corrected the carrier or the number of the parcel"
        case EventKind.LINE_REASSIGNED:
            return f"{who} gave what is left of the line, {units}, to another fulfiller"
        case EventKind.CANCELLATION_PASSED_ON if facts.get("former"):
            return f"{who} gave the line to another fulfiller, and the cancellation of {units} went with it"
        case EventKind.CANCELLATION_ASKED if facts.get("asker") == "customer":
            return f"The customer asked, through {who}, to cancel {units}"
        case EventKind.CANCELLATION_ASKED:
            return f"{who} asked{place} to cancel {units}"
        case EventKind.CANCELLATION_PASSED_ON if facts.get("rest"):
            of = facts["units"] + facts["rest"]
            return f"{who} passed the cancellation of {facts['units']} of {of} units on to the supplier"
        case EventKind.CANCELLATION_PASSED_ON:
            return f"{who} passed the cancellation of {units} on to the supplier"
        case EventKind.CANCELLATION_AGREED:
            return f"{who} agreed to the cancellation of {units}, which waits for the other lines"
        case EventKind.CANCELLATION_PROOF_ASKED:
            return f"{who} declined the cancellation of {units} and has to name the parcel"
        case EventKind.CANCELLATION_ACCEPTED if facts.get("rule") == Rule.TOGETHER:
            return f"{who} accepted the cancellation of {units}"
        case EventKind.CANCELLATION_ACCEPTED if facts.get("asker") == "nobody":
            return f"{who} cancelled {units}, which nobody had asked for"
        case EventKind.CANCELLATION_ACCEPTED if facts.get("unasked"):
            return f"{who} cancelled {units} that were asked for, but gave another reason"
        case EventKind.CANCELLATION_ACCEPTED if facts.get("rest"):
            return f"{who} accepted the cancellation of {facts['units']} of {facts['units'] + facts['rest']} units"
        case EventKind.CANCELLATION_ACCEPTED:
            return f"{who} accepted the cancellation of {units}"
        case EventKind.CANCELLATION_DECLINED:
            return f"{who} declined the cancellation of {units}"
        case EventKind.CANCELLATION_WITHDRAWN if facts.get("rule") == Rule.TOGETHER:
            return f"{who} ended the cancellation of {units}"
        case EventKind.CANCELLATION_WITHDRAWN:
            return f"{who} withdrew the cancellation of {units}"
        case EventKind.CANCELLATION_LAPSED:
            return f"{who} let the cancellation of {units} lapse"
        case EventKind.CANCELLATION_ESCALATED:
            return f"{who} handed the cancellation of {units} to an operator"
        case EventKind.CANCELLATION_LATE_ANSWER:
            words = "accepted" if facts.get("answer") == "accept" else "declined"
            return f"{who} {words} the cancellation of {units} too late, which changed nothing"
        case EventKind.CANCELLATION_CASE_OPENED:
            return f"{who} opened a case: the supplier declined what the retailer had accepted for {units}"
        case EventKind.CANCELLATION_NOTED:
            return f"{who} added a note to the cancellation of {units}"
        case EventKind.PAYMENT_ADDED:
            return f"{who} added payment {facts['payment']['id']}: {_paid(facts)}"
        case EventKind.PAYMENT_CAPTURED:
            return f"{who} recorded a capture of payment {facts['payment']['id']}: {_paid(facts)}"
        case EventKind.REFUND_DUE:
            return f"T{_money(facts)[1:]} is due, from payment {facts['refund']['payment']}"
        case EventKind.REFUND_SENT:
            return f"{who} sent {_money(facts)} to the provider"
        case EventKind.REFUND_DONE:
            return f"{who} reported that {_money(facts)} is done"
        case EventKind.REFUND_FAILED:
            return f"{who} could not complete {_money(facts)}, and a person has to look at it"
        case EventKind.REFUND_CLOSED:
            return f"{who} closed {_money(facts)}, and nothing is paid back"
        case EventKind.REFUND_CORRECTED:
            return f"{who} corrected {_money(facts)}: {_elsewhere(facts)} of it was paid outside"


def _money(facts: Mapping[str, Any]) -> str:
    refund = facts["refund"]
    what = "release" if refund["released"] else "refund"
    return f"the {what} of {write_minor(refund['amount_minor'], refund['currency'])} {refund['currency']}"


def _elsewhere(facts: Mapping[str, Any]) -> str:
    refund = facts["refund"]
    return f"{write_minor(refund['elsewhere_minor'], refund['currency'])} {refund['currency']}"


def _paid(facts: Mapping[str, Any]) -> str:
    payment, currency = facts["payment"], facts["payment"]["currency"]
    captured, reserved = (write_minor(payment[f"{name}_minor"], currency) for name in ("captured", "authorised"))
    return f"{captured} {currency} captured, {reserved} reserved"


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
    if judgement is None:
        return f"counts, as {_WHY[incident.why]}."
    who = f"{judgement.by}, {judgement.at:%Y-%m-%d %H:%M} UTC"
    return f"counted, as {_WHY[incident.why]}; it no longer does ({who}): {_clause(judgement.reason)}."


def judged(judgement: JudgementView) -> str:
    """What an operator decided about an item in a score."""
    what = "took a cancellation out of" if judgement.excluded else "put a cancellation back into"
    return f"{judgement.judged_by} {what} the score of {judgement.party_name}: {_clause(judgement.reason)}."
