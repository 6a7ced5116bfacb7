"""The state of a cancellation as one sentence: what happened, by whom, and when."""

from datetime import datetime
from uuid import UUID

from countermand.domain.dates import write_moment
from countermand.domain.line import Cancellation, Line, State
from countermand.domain.parties import Asker


def outcome(line: Line, cancellation: Cancellation, *, subject: str = "") -> str:
    """The state of a cancellation. ``subject`` names it; without one, its units do."""
    about = cancellation.waiting_units or cancellation.units
    subject = subject or f"The cancellation of {count(about)}"
    match cancellation.state:
        case State.ASKED:
            return f"{subject}, asked {_at(cancellation.asked_at)}, {_waits(line, cancellation)}."
        case State.ACCEPTED if cancellation.asker is Asker.NOBODY:
            units = count(cancellation.accepted_units)
            are = "was" if cancellation.accepted_units == 1 else "were"
            return f"{_upper(units)} {are} cancelled {_answer(line, cancellation)}; nobody had asked for it."
        case State.ACCEPTED if cancellation.accepted_units < cancellation.units:
            part = f"{cancellation.accepted_units} of {count(cancellation.units)}"
            return f"{subject} was accepted for {part} {_answer(line, cancellation)}{_reason(cancellation)}."
        case State.LAPSED:
            return f"{subject} lapsed {_answer(line, cancellation)}, as nobody had answered in time."
        case State.WITHDRAWN if cancellation.by_policy:
            ended = f"{subject} ended by policy {_ended(cancellation)}"
            return f"{ended}: another line that was asked together with it was not cancelled."
        case State.DECLINED:
            return f"{subject} was declined {_answer(line, cancellation)}{_reason(cancellation)}."
        case State.ACCEPTED | State.WITHDRAWN:
            return f"{subject} was {cancellation.state} {_answer(line, cancellation)}."


def answered_last(line: Line, cancellation: UUID | None) -> Cancellation | None:
    """What an answer that came too late was about: the one it names, or the last that had an answer if none waits."""
    if cancellation is None and line.asks:
        return None
    answered = [c for c in line.cancellations if c.answered_at and cancellation in (None, c.id)]
    return max(answered, key=_when_answered, default=None)


def _when_answered(cancellation: Cancellation) -> tuple[datetime, UUID]:
    return cancellation.answered_at or cancellation.asked_at, cancellation.id


def party_word(line: Line, party: UUID | None) -> str:
    """The role of a party for a line, in words."""
    words: dict[UUID | None, str] = {line.fulfiller: "the supplier", line.retailer: "the retailer"}
    return words.get(party, "the platform")


def count(units: int) -> str:
    """A number of units in words."""
    return "1 unit" if units == 1 else f"{units} units"


def _waits(line: Line, cancellation: Cancellation) -> str:
    if cancellation.agreed:
        by = "policy" if cancellation.by_policy else party_word(line, cancellation.answered_by)
        return f"was agreed to by {by} and waits for the other lines that were asked together with it"
    if cancellation.awaiting is None:
        return "waits for an operator's answer"
    whose = party_word(line, cancellation.awaiting)
    if cancellation.awaits_proof:
        return f"waits for {whose} to name the parcel"
    return f"waits for {whose}'s answer"


def _answer(line: Line, cancellation: Cancellation) -> str:
    by = "policy" if cancellation.by_policy else party_word(line, cancellation.answered_by)
    return f"by {by} {_ended(cancellation)}"


def _reason(cancellation: Cancellation) -> str:
    reason = cancellation.decline_reason
    return f": {reason}" if reason and reason != "not_stated" else ""


def _ended(cancellation: Cancellation) -> str:
    return _at(cancellation.answered_at or cancellation.asked_at)


def _at(moment: datetime) -> str:
    return f"at {write_moment(moment, 'seconds')}"


def _upper(words: str) -> str:
    return words[0].upper() + words[1:]
