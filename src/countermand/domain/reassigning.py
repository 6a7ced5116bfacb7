"""Handing lines to fulfillers: what is left of one to another, with its asks (EC-42); held ones to theirs (EC-20)."""

from datetime import datetime

from countermand.domain.commands import Reassign, Release
from countermand.domain.dates import write_moment
from countermand.domain.events import EventKind
from countermand.domain.line import Cancellation, Decision, Line
from countermand.domain.parties import Asker
from countermand.domain.policy import Policy, Rule
from countermand.domain.refusals import UNKNOWN_LINE, Refusal, RefusalKind, why_nothing_open
from countermand.domain.transition import Draft


def reassign(line: Line, command: Reassign, now: datetime, policy: Policy) -> Decision | Refusal:
    """Give what is left of a line to another fulfiller. ``policy`` is the agreement with the new one.

    Answers of the former fulfiller no longer count: neither its agreement to an ask of a group, nor its allocation.
    """
    if not line.is_for_retailer(command.actor):
        return UNKNOWN_LINE
    if command.seen not in (None, line.seq):
        return Refusal(kind=RefusalKind.ETAG_MISMATCH, detail="The line has changed since it was read. Read it again.")
    if not command.takes_part:
        return Refusal(kind=RefusalKind.PARTY_INACTIVE, detail="The new fulfiller is not active.")
    if command.fulfiller == line.fulfiller:
        return Decision(line=line)
    if not (line.open or line.asked):
        refusal = why_nothing_open(line)
        gone = refusal.kind is RefusalKind.REJECTED_BY_FULFILLER
        return Refusal(kind=RefusalKind.ALREADY_CANCELLED, detail=refusal.detail) if gone else refusal
    draft = Draft(line, now, command.actor.party)
    draft.reassign(command.fulfiller, knows=command.knows, note=command.note)
    for ask in line.asks:
        _follow(draft, line, draft.under_terms(ask, policy.version), command, now, policy)
    return draft.done()


def release(line: Line, command: Release, now: datetime) -> Decision | Refusal:
    """Hand a line of a held order to its fulfiller. An ask that waits for the retailer still waits for it."""
    if not line.is_for_retailer(command.actor):
        return UNKNOWN_LINE
    if line.with_fulfiller:
        return Decision(line=line)
    draft = Draft(line, now, command.actor.party)
    draft.release()
    return draft.done()


def _follow(draft: Draft, line: Line, ask: Cancellation, command: Reassign, now: datetime, policy: Policy) -> None:
    own = command.fulfiller == line.retailer
    if not command.knows or not _is_with_holder(line, ask, policy):
        return
    if own and ask.asker is Asker.RETAILER:
        # The retailer now holds the goods, and it asked itself.
        draft.accept(ask, ask.asked_units, line.retailer)
    else:
        draft.hand_over(ask, to=command.fulfiller, due_at=policy.answer_due(now))


def _is_with_holder(line: Line, ask: Cancellation, policy: Policy) -> bool:
    """Whether the ask is with the fulfiller, and not with the retailer, which answers its customer first."""
    if ask.agreed:
        return not (ask.decided and ask.decided[-1].rule is Rule.FREE_WINDOW)
    if ask.awaiting is None:
        # An operator answers in place of the retailer if the retailer's deadline has passed.
        last = ask.decided[-1] if ask.decided else None
        missed = last is not None and last.kind is EventKind.CANCELLATION_ESCALATED and last.rule is not None
        return not (missed and last is not None and last.awaited == line.retailer)
    if line.retailer_decides:
        return not (ask.asker is Asker.CUSTOMER and policy.customer_asks_retailer_first)
    return ask.awaiting != line.retailer


def reassigned(line: Line, command: object) -> Refusal | None:
    """Why a party can no longer act on a line that it held before; ``None`` if it never held it."""
    actor = getattr(command, "actor", None)
    left = [each for each in line.departed if actor and each.party == actor.party]
    if not left:
        return None
    to = left[-1].to_name or "another party"
    at = write_moment(left[-1].at, "seconds")
    return Refusal(
        kind=RefusalKind.REASSIGNED,
        detail=f"The line was given to {to} at {at}. Your answer does not count.",
        cancellation=getattr(command, "cancellation", None),
    )
