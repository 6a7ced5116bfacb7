"""An event in a plain sentence, for timelines."""

from typing import Any

from countermand.domain.events import EventKind
from countermand.store.columns import Record


def sentence(event: Record) -> str:
    """What happened, to whom it was due, and why."""
    who = event.actor_name or ("The policy" if event.actor == "policy" else event.actor)
    text = _verb(EventKind(event.kind), event.facts, who)
    return text + _because(event.facts) + "."


def state(event: Record) -> str:
    """The four buckets just after the event."""
    facts = event.facts
    return f"open {facts['open']}, asked {facts['asked']}, cancelled {facts['cancelled']}, shipped {facts['shipped']}"


def _verb(kind: EventKind, facts: dict[str, Any], who: str) -> str:
    units = "1 unit" if facts["units"] == 1 else f"{facts['units']} units"
    match kind:
        case EventKind.LINE_PLACED:
            return f"{who} ordered {units}"
        case EventKind.LINE_ALLOCATED:
            return f"{who} can deliver {units}"
        case EventKind.LINE_SHIPPED:
            return f"{who} shipped {units}"
        case EventKind.LINE_TRANSPORT_CHANGED:
            return f"{who} corrected how the parcel travels"
        case EventKind.CANCELLATION_ASKED if facts.get("asker") == "customer":
            return f"The customer asked, through {who}, to cancel {units}"
        case EventKind.CANCELLATION_ASKED:
            return f"{who} asked to cancel {units}"
        case EventKind.CANCELLATION_PASSED_ON:
            return f"{who} passed the cancellation of {units} on to the supplier"
        case EventKind.CANCELLATION_ACCEPTED if facts.get("unasked"):
            return f"{who} cancelled {units}, which nobody had asked for"
        case EventKind.CANCELLATION_ACCEPTED:
            return f"{who} accepted the cancellation of {units}"
        case EventKind.CANCELLATION_DECLINED:
            return f"{who} declined the cancellation of {units}"
        case EventKind.CANCELLATION_WITHDRAWN:
            return f"{who} withdrew the cancellation of {units}"
        case EventKind.CANCELLATION_LAPSED:
            return f"Nobody answered in time: the cancellation of {units} lapsed"
        case EventKind.CANCELLATION_ESCALATED:
            return f"Nobody answered in time: the cancellation of {units} went to an operator"


def _because(facts: dict[str, Any]) -> str:
    reason = facts.get("reason", "")
    words = "" if reason in ("", "not_stated") else f" ({reason.replace('_', ' ')})"
    return words + (f": {facts['note']}" if facts.get("note") else "")
