"""Sentences about cancellations and refunds: where they stand, what follows, and what to tell the customer."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from countermand.admin.roles import Role
from countermand.console.markup import Times, amount
from countermand.documents.sentences import count
from countermand.domain.line import State
from countermand.domain.money.refunds import RefundState
from countermand.domain.policy import Silence
from countermand.domain.reasons import DeclineReason
from countermand.reads.cancellations import CancellationRow, CancellationView, is_escalated, waiting_units
from countermand.reads.refunds import RefundView

DECLINE_REASONS: Final = {
    DeclineReason.ALREADY_SHIPPED: "It has been shipped",
    DeclineReason.ALREADY_PICKED: "It has been picked",
    DeclineReason.IN_PACKING: "It is being packed and cannot be taken out",
    DeclineReason.MADE_TO_ORDER: "It was made to order",
    DeclineReason.OTHER: "Another reason",
}
"""What a person can choose from. ``NOT_STATED`` is left to APIs that have no room for a reason."""

ROLES: Final = {
    Role.MANAGER: ("Manager", "Everything, also people, tokens and where events go."),
    Role.SUPPORT: ("Support", "Works on orders, cancellations and refunds."),
    Role.VIEWER: ("Viewer", "Sees everything of the party, and changes nothing."),
}
"""Each role in a word, and what it is for."""

REFUND_SHAPES: Final[Mapping[str, str]] = {
    RefundState.BY_HAND: "hand",
    RefundState.DUE: "due",
    RefundState.SENT: "sent",
    RefundState.ACCEPTED: "provider",
    RefundState.UNKNOWN: "unknown",
    RefundState.PARKED: "parked",
    RefundState.CONFIRMED: "confirmed",
    RefundState.CLOSED: "closed",
}

EVENT_SHAPES: Final[Mapping[str, str]] = {
    "cancellation.asked": "asked",
    "cancellation.passed_on": "asked",
    "cancellation.agreed": "asked",
    "cancellation.proof_asked": "soon",
    "cancellation.accepted": "accepted",
    "cancellation.declined": "declined",
    "cancellation.withdrawn": "withdrawn",
    "cancellation.lapsed": "lapsed",
    "cancellation.escalated": "escalated",
    "cancellation.late_answer": "late",
    "cancellation.case_opened": "escalated",
    "cancellation.noted": "note",
    "refund.due": "due",
    "refund.sent": "sent",
    "refund.done": "confirmed",
    "refund.failed": "parked",
    "refund.closed": "closed",
    "refund.corrected": "due",
}


def event_shape(kind: str) -> str:
    """The shape of an event in a timeline."""
    return EVENT_SHAPES.get(kind, "order")


def shape_of(row: CancellationRow, now: datetime) -> str:
    """The state of a cancellation as a person sees it: one that waits can be late, or wait for the operator."""
    if row.state != State.ASKED:
        return row.state
    if is_escalated(row):
        return "escalated"
    return "late" if row.due_at is not None and row.due_at < now and not row.agreed else "asked"


def plain(name: str) -> str:
    """A name of the catalogue, in words."""
    return name.replace("_", " ")


def standing(row: CancellationView, now: datetime, *, answered_by: str) -> str:
    """Where it stands, in one line."""
    if row.state == State.ASKED:
        if row.agreed:
            return "Agreed. It waits for the lines that were asked together with it."
        if row.awaiting is None:
            return "Escalated. An operator answers."
        late = "Late" if row.due_at is not None and row.due_at < now else "Asked"
        return f"{late}. {row.awaiting_name} answers next."
    who = "The agreed rule" if row.by_policy else answered_by or "The platform"
    match row.state:
        case State.ACCEPTED if row.asker == "nobody":
            return f"Cancelled by {who}. Nobody had asked."
        case State.ACCEPTED:
            return f"Accepted by {who}."
        case State.DECLINED:
            return f"Declined by {who}: {plain(row.decline_reason or '')}."
        case State.WITHDRAWN:
            return f"Withdrawn by {who}."
        case _:
            return "Lapsed. Nobody answered in time."


def ended(row: CancellationView, times: Times, *, answered_by: str) -> str:
    """How it ended, by whom and when; empty while it waits."""
    if row.state == State.ASKED or row.answered_at is None:
        return ""
    return f"{standing(row, times.now, answered_by=answered_by)} {times.words(row.answered_at)}."


def explanation(row: CancellationView, *, asked_by: str) -> str:
    """Who asked, and what has happened since."""
    who = f"The customer asked, through {asked_by}." if row.asker == "customer" else f"{asked_by} asked."
    if row.asker == "nobody":
        who = ""
    done = ""
    if row.state == State.ASKED and row.asker == "customer" and row.awaiting == row.fulfiller_id != row.retailer_id:
        done = f"{row.fulfiller_name} holds the goods, and has not answered."
    elif row.state == State.ASKED and row.decline_reason is not None:
        done = "It was declined as already shipped, and the parcel has yet to be named."
    elif row.state == State.ACCEPTED:
        rest = row.units - row.accepted_units
        done = f"{_are(row.accepted_units)} cancelled for good."
        if rest:
            done += f" {count(rest)} {'stays' if rest == 1 else 'stay'} on order."
    elif row.state in (State.DECLINED, State.WITHDRAWN, State.LAPSED):
        done = f"{count(row.units)} {'stays' if row.units == 1 else 'stay'} on order. Nothing goes back."
    return f"{who} {done}".strip()


def _are(units: int) -> str:
    return f"{count(units)} {'is' if units == 1 else 'are'}"


def silence(row: CancellationView, rule: Silence, *, worth: str) -> tuple[str, str]:
    """What it means if nobody answers: in three words, and in a sentence."""
    waits = waiting_units(row)
    if row.awaiting is None:
        return "There is no deadline.", "It waits until an operator has answered."
    if row.due_at is None:
        return "There is no deadline.", "It waits until it is answered."
    if row.decline_reason is not None:
        return "Silence means no proof.", "If nobody names the parcel, the policy decides without it."
    match rule:
        case Silence.ACCEPT:
            back = f" and {worth} goes back" if worth else ""
            return "Silence means yes.", f"{_are(waits)} cancelled{back}."
        case Silence.ESCALATE:
            return "Silence means that an operator decides.", ""
        case Silence.LAPSE:
            opened = f"{_are(waits)} open again"
            return "Silence means no.", f"If nobody answers, the ask lapses and {opened}."


SILENCE_WORDS: Final = {
    Silence.ACCEPT: "yes, it is accepted",
    Silence.LAPSE: "no, it lapses",
    Silence.ESCALATE: "an operator decides",
}


def sums_of(rows: Sequence[RefundView]) -> list[tuple[int, str]]:
    """Sums in minor units, each with its currency: amounts of different currencies are never added."""
    sums: dict[str, int] = {}
    for row in rows:
        sums[row.currency] = sums.get(row.currency, 0) + row.amount_minor
    return [(minor, currency) for currency, minor in sorted(sums.items())]


def money_words(rows: Sequence[RefundView]) -> str:
    """The sums in words."""
    return listed([amount(*each) for each in sums_of(rows)])


def listed(words: list[str]) -> str:
    """``a, b and c``."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def next_step(row: RefundView) -> str:
    """What a person can do about a refund."""
    match row.state:
        case RefundState.PARKED if row.no_provider:
            return f"Set up the provider {row.provider}, or pay it another way and mark it as paid."
        case RefundState.PARKED:
            return (
                "Look the payment up at the provider. Then send it again, correct what was paid elsewhere, or pay it"
                " another way and mark it as paid."
            )
        case RefundState.BY_HAND:
            return "Pay it outside of this service, then mark it as paid."
        case RefundState.UNKNOWN:
            return "Wait. It is sent again with the same key, so it cannot be paid twice."
        case RefundState.CONFIRMED | RefundState.CLOSED:
            return "Nothing is left to do."
        case _:
            return "Wait. The worker settles it."


def where_to(row: RefundView) -> str:
    """To which payment it goes back."""
    method = plain(row.method)
    return f"{method[:1].upper()}{method[1:]}{f' {row.payment_reference}' if row.payment_reference else ''}"
