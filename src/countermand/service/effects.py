"""The effects of a decision: changed lines and cancellations, events, notices, and money that goes back."""

from uuid import UUID

from countermand.domain.events import MONEY, Event, EventKind
from countermand.domain.line import Decision, Line, State
from countermand.domain.parties import Actor
from countermand.domain.scoring import CHANGES_CARDS
from countermand.service.notices import notify
from countermand.service.process_status import settle_process
from countermand.service.workspace import Owed, Workspace
from countermand.store.codecs import cancellation_row, facts_of, line_changes
from countermand.store.parts import Moved


def apply(work: Workspace, decision: Decision, actor: Actor | None, door: str) -> None:
    """Apply a decision. A decision that repeats an earlier one has no events, and nothing to do."""
    if not decision.events:
        return
    line = decision.line
    work.lines[line.id] = work.touched[line.id] = line
    for cancellation in decision.cancellations:
        before = work.answered.get(cancellation.id)
        work.answered[cancellation.id] = (line, cancellation, before[2] if before else door)
        # Nobody waits for the answer to what was never asked.
        was_asked = before or cancellation.id in work.stored
        if was_asked and cancellation.state is not State.ASKED:
            settle_process(work, line, cancellation)
    for event in decision.events:
        record(work, line, event, actor, door)
        if event.kind is EventKind.CANCELLATION_ACCEPTED and line.id in work.priced:
            work.owed.append(Owed(line.id, event, actor, door))
        if event.former and event.kind is EventKind.LINE_REASSIGNED:
            _move(work, line, event.former, event.seq)
        if event.kind is EventKind.LINE_RELEASED:
            work.released.add((line.retailer, line.order))


def record(work: Workspace, line: Line, event: Event, actor: Actor | None, door: str) -> None:
    """Add an event, and one notice for each endpoint that is notified of it."""
    event_id, now = work.lane.event_ids.in_order(work.new_id()), work.now
    at = event.at or now
    work.add(
        "events",
        retailer_id=line.retailer,
        line_id=line.id,
        seq=event.seq,
        id=event_id,
        order_id=line.order,
        cancellation_id=event.cancellation,
        kind=event.kind.value,
        at=at,
        recorded_at=now if at < now else None,
        actor_id=actor.party if actor and not event.by_policy else None,
        actor=actor.name if actor and not event.by_policy else "policy",
        door=door,
        facts=facts_of(event),
        fulfiller_id=line.fulfiller,
    )
    if event.kind in CHANGES_CARDS:
        judged = {line.retailer, line.fulfiller, *([event.former] if event.former else [])}
        work.scored.update([(party, line.placed_at) for party in judged])
    for endpoint in work.lane.agreements.endpoints(_notified(line, event), event, line.retailer):
        notify(work, endpoint, line.retailer, event_id, kind=event.kind.value, line=line.id, seq=event.seq)


def _notified(line: Line, event: Event) -> tuple[UUID, ...]:
    # A fulfiller does not see what the customer paid.
    notified = (line.retailer,) if event.kind in MONEY else line.notified
    if event.kind is not EventKind.LINE_REASSIGNED or not event.former or not line.with_fulfiller:
        return notified
    return notified if event.former in notified else (*notified, event.former)


def _move(work: Workspace, line: Line, former: UUID, seq: int) -> None:
    """The line has another fulfiller, which can find the order from now on."""
    sku, title, _ = work.articles[line.id]
    work.add(
        "reassignments",
        retailer_id=line.retailer,
        line_id=line.id,
        seq=seq,
        at=work.now,
        former_id=former,
        fulfiller_id=line.fulfiller,
    )
    if line.fulfiller != line.retailer:
        work.connect(line.retailer, line.fulfiller)
    work.moved.append(
        Moved(
            retailer=line.retailer,
            order=line.order,
            line=line.id,
            seq=seq,
            placed_at=line.placed_at,
            former=former,
            to=line.fulfiller,
            held=line.with_fulfiller and line.fulfiller != line.retailer,
            sku=sku,
            title=title,
        )
    )


def write_down(work: Workspace) -> None:
    """The rows of the lines and the cancellations that changed."""
    placed = {row["id"]: row for row in work.new.get("lines", ())}
    for line in sorted(work.touched.values(), key=lambda each: each.id.int):
        changed = {**line_changes(line), "changed_at": work.now}
        if line.id in placed:
            placed[line.id].update(changed)
        else:
            work.change("lines", line.retailer, line.id, changed)
    for line, cancellation, door in work.answered.values():
        row = cancellation_row(line, cancellation, door)
        if cancellation.id in work.stored:
            work.change("cancellations", line.retailer, cancellation.id, row)
        else:
            work.add("cancellations", **row)
