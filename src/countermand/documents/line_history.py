"""The history of a line as JSON: its events, and what operators decided about its scores."""

from countermand.ids import show
from countermand.reads.events import PastEvent
from countermand.reads.scores import JudgementView


def event_document(event: PastEvent) -> dict[str, object]:
    """One event. The facts of its kind are members beside those that every event has."""
    return {
        "id": show("evt", event.id),
        "line": str(event.line_id),
        "seq": event.seq,
        "kind": event.kind,
        "at": event.at.isoformat(),
        "recorded_at": (event.recorded_at or event.at).isoformat(),
        "by": event.actor_name,
        "as": event.actor,
        "door": event.door,
        "cancellation": show("can", event.cancellation_id) if event.cancellation_id else None,
        **event.facts,
    }


def judgement_document(row: JudgementView) -> dict[str, object]:
    """One judgement, with the members of an event as far as it has them."""
    return {
        "line": str(row.line_id),
        "kind": "score.excluded" if row.excluded else "score.restored",
        "at": row.at.isoformat(),
        "by": None,
        "as": row.judged_by,
        "door": row.door,
        "cancellation": show("can", row.cancellation_id),
        "party": str(row.party_id),
        "note": row.reason,
    }
